//! The state on a simulated disk that loses power, dies, fills up and fails: what was acknowledged is there.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use redb::{ReadableTable, TableDefinition, TableError};
use secrets_backend::conformance::disk::{Chance, Disk, Event};

use super::{Db, StateError};
use crate::files::FileError;
use crate::state::medium::Medium;
use crate::test_rounds;

const TABLE: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("marks");
/// How often something happens to one disk.
const EVENTS: u32 = 4;

type Rows = BTreeMap<u64, Vec<u8>>;

#[test]
fn the_state_keeps_every_acknowledged_write_through_power_cuts_kills_and_failing_disks() {
    let rounds = test_rounds(60);
    let (mut cuts, mut seed) = (0, 0);
    while cuts < rounds {
        cuts += run(seed);
        seed += 1;
    }
    println!(
        "FIGURE: {cuts} power cuts in the state's storage calls lost no acknowledged write, {seed} disks"
    );
}

#[test]
fn after_a_failed_sync_the_state_is_verified_from_the_disk_before_it_is_read_or_written() {
    for sync in 0..3 {
        let disk = Disk::default();
        let db = Db { medium: disk.clone(), wait: Duration::ZERO };
        let mut known: Rows = (0..20).map(|key| (key, vec![u8::try_from(key).unwrap(); 5000])).collect();
        change(&db, &known).unwrap();
        for text in ["one", "two", "three"] {
            known.insert(99, text.into());
            // The last one meets the failure, in its opening or its commit.
            if text == "three" {
                disk.arrange(sync, Event::SyncFails(io::ErrorKind::StorageFull));
            }
            assert_eq!(change(&db, &known).is_ok(), text != "three");
        }
        assert!(disk.has_flag());
        disk.damage(&[7; 4000]);
        assert!(rows(&db).is_err(), "the cache was believed");
        assert!(change(&db, &known).is_err(), "the cache was believed");
        assert!(disk.has_flag(), "what did not verify stays suspect");
    }
}

fn run(seed: u64) -> u64 {
    let mut chance = Chance::new(seed);
    let disk = Disk::default();
    let db = Db { medium: disk.clone(), wait: Duration::ZERO };
    let mut known = Rows::new();
    change(&db, &known).unwrap();
    let mut cuts = 0;
    for _ in 0..EVENTS {
        let event = arrange(&disk, &mut chance);
        let doubtful = work(&db, &mut known, &mut chance);
        disk.stop_events();
        if chance.below(4) < if event == Event::Death { 3 } else { 1 } {
            disk.cut_power(&mut chance);
            cuts += 1;
        } else {
            disk.revive();
        }
        let seen = rows(&db).unwrap_or_else(|error| panic!("seed {seed}, after {event:?}: {error}"));
        known = doubtful.filter(|doubtful| *doubtful == seen).unwrap_or(known);
        assert_eq!(seen, known, "seed {seed}, after {event:?}");
        // What was shown once stays.
        if chance.one_in(2) {
            disk.cut_power(&mut chance);
            cuts += 1;
            assert_eq!(rows(&db).unwrap(), known, "seed {seed}, after a second cut");
        }
        let mut held = super::builder().create_with_backend(disk.as_held()).unwrap();
        assert!(held.check_integrity().unwrap(), "seed {seed}");
    }
    cuts
}

fn arrange(disk: &Disk, chance: &mut Chance) -> Event {
    let kind = if chance.one_in(2) { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
    let event = match chance.below(8) {
        0 => Event::WriteFails(kind),
        1 | 2 => Event::SyncFails(kind),
        _ => Event::Death,
    };
    disk.arrange(chance.below(60), event);
    event
}

/// Works until a write is refused; what is there then if it took effect all the same.
fn work(db: &Db<Disk>, known: &mut Rows, chance: &mut Chance) -> Option<Rows> {
    for _ in 0..20 {
        let mut after = known.clone();
        for _ in 0..=chance.below(3) {
            let length = usize::try_from(chance.below(6000)).unwrap();
            after.insert(chance.below(40), vec![u8::try_from(chance.below(256)).unwrap(); length]);
        }
        match change(db, &after) {
            Ok(()) => *known = after,
            Err(_) => return Some(after),
        }
        if db.medium.has_happened() {
            break;
        }
    }
    None
}

fn change(db: &Db<Disk>, after: &Rows) -> Result<(), StateError> {
    db.write(|transaction| {
        let mut table = transaction.open_table(TABLE)?;
        for (key, row) in after {
            if table.get(key)?.is_none_or(|old| old.value() != row.as_slice()) {
                table.insert(key, row.as_slice())?;
            }
        }
        Ok(())
    })
}

fn rows(db: &Db<Disk>) -> Result<Rows, StateError> {
    let rows = db.read(|transaction| {
        let table = match transaction.open_table(TABLE) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Rows::new()),
            table => table?,
        };
        let rows = table.iter()?.map(|row| row.map(|(key, row)| (key.value(), row.value().to_vec())));
        Ok(rows.collect::<Result<Rows, _>>()?)
    })?;
    Ok(rows.unwrap_or_default())
}

/// The flag of the disk stands for the file `state.redb.suspect`.
impl Medium for Disk {
    type Storage = Self;

    fn path(&self) -> &Path {
        Path::new("state.redb")
    }

    fn open(&self) -> Result<Option<Self>, FileError> {
        Ok((self.length() > 0).then(|| self.clone()))
    }

    fn open_for_writing(&self) -> Result<Option<Self>, FileError> {
        self.open()
    }

    fn make(&self, fill: &dyn Fn(Self) -> Result<(), StateError>) -> Result<(), StateError> {
        fill(self.clone())
    }

    fn is_suspect(&self) -> bool {
        self.has_flag()
    }

    fn suspect(&self) {
        self.raise_flag();
    }

    fn forget_cache(&self) -> Result<(), FileError> {
        let forgotten = self.sync().and_then(|()| Self::forget_cache(self));
        forgotten.map_err(|source| FileError::Io { path: self.path().into(), source })
    }

    fn trust(&self) -> Result<(), FileError> {
        self.lower_flag();
        Ok(())
    }
}
