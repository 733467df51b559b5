//! The invariants, looked at from behind: in the services' memories and on the disks.

use std::sync::Arc;

use futures_util::FutureExt;
use secrets_backend::{ContentId, Level, Result, SecretBackend, SecretPath, Stamp, VersionMeta, Written};
use secrets_multicloud::Journal;

use super::header;
use super::installation::Installation;
use super::oracle::{Entry, Fate};
use super::service::Service;
use super::world::World;

/// All versions that a service really has of a secret.
fn versions(service: &Service, path: &SecretPath) -> Vec<VersionMeta> {
    service.memory.versions(path).now_or_never().and_then(Result::ok).unwrap_or_default()
}

/// The current version that a service really has.
pub(super) fn current(service: &Service, path: &SecretPath) -> Option<Stamp> {
    let secret = service.memory.get(path, None).now_or_never()?.ok()?;
    secret.stamp
}

/// Whether a service has a content, or one that descends from it.
fn has(world: &World, service: &Service, path: &SecretPath, content: &ContentId) -> bool {
    let is_it = |meta: &VersionMeta| meta.stamp.as_ref().is_some_and(|stamp| stamp.content_id == *content);
    let descends = |stamp: Stamp| world.shared.oracle.descends(path, &stamp.content_id, content);
    current(service, path).is_some_and(descends) || versions(service, path).iter().any(is_it)
}

/// Whether a content was purged where it was, and so is gone because somebody wanted that.
fn is_purged(world: &World, path: &SecretPath, content: &ContentId) -> bool {
    world.shared.services.iter().any(|service| service.is_purged(path, content))
}

/// Whether a content waits in a journal, which knows that somebody was told of it or not.
fn waits(process: &Installation, path: &SecretPath, content: &ContentId) -> Option<bool> {
    let rows = process.state.rows().now_or_never().and_then(Result::ok).unwrap_or_default();
    let is_it = |stamp: &Stamp| stamp.content_id == *content;
    // Several where the version waits under an old wrap and under a new one.
    let found = rows.iter().filter(|row| row.path == *path && row.secret.stamp.as_ref().is_some_and(is_it));
    found.map(|row| row.acknowledged).reduce(|one, other| one || other)
}

/// What a write was told at its end is so at that moment.
pub(super) fn acknowledged(
    world: &World,
    process: &Installation,
    path: &SecretPath,
    answer: &Result<Written>,
) {
    let Ok(Written { stamp: Some(stamp), level, .. }) = answer else { return };
    let has = |service: &Service| has(world, service, path, &stamp.content_id);
    let is_there = match level {
        Level::All => world.shared.services.iter().all(|service| has(service)),
        Level::Primary => has(&world.shared.services[world.order[0]]),
        _ => {
            waits(process, path, &stamp.content_id) == Some(true)
                || has(&world.shared.services[world.order[0]])
        }
    };
    if !is_there && !is_purged(world, path, &stamp.content_id) {
        world.shared.oracle.broke(1, format!("{path}: version {} is not at {level:?}", stamp.version));
    }
}

/// An installation lost notes and rows, or has old ones again, by the hand of a person or a disk that lies: nothing can
/// undo that.
pub(super) fn forget(world: &World, index: usize) {
    let (oracle, process) = (&world.shared.oracle, &world.processes[index]);
    for path in oracle.paths() {
        let noted = process.state.mark(&path).ok().flatten().map_or(0, |mark| mark.version);
        oracle.forgot(index, &path, noted);
        for entry in oracle.entries(&path).iter().filter(|entry| entry.by == index) {
            let content = &entry.stamp.content_id;
            let waits = waits(process, &path, content);
            let is_anywhere =
                || world.shared.services.iter().any(|service| has(world, service, &path, content));
            match entry.fate {
                Fate::Acknowledged(Level::Local) if waits != Some(true) && !is_anywhere() => {
                    oracle.told(&path, content, Fate::Unknown);
                }
                // The row was taken away, and is there again.
                Fate::Failed if waits.is_some() => oracle.told(&path, content, Fate::Unknown),
                _ => {}
            }
            if entry.purges && waits.is_none() {
                oracle.lost_purge(&path, content);
            }
        }
    }
}

/// What must hold when everything is over and healed.
pub(super) fn at_the_end(world: &World) {
    for path in world.shared.oracle.paths() {
        equal(world, &path);
        for entry in world.shared.oracle.entries(&path) {
            kept(world, &path, &entry);
        }
        purged(world, &path);
        counted(world, &path);
    }
    nothing_leaked(world);
    for (index, acknowledged) in world.headers.iter().enumerate() {
        let disk = world.shared.scene.disks(index).header;
        let found = header::sequence(&world.shared, &disk);
        if found.is_none_or(|found| found < *acknowledged) {
            world.shared.oracle.broke(1, format!("header {acknowledged} became {found:?}"));
        }
    }
}

/// All replicas have the same.
fn equal(world: &World, path: &SecretPath) {
    let found: Vec<_> = world.shared.services.iter().map(|service| current(service, path)).collect();
    let contents: Vec<_> = found.iter().map(|stamp| stamp.as_ref().map(|stamp| stamp.content_id)).collect();
    if contents.iter().any(|one| *one != contents[0]) {
        let shown: Vec<_> = found.iter().map(|stamp| stamp.as_ref().map(ToString::to_string)).collect();
        world.shared.oracle.broke(6, format!("{path}: replicas differ after healing: {shown:?}"));
    }
}

