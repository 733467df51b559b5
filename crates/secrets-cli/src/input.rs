//! Values coming in: from a prompt, a pipe, a file, or an argument.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, fstat};
use secrets_backend::SecretBytes;
use zeroize::Zeroizing;

use crate::args::SetArgs;
use crate::failure::Failure;
use crate::prompt::Terminal;

/// Where a value came from, for what has to be said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A person typed it, without echo.
    Prompt,
    /// Standard input.
    Stdin,
    /// A file.
    File,
    /// The command line, and so the shell's history and the process list.
    Argument,
}

/// The value that `set` was given.
///
/// # Errors
/// Exit 2: a file that cannot be read, more than [`MAX_LEN`] bytes, or nothing to read and nobody to ask.
pub fn value(args: &SetArgs, terminal: Terminal) -> Result<(SecretBytes, Origin), Failure> {
    if let Some(path) = &args.from_file {
        return Ok((file(path)?, Origin::File));
    }
    match args.value.as_deref().map(OsStr::as_bytes) {
        Some(b"-") => Ok((stdin(args.raw)?, Origin::Stdin)),
        Some([b'@', name @ ..]) if !name.is_empty() => {
            Ok((file(Path::new(OsStr::from_bytes(name)))?, Origin::File))
        }
        Some(value) => Ok((SecretBytes::from(value), Origin::Argument)),
        None if terminal.stdin => Ok((terminal.hidden_twice("Value")?, Origin::Prompt)),
        None if stdin_can_hold_a_value() => Ok((stdin(args.raw)?, Origin::Stdin)),
        None => Err(Failure::usage("no value: standard input is neither a terminal nor a pipe nor a file")
            .hint("pipe the value in, or name a file with --from-file")),
    }
}

/// The bytes of a file, as they are.
///
/// # Errors
/// Exit 2 where it cannot be read or is over [`MAX_LEN`].
pub fn file(path: &Path) -> Result<SecretBytes, Failure> {
    let cannot =
        |source: io::Error| Failure::usage(format!("{} cannot be read", path.display())).caused_by(source);
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(Failure::usage(format!("{} is a directory", path.display())));
    }
    read(file).map_err(cannot)?.ok_or_else(|| too_large(&path.display().to_string()))
}

/// Standard input; without its last line feed unless `raw` says to keep it.
///
/// # Errors
/// Exit 2 where it cannot be read or is over [`MAX_LEN`].
pub fn stdin(raw: bool) -> Result<SecretBytes, Failure> {
    let bytes = read(io::stdin().lock())
        .map_err(|source| Failure::usage("standard input cannot be read").caused_by(source))?
        .ok_or_else(|| too_large("standard input"))?;
    Ok(if raw { bytes } else { without_line_end(&bytes) })
}

/// A value without one line feed at its end, CR LF included.
#[must_use]
pub fn without_line_end(value: &SecretBytes) -> SecretBytes {
    let bytes = value.expose();
    let bytes = match bytes {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        all => all,
    };
    SecretBytes::from(bytes)
}

/// A null device is neither a terminal nor a value.
fn stdin_can_hold_a_value() -> bool {
    let kind = fstat(io::stdin().as_fd()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket | FileType::RegularFile))
}

/// Reads to the end, into one buffer that is wiped; `None` where there is more than allowed.
fn read(mut source: impl Read) -> io::Result<Option<SecretBytes>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut chunk = Zeroizing::new(vec![0; 64 * 1024]);
    loop {
        match source.read(&mut chunk) {
            Ok(0) => return Ok(Some(SecretBytes::from(bytes))),
            Ok(len) if bytes.len() + len > MAX_LEN => return Ok(None),
            Ok(len) => {
                // Growing in place could leave a copy behind in freed memory: a new buffer, the old one wiped.
                if bytes.capacity() < bytes.len() + len {
                    let mut larger = Zeroizing::new(Vec::with_capacity((bytes.len() + len) * 2));
                    larger.extend_from_slice(&bytes);
                    bytes = larger;
                }
                bytes.extend_from_slice(&chunk[..len]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn too_large(what: &str) -> Failure {
    Failure::usage(format!("{what} is larger than {} MiB, more than any secret can be", MAX_LEN >> 20))
}

/// The most that is ever read, in bytes; the safe's own limit for a value is lower.
pub const MAX_LEN: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(bytes: &[u8]) -> Vec<u8> {
        without_line_end(&SecretBytes::from(bytes)).expose().to_vec()
    }

    #[test]
    fn exactly_one_line_end_is_dropped() {
        for (from, to) in [
            (&b"x\n"[..], &b"x"[..]),
            (b"x\n\n", b"x\n"),
            (b"x\r\n", b"x"),
            (b"x", b"x"),
            (b"\n", b""),
            (b"", b""),
            (b"x\r", b"x\r"),
        ] {
            assert_eq!(trimmed(from), to);
        }
    }

    #[test]
    fn what_is_read_is_read_whole_and_an_endless_source_is_not() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        assert_eq!(read(&bytes[..]).unwrap().unwrap().expose(), bytes);
        assert!(read(io::repeat(b'x')).unwrap().is_none());
    }
}
