//! Two keyrings of one tenant become one, and nothing is lost.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use super::{Epoch, KeyState, Keyring, TenantRoot};
use crate::{Error, Key, Result};

pub(super) fn merge(keyring: &mut Keyring, other: Keyring) -> Result<()> {
    if keyring.safe != other.safe {
        return Err(Error::ForeignSafe);
    }
    let same = keyring.tenant == other.tenant
        && same_key(&keyring.index, &other.index)
        && same_key(&keyring.detail, &other.detail)
        && keyring.epochs.iter().all(|(id, epoch)| {
            other.epochs.get(id).is_none_or(|theirs| {
                epoch.created_ms == theirs.created_ms && agree(epoch.key.as_ref(), theirs.key.as_ref())
            })
        })
        && keyring.roots.iter().all(|(id, root)| {
            other.roots.get(id).is_none_or(|theirs| agree(root.key.as_ref(), theirs.key.as_ref()))
        });
    if !same {
        return Err(Error::ForeignTenant);
    }
    if union_len(&keyring.epochs, &other.epochs) > Keyring::MAX_EPOCHS
        || union_len(&keyring.roots, &other.roots) > Keyring::MAX_ROOTS
    {
        return Err(Error::Full("the keyring"));
    }
    for (id, theirs) in other.epochs {
        let Epoch { state, key, .. } = keyring.epochs.entry(id).or_insert(Epoch {
            created_ms: theirs.created_ms,
            state: theirs.state,
            key: theirs.key,
        });
        forward(state, key, theirs.state);
    }
    for (id, theirs) in other.roots {
        let TenantRoot { state, key } =
            keyring.roots.entry(id).or_insert(TenantRoot { state: theirs.state, key: theirs.key });
        forward(state, key, theirs.state);
    }
    // The same on both sides, whichever merges into which.
    if other.name < keyring.name {
        keyring.name = other.name;
    }
    retire_all_but_newest(&mut keyring.epochs);
    Ok(())
}

/// The active epoch that was made last.
pub(super) fn newest_active(epochs: &BTreeMap<u32, Epoch>) -> Option<u32> {
    epochs
        .iter()
        .filter(|(_, epoch)| epoch.state == KeyState::Active)
        .max_by_key(|(id, epoch)| (epoch.created_ms, **id))
        .map(|(&id, _)| id)
}

/// One epoch seals; the others only open.
pub(super) fn retire_all_but_newest(epochs: &mut BTreeMap<u32, Epoch>) {
    let newest = newest_active(epochs);
    for (_, epoch) in epochs.iter_mut().filter(|(id, _)| Some(**id) != newest) {
        epoch.state = epoch.state.max(KeyState::DecryptOnly);
    }
}

fn forward(state: &mut KeyState, key: &mut Option<Key>, theirs: KeyState) {
    *state = (*state).max(theirs);
    if *state == KeyState::Destroyed {
        *key = None;
    }
}

fn union_len<T>(ours: &BTreeMap<u32, T>, theirs: &BTreeMap<u32, T>) -> usize {
    ours.len() + theirs.keys().filter(|id| !ours.contains_key(id)).count()
}

fn same_key(a: &Key, b: &Key) -> bool {
    a.expose().ct_eq(b.expose()).into()
}

/// A destroyed key agrees with every other.
fn agree(a: Option<&Key>, b: Option<&Key>) -> bool {
    a.zip(b).is_none_or(|(a, b)| same_key(a, b))
}
