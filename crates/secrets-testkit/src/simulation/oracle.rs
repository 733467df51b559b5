//! What must be true, whatever goes wrong: kept beside the simulation, which knows nothing of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use secrets_backend::{ContentId, Level, SecretPath, Stamp};

use super::service::locked;

/// What became of a version, as its writer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing, or that it is not known.
    Unknown,
    /// It is written, at this level.
    Acknowledged(Level),
    /// It is not written.
    Failed,
}

/// A version that was sealed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) value: Vec<u8>,
    pub(super) by: usize,
    /// Whether everything before it was to go.
    pub(super) purges: bool,
    /// Whether the note was lost by which the other replicas were to be purged.
    pub(super) is_partial: bool,
    pub(super) fate: Fate,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) invariant: u8,
    pub(super) what: String,
}

#[derive(Debug, Default)]
pub(super) struct Oracle(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    entries: BTreeMap<SecretPath, Vec<Entry>>,
    /// The newest that each installation has observed.
    floors: HashMap<(usize, SecretPath), u64>,
    /// Secrets of which someone was told that there is a conflict.
    reported: BTreeSet<SecretPath>,
    /// What a person has seen when they decided a conflict.
    decided: BTreeSet<(SecretPath, String)>,
    rewraps: BTreeMap<SecretPath, u64>,
    broken: Vec<Broken>,
}

impl Oracle {
    pub(super) fn broke(&self, invariant: u8, what: impl Into<String>) {
        locked(&self.0).broken.push(Broken { invariant, what: what.into() });
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        locked(&self.0).broken.first().cloned()
    }

    pub(super) fn sealed(&self, path: &SecretPath, stamp: &Stamp, value: &[u8], by: usize, purges: bool) {
        let (stamp, value) = (stamp.clone(), value.to_vec());
        let entry = Entry { stamp, value, by, purges, is_partial: false, fate: Fate::Unknown };
        locked(&self.0).entries.entry(path.clone()).or_default().push(entry);
    }

    pub(super) fn told(&self, path: &SecretPath, content: &ContentId, fate: Fate) {
        let mut book = locked(&self.0);
        let of_path = book.entries.get_mut(path).into_iter().flatten();
        of_path.filter(|one| one.stamp.content_id == *content).for_each(|one| one.fate = fate);
    }

    /// Nobody knows any more that a purge had not come to each replica.
    pub(super) fn lost_purge(&self, path: &SecretPath, content: &ContentId) {
        let mut book = locked(&self.0);
        let of_path = book.entries.get_mut(path).into_iter().flatten();
        of_path.filter(|one| one.stamp.content_id == *content).for_each(|one| one.is_partial = true);
    }

    pub(super) fn rewrapped(&self, path: &SecretPath) {
        *locked(&self.0).rewraps.entry(path.clone()).or_default() += 1;
    }

    pub(super) fn report(&self, path: &SecretPath) {
        locked(&self.0).reported.insert(path.clone());
    }

    pub(super) fn decided(&self, path: &SecretPath, content: &ContentId) {
        locked(&self.0).decided.insert((path.clone(), content.to_string()));
    }

    /// Whether a person has seen it, or what descends from it, when they decided a conflict.
    pub(super) fn was_shown(&self, path: &SecretPath, content: &ContentId) -> bool {
        let shown: Vec<String> = locked(&self.0)
            .decided
            .iter()
            .filter(|(of, _)| of == path)
            .map(|(_, shown)| shown.clone())
            .collect();
        shown.iter().filter_map(|shown| shown.parse().ok()).any(|shown| self.descends(path, &shown, content))
    }

    pub(super) fn is_reported(&self, path: &SecretPath) -> bool {
        locked(&self.0).reported.contains(path)
    }

    pub(super) fn paths(&self) -> Vec<SecretPath> {
        locked(&self.0).entries.keys().cloned().collect()
    }

    pub(super) fn entries(&self, path: &SecretPath) -> Vec<Entry> {
        locked(&self.0).entries.get(path).cloned().unwrap_or_default()
    }

    /// The most versions that a backend may have of a secret.
    pub(super) fn most_versions(&self, path: &SecretPath) -> u64 {
        let book = locked(&self.0);
        let written = book.entries.get(path).into_iter().flatten().filter(|one| one.fate != Fate::Failed);
        written.count() as u64 + book.rewraps.get(path).copied().unwrap_or_default() + 1
    }

    /// A value was released to an installation's caller.
    pub(super) fn released(&self, by: usize, path: &SecretPath, stamp: &Stamp, value: &[u8]) {
        let is_ours = self.entries(path).iter().any(|one| {
            one.stamp.content_id == stamp.content_id
                && one.stamp.version == stamp.version
                && one.value == value
        });
        if !is_ours {
            self.broke(3, format!("{path}: what nobody sealed was released as version {}", stamp.version));
        }
        self.observed(by, path, stamp.version);
    }

    /// An installation answered from a version.
    pub(super) fn observed(&self, by: usize, path: &SecretPath, version: u64) {
        let floor = locked(&self.0).floors.get(&(by, path.clone())).copied().unwrap_or_default();
        if version < floor {
            self.broke(2, format!("{path}: installation {by} was given version {version} after {floor}"));
        }
    }

    /// An installation answered that there is none, and has noted no deletion.
    pub(super) fn missed(&self, by: usize, path: &SecretPath) {
        self.observed(by, path, 0);
    }

    /// What an installation has observed and noted: it never goes back behind that.
    pub(super) fn noted(&self, by: usize, path: &SecretPath, version: u64) {
        let mut book = locked(&self.0);
        let floor = book.floors.entry((by, path.clone())).or_default();
        *floor = version.max(*floor);
    }

    /// An installation lost its notes, by the hand of a person or a disk that lies.
    pub(super) fn forgot(&self, by: usize, path: &SecretPath, noted: u64) {
        locked(&self.0).floors.insert((by, path.clone()), noted);
    }

    /// Whether `of` descends from `ancestor`, or is it.
    pub(super) fn descends(&self, path: &SecretPath, of: &ContentId, ancestor: &ContentId) -> bool {
        let entries = self.entries(path);
        let mut at = Some(*of);
        while let Some(content) = at {
            if content == *ancestor {
                return true;
            }
            let entry = entries.iter().find(|one| one.stamp.content_id == content);
            at = entry.and_then(|one| one.stamp.parent);
        }
        false
    }
}
