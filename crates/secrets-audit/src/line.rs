//! One line of the log: payload, tab, signature, line feed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Reason, SigningKey, VerifyingKey};

/// The line of a payload: `payload TAB base64(signature) LF`.
///
/// The payload is signed as it stands, whatever it holds; it should hold no line feed and no tab.
#[must_use]
pub fn sign_line(payload: &[u8], key: &SigningKey) -> Vec<u8> {
    let signature = key.sign(&signed(payload));
    let mut line = Vec::with_capacity(payload.len() + 90);
    line.extend_from_slice(payload);
    line.push(b'\t');
    line.extend_from_slice(STANDARD.encode(signature).as_bytes());
    line.push(b'\n');
    line
}

/// The payload of a line (without its line feed) whose signature holds.
///
/// # Errors
///
/// [`Reason::Malformed`] without a tab or with a signature that is not canonical base64 of 64 bytes,
/// [`Reason::BadSignature`] where it does not hold.
pub fn open_line<'a>(line: &'a [u8], key: &VerifyingKey) -> Result<&'a [u8], Reason> {
    let tab = line.iter().rposition(|byte| *byte == b'\t').ok_or(Reason::Malformed)?;
    let (payload, signature) = (&line[..tab], &line[tab + 1..]);
    let signature = STANDARD.decode(signature).map_err(|_| Reason::Malformed)?;
    let signature = signature.try_into().map_err(|_| Reason::Malformed)?;
    if key.holds(&signed(payload), &signature) { Ok(payload) } else { Err(Reason::BadSignature) }
}

fn signed(payload: &[u8]) -> Vec<u8> {
    [SEPARATION, payload].concat()
}

/// Separates signatures over entries from every other use of the key.
const SEPARATION: &[u8] = b"sev1/audit-entry\0";
