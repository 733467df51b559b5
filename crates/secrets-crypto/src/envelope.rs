//! The envelope of one version of one secret, version 1.
//!
//! The exact bytes are in `docs/spec/envelope.md`: a header of 120 bytes in clear, the wrapped data key of 112
//! bytes, and the sealed payload. The header is the context of both seals.

mod layout;
mod payload;
mod text;

use std::fmt;

use rand_core::TryCryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keyring::Keyring;
use crate::{ContentId, Error, InstallationId, Key, Result, Suite, aead, separation};

pub use layout::Header;
use layout::{HEADER_LEN, PAYLOAD_AT, WRAP_FIELDS_LEN, WRAPPED_AT};
pub use payload::portable_value_limit;
pub use text::{TEXT_PREFIX, from_text, to_text};

/// What a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "envelope version 1 has these two types and no others")]
pub enum Kind {
    /// A value.
    Secret,
    /// The mark of a deletion.
    Tombstone,
}

/// A version to be sealed.
///
/// `Debug` shows neither path nor metadata nor value.
#[derive(Clone, Copy)]
#[allow(clippy::exhaustive_structs, reason = "made by callers; all fields are needed")]
pub struct NewEnvelope<'a> {
    /// The AEAD, or `None` for the keyring's.
    pub suite: Option<Suite>,
    /// A value, or the mark of a deletion.
    pub kind: Kind,
    /// The logical version: 1, 2, 3 …
    pub version: u64,
    /// Fencing number of the primary.
    pub term: u64,
    /// The installation that writes.
    pub writer: InstallationId,
    /// For people, in milliseconds since 1970; never used to order.
    pub created_ms: u64,
    /// Content id of the version before; `None` for version 1, and where that is gone.
    pub parent: Option<ContentId>,
    /// The absolute path, `<environment>/<path>`: at most 65,535 bytes.
    pub path: &'a str,
    /// Metadata as JSON, uninterpreted here: at most 65,535 bytes.
    pub metadata: &'a [u8],
    /// The value: at most [`MAX_VALUE`] bytes.
    pub value: &'a [u8],
}

/// An envelope, parsed but not opened: what it says of itself is a claim.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    bytes: &'a [u8],
    header: Header,
    epoch: u32,
    wrap_suite: Suite,
}

/// What was asked for, and so what an envelope must be.
#[derive(Clone, Copy)]
#[allow(clippy::exhaustive_structs, reason = "made by callers; both fields are needed")]
pub struct Expected<'a> {
    /// The absolute path.
    pub path: &'a str,
    /// The logical version, or `None` for whichever is current.
    pub version: Option<u64>,
}

/// An opened envelope: authenticated, and what was asked for.
#[non_exhaustive]
pub struct Opened {
    /// The header, no longer a claim.
    pub header: Header,
    /// Metadata as JSON.
    pub metadata: Zeroizing<Vec<u8>>,
    /// The value; empty for a tombstone.
    pub value: Zeroizing<Vec<u8>>,
}

/// Seals a version under the keyring's active epoch.
///
/// # Errors
/// [`Error::InvalidInput`] for an empty path, version 0 or a tombstone with a value; [`Error::TooLarge`];
/// [`Error::NoActiveEpoch`]; [`Error::Random`].
pub fn seal<R: TryCryptoRng + ?Sized>(
    keyring: &Keyring,
    new: &NewEnvelope<'_>,
    rng: &mut R,
) -> Result<Vec<u8>> {
    if new.version == 0 {
        return Err(Error::InvalidInput("version 0"));
    }
    if new.kind == Kind::Tombstone && !new.value.is_empty() {
        return Err(Error::InvalidInput("a tombstone with a value"));
    }
    let header = Header {
        suite: new.suite.unwrap_or(keyring.suite()),
        kind: new.kind,
        safe: keyring.safe_id(),
        tenant: keyring.tenant_id(),
        object: keyring.object_id(new.path)?,
        version: new.version,
        term: new.term,
        writer: new.writer,
        created_ms: new.created_ms,
        parent: new.parent,
    };
    let plaintext = payload::encode(new.path, new.metadata, new.value)?;
    let data_key = Key::generate(rng)?;
    let header_bytes = header.encode();
    let mut out = Vec::with_capacity(PAYLOAD_AT + aead::sealed_len(plaintext.len()));
    out.extend_from_slice(&header_bytes);
    out.extend_from_slice(&wrap(keyring, &header_bytes, &data_key, rng)?);
    let context = [separation::PAYLOAD, &header_bytes[..]];
    out.extend_from_slice(&aead::seal(header.suite, &data_key, &context, &plaintext, rng)?);
    Ok(out)
}

