//! The header's file on a simulated disk: cuts between its two writes and within them, and syncs that fail.

use std::io;

use getrandom::SysRng;
use secrets_backend::conformance::disk::{Chance, Disk, Event};
use secrets_crypto::header::{Copies, Header, NewSlot, UnlockedFile};
use secrets_crypto::{InstallationId, KdfLimits, KdfParams, KeyFile, RootKey, SafeId, SlotSecret};

use super::{Medium, settle, write_copies};
use crate::test_rounds;

/// How often something happens to one file.
const EVENTS: u32 = 4;

#[test]
fn the_header_opens_with_the_old_or_the_new_copy_at_every_power_cut_of_a_change() {
    let rounds = test_rounds(200);
    let key = KeyFile::generate(&mut SysRng).unwrap();
    let root = RootKey::generate(&mut SysRng).unwrap();
    let header = large_header(&key, &root);
    let image = Copies::new_file(&header.encode(&root.header_key(&header.safe_id()))).unwrap();
    let (mut cuts, mut seed) = (0, 0);
    while cuts < rounds {
        let disk = Disk::default();
        disk.write(0, &image).unwrap();
        disk.sync().unwrap();
        let seen = header.sequence();
        let mut run =
            Run { seed, chance: Chance::new(seed), disk, key: &key, acknowledged: seen, seen, cuts: 0 };
        (0..EVENTS).for_each(|_| run.event());
        cuts += run.cuts;
        seed += 1;
    }
    println!("FIGURE: {cuts} power cuts in changes of the header left the old or the new one, {seed} files");
}

/// A header of many sectors, of both sizes.
fn large_header(key: &KeyFile, root: &RootKey) -> Header {
    let mut header = Header::new(SafeId::generate(&mut SysRng).unwrap());
    let slot = NewSlot { label: "key file", secret: SlotSecret::KeyFile(key), kdf: KdfParams::Hkdf };
    for _ in 0..30 {
        header.add_slot(root, &slot, &KdfLimits::new(u32::MAX), &mut SysRng).unwrap();
    }
    for number in 0..120 {
        let id = InstallationId::generate(&mut SysRng).unwrap();
        header.add_installation(id, [number; 32]).unwrap();
    }
    header.advance();
    assert!(header.encode(&root.header_key(&header.safe_id())).len() > 10_000);
    header
}

struct Run<'a> {
    seed: u64,
    chance: Chance,
    disk: Disk,
    key: &'a KeyFile,
    /// The sequence that the last change answered with.
    acknowledged: u64,
    /// The highest sequence that the state holds, durably: a lower one is refused for ever.
    seen: u64,
    cuts: u64,
}

impl Run<'_> {
    fn event(&mut self) {
        let event = match self.chance.below(6) {
            0 => Event::WriteFails(io::ErrorKind::StorageFull),
            1 | 2 => Event::SyncFails(io::ErrorKind::Other),
            _ => Event::Death,
        };
        self.disk.arrange(self.chance.below(12), event);
        for _ in 0..4 {
            if self.change().is_err() || self.disk.has_happened() {
                break;
            }
        }
        self.disk.stop_events();
        self.disk.revive();
        // Others may open the safe before the power goes, and note what they see.
        if self.chance.one_in(2) {
            self.open();
        }
        if !self.chance.one_in(4) {
            self.disk.cut_power(&mut self.chance);
            self.cuts += 1;
        }
        self.open();
    }

    /// As `Slots::change` does it.
    fn change(&mut self) -> io::Result<()> {
        settle(&self.disk)?;
        let (copies, mut unlocked) = self.read();
        unlocked.header.advance();
        let writes = copies
            .writes(&unlocked.header.encode(&unlocked.root.header_key(&unlocked.header.safe_id())))
            .unwrap();
        write_copies(&self.disk, &writes)?;
        self.acknowledged = unlocked.header.sequence();
        self.seen = self.acknowledged;
        Ok(())
    }

    /// As opening a safe does it.
    fn open(&mut self) {
        let mut sequence = self.read().1.header.sequence();
        if sequence > self.seen {
            settle(&self.disk).unwrap();
            sequence = self.read().1.header.sequence();
            self.seen = self.seen.max(sequence);
        }
        assert!(sequence >= self.seen, "seed {}: {sequence} after {} was seen", self.seed, self.seen);
        assert!(
            (self.acknowledged..=self.acknowledged + 1).contains(&sequence),
            "seed {}: {sequence} where {} was acknowledged",
            self.seed,
            self.acknowledged
        );
        // What a reader may build on is the next one's past.
        self.acknowledged = self.acknowledged.max(self.seen);
    }

    fn read(&self) -> (Copies, UnlockedFile) {
        let copies = Copies::read(&self.disk.content());
        let secret = SlotSecret::KeyFile(self.key);
        let unlocked = copies.unlock(&secret, &KdfLimits::new(u32::MAX));
        let unlocked = unlocked.unwrap_or_else(|error| panic!("seed {}: neither copy: {error}", self.seed));
        (copies, unlocked)
    }
}

impl Medium for Disk {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Self::sync(self)
    }

    fn forget(&self) -> io::Result<()> {
        self.forget_cache()
    }
}
