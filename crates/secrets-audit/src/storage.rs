//! What the log needs of the place it is kept in.

mod file;

use std::fmt;
use std::io;
use std::time::Duration;

pub use file::FileStorage;
pub(crate) use file::{OWNER_ONLY, flock, open_regular, sync_directory};

/// The place a log is kept in: one growing file, one small file beside it, and a lock over both.
///
/// A trait, so that tests can count what is synced, and drop or tear what is not.
///
/// # Contract
///
/// - [`write_at`](Self::write_at) and [`truncate`](Self::truncate) are durable only after [`sync`](Self::sync) answered.
/// - What was written is seen at once by [`length`](Self::length) and [`read_at`](Self::read_at), in every process.
/// - All but [`lock`](Self::lock) is called only while the lock is held.
pub trait Storage: fmt::Debug + Send {
    /// Waits up to `wait` until no other process or instance holds the log.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] when the time is over; any other when the log is gone or cannot be locked.
    fn lock(&mut self, wait: Duration) -> io::Result<()>;

    /// Lets others in again.
    fn unlock(&mut self);

    /// The length of the log in bytes.
    ///
    /// # Errors
    ///
    /// Whatever the place answers.
    fn length(&self) -> io::Result<u64>;

    /// Reads some bytes of the log from `offset` on; 0 at its end.
    ///
    /// # Errors
    ///
    /// Whatever the place answers.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes `bytes` at `offset`: at the end of the log, or over the same bytes once more.
    ///
    /// # Errors
    ///
    /// Whatever the place answers; some of the bytes may then be there.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Shortens the log.
    ///
    /// # Errors
    ///
    /// Whatever the place answers.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Makes all of the log durable.
    ///
    /// # Errors
    ///
    /// Whatever the place answers; what was not durable before must then be taken as lost.
    fn sync(&mut self) -> io::Result<()>;

    /// The head file; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Whatever the place answers.
    fn read_head(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the head file, always by as many bytes as before. It need not be durable.
    ///
    /// # Errors
    ///
    /// Whatever the place answers.
    fn write_head(&mut self, bytes: &[u8]) -> io::Result<()>;
}
