//! Between a value and the map of fields that KV stores.
//!
//! | value | fields |
//! | --- | --- |
//! | sealed | `value`: `sev1:` and base64url; `stamp`: its text |
//! | UTF-8 text | `value` |
//! | other bytes | `value`: base64; `content_type`: `application/octet-stream;base64` |
//! | a JSON object, compact, its names in order | its own fields |
//!
//! The last row is how a secret of several fields, written by another program, is read, and how it is written back. It
//! holds only for a text that reads back as it was; any other object is a text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrets_backend::{NewSecret, SecretBytes, Stamp};
use serde_json::{Map, Value};
use zeroize::Zeroize;

/// What KV stores under a path.
pub(crate) type Fields = Map<String, Value>;

const VALUE: &str = "value";
const STAMP: &str = "stamp";
const CONTENT_TYPE: &str = "content_type";
const BINARY: &str = "application/octet-stream;base64";
const SEALED: &str = "sev1:";

/// The fields that stand for a value.
pub(crate) fn to_fields(secret: &NewSecret) -> Fields {
    let bytes = secret.value.expose();
    if let Some(stamp) = &secret.stamp {
        let text = format!("{SEALED}{}", URL_SAFE_NO_PAD.encode(bytes));
        return fields([(VALUE, text), (STAMP, stamp.to_string())]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return fields([(VALUE, STANDARD.encode(bytes)), (CONTENT_TYPE, BINARY.to_owned())]);
    };
    own_fields(text).unwrap_or_else(|| fields([(VALUE, text.to_owned())]))
}

/// The value that fields stand for, and its stamp if it is sealed.
pub(crate) fn from_fields(mut fields: Fields) -> (SecretBytes, Option<Stamp>) {
    if fields.len() == 1
        && let Some(Value::String(text)) = fields.get_mut(VALUE)
    {
        return (std::mem::take(text).into(), None);
    }
    if let Some(sealed) = sealed(&fields) {
        return sealed;
    }
    if let Some(bytes) = binary(&fields) {
        wipe(fields);
        return (bytes, None);
    }
    let text = Value::Object(fields);
    let written = text.to_string();
    if let Value::Object(fields) = text {
        wipe(fields);
    }
    (written.into(), None)
}

/// Wipes the texts of fields that are no longer needed.
pub(crate) fn wipe(fields: Fields) {
    fields.into_iter().for_each(|(_, value)| wipe_value(value));
}

fn wipe_value(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Array(values) => values.into_iter().for_each(wipe_value),
        Value::Object(fields) => wipe(fields),
        _ => {}
    }
}

fn fields<const N: usize>(texts: [(&str, String); N]) -> Fields {
    texts.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text))).collect()
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn sealed(fields: &Fields) -> Option<(SecretBytes, Option<Stamp>)> {
    let (value, stamp) = (text(fields, VALUE)?, text(fields, STAMP)?);
    let envelope = URL_SAFE_NO_PAD.decode(value.strip_prefix(SEALED)?).ok()?;
    // A stamp that was tampered with is none: the envelope says what is true.
    (fields.len() == 2).then(|| (envelope.into(), stamp.parse().ok()))
}

fn binary(fields: &Fields) -> Option<SecretBytes> {
    let is_binary = fields.len() == 2 && text(fields, CONTENT_TYPE) == Some(BINARY);
    let bytes = STANDARD.decode(text(fields, VALUE)?).ok()?;
    is_binary.then(|| bytes.into())
}

/// The fields of a text that is a JSON object, where they read back as this very text.
fn own_fields(text: &str) -> Option<Fields> {
    if !text.starts_with('{') {
        return None;
    }
    let fields: Fields = serde_json::from_str(text).ok()?;
    let (back, stamp) = from_fields(fields.clone());
    if back.expose() == text.as_bytes() && stamp.is_none() && !fields.is_empty() {
        return Some(fields);
    }
    wipe(fields);
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_backend::{ContentId, StampKind};

    use super::*;

    fn read(fields: Fields) -> Vec<u8> {
        from_fields(fields).0.expose().to_vec()
    }

    fn written(text: &str) -> String {
        Value::Object(to_fields(&NewSecret::new(text))).to_string()
    }

    proptest! {
        #[test]
        fn every_value_reads_back_byte_for_byte(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(read(to_fields(&NewSecret::new(&*bytes))), bytes);
        }

        #[test]
        fn every_text_near_an_object_reads_back_byte_for_byte(
            text in r#"\{("(value|stamp|content_type|a)":( )?("x"|1|1\.50|null|\{\}|"sev1:AAAA")(,)?){0,3}\}"#
        ) {
            prop_assert_eq!(read(to_fields(&NewSecret::new(&*text))), text.into_bytes());
        }

        #[test]
        fn a_sealed_value_reads_back_with_its_stamp(bytes in any::<Vec<u8>>(), version in any::<u64>()) {
            let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([3; 32]), None);
            let fields = to_fields(&NewSecret::new(&*bytes).with_stamp(stamp.clone()));
            let (value, read) = from_fields(fields);
            prop_assert_eq!(value.expose(), &*bytes);
            prop_assert_eq!(read, Some(stamp));
        }
    }

    #[test]
    fn texts_and_maps_are_written_as_other_programs_expect_them() {
        assert_eq!(written("hunter2"), r#"{"value":"hunter2"}"#);
        assert_eq!(written(""), r#"{"value":""}"#);
        assert_eq!(written(r#"{"password":"y","user":"x"}"#), r#"{"password":"y","user":"x"}"#);
        // Not as `get` would show it, so it stays the text that it is.
        assert_eq!(written(r#"{"user": "x"}"#), r#"{"value":"{\"user\": \"x\"}"}"#);
        assert_eq!(written(r#"{"value":"x"}"#), r#"{"value":"{\"value\":\"x\"}"}"#);
        assert_eq!(written("{}"), r#"{"value":"{}"}"#);
        assert_eq!(
            Value::Object(to_fields(&NewSecret::new(&[0xff, 0][..]))).to_string(),
            r#"{"content_type":"application/octet-stream;base64","value":"/wA="}"#
        );
    }

    #[test]
    fn a_map_of_another_program_is_its_json() {
        let fields = serde_json::from_str(r#"{"user":"x","port":5432}"#).unwrap();
        assert_eq!(read(fields), br#"{"port":5432,"user":"x"}"#);
    }
}
