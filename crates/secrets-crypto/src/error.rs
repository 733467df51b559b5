//! What can go wrong, by what the caller can do about it.

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation.
///
/// No text in it came from a key, a secret or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source of randomness failed. Nothing was made; try again or repair the system.
    #[error("the source of randomness failed")]
    Random,
    /// The bytes failed authentication, or are not what was asked for. Do not use them; raise an alarm.
    ///
    /// It says nothing more, on purpose: a caller who could tell the causes apart would be an oracle.
    #[error("failed authentication")]
    Refused,
    /// Written by a newer version of the program. Upgrade; do not overwrite it.
    #[error("{what} has format {found}, which this version does not know")]
    UnsupportedFormat {
        /// Which format.
        what: &'static str,
        /// The number it carries.
        found: u16,
    },
    /// The envelope names an epoch that the keyring does not hold. Merge the keyrings of all replicas, then
    /// try again; only then is it tampering.
    #[error("the keyring holds no epoch {0:08x}")]
    UnknownEpoch(u32),
    /// The envelope names an epoch whose key was destroyed on purpose. Its secret cannot be read again.
    #[error("the key of epoch {0:08x} was destroyed")]
    DestroyedEpoch(u32),
    /// The keyring has no epoch that seals. Rotate.
    #[error("the keyring has no active epoch")]
    NoActiveEpoch,
    /// The bytes are not a well-formed header, slot list or keyring: damaged, cut, or something else.
    #[error("{0} is damaged or malformed")]
    Malformed(&'static str),
    /// No slot opens with this secret. Try another secret.
    #[error("no slot opens with this secret")]
    WrongSecret,
    /// A slot opened, but the header was changed by someone without the root key. Use the other copy, loudly.
    #[error("the header was changed by someone without the root key")]
    HeaderForged,
    /// The safe has a different id than the one asked for.
    #[error("belongs to another safe")]
    ForeignSafe,
    /// The keyring has a different tenant id than the one asked for, or other keys under the same id.
    #[error("belongs to another tenant")]
    ForeignTenant,
    /// A parameter of the key derivation lies outside its bounds. Nothing was computed.
    #[error("{parameter} of the key derivation is {found}, outside {min} to {max}")]
    KdfBounds {
        /// Which parameter, with its unit.
        parameter: &'static str,
        /// What was asked for.
        found: u32,
        /// The least allowed.
        min: u32,
        /// The most allowed.
        max: u32,
    },
    /// The memory that Argon2 asks for could not be had. Free memory or use another slot.
    #[error("not enough memory for Argon2: {memory_kib} KiB")]
    KdfMemory {
        /// What was asked for, in KiB.
        memory_kib: u32,
    },
    /// This kind of secret cannot be used with this key derivation: a passphrase with HKDF, a key file
    /// with Argon2. Choose another.
    #[error("this key derivation does not fit this kind of secret")]
    KdfMismatch,
    /// Not the content of a key file. Check that it is the right file, whole.
    #[error("not a key file")]
    InvalidKeyFile,
    /// Not 24 words of the list with a right checksum. Check the words and their order.
    #[error("not a recovery phrase: 24 words of the list with their checksum")]
    InvalidRecoveryPhrase,
    /// A passphrase is empty or longer than 4,096 bytes. Choose another.
    #[error("a passphrase has 1 to 4096 bytes")]
    InvalidPassphrase,
    /// A label is longer than 32 bytes, or holds a control character. Choose another.
    #[error("a label has at most 32 bytes and no control characters")]
    InvalidLabel,
    /// The last active slot cannot be removed. Add another first.
    #[error("the last slot cannot be removed")]
    LastSlot,
    /// There is no such active slot.
    #[error("no slot has this id")]
    NoSuchSlot,
    /// Two slots carry this id, added on two installations at once. Name the slot by its salt.
    #[error("two slots have this id")]
    AmbiguousSlot,
    /// There is no more room. Remove slots, installations or epochs that are no longer used, or split.
    #[error("{0} is full")]
    Full(&'static str),
    /// The input is longer than the format allows.
    #[error("{what} has {len} bytes, more than {max}")]
    TooLarge {
        /// Which input.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The input can never be sealed: an empty path, version 0.
    #[error("{0} cannot be sealed")]
    InvalidInput(&'static str),
    /// An epoch that still seals cannot be destroyed. Rotate first.
    #[error("epoch {0:08x} is active")]
    EpochActive(u32),
    /// An installation is listed with another public key already.
    #[error("an installation of this id is listed with another key")]
    InstallationConflict,
}
