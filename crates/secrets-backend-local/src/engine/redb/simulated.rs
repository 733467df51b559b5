//! The store's medium on a simulated disk.

use secrets_backend::conformance::disk::Disk;

use super::medium::Medium;
use crate::fault::Fault;
use crate::files::Access;

/// The flag of the disk stands for the file `store.suspect`.
impl Medium for Disk {
    type Storage = Self;

    fn open(&self, _: Access) -> Result<Self, Fault> {
        Ok(self.clone())
    }

    fn is_suspect(&self) -> Result<bool, Fault> {
        Ok(self.has_flag())
    }

    fn suspect(&self) {
        self.raise_flag();
    }

    fn forget_cache(&self) -> Result<(), Fault> {
        self.sync().and_then(|()| Self::forget_cache(self)).map_err(|error| Fault::io("in a test", error))
    }

    fn trust(&self) -> Result<(), Fault> {
        self.lower_flag();
        Ok(())
    }
}
