//! `config migrate`, and the flat file that it reads, as seen from outside.

use std::path::Path;

use serde_json::Value;

use crate::support::{Done, Scratch};

const FLAT: &str = "production:
  primary:  { backend: aws, region: us-east-1, secret_prefix: \"intraday-prod/\", boto_profile: production }
  failover: { backend: hashicorp, vault_url: \"${ADDRESS}\", mount_point: kv, token: \"${TOKEN}\" }
  backup: [{ backend: local }]
staging:
  primary:  { backend: aws, region: eu-central-1, secret_prefix: \"intraday/\" }
";
const VARIABLES: &str = "MAX_ACCESS_ATTEMPTS=5
KEY_DERIVATION_ITERATIONS=700000
ALERT_WEBHOOK_URL=https://hooks.example.com/hunter2
LOG_LEVEL=hunter2
API_KEY=hunter2
DATABASE_URL=\"postgres://hunter2\"
";

/// The settings that a file gives, as `config show` has them.
fn shown(scratch: &Scratch, file: &Path) -> Value {
    let mut command =
        scratch.command(["-c", file.to_str().unwrap(), "-e", "staging", "config", "show", "--json"]);
    command.env("ADDRESS", "https://v.example.com").env("TOKEN", "hunter2");
    let done = Done::of(command.output().unwrap());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!done.text().contains("hunter2"), "{}", done.text());
    let mut shown: Value = serde_json::from_str(done.text()).unwrap();
    shown["settings"].take()
}

#[test]
fn a_migrated_file_gives_the_settings_of_the_flat_one_and_passes_the_check() {
    let scratch = Scratch::new();
    let flat = scratch.write("cloud_config.yaml", FLAT);
    let done = scratch.call(["config", "migrate", "cloud_config.yaml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for line in [
        "production.primary.boto_profile: taken over as backends.production-primary.profile",
        "production.failover.token: taken over as backends.production-failover.auth.token",
        "production.backup[0].backend: taken over as backends.production-backup_0.type",
    ] {
        assert!(done.stderr.lines().any(|said| said == line), "{line} is not in {}", done.stderr);
    }
    let printed = scratch.write("printed.toml", &done.stdout);
    assert_eq!(shown(&scratch, &printed), shown(&scratch, &flat));
    let written = scratch.call(["config", "migrate", "--write", "secrets.toml"]);
    assert_eq!((written.code, written.text()), (0, ""), "{}", written.stderr);
    assert_eq!(std::fs::read(scratch.work().join("secrets.toml")).unwrap(), done.stdout);
    let mut check = scratch.command(["-c", "secrets.toml", "config", "check"]);
    let checked = Done::of(check.env("ADDRESS", "https://v").env("TOKEN", "t").output().unwrap());
    assert_eq!(checked.code, 0, "{}", checked.text());
}

#[test]
fn names_of_a_variable_file_are_answered_for_and_none_of_its_values_is_shown() {
    let scratch = Scratch::new();
    scratch.write("cloud_config.yaml", FLAT);
    scratch.write(".env", VARIABLES);
    let done = scratch.call(["config", "migrate"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!done.stderr.contains("hunter2") && !done.text().contains("hunter2"), "{}", done.stderr);
    assert!(done.text().contains("[environments.staging]") && done.text().contains("iterations = 700000"));
    for words in
        ["LOG_LEVEL: has no equivalent", "MAX_ACCESS_ATTEMPTS: not in this version yet", "2 other names"]
    {
        assert!(done.stderr.contains(words), "{words} is not in {}", done.stderr);
    }
    let alone = scratch.call(["config", "migrate", ".env"]);
    assert!(!alone.text().contains("environments"), "{}", alone.text());
}

#[test]
fn nothing_is_written_over_a_file_nor_by_a_dry_run() {
    let scratch = Scratch::new();
    scratch.write("cloud_config.yaml", FLAT);
    let dry = scratch.call(["-n", "config", "migrate", "--write", "new.toml"]);
    assert_eq!((dry.code, dry.text()), (0, ""));
    assert!(
        dry.stderr.contains("would write") && !scratch.work().join("new.toml").exists(),
        "{}",
        dry.stderr
    );
    let there = scratch.write("there.toml", "environment = \"mine\"\n");
    for flags in [
        &["config", "migrate", "--write", "there.toml"][..],
        &["config", "migrate", "-n", "--write", "there.toml"],
    ] {
        scratch.call(flags).refused(15, "is there already");
    }
    assert_eq!(std::fs::read_to_string(there).unwrap(), "environment = \"mine\"\n");
    assert!(!scratch.home().exists(), "no safe is needed");
}

#[test]
fn what_cannot_be_migrated_is_named() {
    let scratch = Scratch::new();
    scratch.call(["config", "migrate"]).refused(3, "no cloud_config.yaml and no .env");
    scratch.call(["config", "migrate", "other.yaml"]).refused(3, "no such file");
    scratch.call(["config", "migrate", "other.env"]).refused(3, "cannot be read");
    scratch.write("a.yaml", "p: { primary: { backend: aws, vault_url: hunter2 } }\n");
    scratch.call(["config", "migrate", "a.yaml"]).refused(3, "unknown setting `vault_url`");
    scratch.write("b.yaml", "p: { primary: { backend: vault, vault_url: \"https://me:hunter2@v\" } }\n");
    scratch.call(["config", "migrate", "b.yaml"]).refused(3, "holds more than an address");
    scratch.write("c.env", "A\nhunter2\n");
    scratch.call(["config", "migrate", "c.env"]).refused(3, "line 1");
}

#[test]
fn a_vault_of_a_flat_file_is_understood_and_contacted_by_nobody_who_only_checks() {
    let scratch = Scratch::new();
    let azure = "  failover: { backend: azure, vault_url: \"https://intraday-prod.vault.azure.net/\" }\n";
    let file = format!(
        "production:\n  primary: {{ backend: local }}\n{azure}staging: {{ primary: {{ backend: local }} }}\n"
    );
    scratch.write("cloud_config.yaml", file);
    scratch.call(["-e", "staging", "list"]).refused(3, "secrets trust");
    assert_eq!(scratch.call(["trust"]).code, 0);
    assert_eq!(scratch.pipe(["-e", "staging", "set", "a", "-"], b"x").code, 0);
    let checked = scratch.call(["-e", "production", "config", "check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let listed = scratch.call(["-e", "staging", "backend", "list"]);
    assert!(listed.text().contains("azure at intraday-prod.vault.azure.net"), "{}", listed.text());
    let migrated = scratch.call(["config", "migrate"]);
    assert_eq!(migrated.code, 0);
    assert!(
        migrated.text().contains("vault_url") && !migrated.stderr.contains("will say"),
        "{}",
        migrated.stderr
    );
}
