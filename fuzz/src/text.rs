//! What the fuzz targets of texts share: every format of secrets, and second readings of rules.

use secrets_backend::{Metadata, Timestamp};
use secrets_cli::args::{Keys, MetadataArgs};
use secrets_cli::formats::{Pair, csv, json, yaml};
use secrets_cli::metadata::Change;

/// Asserts that secrets of one file keep names and values in files of each other format that carries them.
pub fn survives_every_format(pairs: &[Pair]) {
    let through_json = json::read(&json::write(pairs).expect("text"));
    assert_eq!(through_json.as_deref(), Ok(pairs));
    let through_yaml = yaml::read(&yaml::write(pairs).expect("text"));
    assert_eq!(through_yaml.as_deref(), Ok(pairs));
    let has_nul = |pair: &Pair| pair.name.contains('\0') || pair.value.expose().contains(&0);
    if !pairs.iter().any(has_nul) {
        let through_csv = csv::read(&csv::write(pairs, Keys::Name).expect("text without NUL"));
        assert_eq!(through_csv.as_deref(), Ok(pairs));
    }
}

/// The time that `--expires` makes of a text, where the present is [`NOW`].
pub fn expires(text: &str) -> Option<u64> {
    let (mut args, mut metadata) = (MetadataArgs::default(), Metadata::default());
    args.expires = Some(text.to_owned());
    Change::parse(&args, Timestamp::from_millis(NOW)).ok()?.apply(&mut metadata);
    metadata.expires.map(Timestamp::as_millis)
}

/// The present, in milliseconds since 1970.
pub const NOW: u64 = 7;

/// A text with its references replaced, by a second reading of the rule: `${NAME}`, `${NAME:-default}`, and no other
/// `${`.
pub fn substituted(text: &str, set: &[(&str, &str)]) -> Option<String> {
    let mut pieces = text.split("${");
    let before = pieces.next()?.to_owned();
    pieces.try_fold(before, |done, piece| Some(done + &reference(piece, set)?))
}

/// The value of the reference behind a `${`, and what comes after it.
fn reference(piece: &str, set: &[(&str, &str)]) -> Option<String> {
    let (inside, after) = piece.split_once('}')?;
    let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, rest)| (name, Some(rest)));
    let value = set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let value = value.filter(|value| default.is_none() || !value.is_empty()).or(default)?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| format!("{value}{after}"))
}
