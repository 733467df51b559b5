//! What is read of a JSON file is written, and reads the same again; so it does by way of the other formats.
#![no_main]
use secrets_cli::formats::json::{read, write};
use secrets_fuzz::text::survives_every_format;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(first) = read(data) {
        let written = write(&first).expect("what was read is text");
        assert_eq!(read(&written).as_ref(), Ok(&first), "{}", String::from_utf8_lossy(&written));
        survives_every_format(&first);
    }
});
