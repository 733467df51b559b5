//! `--expires` takes days from now, a date, or a time with its offset; nothing that it would read in part.
#![no_main]
use secrets_fuzz::text::{NOW, expires};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some(found) = expires(text) else { return };
    if let Some(days) = text.strip_suffix('d') {
        assert_eq!(days.parse().map(|days: u64| days * 86_400_000 + NOW), Ok(found));
    } else if text.len() == "2027-01-31".len() {
        assert_eq!(expires(&format!("{text}T00:00:00Z")), Some(found));
    } else {
        assert!(text[10..].contains(['Z', 'z', '+', '-']), "{text}: at whose midnight?");
    }
});
