//! Tests of the flat form: what it means, what it refuses, who may give it.

use super::super::files::{Kind, parse};
use super::super::tests::Scratch;
use super::*;
use crate::args::Global;
use crate::exit;

const FILE: &str = "
production:
  primary:  { backend: aws, region: us-east-1, secret_prefix: \"intraday-prod/\", boto_profile: production }
  failover: { backend: azure, vault_url: \"https://intraday-prod.vault.azure.net/\", secret_prefix: \"intraday-\" }
staging:
  primary: { backend: hashicorp, vault_url: \"${ADDRESS}\", mount_point: kv, namespace: a/b, token: \"${TOKEN}\" }
  failover:
    - { backend: aws, region: eu-west-1, role_arn: \"arn:aws:iam::123456789012:role/r\" }
    - { backend: aws, region: eu-west-2, endpoint_url: \"https://localhost:1\" }
  backup_1: { backend: local }
  backup_0: { backend: vault, vault_url: \"https://v.example.com\" }
";

fn meaning(text: &str) -> Result<Meaning, Failure> {
    let path = std::path::PathBuf::from("/project/cloud_config.yaml");
    let value = parse(text, &path).unwrap();
    let layer = Layer { path, kind: Kind::Project, bytes: text.as_bytes().to_vec(), value };
    settings(&layer, &layer.value)
}

#[test]
fn every_role_and_field_has_its_place_in_the_schema() {
    let expected = "
        [environments.production]
        primary = \"production-primary\"
        failover = [\"production-failover\"]
        [environments.staging]
        primary = \"staging-primary\"
        failover = [\"staging-failover_0\", \"staging-failover_1\"]
        backup = [\"staging-backup_0\", \"staging-backup_1\"]
        [backends]
        production-primary = { type = \"aws\", region = \"us-east-1\", prefix = \"intraday-prod/\", profile = \"production\" }
        production-failover = { type = \"azure\", vault_url = \"https://intraday-prod.vault.azure.net/\", prefix = \"intraday-\" }
        staging-failover_0 = { type = \"aws\", region = \"eu-west-1\", role_arn = \"arn:aws:iam::123456789012:role/r\" }
        staging-failover_1 = { type = \"aws\", region = \"eu-west-2\", endpoint_url = \"https://localhost:1\" }
        staging-backup_0 = { type = \"hcvault\", address = \"https://v.example.com\" }
        staging-backup_1 = { type = \"local\" }
        [backends.staging-primary]
        type = \"hcvault\"
        address = \"${ADDRESS}\"
        mount = \"kv\"
        namespace = \"a/b\"
        auth = { method = \"token\", token = \"${TOKEN}\" }";
    let found = meaning(FILE).unwrap();
    assert_eq!(found.settings, parse(expected, Path::new("secrets.toml")).unwrap());
    let renamed =
        |ours: &str| found.renamed.iter().find(|(_, name)| name == ours).map(|(name, _)| name.as_str());
    assert_eq!(renamed("backends.production-primary.profile"), Some("production.primary.boto_profile"));
    assert_eq!(renamed("backends.staging-failover_1.region"), Some("staging.failover[1].region"));
    assert_eq!(renamed("backends.staging-primary.auth.token"), Some("staging.primary.token"));
    assert!(!format!("{found:?}").contains("${TOKEN}"));
}

#[test]
fn a_backup_is_one_table_or_a_list_or_numbered() {
    let one = "{ backend: local }";
    let backups = |text: &str| {
        let found = meaning(&format!("p:\n  primary: {one}\n{text}")).unwrap().settings;
        found["environments"]["p"]["backup"].as_array().unwrap().len()
    };
    assert_eq!(backups(&format!("  backup: {one}")), 1);
    assert_eq!(backups(&format!("  backup: [{one}, {one}, {one}]")), 3);
    let eleven: String = (0..11).map(|at| format!("  backup_{at}: {one}\n")).collect();
    assert_eq!(backups(&eleven), 11);
    let found = meaning(&format!("p:\n  primary: {one}\n{eleven}")).unwrap().settings;
    assert_eq!(found["environments"]["p"]["backup"][10], "p-backup_10", "by number, not by letter");
}

#[test]
fn mistakes_are_named_with_the_way_out() {
    for (file, words) in [
        ("p: { primry: {} }", "did you mean `primary`?"),
        ("p: { primary: { backend: aws, regoin: x } }", "did you mean `region`?"),
        ("p: { primary: { backend: aws, vault_url: x } }", "unknown setting `vault_url` in `p.primary`"),
        ("p: { primary: { backend: local, region: x } }", "this backend has no fields"),
        ("p: { primary: { backend: awss } }", "did you mean `aws`?"),
        ("p: { primary: { backend: gcp } }", "`p.primary.backend` is none of `aws`, `vault`"),
        ("p: { primary: { region: x } }", "`p.primary.backend` is none of"),
        ("p: { primary: { backend: aws, region: 3 } }", "`p.primary.region` is not a text"),
        ("p: { primary: aws }", "`p.primary` is not a table that describes a backend"),
        ("p: { primary: [] }", "`p.primary` is not a table that describes a backend"),
        ("p: aws", "`p` is not an environment"),
        ("p: { failover: { backend: local } }", "the environment `p` has no `primary`"),
        ("p: { primary: { backend: local }, backup_00: {} }", "unknown setting `backup_00`"),
        ("p: { primary: { backend: local }, backup: {}, backup_0: {} }", "`p.backup` stands beside"),
        ("p: { primary: { backend: vault, mount: a, mount_point: b } }", "sets its `mount` twice"),
    ] {
        let failure = meaning(file).unwrap_err();
        let said = format!("{failure} / {}", failure.next().unwrap_or_default());
        assert_eq!(failure.code(), exit::CONFIG);
        assert!(said.contains(words) && said.contains("cloud_config.yaml"), "{file}: {said}");
    }
}

#[test]
fn it_is_found_by_walking_up_where_no_other_project_file_is() {
    let scratch = Scratch::new();
    scratch.write("project/cloud_config.yaml", FILE);
    scratch.trust("project/cloud_config.yaml");
    let variables = [("TOKEN", "t"), ("ADDRESS", "https://v.example.com:8200")];
    let staging = Global { environment: Some("staging".into()), ..Global::default() };
    let found = scratch.load(&staging, &variables).unwrap();
    assert_eq!(found.settings.backend_name(), "staging-primary");
    assert_eq!(found.settings.backends["staging-primary"].fields["address"], "https://v.example.com:8200");
    let origin = found.origins.iter().find(|(name, _)| name == "environments.staging.primary");
    assert!(origin.unwrap().1.ends_with("cloud_config.yaml"));
    let unset = scratch.load(&staging, &[("TOKEN", "t")]).unwrap_err();
    assert!(unset.to_string().contains("`staging.primary.vault_url` needs the variable ADDRESS"), "{unset}");
    let production = Global { environment: Some("production".into()), ..Global::default() };
    let found = scratch.load(&production, &variables).unwrap();
    assert_eq!(found.settings.backends["production-failover"].kind, "azure");
    scratch.write("project/secrets.toml", "environment = \"default\"\n");
    let found = scratch.load(&Global::default(), &[]).unwrap();
    assert!(found.settings.environments.is_empty(), "secrets.toml beside it is the project's file");
}

#[test]
fn it_needs_trust_whatever_its_environments_are_called() {
    for name in ["production", "environment", "secrets"] {
        let scratch = Scratch::new();
        let file =
            format!("{name}: {{ primary: {{ backend: vault, vault_url: \"https://evil.example\" }} }}");
        scratch.write("project/cloud_config.yaml", &file);
        let (code, said) = scratch.code();
        assert_eq!(code, exit::CONFIG);
        assert!(said.contains("not trusted") && said.contains("secrets trust"), "{said}");
        scratch.trust("project/cloud_config.yaml");
        assert!(scratch.load(&Global::default(), &[]).is_ok());
        let path = scratch.write("cloud_config.yaml", &file);
        let named = Global { config: Some(path), ..Global::default() };
        assert!(scratch.load(&named, &[]).unwrap().settings.environments.contains_key(name));
    }
}
