//! A search for planted bytes, in whatever form a careless program could leave them behind: in byte strings,
//! in files, and in the memory of a process. The tests of the command line include this file too.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Looks for a set of canaries in all their forms at once.
pub(crate) struct Scanner {
    patterns: Vec<Pattern>,
    /// The patterns by their first two bytes, so that one pass over the bytes finds them all.
    starts: HashMap<[u8; 2], Vec<usize>>,
    is_start: Vec<bool>,
}

/// A canary that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Which canary, in which form.
    pub(crate) what: String,
    /// Where: a file, a mapping of memory.
    pub(crate) place: String,
    /// The byte that it starts at; in memory, its address.
    pub(crate) at: u64,
}

struct Pattern {
    what: String,
    bytes: Vec<u8>,
}

impl Scanner {
    /// A scanner for these canaries: a name and its bytes, 12 at least, so that no form is short enough to
    /// turn up by chance.
    pub(crate) fn new<N: AsRef<str>, B: AsRef<[u8]>>(canaries: impl IntoIterator<Item = (N, B)>) -> Self {
        let mut patterns = Vec::new();
        for (name, bytes) in canaries {
            assert!(bytes.as_ref().len() >= 12, "{} is too short", name.as_ref());
            for (form, bytes) in forms(bytes.as_ref()) {
                patterns.push(Pattern { what: format!("{} as {form}", name.as_ref()), bytes });
            }
        }
        let mut starts = HashMap::<[u8; 2], Vec<usize>>::new();
        let mut is_start = vec![false; 1 << 16];
        for (number, pattern) in patterns.iter().enumerate() {
            let start = [pattern.bytes[0], pattern.bytes[1]];
            starts.entry(start).or_default().push(number);
            is_start[usize::from(u16::from_be_bytes(start))] = true;
        }
        Self { patterns, starts, is_start }
    }

    /// The canaries in a byte string.
    pub(crate) fn bytes(&self, place: &str, bytes: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for at in 0..bytes.len().saturating_sub(1) {
            let start = [bytes[at], bytes[at + 1]];
            if !self.is_start[usize::from(u16::from_be_bytes(start))] {
                continue;
            }
            for &number in &self.starts[&start] {
                let pattern = &self.patterns[number];
                if bytes[at..].starts_with(&pattern.bytes) {
                    hits.push(Hit { what: pattern.what.clone(), place: place.to_owned(), at: at as u64 });
                }
            }
        }
        hits
    }

    /// The canaries in names and contents of all files at and below `root`. Links are read, not followed;
    /// FIFOs and sockets hold nothing.
    pub(crate) fn files(&self, root: &Path) -> Vec<Hit> {
        let place = root.display().to_string();
        let name = root.file_name().map_or(&[][..], |name| name.as_bytes());
        let mut hits = self.bytes(&format!("the name of {place}"), name);
        let kind = fs::symlink_metadata(root).unwrap().file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(root).unwrap() {
                hits.extend(self.files(&entry.unwrap().path()));
            }
        } else if kind.is_symlink() {
            hits.extend(self.bytes(&place, fs::read_link(root).unwrap().as_os_str().as_bytes()));
        } else if kind.is_file() {
            hits.extend(self.bytes(&place, &fs::read(root).unwrap()));
        }
        hits
    }

    /// The canaries in all memory that a process can write to: heap, stacks, anonymous and shared mappings.
    ///
    /// # Errors
    /// As reading `/proc` fails: another user's process, or one that closed its memory, without privileges.
    pub(crate) fn memory(&self, process: u32) -> io::Result<Vec<Hit>> {
        let mut memory = fs::File::open(format!("/proc/{process}/mem"))?;
        let mut hits = Vec::new();
        let mut bytes = Vec::new();
        for map in fs::read_to_string(format!("/proc/{process}/maps"))?.lines() {
            let mut fields = map.split_ascii_whitespace();
            let (Some(range), Some(modes)) = (fields.next(), fields.next()) else { continue };
            if !modes.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
            bytes.clear();
            memory.seek(SeekFrom::Start(from))?;
            // A mapping that went away since it was listed holds nothing any more.
            let _ = (&mut memory).take(to - from).read_to_end(&mut bytes);
            let place = fields.nth(3).unwrap_or("anonymous memory");
            hits.extend(self.bytes(place, &bytes).into_iter().map(|hit| Hit { at: from + hit.at, ..hit }));
        }
        Ok(hits)
    }
}

