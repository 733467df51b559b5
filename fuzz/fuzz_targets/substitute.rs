//! Substitution against a second reading of its rule.
#![no_main]
use secrets_cli::config::substitute::all;
use secrets_fuzz::text::substituted;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let set = [("A", "1"), ("B", "${A}"), ("EMPTY", "")];
    let mut value = Value::from(text);
    let outcome = all(&mut value, &set.into_iter().collect());
    assert_eq!(outcome.ok().map(|()| value), substituted(text, &set).map(Value::from));
});
