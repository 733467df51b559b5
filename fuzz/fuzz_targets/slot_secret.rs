//! A key file has one text, a line feed aside; a recovery phrase says the words that were typed.
#![no_main]
use secrets_crypto::{KeyFile, RecoveryPhrase};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(file) = KeyFile::parse(text.as_bytes()) {
        assert_eq!(*file.encode(), format!("{}\n", text.strip_suffix('\n').unwrap_or(text)));
    }
    if let Ok(phrase) = RecoveryPhrase::parse(text) {
        let typed: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
        assert_eq!(*phrase.words(), typed.join(" "));
    }
});
