//! What opens a slot: a key file, a passphrase, a recovery phrase.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bip39::{Language, Mnemonic};
use rand_core::TryCryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, Key, Result, stack};

/// A secret that opens a slot, or is to open a new one.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum SlotSecret<'a> {
    /// 32 random bytes kept in a file.
    KeyFile(&'a KeyFile),
    /// What a person remembers: 1 to 4,096 bytes, taken as they are, without normalisation.
    Passphrase(&'a [u8]),
    /// 24 words on paper.
    RecoveryPhrase(&'a RecoveryPhrase),
}

impl fmt::Debug for SlotSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyFile(_) => "KeyFile(..)",
            Self::Passphrase(_) => "Passphrase(..)",
            Self::RecoveryPhrase(_) => "RecoveryPhrase(..)",
        })
    }
}

/// The content of a key file: 32 random bytes.
///
/// Its text form is one line, `SECRETS-KEY-1 ` followed by the bytes in unpadded base64url and a line feed.
///
/// ```compile_fail,E0599
/// let copy = secrets_crypto::KeyFile::generate(&mut getrandom::SysRng)?.clone();
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// println!("{}", secrets_crypto::KeyFile::generate(&mut getrandom::SysRng)?);
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// serde_json::to_string(&secrets_crypto::KeyFile::generate(&mut getrandom::SysRng)?);
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
pub struct KeyFile(pub(crate) Key);

impl KeyFile {
    /// A new random one.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
        Key::generate(rng).map(Self)
    }

    /// Reads a file's content. The line feed at its end may be missing; nothing else may differ.
    ///
    /// # Errors
    /// [`Error::InvalidKeyFile`]; [`Error::UnsupportedFormat`] for a later format.
    pub fn parse(content: &[u8]) -> Result<Self> {
        let line = content.strip_suffix(b"\n").unwrap_or(content);
        let rest = line.strip_prefix(KEY_FILE_WORD).ok_or(Error::InvalidKeyFile)?;
        let text = rest.strip_prefix(b"1 ").ok_or_else(|| newer_key_file(rest))?;
        stack::wiped(|| {
            let mut decoded = Zeroizing::new([0; Key::LEN]);
            match URL_SAFE_NO_PAD.decode_slice(text, &mut *decoded) {
                Ok(Key::LEN) => Ok(Self(Key::from_bytes(&decoded))),
                Ok(_) | Err(_) => Err(Error::InvalidKeyFile),
            }
        })
    }

    /// The file's content.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str("SECRETS-KEY-1 ");
        stack::wiped(|| URL_SAFE_NO_PAD.encode_string(self.0.expose(), &mut text));
        text.push('\n');
        text
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(..)")
    }
}

/// A recovery phrase: 24 English words of BIP-39, which are 256 random bits and 8 bits of checksum.
///
/// ```compile_fail,E0599
/// let copy = secrets_crypto::RecoveryPhrase::generate(&mut getrandom::SysRng)?.clone();
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// println!("{}", secrets_crypto::RecoveryPhrase::generate(&mut getrandom::SysRng)?);
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
/// ```compile_fail,E0277
/// serde_json::to_string(&secrets_crypto::RecoveryPhrase::generate(&mut getrandom::SysRng)?);
/// # Ok::<(), secrets_crypto::Error>(())
/// ```
pub struct RecoveryPhrase(pub(crate) Key);

impl RecoveryPhrase {
    /// How many words it has.
    pub const WORDS: usize = 24;

    /// A new random one.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self> {
        Key::generate(rng).map(Self)
    }

    /// Reads words as a person types them: any white space between them, any case.
    ///
    /// # Errors
    /// [`Error::InvalidRecoveryPhrase`] for another number of words, an unknown word or a wrong checksum.
    pub fn parse(text: &str) -> Result<Self> {
        // 24 words of at most 8 letters; what is much longer is not worth copying.
        if text.len() > 1024 || text.split_whitespace().count() != Self::WORDS {
            return Err(Error::InvalidRecoveryPhrase);
        }
        let mut lower = Zeroizing::new(String::with_capacity(text.len()));
        lower.push_str(text);
        lower.make_ascii_lowercase();
        stack::wiped(|| {
            let mnemonic = Mnemonic::parse_in_normalized(Language::English, &lower).ok()?;
            let (mut entropy, len) = mnemonic.to_entropy_array();
            let key = entropy.first_chunk::<{ Key::LEN }>().filter(|_| len == Key::LEN).map(Key::from_bytes);
            entropy.zeroize();
            key
        })
        .map(Self)
        .ok_or(Error::InvalidRecoveryPhrase)
    }

    /// The 24 words, separated by single spaces. To be shown once, on a terminal only.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        stack::wiped(|| {
            let mnemonic = Mnemonic::from_entropy(self.0.expose()).expect("32 bytes are a length of BIP-39");
            let mut text = Zeroizing::new(String::with_capacity(Self::WORDS * 9));
            for word in mnemonic.words() {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            }
            text
        })
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(..)")
    }
}

