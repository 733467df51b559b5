//! The path grammar against a second reading of its rules; what is accepted keeps its text.
#![no_main]
use secrets_backend::SecretPath;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let segment =
        |s: &str| (1..=64).contains(&s.len()) && !s.starts_with(['-', '.']) && s.chars().all(allowed);
    let legal = text.len() <= 200 && text.split('/').count() <= 8 && text.split('/').all(segment);
    let parsed = SecretPath::parse(text);
    assert_eq!(parsed.is_ok(), legal && !text.starts_with('_'), "{text:?}");
    assert_eq!(SecretPath::control(text).is_ok(), legal, "{text:?}");
    assert!(parsed.is_err() || parsed.is_ok_and(|path| path.as_str() == text));
});
