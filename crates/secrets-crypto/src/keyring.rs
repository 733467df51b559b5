//! The keys of one tenant: a grow-only map of epochs, sealed under a tenant root key, which the root key wraps.
//!
//! The exact bytes are in `docs/spec/keyring.md`. States only move forward, and two keyrings merge by union
//! and the later state, so that two installations which rotate at once lose nothing.

mod codec;
mod merge;

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand_core::TryCryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::bytes::{fresh_u32, len16};
use crate::{Error, Key, ObjectId, Result, RootKey, SafeId, Suite, TenantId, aead, separation, stack};

/// The keys of one tenant, open.
///
/// ```compile_fail,E0599
/// fn copy(keyring: &secrets_crypto::keyring::Keyring) -> secrets_crypto::keyring::Keyring {
///     keyring.clone()
/// }
/// ```
/// ```compile_fail,E0277
/// fn show(keyring: &secrets_crypto::keyring::Keyring) {
///     println!("{keyring}");
/// }
/// ```
/// ```compile_fail,E0277
/// fn write(keyring: &secrets_crypto::keyring::Keyring) {
///     serde_json::to_string(keyring);
/// }
/// ```
pub struct Keyring {
    safe: SafeId,
    tenant: TenantId,
    name: String,
    /// For what is sealed from now on; not stored, since it is this machine's choice.
    suite: Suite,
    roots: BTreeMap<u32, TenantRoot>,
    index: Key,
    detail: Key,
    epochs: BTreeMap<u32, Epoch>,
}

/// What everybody who holds the keyring may know of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpochInfo {
    /// Its random id, never 0.
    pub id: u32,
    /// What it is still good for.
    pub state: KeyState,
    /// When it was made, in milliseconds since 1970. Among epochs of one keyring it orders them.
    pub created_ms: u64,
}

/// Two sealed forms of one keyring side by side, see [`Keyring::compare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// Whether the first has every key of the second, in the same state or a later one, and can take its place.
    pub first_has_all: bool,
    /// The same the other way round.
    pub second_has_all: bool,
}

/// What a key is still good for. States only move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens only.
    DecryptOnly,
    /// Its bytes are gone.
    Destroyed,
}

/// A key of the keyring: `None` once it is destroyed.
struct Epoch {
    created_ms: u64,
    state: KeyState,
    key: Option<Key>,
}

/// A key that seals the keyring itself: `None` once it is destroyed.
struct TenantRoot {
    state: KeyState,
    key: Option<Key>,
}

impl Keyring {
    /// The longest tenant name, in bytes.
    pub const MAX_NAME_LEN: usize = 256;
    /// The most epochs, destroyed ones included.
    pub const MAX_EPOCHS: usize = 256;
    /// The most tenant root keys, destroyed ones included.
    pub const MAX_ROOTS: usize = 48;
    /// The longest sealed keyring, in bytes: as text it still fits the smallest value of a backend, 25 KB.
    pub const MAX_LEN: usize = codec::MAX_LEN;

    /// A new keyring with one epoch. `now_ms` is in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::TooLarge`] for the name.
    pub fn create<R: TryCryptoRng + ?Sized>(
        safe: SafeId,
        tenant: TenantId,
        name: &str,
        now_ms: u64,
        suite: Suite,
        rng: &mut R,
    ) -> Result<Self> {
        if name.len() > Self::MAX_NAME_LEN {
            return Err(Error::TooLarge {
                what: "a tenant's name",
                len: name.len(),
                max: Self::MAX_NAME_LEN,
            });
        }
        let root = (fresh_u32(rng, |_| false)?, TenantRoot::generate(rng)?);
        let mut keyring = Self {
            safe,
            tenant,
            name: name.to_owned(),
            suite,
            roots: BTreeMap::from([root]),
            index: Key::generate(rng)?,
            detail: Key::generate(rng)?,
            epochs: BTreeMap::new(),
        };
        keyring.rotate(now_ms, rng)?;
        Ok(keyring)
    }

