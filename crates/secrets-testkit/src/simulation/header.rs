//! The key header of a simulated installation: the real two copies, on a simulated disk.

use secrets_backend::conformance::disk::Disk;
use secrets_crypto::InstallationId;
use secrets_crypto::header::{Copies, FILE_LEN, Header};

use super::fault::Phase;
use super::installation::Shared;

/// Makes the file; nothing goes wrong yet.
pub(super) fn create(shared: &Shared, disk: &Disk) {
    let header = Header::new(shared.keys.safe).encode(&shared.keys.header_key);
    let image = Copies::new_file(&header).expect("a small header");
    disk.write(0, &image).and_then(|()| disk.sync()).expect("a disk that is well");
}

/// Lists one more installation; answers the new sequence, durable, or none where something failed.
pub(super) async fn change(shared: &Shared, installation: usize) -> Option<u64> {
    let disk = shared.scene.disks(installation).header;
    shared.scene.reach(Phase::HeaderWrite, installation).await;
    // A change begins with what the disk holds.
    disk.sync().and_then(|()| disk.forget_cache()).ok()?;
    let copies = read(&disk);
    let mut header = copies.best().ok()?.clone();
    header.advance();
    let id = InstallationId::from_bytes(header.sequence().to_be_bytes());
    header.add_installation(id, [7; 32]).ok()?;
    for write in copies.writes(&header.encode(&shared.keys.header_key)).ok()? {
        let written =
            shared.scene.may_write(installation).and_then(|()| disk.write(write.offset, &write.bytes));
        let synced =
            written.and_then(|()| if shared.scene.disk_lies(installation) { Ok(()) } else { disk.sync() });
        if synced.is_err() {
            shared.scene.survive(installation).await;
            drop(disk.sync().and_then(|()| disk.forget_cache()));
            return None;
        }
    }
    Some(header.sequence())
}

/// The sequence of the authentic header; none where there is none.
pub(super) fn sequence(shared: &Shared, disk: &Disk) -> Option<u64> {
    let copies = read(disk);
    let sound =
        copies.in_order().ok()?.into_iter().find(|one| one.verify_mac(&shared.keys.header_key).is_ok());
    sound.map(Header::sequence)
}

fn read(disk: &Disk) -> Copies {
    let mut image = disk.content();
    image.truncate(FILE_LEN);
    Copies::read(&image)
}
