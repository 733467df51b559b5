//! Tests of what becomes of other tools' settings.

use super::super::files::{Kind, Layer, parse};
use super::super::flat;
use super::*;

fn flat_file(text: &str) -> Result<Migrated, Failure> {
    let path = std::path::PathBuf::from("/project/cloud_config.yaml");
    let value = parse(text, &path).unwrap();
    let layer = Layer { path, kind: Kind::User, bytes: text.as_bytes().to_vec(), value };
    let mut migrated = Migrated::default();
    migrated.add_flat(flat::settings(&layer, &layer.value)?)?;
    Ok(migrated)
}

fn variables(pairs: &[(&str, &str)]) -> Migrated {
    let pairs: Vec<Pair> =
        pairs.iter().map(|(name, value)| Pair::new(*name, value.as_bytes().to_vec())).collect();
    let mut migrated = Migrated::default();
    migrated.add_variables(&pairs);
    migrated
}

fn fate(migrated: &Migrated, name: &str) -> String {
    migrated.fates.iter().find(|(known, _)| known == name).unwrap().1.to_string()
}

#[test]
fn the_migrated_file_means_what_the_flat_one_meant() {
    let file = "
production:
  primary:  { backend: aws, region: us-east-1, secret_prefix: \"p/\", boto_profile: production }
  failover: { backend: vault, vault_url: \"${ADDRESS}\", token: \"${TOKEN}\", mount: kv }
  backup: [{ backend: local }]
a.b: { primary: { backend: azure, vault_url: \"https://x.vault.azure.net/\" } }
";
    let migrated = flat_file(file).unwrap();
    let text = migrated.to_toml().unwrap();
    let again = parse(&text, "secrets.toml".as_ref()).unwrap();
    assert_eq!(again, Value::Object(migrated.settings.clone()), "{text}");
    assert_eq!(
        fate(&migrated, "production.primary.boto_profile"),
        "taken over as backends.production-primary.profile"
    );
    assert_eq!(migrated.fates.len(), 4 + 4 + 1 + 2, "each setting has its line: {:?}", migrated.fates);
}

#[test]
fn a_token_that_is_written_out_stays_behind() {
    for token in ["s.hunter2", "${TOKEN:-s.hunter2}", "${A}hunter2${B}"] {
        let file =
            format!("p: {{ primary: {{ backend: vault, vault_url: \"https://v\", token: \"{token}\" }} }}");
        let migrated = flat_file(&file).unwrap();
        assert!(!migrated.to_toml().unwrap().contains("hunter2"));
        assert!(fate(&migrated, "p.primary.token").starts_with("has no equivalent: a secret is not copied"));
        assert!(!format!("{migrated:?}").contains("hunter2"));
    }
    let kept = flat_file("p: { primary: { backend: vault, vault_url: \"https://v\", token: \"${TOKEN}\" } }")
        .unwrap();
    assert!(kept.to_toml().unwrap().contains("${TOKEN}"));
}

#[test]
fn an_address_with_more_than_an_address_is_refused_and_not_shown() {
    for address in ["https://me:hunter2@v", "https://v?token=hunter2", "https://v#hunter2"] {
        let file = format!("p: {{ primary: {{ backend: vault, vault_url: \"{address}\" }} }}");
        let failure = flat_file(&file).unwrap_err();
        assert!(failure.to_string().contains("`backends.p-primary.address` holds more"), "{failure}");
        assert!(!failure.to_string().contains("hunter2"));
    }
}

#[test]
fn every_known_variable_has_its_fate_and_none_shows_its_value() {
    let names = [
        ("MAX_ACCESS_ATTEMPTS", "not in this version yet"),
        ("ROTATION_INTERVAL_DAYS", "--rotate-every"),
        ("AUDIT_RETENTION_DAYS", "not in this version yet"),
        ("AUDIT_LOG_PATH", "XDG_STATE_HOME"),
        ("COMPLIANCE_LEVEL", "not in this version yet"),
        ("VIOLATION_THRESHOLD", "not in this version yet"),
        ("ALERT_WEBHOOK_URL", "not in this version yet"),
        ("LOG_LEVEL", "SECRETS_LOG"),
        ("PROMETHEUS_PORT", "has no equivalent"),
        ("KEY_DERIVATION_ITERATIONS", "600,000"),
    ];
    let pairs: Vec<_> = names.iter().map(|(name, _)| (*name, "hunter2")).collect();
    let migrated = variables(&[&pairs[..], &[("DATABASE_URL", "hunter2"), ("API_KEY", "hunter2")]].concat());
    for (name, words) in names {
        assert!(fate(&migrated, name).contains(words), "{name}: {}", fate(&migrated, name));
    }
    assert_eq!((migrated.fates.len(), migrated.others), (10, 2));
    assert!(migrated.settings.is_empty() && migrated.to_toml().unwrap().is_empty());
    assert!(!format!("{:?}", migrated.fates).contains("hunter2"));
}

#[test]
fn iterations_are_taken_over_within_their_bounds() {
    for (count, taken) in [
        ("599999", false),
        ("600000", true),
        (" 1000000 ", true),
        ("50000000", true),
        ("50000001", false),
        ("-1", false),
    ] {
        let migrated = variables(&[("KEY_DERIVATION_ITERATIONS", count)]);
        let settings: Settings = serde_json::from_value(Value::Object(migrated.settings)).unwrap();
        assert_eq!(
            settings.passphrase.iterations.map(|found| found.to_string()).as_deref(),
            taken.then(|| count.trim())
        );
        assert_eq!(settings.passphrase.kdf == crate::config::schema::Kdf::Pbkdf2, taken, "{count}");
    }
}

#[test]
fn what_a_check_will_find_is_known_where_the_variables_are() {
    let of = |fields: &str| flat_file(&format!("p: {{ primary: {{ {fields} }} }}")).unwrap();
    let none = Environment::default();
    let open = of("backend: vault, vault_url: \"${ADDRESS}\"");
    assert!(open.problem(&none).is_none());
    let wrong: Environment = [("ADDRESS", "nowhere")].into_iter().collect();
    assert!(open.problem(&wrong).unwrap().to_string().contains("backends.p-primary"));
    assert!(of("backend: azure").problem(&none).unwrap().to_string().contains("vault_url"));
    assert!(of("backend: aws, region: us-east-1").problem(&none).is_none());
}
