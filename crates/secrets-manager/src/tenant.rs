//! One tenant's keys, and what they do to a secret.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use getrandom::SysRng;
use secrets_backend::{ContentId, Metadata, SecretBytes, SecretPath, Stamp, StampKind, Timestamp};
use secrets_crypto::envelope::{self, Envelope, Expected, Kind, NewEnvelope};
use secrets_crypto::keyring::Keyring;
use secrets_crypto::{InstallationId, ObjectId, TenantId};
use zeroize::Zeroizing;

/// One tenant's keys in one environment.
pub(crate) struct Tenant {
    id: TenantId,
    /// It grows when another installation, or another process of this one, made a new epoch.
    keyring: RwLock<Keyring>,
    environment: String,
    writer: InstallationId,
    /// The fencing number of the primary; it grows with each promotion.
    term: AtomicU64,
}

/// What is to be sealed as one version.
pub(crate) struct Draft<'a> {
    pub(crate) kind: StampKind,
    pub(crate) version: u64,
    /// Content id of the version before.
    pub(crate) parent: Option<[u8; 32]>,
    pub(crate) metadata: &'a Metadata,
    pub(crate) value: &'a [u8],
}

/// An opened version.
pub(crate) struct Opened {
    pub(crate) stamp: Stamp,
    pub(crate) created: Timestamp,
    pub(crate) metadata: Metadata,
    pub(crate) value: SecretBytes,
}

/// Why a version was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// Not an envelope at all.
    #[error("not sealed by this safe; a plain value has to be imported")]
    NotSealed,
    /// A newer version of the format.
    #[error("sealed by a newer version of this program")]
    Newer,
    /// An epoch key that this keyring lacks.
    #[error("sealed under an epoch that this keyring does not have")]
    UnknownEpoch,
    /// Anything else: altered, swapped, of another place.
    #[error("not what was asked for, or altered")]
    Refused,
    /// Metadata that is no metadata, or over its limit.
    #[error("metadata is larger than 65,535 bytes")]
    MetadataTooLarge,
    /// No active epoch, or version 2⁶⁴.
    #[error("the keyring cannot seal it")]
    Unsealable,
    /// The system's randomness failed.
    #[error("the system's source of randomness failed")]
    Random,
}

impl Tenant {
    pub(crate) fn new(keyring: Keyring, environment: String, writer: InstallationId) -> Self {
        let (id, keyring) = (keyring.tenant_id(), RwLock::new(keyring));
        Self { id, keyring, environment, writer, term: AtomicU64::new(FIRST_TERM) }
    }

    pub(crate) const fn id(&self) -> TenantId {
        self.id
    }

    pub(crate) fn environment(&self) -> &str {
        &self.environment
    }

    pub(crate) const fn writer(&self) -> InstallationId {
        self.writer
    }

    /// The fencing number of the primary, as far as it is known here.
    pub(crate) fn term(&self) -> u64 {
        self.term.load(Ordering::Acquire)
    }

    /// Another primary was promoted; an older term changes nothing.
    pub(crate) fn raise_term(&self, term: u64) {
        self.term.fetch_max(term, Ordering::AcqRel);
    }

    /// The keys as they are known now; not to be held while waiting.
    pub(crate) fn keyring(&self) -> RwLockReadGuard<'_, Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the epochs of another sealed form of the keyring; see [`Keyring::learn`].
    pub(crate) fn learn(&self, bytes: &[u8]) -> secrets_crypto::Result<bool> {
        self.keyring.write().unwrap_or_else(PoisonError::into_inner).learn(bytes)
    }

    /// The path that is sealed with a secret: staging and production are different objects.
    pub(crate) fn absolute(&self, path: &SecretPath) -> String {
        format!("{}/{path}", self.environment)
    }

    pub(crate) fn object(&self, path: &SecretPath) -> ObjectId {
        // Only an empty path and one over 65,535 bytes have no object; neither is a `SecretPath`.
        self.keyring().object_id(&self.absolute(path)).expect("a path has an object id")
    }

    pub(crate) fn objects(&self, paths: &[SecretPath]) -> Vec<ObjectId> {
        paths.iter().map(|path| self.object(path)).collect()
    }

    pub(crate) fn seal(&self, path: &SecretPath, draft: &Draft<'_>) -> Result<(Vec<u8>, Stamp), SealError> {
        let absolute = self.absolute(path);
        let metadata_len = draft.metadata.encoded_len();
        if metadata_len > Metadata::MAX_LEN {
            return Err(SealError::MetadataTooLarge);
        }
        // The exact length, so that no growth leaves a copy of the texts behind.
        let mut metadata = Zeroizing::new(Vec::with_capacity(metadata_len));
        serde_json::to_writer(&mut *metadata, draft.metadata).map_err(|_| SealError::MetadataTooLarge)?;
        let envelope = envelope::seal(
            &self.keyring(),
            &NewEnvelope {
                suite: None,
                kind: match draft.kind {
                    StampKind::Secret => Kind::Secret,
                    StampKind::Tombstone => Kind::Tombstone,
                },
                version: draft.version,
                term: self.term(),
                writer: self.writer,
                created_ms: Timestamp::now().as_millis(),
                parent: draft.parent.map(secrets_crypto::ContentId::from_bytes),
                path: &absolute,
                metadata: &metadata,
                value: draft.value,
            },
            &mut SysRng,
        )
        .map_err(|error| match error {
            secrets_crypto::Error::Random => SealError::Random,
            _ => SealError::Unsealable,
        })?;
        let stamp = stamp(&Envelope::parse(&envelope).map_err(|_| SealError::Refused)?);
        Ok((envelope, stamp))
    }

    /// Opens a version of `path`; of this number, where one is given.
    pub(crate) fn open(
        &self,
        path: &SecretPath,
        version: Option<u64>,
        bytes: &[u8],
    ) -> Result<Opened, SealError> {
        let envelope = Envelope::parse(bytes).map_err(|error| match error {
            secrets_crypto::Error::UnsupportedFormat { .. } => SealError::Newer,
            _ => SealError::NotSealed,
        })?;
        let expected = Expected { path: &self.absolute(path), version };
        let opened = envelope.open(&self.keyring(), &expected).map_err(|error| match error {
            secrets_crypto::Error::UnknownEpoch(_) => SealError::UnknownEpoch,
            _ => SealError::Refused,
        })?;
        Ok(Opened {
            stamp: stamp(&envelope),
            created: Timestamp::from_millis(opened.header.created_ms),
            metadata: serde_json::from_slice(&opened.metadata).map_err(|_| SealError::Refused)?,
            value: SecretBytes::from(opened.value),
        })
    }
}

/// The stamp that an envelope claims.
pub(crate) fn stamp(envelope: &Envelope<'_>) -> Stamp {
    let whole = |id: secrets_crypto::ContentId| ContentId::new(*id.as_bytes());
    let header = envelope.header();
    Stamp::new(
        match header.kind {
            Kind::Secret => StampKind::Secret,
            Kind::Tombstone => StampKind::Tombstone,
        },
        header.version,
        Some(header.term),
        envelope.epoch(),
        whole(envelope.content_id()),
        header.parent.map(whole),
    )
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// The fencing number before any promotion.
pub(crate) const FIRST_TERM: u64 = 1;
