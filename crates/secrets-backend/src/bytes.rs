//! Secret values in memory.

use std::fmt;

use zeroize::Zeroizing;

/// A secret value: bytes that are wiped when dropped and never shown.
///
/// It has no `Display`, no `Serialize`, no `Clone`; `Debug` prints neither content nor length.
///
/// ```
/// use secrets_backend::SecretBytes;
///
/// let value = SecretBytes::from("hunter2");
/// assert_eq!(value.expose(), b"hunter2");
/// assert_eq!(format!("{value:?}"), "SecretBytes(..)");
/// ```
#[derive(Default, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes. Whoever calls this answers for where they go.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the value has no bytes. An empty value is a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, made on purpose; it is wiped on its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Takes the buffer over without a copy.
impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Takes the buffer over without a copy.
impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

/// Takes the buffer over without a copy.
impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

/// Copies; the source is the caller's to wipe.
impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

/// Copies; the source is the caller's to wipe.
impl From<&str> for SecretBytes {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}