/// A conflict is told only where there is one: versions that were written without each other.
pub(super) fn is_conflict(world: &World, path: &SecretPath) {
    let oracle = &world.shared.oracle;
    let mut written = oracle.entries(path);
    written.retain(|one| one.fate != Fate::Failed);
    if written.iter().any(|one| one.purges) {
        // The history is gone by which it could be shown that there is none.
        return;
    }
    let related = |one: &Entry, two: &Entry| {
        let (one, two) = (&one.stamp.content_id, &two.stamp.content_id);
        oracle.descends(path, one, two) || oracle.descends(path, two, one)
    };
    if written.iter().all(|one| written.iter().all(|two| related(one, two))) {
        oracle.broke(6, format!("{path}: a conflict was told, and there is none"));
    }
}

/// An acknowledged version is what is there, an ancestor of it, or one side of a conflict that a person decided; and what
/// was told to have failed is nowhere.
fn kept(world: &World, path: &SecretPath, entry: &Entry) {
    let (oracle, content) = (&world.shared.oracle, &entry.stamp.content_id);
    let what = format!("{path}: version {} of installation {}", entry.stamp.version, entry.by);
    let services = &world.shared.services;
    let is_stored = services.iter().any(|service| has(world, service, path, content));
    let is_waiting = world.processes.iter().any(|process| waits(process, path, content).is_some());
    match entry.fate {
        Fate::Failed if is_stored || is_waiting => oracle.broke(1, format!("{what} failed, and is there")),
        Fate::Acknowledged(_) => {
            let descends = |stamp: Stamp| oracle.descends(path, &stamp.content_id, content);
            let is_kept = services.iter().all(|service| current(service, path).is_some_and(descends));
            // A deletion that gave way to another one: what was deleted stays deleted.
            let is_gone = |service: &Arc<Service>| current(service, path).is_some_and(|it| it.is_tombstone());
            let is_deleted = entry.stamp.is_tombstone() && services.iter().all(is_gone);
            if is_kept || is_deleted || oracle.was_shown(path, content) || is_purged(world, path, content) {
                return;
            }
            let invariant = match (entry.stamp.is_tombstone(), is_stored || is_waiting) {
                (true, _) => 8,
                (false, true) => 4,
                (false, false) => 1,
            };
            oracle.broke(invariant, format!("{what} was acknowledged, and dropped without a word"));
        }
        _ => {}
    }
}

/// What was purged is at no replica; at one without conditions another's write of that moment may stay. Where a conflict was told, a person has decided what there is to be.
fn purged(world: &World, path: &SecretPath) {
    if world.shared.oracle.is_reported(path) {
        return;
    }
    let (oracle, entries) = (&world.shared.oracle, world.shared.oracle.entries(path));
    let done =
        |entry: &&Entry| entry.purges && !entry.is_partial && matches!(entry.fate, Fate::Acknowledged(_));
    for purge in entries.iter().filter(done) {
        let has_conditions = |service: &&Arc<Service>| service.memory.capabilities().atomic_create;
        for service in world.shared.services.iter().filter(has_conditions) {
            let is_before = |meta: &VersionMeta| {
                // Another's tombstone of the same moment holds nothing.
                let content = meta.stamp.as_ref().filter(|it| !it.is_tombstone()).map(|it| it.content_id);
                content.is_some_and(|content| {
                    content != purge.stamp.content_id
                        && oracle.descends(path, &purge.stamp.content_id, &content)
                })
            };
            if versions(service, path).iter().any(is_before) {
                oracle.broke(8, format!("{path}: {} has what was purged", service.name()));
            }
        }
    }
}

fn counted(world: &World, path: &SecretPath) {
    for service in &world.shared.services {
        let (found, most) = (versions(service, path).len() as u64, world.shared.oracle.most_versions(path));
        if found > most + service.arrivals.doubled(path) {
            world
                .shared
                .oracle
                .broke(9, format!("{path}: {found} versions at {}, {most} at most", service.name()));
        }
    }
}

/// No planted value and no key is on a disk or at a service.
fn nothing_leaked(world: &World) {
    let mut places = Vec::new();
    for index in 0..super::INSTALLATIONS {
        places.extend(
            world.shared.scene.disks(index).all().map(secrets_backend::conformance::disk::Disk::content),
        );
    }
    for service in &world.shared.services {
        for path in world.shared.oracle.paths() {
            for meta in versions(service, &path) {
                let secret = service.memory.get(&path, Some(&meta.id)).now_or_never();
                places.extend(secret.and_then(Result::ok).map(|secret| secret.value.expose().to_vec()));
            }
        }
    }
    let keys = world.shared.keys.material.iter().map(Vec::as_slice);
    let needles: Vec<&[u8]> = std::iter::once(super::PLAINTEXT.as_bytes()).chain(keys).collect();
    let holds = |place: &[u8], needle: &[u8]| {
        place.windows(needle.len()).any(|part| part[0] == needle[0] && part == needle)
    };
    if places.iter().any(|place| needles.iter().any(|needle| holds(place, needle))) {
        world.shared.oracle.broke(7, "a value or a key is outside of memory");
    }
}
