//! Identifiers: random or derived, public, copied freely.

use std::fmt;
use std::str::FromStr;

use rand_core::TryCryptoRng;

use crate::Result;
use crate::bytes::fill;

/// A text that is not an identifier: wrong length, or not lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: {digits} lower-case hexadecimal digits are expected")]
pub struct InvalidId {
    /// How many digits this identifier has.
    pub digits: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The identifier of these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let mut bytes = [0; $len];
                parse_hex(text, &mut bytes).ok_or(InvalidId { digits: 2 * $len })?;
                Ok(Self(bytes))
            }
        }
    };
}

macro_rules! random_id {
    ($name:ident) => {
        impl $name {
            /// A new random identifier.
            ///
            /// # Errors
            /// [`Error::Random`](crate::Error::Random).
            pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
                let mut id = Self([0; Self::LEN]);
                fill(rng, &mut id.0)?;
                Ok(id)
            }
        }
    };
}

id!(
    /// A safe: 16 random bytes, the same on all its installations.
    SafeId, 16
);
id!(
    /// A tenant: 16 random bytes, not made from the tenant's name.
    TenantId, 16
);
id!(
    /// A secret, as backends may know it: 16 bytes that only the tenant's index key connects with a path.
    ObjectId, 16
);
id!(
    /// Identity of a sealed version: SHA-256 of header and payload, without the wrap.
    ContentId, 32
);
id!(
    /// An installation of a safe, and the writer of its envelopes: 8 random bytes.
    InstallationId, 8
);
random_id!(SafeId);
random_id!(TenantId);
random_id!(InstallationId);

impl InstallationId {
    /// The installation of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number.to_be_bytes())
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        u64::from_be_bytes(self.0)
    }
}

fn parse_hex(text: &str, out: &mut [u8]) -> Option<()> {
    let digits = text.as_bytes();
    if digits.len() != 2 * out.len() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(())
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_is_canonical() {
        let id = SafeId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(InstallationId::new(0x1122).to_string(), "0000000000001122");
        for wrong in ["", "00", "0000000000000000000000000000000G", "000000000000000000000000000000FF"] {
            assert_eq!(wrong.parse::<SafeId>(), Err(InvalidId { digits: 32 }));
        }
    }
}
