//! Who may use the store now: one writer, or readers side by side, among all processes.
//!
//! Two files are locked with `flock`. `lock` is held while the store is used. `queue` is held while waiting
//! for `lock`, so that a writer who waits is not overtaken for ever by readers who come one after another.
//! Waiting is polling with jitter, because a blocked `flock` cannot be given up in time.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use secrets_backend::ErrorKind;

use crate::fault::Fault;
use crate::files::{Access, Home};

/// Whether others may hold it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Shared,
    Exclusive,
}

/// The held lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// The file whose lock stands for the store.
pub(crate) const LOCK: &str = "lock";
/// The file whose lock stands for the place at the head of the queue.
const QUEUE: &str = "queue";
/// Length of what `lock` holds: who took it last, padded with spaces.
const HOLDER_LEN: usize = 96;
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Lock {
    /// Takes the lock, waiting until `deadline`.
    pub(crate) fn take(home: &Home, share: Share, deadline: Instant) -> Result<Self, Fault> {
        let queue = open(home, QUEUE)?;
        wait(home, &queue, share, deadline)?;
        loop {
            let file = open(home, LOCK)?;
            wait(home, &file, share, deadline)?;
            if home.still_names(LOCK, &file)? {
                sign(&file);
                return Ok(Self { file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing lets go as well; a failure leaves nothing more to do.
        let _ = self.file.unlock();
    }
}

fn open(home: &Home, name: &'static str) -> Result<File, Fault> {
    match home.open_or_create_file(name) {
        // On a read-only file system, or without the right to write, a lock can still be taken.
        Err(fault) => match home.open_file(name, Access::Read) {
            Ok(Some(file)) => Ok(file),
            _ => Err(fault),
        },
        file => file,
    }
}

fn wait(home: &Home, file: &File, share: Share, deadline: Instant) -> Result<(), Fault> {
    let mut pause = FIRST_PAUSE;
    loop {
        let taken = match share {
            Share::Shared => file.try_lock_shared(),
            Share::Exclusive => file.try_lock(),
        };
        match taken {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Fault::io("locking the store", error)),
            Err(TryLockError::WouldBlock) => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault::new(
                ErrorKind::Unavailable,
                format!("the store is in use by {}", holder(home)),
            ));
        }
        std::thread::sleep(jittered(pause).min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Between half of `pause` and all of it, so that waiting processes do not knock in step.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    pause / 2 + (pause / 2).mul_f64((random >> 32) as f64 / f64::from(u32::MAX))
}

/// Leaves who holds the lock, for the error of those who wait in vain. It may fail: nothing depends on it.
fn sign(file: &File) {
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let text = format!("{} {}", std::process::id(), printable(&program));
    let _ = file.write_all_at(format!("{text:<width$}\n", width = HOLDER_LEN - 1).as_bytes(), 0);
}

fn holder(home: &Home) -> String {
    let mut bytes = [0; HOLDER_LEN];
    let length = home
        .open_file(LOCK, Access::Read)
        .ok()
        .flatten()
        .and_then(|file| file.read_at(&mut bytes, 0).ok())
        .unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..length]);
    match text.trim_end().split_once(' ') {
        Some((pid, program)) if pid.parse::<u32>().is_ok() => {
            format!("{} (process {pid})", printable(program))
        }
        _ => "another process".to_owned(),
    }
}

/// At most 64 characters that cannot play tricks on a terminal.
fn printable(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let scratch = tempfile::tempdir().unwrap();
        let home = Home::create(&scratch.path().join("store")).unwrap();
        (scratch, home)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(30)
    }

    #[test]
    fn readers_share_and_a_writer_waits_for_them() {
        let (_scratch, home) = home();
        let first = Lock::take(&home, Share::Shared, soon()).unwrap();
        let second = Lock::take(&home, Share::Shared, soon()).unwrap();
        assert_eq!(Lock::take(&home, Share::Exclusive, soon()).unwrap_err().kind(), ErrorKind::Unavailable);
        drop((first, second));
        Lock::take(&home, Share::Exclusive, soon()).unwrap();
    }

    #[test]
    fn the_error_says_who_holds_the_lock() {
        let (_scratch, home) = home();
        let held = Lock::take(&home, Share::Exclusive, soon()).unwrap();
        let fault = Lock::take(&home, Share::Shared, soon()).unwrap_err();
        let program = std::env::current_exe().unwrap();
        let program = program.file_name().unwrap().to_str().unwrap();
        let expected = format!("the store is in use by {program} (process {})", std::process::id());
        assert_eq!(fault.detail(), expected);
        drop(held);
    }

    #[test]
    fn a_lock_file_that_was_exchanged_is_not_trusted() {
        let (scratch, home) = home();
        let held = Lock::take(&home, Share::Exclusive, soon()).unwrap();
        std::fs::remove_file(scratch.path().join("store").join(LOCK)).unwrap();
        assert!(!home.still_names(LOCK, &held.file).unwrap());
        let other = Lock::take(&home, Share::Exclusive, soon()).unwrap();
        assert!(home.still_names(LOCK, &other.file).unwrap());
    }

    #[test]
    fn what_the_lock_file_says_plays_no_tricks_on_a_terminal() {
        let (scratch, home) = home();
        let held = Lock::take(&home, Share::Exclusive, soon()).unwrap();
        let file = scratch.path().join("store").join(LOCK);
        std::fs::write(&file, b"12 \x1b[31mred\nnext line").unwrap();
        let fault = Lock::take(&home, Share::Shared, soon()).unwrap_err();
        assert_eq!(fault.detail(), "the store is in use by [31mrednextline (process 12)");
        std::fs::write(&file, b"\xff\xfe").unwrap();
        let fault = Lock::take(&home, Share::Shared, soon()).unwrap_err();
        assert_eq!(fault.detail(), "the store is in use by another process");
        drop(held);
    }

    #[test]
    fn pauses_stay_within_their_bounds() {
        for _ in 0..1000 {
            let pause = jittered(LONGEST_PAUSE);
            assert!(pause >= LONGEST_PAUSE / 2 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
    }
}
