//! A backend that lies, in every way that the contract lets one.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrets_backend::conformance::disk::Chance;
use secrets_backend::{
    Capabilities, Error, ErrorKind, Listed, MemoryBackend, NewSecret, Operation, Page, PageToken, PutMode,
    Result, Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};

/// How it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// Another secret's envelope.
    Swapped,
    /// What another place has under this name: another environment, tenant or safe.
    Planted,
    /// An epoch that no keyring has.
    OtherEpoch,
    /// A higher version, in the envelope and in its stamp.
    Raised,
    /// A lower one.
    Lowered,
    /// The first version under the id and the stamp of the newest.
    Relabelled,
    /// There is none.
    Missing,
    /// Everything as it was at [`EvilBackend::remember`].
    RolledBack,
    /// What is written is thrown away.
    Unstored,
    /// A bit of the envelope flipped.
    BitFlip,
    /// The envelope cut.
    Truncated,
    /// More bytes behind it.
    Extended,
    /// A value that nobody sealed.
    Plain,
    /// A listing with names that are nobody's.
    ForeignListed,
    /// A listing that begins anew.
    Looping,
    /// A listing that goes on and on.
    Endless,
}

/// A good backend in memory that lies when it is told to. The safe's own objects it leaves alone.
#[derive(Debug)]
pub struct EvilBackend {
    good: MemoryBackend,
    old: MemoryBackend,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lie: Option<Lie>,
    chance: Chance,
    /// What [`Lie::Planted`] answers.
    planted: Vec<u8>,
}

impl Default for EvilBackend {
    fn default() -> Self {
        let state = State { lie: None, chance: Chance::new(1), planted: Vec::new() };
        Self { good: MemoryBackend::new(), old: MemoryBackend::new(), state: Mutex::new(state) }
    }
}

impl EvilBackend {
    /// It lies like this from now on; details are this seed's.
    pub fn lie(&self, lie: Lie, seed: u64) {
        let mut state = self.state();
        (state.lie, state.chance) = (Some(lie), Chance::new(seed));
    }

    /// It tells the truth again.
    pub fn behave(&self) {
        self.state().lie = None;
    }

    /// What [`Lie::Planted`] answers from now on.
    pub fn plant(&self, bytes: Vec<u8>) {
        self.state().planted = bytes;
    }

    /// Keeps these as they are now, for [`Lie::RolledBack`].
    ///
    /// # Errors
    /// Where one of them is not there.
    pub async fn remember(&self, paths: &[SecretPath]) -> Result<()> {
        for path in paths {
            let secret = self.good.get(path, None).await?;
            let mut copy = NewSecret::new(secret.value);
            copy.stamp = secret.stamp;
            self.old.put(path, &copy, &PutMode::Upsert).await?;
        }
        Ok(())
    }

