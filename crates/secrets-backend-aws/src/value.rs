//! Between a value and what the service keeps under a version.
//!
//! | value | kept as |
//! | --- | --- |
//! | sealed, with a stamp | binary |
//! | UTF-8 text | string |
//! | other bytes | binary |
//! | nothing | binary, a text of ours: the service takes no empty value |

use aws_sdk_secretsmanager::primitives::Blob;
use secrets_backend::{NewSecret, SecretBytes};
use zeroize::Zeroize;

/// The largest value, of either form: service quota "Secret value size", and the lengths in its API reference.
pub(crate) const MAX_LEN: usize = 65_536;

/// Stands for an empty value. It is text, so no value that is not sealed is written like this.
const EMPTY: &[u8] = b"\0secrets: an empty value";

/// One of the two forms that the service has.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Native {
    Text(String),
    Binary(Vec<u8>),
}

impl Native {
    pub(crate) fn of(secret: &NewSecret) -> Self {
        Self::of_value(&secret.value, secret.stamp.is_some())
    }

    pub(crate) fn of_value(value: &SecretBytes, is_sealed: bool) -> Self {
        match value.expose_str() {
            _ if value.is_empty() => Self::Binary(EMPTY.to_vec()),
            Some(text) if !is_sealed => Self::Text(text.to_owned()),
            _ => Self::Binary(value.expose().to_vec()),
        }
    }

    /// As parameters of a request: string and binary.
    pub(crate) fn parameters(&self) -> (Option<String>, Option<Blob>) {
        match self {
            Self::Text(text) => (Some(text.clone()), None),
            Self::Binary(bytes) => (None, Some(Blob::new(bytes.clone()))),
        }
    }
}

/// The request's own copies are the client's, who does not wipe them.
impl Drop for Native {
    fn drop(&mut self) {
        match self {
            Self::Text(text) => text.zeroize(),
            Self::Binary(bytes) => bytes.zeroize(),
        }
    }
}

/// The value of a reply; none where a version has none.
pub(crate) fn read(text: Option<String>, binary: Option<Blob>) -> Option<SecretBytes> {
    match (text, binary.map(Blob::into_inner)) {
        (Some(text), None) => Some(text.into()),
        (None, Some(bytes)) if bytes == EMPTY => Some(SecretBytes::default()),
        (None, Some(bytes)) => Some(bytes.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::{ContentId, Stamp, StampKind};

    use super::*;

    fn back(secret: &NewSecret) -> Vec<u8> {
        let (text, binary) = Native::of(secret).parameters();
        read(text, binary).unwrap().expose().to_vec()
    }

    proptest! {
        #[test]
        fn every_value_reads_back_byte_for_byte(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            prop_assert_eq!(back(&NewSecret::new(&*bytes)), bytes);
            prop_assert_eq!(back(&NewSecret::new(&*text)), text.into_bytes());
        }
    }

    #[test]
    fn no_value_is_kept_as_nothing_and_none_is_taken_for_nothing() {
        let (text, binary) = Native::of(&NewSecret::new("")).parameters();
        assert!(text.is_none() && !binary.unwrap().as_ref().is_empty());
        assert_eq!(back(&NewSecret::new("")), b"");
        assert_eq!(back(&NewSecret::new(EMPTY)), EMPTY);
        assert!(read(None, None).is_none());
    }

    #[test]
    fn a_text_is_a_string_and_what_is_sealed_is_binary() {
        let stamp = Stamp::new(StampKind::Secret, 1, None, 1, ContentId::new([1; 32]), None);
        assert!(
            Native::of(&NewSecret::new("{\"user\":\"x\"}")) == Native::Text("{\"user\":\"x\"}".to_owned())
        );
        assert!(Native::of(&NewSecret::new("text").with_stamp(stamp)) == Native::Binary(b"text".to_vec()));
        assert!(Native::of(&NewSecret::new(&[0xff][..])) == Native::Binary(vec![0xff]));
    }
}
