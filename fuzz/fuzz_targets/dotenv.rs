//! What is read of a `.env` file can be written, and reads the same again.
#![no_main]
use secrets_cli::formats::dotenv::{read, write};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = read(data, true);
    if let Ok(first) = read(data, false) {
        let written = write(&first.pairs).expect("what was read has no NUL and is UTF-8");
        let second = read(&written, false).expect("what was written is read");
        assert!(first.pairs == second.pairs, "{:?}", String::from_utf8_lossy(&written));
    }
});