impl std::fmt::Display for Hit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {} at {:#x}", self.what, self.place, self.at)
    }
}

/// A secret in pieces of 16 bytes, to be looked for one by one in memory: an allocator writes its own notes over
/// the first bytes of what is freed, and leaves the rest.
pub(crate) fn pieces<'a>(name: &'a str, bytes: &'a [u8]) -> impl Iterator<Item = (String, &'a [u8])> {
    let pieces = bytes.chunks_exact(16).enumerate();
    pieces.map(move |(number, piece)| (format!("{name}, from byte {},", number * 16), piece))
}

/// The hits, one a line, for the message of a failed test.
pub(crate) fn listed(hits: &[Hit]) -> String {
    hits.iter().map(|hit| format!("\n  {hit}")).collect()
}

/// Everything that bytes are commonly turned into.
fn forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("themselves", bytes.to_vec()),
        ("lower-case hex", hex.clone().into_bytes()),
        ("upper-case hex", hex.to_uppercase().into_bytes()),
        ("UTF-16LE", bytes.iter().flat_map(|&byte| [byte, 0]).collect()),
        ("UTF-16BE", bytes.iter().flat_map(|&byte| [0, byte]).collect()),
    ];
    // Wherever the bytes start in what was encoded, whole groups of three of them are encoded the same way.
    for skipped in 0..3 {
        let whole = &bytes[skipped..];
        let whole = &whole[..whole.len() / 3 * 3];
        let (standard, url) = (STANDARD_NO_PAD.encode(whole), URL_SAFE_NO_PAD.encode(whole));
        if url != standard {
            forms.push(("URL-safe base64", url.into_bytes()));
        }
        forms.push(("base64", standard.into_bytes()));
    }
    forms
}

#[test]
fn a_planted_canary_is_found_in_every_form_and_nothing_else_is() {
    let canary = b"\xfb\xff?>~canary-0815-4711";
    let scanner = Scanner::new([("value", canary)]);
    let wide = |order: fn(u16) -> [u8; 2]| canary.iter().flat_map(|&byte| order(byte.into())).collect();
    let hex: String = canary.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut planted: Vec<(&str, Vec<u8>)> = vec![
        ("themselves", canary.to_vec()),
        ("lower-case hex", hex.clone().into_bytes()),
        ("upper-case hex", hex.to_uppercase().into_bytes()),
        ("UTF-16LE", wide(u16::to_le_bytes)),
        ("UTF-16BE", wide(u16::to_be_bytes)),
    ];
    for before in ["", "x", "xy"] {
        let whole = [before.as_bytes(), canary, b"zz"].concat();
        planted.push(("base64", STANDARD_NO_PAD.encode(&whole).into_bytes()));
        planted.push(("URL-safe base64", URL_SAFE_NO_PAD.encode(&whole).into_bytes()));
    }
    for (form, bytes) in &planted {
        let hits = scanner.bytes("here", &[&[0x7f; 100][..], bytes, b"after"].concat());
        assert_eq!(hits.len(), 1, "{form}");
        assert!(hits[0].what.ends_with(form), "{form}: {}", hits[0]);
        assert!((100..108).contains(&hits[0].at));
        let mut altered = bytes.clone();
        altered[bytes.len() / 2] ^= 4;
        assert_eq!(scanner.bytes("here", &altered), []);
    }
    println!("FIGURE: {} encodings of a planted canary are found", planted.len());
}

#[test]
fn a_planted_canary_is_found_in_files_names_links_and_memory() {
    let directory = tempfile::tempdir().unwrap();
    // Made here and now, so that it is not also in the program's own read-only data.
    let canary: Vec<u8> = (0..24_u8).map(|n| b'a' + n.wrapping_mul(7) % 26).collect();
    let text = std::str::from_utf8(&canary).unwrap();
    let scanner = Scanner::new([("value", &canary)]);
    let below = directory.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    fs::write(below.join("content"), [b"before", &canary[..]].concat()).unwrap();
    fs::write(below.join(text), "").unwrap();
    std::os::unix::fs::symlink(text, below.join("link")).unwrap();
    let hits = scanner.files(directory.path());
    assert_eq!(hits.len(), 3, "{}", listed(&hits));
    let own = scanner.memory(std::process::id()).unwrap();
    let address = canary.as_ptr() as u64;
    assert!(own.iter().any(|hit| hit.at == address), "{}", listed(&own));
}
