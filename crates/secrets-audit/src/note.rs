//! C2SP signed notes: a text under Ed25519 signatures of named keys, and the keys' text form.
//!
//! The formats are those of <https://c2sp.org/signed-note> and <https://c2sp.org/tlog-cosignature>; Go's
//! `golang.org/x/mod/sumdb/note` reads and writes the same bytes.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result, SigningKey, VerifyingKey};

/// The name of a note's key, and the origin of a log: not empty, without white space, `+` or control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.len() > 255 || text.contains(wrong) {
            return Err(Error::malformed(
                "key name",
                "it is empty, too long, or has white space, `+` or controls",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named public key: what `note.NewVerifier` of Go reads from one line.
///
/// Its text is `name+key id in 8 hexadecimal digits+base64(algorithm ‖ public key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: KeyName,
    algorithm: Algorithm,
    key: VerifyingKey,
}

impl NoteKey {
    /// The key that signs notes, such as the checkpoints of a log.
    #[must_use]
    pub const fn signer(name: KeyName, key: VerifyingKey) -> Self {
        Self { name, algorithm: Algorithm::Ed25519, key }
    }

    /// The key of a witness that cosigns checkpoints of others.
    #[must_use]
    pub const fn witness(name: KeyName, key: VerifyingKey) -> Self {
        Self { name, algorithm: Algorithm::Cosignature, key }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The four bytes by which a signature line names its key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.as_str())
            .chain_update([b'\n', self.algorithm as u8])
            .chain_update(self.key.as_bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Checks that `note` carries this key's signature, and returns the signed text.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`] where none is by this key or it does not hold.
    pub fn verify<'a>(&self, note: &'a Note) -> Result<&'a str> {
        let signature = note.signature_of(self).and_then(|bytes| <&[u8; 64]>::try_from(bytes).ok());
        match (self.algorithm, signature) {
            (Algorithm::Ed25519, Some(bytes)) if self.key.holds(note.text.as_bytes(), bytes) => {
                Ok(&note.text)
            }
            _ => Err(Error::BadSignature("note")),
        }
    }

    /// Checks that `note` carries this witness's cosignature, and returns the time it claims, in seconds since
    /// 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`] where none is by this witness or it does not hold.
    pub fn verify_cosignature(&self, note: &Note) -> Result<u64> {
        let wrong = Error::BadSignature("cosignature");
        if self.algorithm != Algorithm::Cosignature {
            return Err(wrong);
        }
        let Some((time, signature)) =
            note.signature_of(self).and_then(|bytes| bytes.split_first_chunk::<8>())
        else {
            return Err(wrong);
        };
        let Ok(signature) = <&[u8; 64]>::try_from(signature) else { return Err(wrong) };
        let time = u64::from_be_bytes(*time);
        if self.key.holds(cosigned(time, &note.text).as_bytes(), signature) { Ok(time) } else { Err(wrong) }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let encoded = STANDARD.encode([&[self.algorithm as u8], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{id:08x}+{encoded}", self.name)
    }
}

impl FromStr for NoteKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason| Error::malformed("verifier key", reason);
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it is not `name+id+key`"));
        };
        let decoded = STANDARD.decode(encoded).map_err(|_| wrong("its key is not base64"))?;
        let Some((&algorithm, key)) = decoded.split_first() else { return Err(wrong("its key is empty")) };
        let algorithm = match algorithm {
            1 => Algorithm::Ed25519,
            4 => Algorithm::Cosignature,
            _ => return Err(wrong("its algorithm is neither 1 nor 4")),
        };
        let key = <&[u8; 32]>::try_from(key).map_err(|_| wrong("its key is not 32 bytes"))?;
        let parsed = Self { name: name.parse()?, algorithm, key: VerifyingKey::from_bytes(key)? };
        if crate::hex::decode(id.as_bytes()) != Some(parsed.id()) {
            return Err(wrong("its id is not that of its name and key"));
        }
        Ok(parsed)
    }
}

/// A text and the signature lines under it, of which none is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SignatureLine {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Note {
    /// Signs a text, which must end with a line feed and hold no other control character.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for another text.
    pub fn sign(text: &str, name: &KeyName, key: &SigningKey) -> Result<Self> {
        check_text(text)?;
        let id = NoteKey::signer(name.clone(), key.verifying_key()).id();
        let bytes = key.sign(text.as_bytes()).to_vec();
        Ok(Self {
            text: text.to_owned(),
            signatures: vec![SignatureLine { name: name.as_str().to_owned(), id, bytes }],
        })
    }

    /// Adds a witness's cosignature, made at `time` (seconds since 1970-01-01 UTC).
    pub fn cosign(&mut self, time: u64, name: &KeyName, key: &SigningKey) {
        let id = NoteKey::witness(name.clone(), key.verifying_key()).id();
        let signature = key.sign(cosigned(time, &self.text).as_bytes());
        let bytes = [time.to_be_bytes().as_slice(), &signature].concat();
        self.signatures.push(SignatureLine { name: name.as_str().to_owned(), id, bytes });
    }

    /// Adds a signature line as text, such as a witness returns it.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where it is none.
    pub fn add_signature_line(&mut self, line: &str) -> Result<()> {
        let parsed = parse_line(line.strip_suffix('\n').unwrap_or(line))?;
        self.signatures.push(parsed);
        Ok(())
    }

    fn signature_of(&self, key: &NoteKey) -> Option<&[u8]> {
        let id = key.id();
        let line = self.signatures.iter().find(|line| line.name == key.name.as_str() && line.id == id)?;
        Some(&line.bytes)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let encoded = STANDARD.encode([line.id.as_slice(), &line.bytes].concat());
            writeln!(f, "{LINE_START}{} {encoded}", line.name)?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = Error;

    fn from_str(note: &str) -> Result<Self> {
        let wrong = |reason| Error::malformed("signed note", reason);
        if note.len() > MAX_NOTE {
            return Err(wrong("it is larger than 1 MB"));
        }
        let end = note.rfind("\n\n").ok_or_else(|| wrong("no empty line sets its signatures off"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| wrong("it does not end with a line feed"))?;
        let signatures: Vec<_> =
            lines.split('\n').take(MAX_SIGNATURES + 1).map(parse_line).collect::<Result<_>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(wrong("it has more than 100 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

/// The algorithm byte of a key, as the signed-note specification numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Ed25519 = 1,
    Cosignature = 4,
}

fn check_text(text: &str) -> Result<()> {
    if !text.ends_with('\n') || text.contains(|c: char| c != '\n' && c.is_ascii_control()) {
        return Err(Error::malformed("signed note", "its text has control characters or no last line feed"));
    }
    Ok(())
}

fn parse_line(line: &str) -> Result<SignatureLine> {
    let wrong = || Error::malformed("signed note", "a signature line is not `— name base64`");
    let (name, encoded) =
        line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
    let name: KeyName = name.parse().map_err(|_| wrong())?;
    let decoded = STANDARD.decode(encoded).map_err(|_| wrong())?;
    let Some((id, bytes)) = decoded.split_first_chunk::<4>() else { return Err(wrong()) };
    Ok(SignatureLine { name: name.0, id: *id, bytes: bytes.to_vec() })
}

fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// An em dash and a space begin every signature line.
const LINE_START: &str = "\u{2014} ";
const MAX_NOTE: usize = 1_000_000;
const MAX_SIGNATURES: usize = 100;
