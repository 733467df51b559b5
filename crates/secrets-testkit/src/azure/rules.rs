//! What a request may hold: names, versions, bodies.
//! Beside each rule stands the page of Microsoft's that has it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::refusal::{Answer, Refusal};

/// The versions of the protocol that are served; "API version": there is no default.
const API_VERSIONS: [&str; 9] = ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"];
/// "Azure Key Vault keys, secrets and certificates overview", object identifiers.
const NAME_MAX: usize = 127;
/// "About Azure Key Vault secrets": 25k bytes each.
const VALUE_MAX: usize = 25 * 1_024;
/// "About Azure Key Vault secrets": `contentType`.
const CONTENT_TYPE_MAX: usize = 255;
/// "About Azure Key Vault secrets", secret tags: up to 15, with names and values of 256 characters.
const TAGS_MAX: usize = 15;
const TAG_MAX: usize = 256;

/// `SecretSetParameters` and `SecretUpdateParameters` of the reference. Properties that it does not name are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    pub(super) value: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) content_type: Option<String>,
    pub(super) attributes: Option<Attributes>,
}

/// The part of `SecretAttributes` that may be written; times are seconds of Unix.
#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct Attributes {
    pub(super) enabled: Option<bool>,
    pub(super) nbf: Option<i64>,
    pub(super) exp: Option<i64>,
}

impl Parameters {
    /// Reads a body: "Request body" says that it is JSON and that its content type says so.
    pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> Answer<Self> {
        if !content_type.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json")) {
            return Err(Refusal::bad_parameter("The content type of the request is not application/json."));
        }
        let parameters: Self = serde_json::from_slice(body)
            .map_err(|_| Refusal::bad_parameter("The body of the request is no JSON of this operation."))?;
        parameters.check()?;
        Ok(parameters)
    }

    /// `value` of "Set Secret", which is required. An empty one is a value, as the service was seen to hold.
    pub(super) fn required_value(&mut self) -> Answer<String> {
        self.value.take().ok_or_else(|| Refusal::bad_parameter("Property value is required."))
    }

    fn check(&self) -> Answer<()> {
        let refuse = |what: &str| Err(Refusal::bad_parameter(format!("Property {what} is over its limit.")));
        if self.value.as_ref().is_some_and(|value| value.len() > VALUE_MAX) {
            return refuse("value");
        }
        if self.content_type.as_ref().is_some_and(|kind| kind.chars().count() > CONTENT_TYPE_MAX) {
            return refuse("contentType");
        }
        let tags = self.tags.iter().flatten();
        let is_long = |text: &String| text.chars().count() > TAG_MAX;
        if tags.clone().count() > TAGS_MAX
            || tags.clone().any(|(name, value)| is_long(name) || is_long(value))
        {
            return refuse("tags");
        }
        Ok(())
    }
}

/// "API version": `api-version` must be there, and known.
pub(super) fn check_api_version(version: Option<&str>) -> Answer<()> {
    match version {
        Some(version) if API_VERSIONS.contains(&version) => Ok(()),
        Some(_) => Err(Refusal::bad_parameter("The specified api-version is not recognized.")),
        None => Err(Refusal::bad_parameter("api-version must be specified.")),
    }
}

/// `^[0-9a-zA-Z-]{1,127}$`.
pub(super) fn check_name(name: &str) -> Answer<()> {
    let is_name = (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name {
        return Ok(());
    }
    Err(Refusal::bad_parameter("The request URI contains an invalid name."))
}

/// 32 hexadecimal digits.
pub(super) fn check_version(version: &str) -> Answer<()> {
    if version.len() == 32 && version.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Refusal::bad_parameter("The request URI contains an invalid version."))
}