/// A first word with another number is a later format; anything else is no key file.
fn newer_key_file(rest: &[u8]) -> Error {
    let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).take(5).collect();
    let number = std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u16>().ok());
    match number {
        Some(found) if found > 1 && rest.get(digits.len()) == Some(&b' ') => {
            Error::UnsupportedFormat { what: "the key file", found }
        }
        _ => Error::InvalidKeyFile,
    }
}

const KEY_FILE_WORD: &[u8] = b"SECRETS-KEY-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_round_trips_and_only_its_one_form_is_read() {
        let file = KeyFile(Key::from_bytes(&[0xfb; 32]));
        let text = file.encode();
        assert_eq!(&**text, "SECRETS-KEY-1 -_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s\n");
        for same in [text.as_bytes(), text.trim_end().as_bytes()] {
            assert_eq!(KeyFile::parse(same).map(|file| *file.0.expose()), Ok([0xfb; 32]));
        }
        let line = text.trim_end();
        for wrong in [
            String::new(),
            "SECRETS-KEY-1 ".into(),
            line[..line.len() - 1].into(),
            format!("{line}A"),
            format!("{line}="),
            format!("{line}\r\n"),
            format!("{line}\n\n"),
            format!(" {line}"),
            line.replace("1 ", "1  "),
            line.replace("1 ", "01 "),
            line.replace('_', "/").replace(" -", " +"),
            line.to_lowercase(),
            // The last character carries two bits that must be zero.
            format!("{}t", &line[..line.len() - 1]),
        ] {
            assert_eq!(KeyFile::parse(wrong.as_bytes()).err(), Some(Error::InvalidKeyFile), "{wrong:?}");
        }
    }

    #[test]
    fn a_later_key_file_says_so() {
        let found = |text: &[u8]| KeyFile::parse(text).err();
        let what = "the key file";
        assert_eq!(found(b"SECRETS-KEY-2 abc"), Some(Error::UnsupportedFormat { what, found: 2 }));
        assert_eq!(found(b"SECRETS-KEY-999999 abc"), Some(Error::InvalidKeyFile));
    }

    #[test]
    fn a_recovery_phrase_is_read_as_people_type() {
        let phrase = RecoveryPhrase(Key::from_bytes(&[0x80; 32]));
        let words = phrase.words();
        assert_eq!(words.split(' ').count(), 24);
        let typed = format!("  {}\n", words.to_uppercase().replace(' ', "\t "));
        assert_eq!(RecoveryPhrase::parse(&typed).map(|phrase| *phrase.0.expose()), Ok([0x80; 32]));
    }

    #[test]
    fn a_recovery_phrase_with_a_wrong_word_or_number_of_words_is_refused() {
        let words = RecoveryPhrase(Key::from_bytes(&[0x80; 32])).words();
        let (first, rest) = words.split_once(' ').expect("24 words");
        for wrong in [
            String::new(),
            rest.to_owned(),
            format!("{} {first}", *words),
            format!("zoo {rest}"),
            format!("{first}x {rest}"),
            words.replace(' ', ","),
            "abandon ".repeat(1_000_000),
        ] {
            assert_eq!(RecoveryPhrase::parse(&wrong).err(), Some(Error::InvalidRecoveryPhrase));
        }
    }

    #[test]
    fn debug_of_a_slot_secret_shows_nothing() {
        let file = KeyFile(Key::from_bytes(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        let phrase = RecoveryPhrase(Key::from_bytes(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        let shown = format!(
            "{file:?} {phrase:?} {:?} {:?} {:?}",
            SlotSecret::KeyFile(&file),
            SlotSecret::RecoveryPhrase(&phrase),
            SlotSecret::Passphrase(b"hunter2")
        );
        let expected = "KeyFile(..) RecoveryPhrase(..) KeyFile(..) RecoveryPhrase(..) Passphrase(..)";
        assert_eq!(shown, expected);
    }
}
