//! Listings in pages: `maxresults` and `nextLink` of "Get Secrets", "Get Secret Versions" and "Get Deleted Secrets".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::refusal::{Answer, Refusal};

/// "If not specified the service will return up to 25 results"; no more can be asked for.
const PAGE: usize = 25;
const SKIP_TOKEN: &str = "$skiptoken";

/// Which page of a listing is asked for.
pub(super) struct Asked {
    size: usize,
    /// The key after which the page begins
    after: String,
    /// Did an empty page come before this one?
    after_an_empty_one: bool,
}

/// How a listing goes on.
pub(super) struct Listing<'a> {
    /// `https://NAME.vault.azure.net:PORT/secrets`
    pub(super) url: String,
    pub(super) query: &'a BTreeMap<String, String>,
    /// Does an empty page come before each other one? Clients must expect short and empty pages with a next link.
    pub(super) sparse: bool,
}

impl Listing<'_> {
    /// Answers one page of what has these keys, in the order of the keys.
    pub(super) fn page(&self, mut entries: Vec<(String, Value)>) -> Answer<Value> {
        let asked = Asked::read(self.query)?;
        if self.sparse && !asked.after_an_empty_one {
            return Ok(json!({ "value": [], "nextLink": self.next(&asked.after, true) }));
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.retain(|(key, _)| *key > asked.after);
        let next = entries.get(asked.size).is_some().then(|| self.next(&entries[asked.size - 1].0, false));
        let values: Vec<Value> = entries.into_iter().take(asked.size).map(|(_, value)| value).collect();
        Ok(json!({ "value": values, "nextLink": next }))
    }

    fn next(&self, after: &str, empty: bool) -> String {
        let token = BASE64_URL_SAFE_NO_PAD.encode(json!([after, empty]).to_string());
        let version = self.query.get("api-version").map_or("", String::as_str);
        let size = self.query.get("maxresults").map(|size| format!("&maxresults={size}"));
        format!("{}?api-version={version}&{SKIP_TOKEN}={token}{}", self.url, size.unwrap_or_default())
    }
}

impl Asked {
    fn read(query: &BTreeMap<String, String>) -> Answer<Self> {
        let size = match query.get("maxresults").map(|size| size.parse()) {
            None => PAGE,
            Some(Ok(size)) if (1..=PAGE).contains(&size) => size,
            Some(_) => return Err(Refusal::bad_parameter("maxresults must be between 1 and 25.")),
        };
        let (after, after_an_empty_one) = match query.get(SKIP_TOKEN) {
            None => (String::new(), false),
            Some(token) => BASE64_URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|token| serde_json::from_slice(&token).ok())
                .ok_or_else(|| Refusal::bad_parameter("The skip token is none of this service."))?,
        };
        Ok(Self { size, after, after_an_empty_one })
    }
}
