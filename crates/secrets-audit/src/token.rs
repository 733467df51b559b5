//! Short texts of an entry that never need an escape in JSON.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A short text inside an entry: 1 to 128 of `[A-Za-z0-9._:/@=+-]`.
///
/// No character of it needs an escape in JSON or can forge a line on a terminal.
/// A person's name or address does not belong here but into the sealed detail.
///
/// ```
/// # use secrets_audit::Token;
/// let boot: Token = "b0".parse()?;
/// assert_eq!(boot.as_str(), "b0");
/// assert!("two words".parse::<Token>().is_err());
/// assert_eq!(Token::lossy("two words").as_str(), "two_words");
/// # Ok::<(), secrets_audit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(String);

impl Token {
    /// The longest token, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The nearest token: other characters become `_`, what is too long is cut, nothing becomes `_`.
    ///
    /// For texts from outside, such as an error code, over which an entry must not fail.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let kept: String =
            text.chars().take(Self::MAX_LEN).map(|c| if is_allowed(c) { c } else { '_' }).collect();
        Self(if kept.is_empty() { "_".to_owned() } else { kept })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.chars().all(is_allowed) {
            return Err(Error::Malformed {
                what: "token",
                reason: "1 to 128 letters, digits or ._:/@=+- are allowed",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._:/@=+-".contains(c)
}