    /// The bytes that it holds of a secret.
    ///
    /// # Errors
    /// Where there are none.
    pub async fn bytes(&self, path: &SecretPath) -> Result<Vec<u8>> {
        Ok(self.good.get(path, None).await?.value.expose().to_vec())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it lies about this path.
    fn about(&self, path: &SecretPath) -> Option<Lie> {
        self.state().lie.filter(|_| !path.is_reserved())
    }

    /// What becomes of a true answer.
    async fn twisted(&self, lie: Lie, path: &SecretPath, mut secret: Secret) -> Result<Secret> {
        let mut bytes = secret.value.expose().to_vec();
        match lie {
            Lie::Swapped => bytes = self.another(path).await?,
            Lie::Relabelled => {
                let versions = self.good.versions(path).await?;
                let first = versions.first().ok_or_else(|| self.missing(path))?;
                bytes = self.good.get(path, Some(&first.id)).await?.value.expose().to_vec();
            }
            Lie::Raised => self.renumber(&mut secret, &mut bytes, |version| version + 1),
            Lie::Lowered => {
                self.renumber(&mut secret, &mut bytes, |version| version.saturating_sub(1).max(1))
            }
            lie => self.damage(lie, &mut bytes),
        }
        secret.value = bytes.into();
        Ok(secret)
    }

    fn renumber(&self, secret: &mut Secret, bytes: &mut [u8], change: impl Fn(u64) -> u64) {
        if let Some(stamp) = &mut secret.stamp {
            stamp.version = change(stamp.version);
            if let Some(field) = bytes.get_mut(VERSION) {
                field.copy_from_slice(&stamp.version.to_be_bytes());
            }
        }
    }

    fn damage(&self, lie: Lie, bytes: &mut Vec<u8>) {
        let mut state = self.state();
        let length = bytes.len() as u64;
        let at = usize::try_from(state.chance.below(length.max(1))).unwrap_or_default();
        match lie {
            Lie::Planted => bytes.clone_from(&state.planted),
            Lie::OtherEpoch => bytes[EPOCH.start + at % EPOCH.len()] ^= 0x55,
            Lie::BitFlip => bytes[at] ^= 1 << state.chance.below(8),
            Lie::Truncated => bytes.truncate(at),
            Lie::Extended => bytes.extend(vec![b'x'; 1 + at]),
            Lie::Plain => *bytes = b"a value that nobody sealed".to_vec(),
            _ => {}
        }
    }

    async fn another(&self, path: &SecretPath) -> Result<Vec<u8>> {
        let page = self.good.list(None, None).await?;
        let other = page.items.into_iter().find(|item| item.path != *path && !item.path.is_reserved());
        let other = other.ok_or_else(|| self.missing(path))?;
        self.bytes(&other.path).await
    }

    fn missing(&self, path: &SecretPath) -> Error {
        Error::new(ErrorKind::NotFound, Operation::Get, self.to_string()).with_path(path)
    }
}

#[async_trait]
impl SecretBackend for EvilBackend {
    fn capabilities(&self) -> Capabilities {
        self.good.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.good.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        match self.about(path) {
            Some(Lie::Missing) => Err(self.missing(path)),
            Some(Lie::RolledBack) => self.old.get(path, at).await,
            Some(lie) => self.twisted(lie, path, self.good.get(path, at).await?).await,
            None => self.good.get(path, at).await,
        }
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        secrets_backend::get_each(self, paths, 8).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        if self.about(path) == Some(Lie::Unstored) {
            return Ok(Written::version(VersionId::from_number(1)).with_stamp(secret.stamp.clone()));
        }
        self.good.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.good.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.good.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.good.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        match self.about(path) {
            Some(Lie::Missing) => Err(self.missing(path)),
            Some(Lie::RolledBack) => self.old.versions(path).await,
            _ => self.good.versions(path).await,
        }
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let lie = self.state().lie;
        match (lie, page) {
            (Some(Lie::Missing), _) => return Ok(Page::default()),
            (Some(Lie::RolledBack), _) => return self.old.list(prefix, page).await,
            (Some(Lie::Endless), Some(page)) => {
                let number: u64 = page.as_str().parse().unwrap_or_default();
                return Ok(Page::new(Vec::new(), Some(PageToken::new((number + 1).to_string()))));
            }
            _ => {}
        }
        let mut found = self.good.list(prefix, page.filter(|_| lie != Some(Lie::Looping))).await?;
        match lie {
            Some(Lie::ForeignListed) => {
                let foreign = self.state().chance.below(1 << 40);
                found.items.extend(format!("foreign/{foreign}").parse().ok().map(Listed::new));
            }
            Some(Lie::Looping) => {
                found.next = Some(PageToken::new(if page.is_some() { "again" } else { "next" }))
            }
            Some(Lie::Endless) => found.next = Some(PageToken::new("1")),
            _ => {}
        }
        Ok(found)
    }
}

impl fmt::Display for EvilBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("evil")
    }
}

/// Where an envelope says its version, and under which epoch it is wrapped (`docs/spec/envelope.md`).
const VERSION: std::ops::Range<usize> = 56..64;
const EPOCH: std::ops::Range<usize> = 120..124;
