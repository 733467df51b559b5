//! A stamp has one text, agrees with itself, and with itself cut short.
#![no_main]
use secrets_backend::Stamp;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(stamp) = text.parse::<Stamp>() {
        assert_eq!(stamp.to_string(), text);
        let mut poor = stamp.clone();
        (poor.term, poor.parent, poor.content_id) = (None, None, stamp.content_id.cut());
        assert!(stamp.agrees_with(&stamp) && stamp.agrees_with(&poor) && poor.agrees_with(&stamp));
        assert_eq!(poor.to_string().parse(), Ok(poor));
    }
});
