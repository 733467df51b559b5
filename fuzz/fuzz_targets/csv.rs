//! What is read of a CSV file is written, and reads the same again; so it does by way of the other formats.
#![no_main]
use secrets_cli::args::Keys;
use secrets_cli::formats::csv::{read, write};
use secrets_fuzz::text::survives_every_format;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(first) = read(data) {
        let written = write(&first, Keys::Name).expect("what was read is text without NUL");
        assert_eq!(read(&written).as_ref(), Ok(&first), "{}", String::from_utf8_lossy(&written));
        survives_every_format(&first);
    }
});