    /// Opens a sealed keyring, which must be this tenant's. New seals use the suite that fits this machine;
    /// see [`Keyring::with_suite`].
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`]; [`Error::ForeignSafe`]; [`Error::ForeignTenant`]; [`Error::Malformed`]
    /// for what is not a keyring; [`Error::Refused`] for what fails authentication.
    pub fn open(bytes: &[u8], root: &RootKey, safe: SafeId, tenant: TenantId) -> Result<Self> {
        codec::open(bytes, root, safe, tenant)
    }

    /// The same keyring, sealing with another suite.
    #[must_use]
    pub fn with_suite(mut self, suite: Suite) -> Self {
        self.suite = suite;
        self
    }

    /// Seals the keyring for storage. Where every tenant root key is destroyed, a new one is made.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Full`].
    pub fn seal<R: TryCryptoRng + ?Sized>(&mut self, root: &RootKey, rng: &mut R) -> Result<Vec<u8>> {
        if self.active_root().is_none() {
            self.add_root(rng)?;
        }
        codec::seal(self, root, rng)
    }

    /// Whose keyring it is.
    #[must_use]
    pub const fn safe_id(&self) -> SafeId {
        self.safe
    }

    /// Whose keyring it is.
    #[must_use]
    pub const fn tenant_id(&self) -> TenantId {
        self.tenant
    }

    /// The tenant's name. Backends do not learn it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The suite of new seals.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The epoch that seals: the newest active one.
    #[must_use]
    pub fn active_epoch(&self) -> Option<u32> {
        merge::newest_active(&self.epochs)
    }

    /// All epochs, ascending by id.
    pub fn epochs(&self) -> impl ExactSizeIterator<Item = EpochInfo> + '_ {
        self.epochs.iter().map(|(&id, epoch)| EpochInfo {
            id,
            state: epoch.state,
            created_ms: epoch.created_ms,
        })
    }

    /// Makes a new epoch, which seals from now on, and gives its id. Use it only once the stored keyring was
    /// read back from every reachable replica.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Full`]. Nothing is changed then.
    pub fn rotate<R: TryCryptoRng + ?Sized>(&mut self, now_ms: u64, rng: &mut R) -> Result<u32> {
        if self.epochs.len() >= Self::MAX_EPOCHS {
            return Err(Error::Full("the keyring"));
        }
        let id = fresh_u32(rng, |id| self.epochs.contains_key(&id))?;
        let key = Some(Key::generate(rng)?);
        // A clock that went back must not leave an older epoch the newest.
        let newest = self.epochs.values().map(|epoch| epoch.created_ms.saturating_add(1)).max();
        let created_ms = now_ms.max(newest.unwrap_or(0));
        self.epochs.insert(id, Epoch { created_ms, state: KeyState::Active, key });
        merge::retire_all_but_newest(&mut self.epochs);
        Ok(id)
    }

    /// Destroys the key of an epoch that no longer seals, and makes a new tenant root key, so that stored
    /// keyrings of before can be destroyed too. Every version sealed in that epoch is lost for good.
    ///
    /// # Errors
    /// [`Error::UnknownEpoch`]; [`Error::EpochActive`]; [`Error::Random`]; [`Error::Full`]. Nothing is
    /// changed then.
    pub fn destroy_epoch<R: TryCryptoRng + ?Sized>(&mut self, id: u32, rng: &mut R) -> Result<()> {
        match self.epochs.get(&id).map(|epoch| epoch.state) {
            None => return Err(Error::UnknownEpoch(id)),
            Some(KeyState::Active) => return Err(Error::EpochActive(id)),
            Some(KeyState::DecryptOnly | KeyState::Destroyed) => {}
        }
        let kept = self.add_root(rng)?;
        for (_, root) in self.roots.iter_mut().filter(|(id, _)| **id != kept) {
            *root = TenantRoot { state: KeyState::Destroyed, key: None };
        }
        if let Some(epoch) = self.epochs.get_mut(&id) {
            epoch.state = KeyState::Destroyed;
            epoch.key = None;
        }
        Ok(())
    }

    /// Takes over what another keyring of the same tenant has: the union of the epochs, each in its later
    /// state; the newest active one seals.
    ///
    /// # Errors
    /// [`Error::ForeignSafe`]; [`Error::ForeignTenant`], also where one id stands for two keys;
    /// [`Error::Full`]. Nothing is changed then.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        merge::merge(self, other)
    }

    /// Takes over the epochs of another sealed form of this keyring, without the root key: by the tenant root keys
    /// that it has. `false` where the other is sealed under one that this keyring lacks, which only
    /// [`Keyring::open`] can open.
    ///
    /// # Errors
    /// As [`Keyring::open`] and [`Keyring::merge`]. Nothing is changed then.
    pub fn learn(&mut self, bytes: &[u8]) -> Result<bool> {
        let Some(other) = codec::open_known(bytes, self)? else { return Ok(false) };
        merge::merge(self, other.keyring)?;
        Ok(true)
    }

    /// Compares two sealed forms of this keyring, without the root key. `None` where one is sealed under a tenant
    /// root key that this keyring lacks.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn compare(&self, first: &[u8], second: &[u8]) -> Result<Option<Compared>> {
        let both = codec::open_known(first, self)?.zip(codec::open_known(second, self)?);
        Ok(both.map(|(first, second)| Compared {
            first_has_all: first.has_all_of(&second),
            second_has_all: second.has_all_of(&first),
        }))
    }

    /// Whether it has this epoch, destroyed or not.
    #[must_use]
    pub fn has_epoch(&self, id: u32) -> bool {
        self.epochs.contains_key(&id)
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        let roots = self.roots.values().filter_map(|root| root.key.as_ref());
        let epochs = self.epochs.values().filter_map(|epoch| epoch.key.as_ref());
        [&self.index, &self.detail].into_iter().chain(roots).chain(epochs)
    }

    /// The object id of an absolute path, `<environment>/<path>`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty path; [`Error::TooLarge`] beyond 65,535 bytes.
    pub fn object_id(&self, path: &str) -> Result<ObjectId> {
        if path.is_empty() {
            return Err(Error::InvalidInput("an empty path"));
        }
        let len = len16("a path", path.len())?;
        let mac = stack::wiped(|| {
            Hmac::<Sha256>::new_from_slice(self.index.expose())
                .expect("HMAC takes a key of any length")
                .chain_update(separation::OBJECT)
                .chain_update(INCARNATION.to_be_bytes())
                .chain_update(len.to_be_bytes())
                .chain_update(path)
                .finalize()
                .into_bytes()
        });
        let mut id = [0; ObjectId::LEN];
        id.copy_from_slice(&mac[..ObjectId::LEN]);
        Ok(ObjectId::from_bytes(id))
    }

    /// Seals details of an audit entry under the tenant's detail key: the suite's number, then the seal.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn seal_detail<R: TryCryptoRng + ?Sized>(&self, detail: &[u8], rng: &mut R) -> Result<Vec<u8>> {
        let mut out = vec![self.suite.number()];
        out.extend_from_slice(&aead::seal(self.suite, &self.detail, &self.detail_context(), detail, rng)?);
        Ok(out)
    }

    /// Opens what [`Keyring::seal_detail`] made.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn open_detail(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (&number, sealed) = sealed.split_first().ok_or(Error::Refused)?;
        let suite = Suite::from_number(number).ok_or(Error::Refused)?;
        aead::open(suite, &self.detail, &self.detail_context(), sealed)
    }

    /// The key of an epoch that still opens.
    pub(crate) fn epoch_key(&self, id: u32) -> Result<&Key> {
        let epoch = self.epochs.get(&id).ok_or(Error::UnknownEpoch(id))?;
        epoch.key.as_ref().ok_or(Error::DestroyedEpoch(id))
    }

    /// The epoch that seals, and its key.
    pub(crate) fn sealing_key(&self) -> Result<(u32, &Key)> {
        let id = self.active_epoch().ok_or(Error::NoActiveEpoch)?;
        self.epoch_key(id).map(|key| (id, key))
    }

    fn detail_context(&self) -> [&[u8]; 3] {
        [separation::DETAIL, self.safe.as_bytes(), self.tenant.as_bytes()]
    }

    /// The tenant root key that seals the keyring: of several, the one of the highest id.
    fn active_root(&self) -> Option<(u32, &Key)> {
        self.roots
            .iter()
            .rev()
            .filter(|(_, root)| root.state == KeyState::Active)
            .find_map(|(&id, root)| root.key.as_ref().map(|key| (id, key)))
    }

    fn add_root<R: TryCryptoRng + ?Sized>(&mut self, rng: &mut R) -> Result<u32> {
        if self.roots.len() >= Self::MAX_ROOTS {
            return Err(Error::Full("the keyring's list of tenant root keys"));
        }
        let id = fresh_u32(rng, |id| self.roots.contains_key(&id))?;
        self.roots.insert(id, TenantRoot::generate(rng)?);
        Ok(id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("safe", &self.safe)
            .field("tenant", &self.tenant)
            .field("epochs", &self.epochs().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl KeyState {
    const fn number(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::DecryptOnly => 2,
            Self::Destroyed => 3,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Active),
            2 => Some(Self::DecryptOnly),
            3 => Some(Self::Destroyed),
            _ => None,
        }
    }
}

impl TenantRoot {
    fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
        Ok(Self { state: KeyState::Active, key: Some(Key::generate(rng)?) })
    }
}

/// Reserved: which of several lives of one path is meant. Always 0 in this format.
pub(crate) const INCARNATION: u32 = 0;