impl<'a> Envelope<'a> {
    /// Reads the parts in clear. Nothing is authenticated.
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`] for another envelope version; [`Error::Refused`] for everything that is
    /// no envelope: an unknown suite, type or flag, a wrong length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (header, epoch, wrap_suite) = layout::decode(bytes)?;
        Ok(Self { bytes, header, epoch, wrap_suite })
    }

    /// What the header claims.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The epoch whose key wraps the data key.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Identity of header and payload. Re-wrapping keeps it.
    #[must_use]
    pub fn content_id(&self) -> ContentId {
        let hash = Sha256::new()
            .chain_update(separation::CONTENT)
            .chain_update(self.header_bytes())
            .chain_update(&self.bytes[PAYLOAD_AT..])
            .finalize();
        ContentId::from_bytes(hash.into())
    }

    /// Opens it, if it is what was asked for.
    ///
    /// # Errors
    /// [`Error::UnknownEpoch`] and [`Error::DestroyedEpoch`] for what the keyring lacks, which is claimed in
    /// clear; [`Error::Refused`] for everything else, whatever the cause.
    pub fn open(&self, keyring: &Keyring, expected: &Expected<'_>) -> Result<Opened> {
        let header = self.header;
        let asked_for = header.safe == keyring.safe_id()
            && header.tenant == keyring.tenant_id()
            && keyring.object_id(expected.path) == Ok(header.object)
            && expected.version.is_none_or(|version| version == header.version);
        if !asked_for {
            return Err(Error::Refused);
        }
        let data_key = self.unwrap_data_key(keyring)?;
        let context = [separation::PAYLOAD, self.header_bytes()];
        let plaintext = aead::open(header.suite, &data_key, &context, &self.bytes[PAYLOAD_AT..])?;
        let parts = payload::decode(&plaintext).ok_or(Error::Refused)?;
        // The key that sealed it is random and wrapped for this header; this catches a writer's mistake.
        if parts.path != expected.path.as_bytes()
            || (header.kind == Kind::Tombstone && !parts.value.is_empty())
        {
            return Err(Error::Refused);
        }
        Ok(Opened {
            header,
            metadata: Zeroizing::new(parts.metadata.to_vec()),
            value: Zeroizing::new(parts.value.to_vec()),
        })
    }

    /// The same envelope under the keyring's active epoch: header, payload and content id stay.
    ///
    /// # Errors
    /// As [`Envelope::open`]; [`Error::NoActiveEpoch`]; [`Error::Random`].
    pub fn rewrap<R: TryCryptoRng + ?Sized>(&self, keyring: &Keyring, rng: &mut R) -> Result<Vec<u8>> {
        if self.header.safe != keyring.safe_id() || self.header.tenant != keyring.tenant_id() {
            return Err(Error::Refused);
        }
        let data_key = self.unwrap_data_key(keyring)?;
        let mut out = self.bytes.to_vec();
        let wrapped = wrap(keyring, self.header_bytes(), &data_key, rng)?;
        out[HEADER_LEN..PAYLOAD_AT].copy_from_slice(&wrapped);
        Ok(out)
    }

    fn unwrap_data_key(&self, keyring: &Keyring) -> Result<Key> {
        let key = keyring.epoch_key(self.epoch)?;
        let fields = &self.bytes[HEADER_LEN..WRAPPED_AT];
        let context = [separation::WRAP, self.header_bytes(), fields];
        let opened = aead::open(self.wrap_suite, key, &context, &self.bytes[WRAPPED_AT..PAYLOAD_AT])?;
        Key::from_opened(&opened)
    }

    fn header_bytes(&self) -> &'a [u8] {
        &self.bytes[..HEADER_LEN]
    }
}

/// Wrap fields and wrapped data key, under the keyring's active epoch.
fn wrap<R: TryCryptoRng + ?Sized>(
    keyring: &Keyring,
    header: &[u8],
    data_key: &Key,
    rng: &mut R,
) -> Result<Vec<u8>> {
    let (epoch, key) = keyring.sealing_key()?;
    let suite = keyring.suite();
    let mut fields = [0; WRAP_FIELDS_LEN];
    fields[..4].copy_from_slice(&epoch.to_be_bytes());
    fields[4] = suite.number();
    let sealed = aead::seal(suite, key, &[separation::WRAP, header, &fields], data_key.expose(), rng)?;
    Ok([&fields[..], &sealed].concat())
}

impl fmt::Debug for NewEnvelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEnvelope")
            .field("kind", &self.kind)
            .field("version", &self.version)
            .field("term", &self.term)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("header", &self.header)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The longest value: 1 MiB. What a backend takes may be less; it decides before anything is written.
pub const MAX_VALUE: usize = 1024 * 1024;
