//! Between a value and the text that the service keeps.
//!
//! | value | text | content type |
//! | --- | --- | --- |
//! | sealed, with a stamp | `sev1:` and base64url | |
//! | UTF-8 text | itself | |
//! | other bytes | base64 | `application/octet-stream;base64` |
//! | nothing | base64 of a text of ours | the same |

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use secrets_backend::{NewSecret, SecretBytes};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::failure::Failure;
use crate::labels::Labels;

/// The largest text: "About Key Vault secrets", 25k bytes.
const MAX_TEXT: usize = 25_600;
/// The largest value, whatever it is: what is sealed takes 4 bytes for 3, and 5 more.
pub(crate) const MAX_LEN: usize = (MAX_TEXT - SEALED.len()) * 3 / 4;

/// The content type of what is kept as base64.
pub(crate) const BINARY: &str = "application/octet-stream;base64";
const SEALED: &str = "sev1:";
/// Stands for an empty value, which not every program can read. It is text, so no other value is written like
/// this.
const EMPTY: &[u8] = b"\0secrets: an empty value";

#[derive(Serialize)]
struct Body<'a> {
    value: &'a str,
    #[serde(flatten)]
    labels: Labels,
}

/// The text that is kept for a value, and the content type that says how to read it.
fn text(secret: &NewSecret) -> (Zeroizing<String>, Option<&'static str>) {
    let bytes = secret.value.expose();
    let (text, content_type) = match secret.value.expose_str() {
        _ if secret.stamp.is_some() => (format!("{SEALED}{}", URL_SAFE_NO_PAD.encode(bytes)), None),
        _ if bytes.is_empty() => (STANDARD.encode(EMPTY), Some(BINARY)),
        Some(text) => (text.to_owned(), None),
        None => (STANDARD.encode(bytes), Some(BINARY)),
    };
    (Zeroizing::new(text), content_type)
}

/// What is sent to write a version; `InvalidInput` where the service has no room for it. It is wiped after use.
pub(crate) fn body(secret: &NewSecret, order: String) -> Result<Bytes, Failure> {
    if secret.value.len() > MAX_LEN {
        return Err(Failure::invalid(format!("a value has at most {MAX_LEN} bytes here")));
    }
    if secret.metadata.encoded_len() > secrets_backend::Metadata::MAX_LEN {
        return Err(Failure::invalid("the metadata is too long"));
    }
    let (text, content_type) = text(secret);
    let labels = Labels::of(&secret.metadata, secret.stamp.as_ref(), order, content_type)?;
    // Room for every character as an escape: a buffer that grows leaves copies of what it held behind.
    let mut json = Zeroizing::new(Vec::with_capacity(text.len() * 6 + MAX_LABELS));
    serde_json::to_writer(&mut *json, &Body { value: &text, labels })
        .map_err(|_| Failure::invalid("a value that has no JSON form"))?;
    Ok(Bytes::from_owner(json))
}

/// 15 tags of twice 256 characters, of up to 12 bytes each, and what is around them.
const MAX_LABELS: usize = 100_000;

/// The value of a version, from its text.
pub(crate) fn read(text: String, is_sealed: bool, content_type: Option<&str>) -> SecretBytes {
    let decoded = match (is_sealed.then(|| text.strip_prefix(SEALED)).flatten(), content_type) {
        (Some(sealed), _) => URL_SAFE_NO_PAD.decode(sealed),
        (None, Some(BINARY)) => STANDARD.decode(&text),
        _ => return text.into(),
    };
    // What does not decode is what another program wrote there: a text.
    let Ok(mut bytes) = decoded else { return text.into() };
    drop(Zeroizing::new(text));
    if bytes == EMPTY && !is_sealed {
        bytes.zeroize();
        return SecretBytes::default();
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::{ContentId, Stamp, StampKind};
    use serde_json::Value;

    use super::*;

    fn sent(secret: &NewSecret) -> Value {
        serde_json::from_slice(&body(secret, "0".to_owned()).unwrap()).unwrap()
    }

    fn back(secret: &NewSecret) -> Vec<u8> {
        let sent = sent(secret);
        let text = sent["value"].as_str().unwrap().to_owned();
        read(text, secret.stamp.is_some(), sent["contentType"].as_str()).expose().to_vec()
    }

    fn stamp() -> Stamp {
        Stamp::new(StampKind::Secret, 1, None, 1, ContentId::new([1; 32]), None)
    }

    proptest! {
        #[test]
        fn every_value_reads_back_byte_for_byte(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            prop_assert_eq!(back(&NewSecret::new(&*bytes)), bytes.clone());
            prop_assert_eq!(back(&NewSecret::new(&*text)), text.into_bytes());
            prop_assert_eq!(back(&NewSecret::new(&*bytes).with_stamp(stamp())), bytes);
        }
    }

    #[test]
    fn a_text_is_kept_as_it_is_and_bytes_as_base64() {
        assert_eq!(sent(&NewSecret::new("{\"user\":\"x\"}"))["value"], "{\"user\":\"x\"}");
        let bytes = sent(&NewSecret::new(&[0xff, 0][..]));
        assert_eq!((&bytes["value"], &bytes["contentType"]), (&"/wA=".into(), &BINARY.into()));
        let sealed = sent(&NewSecret::new(&[0xff, 0][..]).with_stamp(stamp()));
        assert_eq!(sealed["value"], "sev1:_wA");
        assert_eq!(sealed["contentType"], Value::Null);
    }

    #[test]
    fn no_value_is_kept_as_nothing_and_none_is_taken_for_nothing() {
        assert_ne!(sent(&NewSecret::new(""))["value"], "");
        assert_eq!(back(&NewSecret::new("")), b"");
        assert_eq!(back(&NewSecret::new(EMPTY)), EMPTY);
        assert_eq!(back(&NewSecret::new(EMPTY).with_stamp(stamp())), EMPTY);
    }

    #[test]
    fn a_text_that_looks_sealed_is_a_text() {
        assert_eq!(read("sev1:AAAA".to_owned(), false, None).expose(), b"sev1:AAAA");
        assert_eq!(read("no base64".to_owned(), true, Some(BINARY)).expose(), b"no base64");
    }

    #[test]
    fn the_largest_value_fits_in_every_form_and_one_more_is_refused() {
        for secret in [
            NewSecret::new("x".repeat(MAX_LEN)),
            NewSecret::new(vec![0xff; MAX_LEN]),
            NewSecret::new(vec![0xff; MAX_LEN]).with_stamp(stamp()),
        ] {
            assert!(sent(&secret)["value"].as_str().unwrap().len() <= MAX_TEXT);
        }
        assert!(body(&NewSecret::new("x".repeat(MAX_LEN + 1)), "0".to_owned()).is_err());
    }
}
