//! The text form of an envelope, for services that take text only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::envelope::layout::MAX_LEN;
use crate::{Error, Result};

/// The text form of an envelope: `sev1:` and unpadded base64url.
#[must_use]
pub fn to_text(envelope: &[u8]) -> String {
    let mut text = String::with_capacity(TEXT_PREFIX.len() + envelope.len().div_ceil(3) * 4);
    text.push_str(TEXT_PREFIX);
    URL_SAFE_NO_PAD.encode_string(envelope, &mut text);
    text
}

/// The envelope of a text form. Only the one canonical text of an envelope is accepted: no padding, no white
/// space, no stray bits in the last character.
///
/// # Errors
/// [`Error::UnsupportedFormat`] for `sev2:` to `sev9:`; [`Error::Refused`].
pub fn from_text(text: &str) -> Result<Vec<u8>> {
    if let Some(encoded) = text.strip_prefix(TEXT_PREFIX) {
        // What is longer than every envelope is refused before it is copied.
        if encoded.len() > (MAX_LEN * 4).div_ceil(3) {
            return Err(Error::Refused);
        }
        return URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Error::Refused);
    }
    match text.as_bytes() {
        [b's', b'e', b'v', digit @ b'2'..=b'9', b':', ..] => {
            Err(Error::UnsupportedFormat { what: "the envelope", found: (digit - b'0').into() })
        }
        _ => Err(Error::Refused),
    }
}

/// What every text form begins with.
pub const TEXT_PREFIX: &str = "sev1:";
