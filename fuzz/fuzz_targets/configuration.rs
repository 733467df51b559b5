//! Settings that are accepted mean the same written out and read again; substitution changes nothing without `${`.
#![no_main]
use secrets_cli::config::{Settings, files::parse, substitute};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for name in ["secrets.toml", "secrets.yaml"] {
        let Ok(mut value) = parse(text, name.as_ref()) else { continue };
        let before = value.clone();
        let substituted = substitute::all(&mut value, &Default::default());
        assert!(substitute::first(&before).is_some() || substituted.is_ok() && value == before);
        let Ok(settings) = serde_json::from_value::<Settings>(value) else { continue };
        let written = serde_json::to_value(&settings).expect("settings are plain data");
        assert!(serde_json::from_value::<Settings>(written).is_ok_and(|again| again == settings));
    }
});
