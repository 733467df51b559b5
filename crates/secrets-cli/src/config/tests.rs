//! Tests of finding, trusting and merging.

use std::fs;

use super::*;
use crate::exit;

/// A home and a project, gone when dropped.
pub(super) struct Scratch {
    root: tempfile::TempDir,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["home/config", "project/deep/down"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        Self { root }
    }

    pub(super) fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(file);
        fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn trust(&self, file: &str) {
        let layer = files::read(&self.root.path().join(file), Kind::Project).unwrap().unwrap();
        let path = self.root.path().join("home/config/trust.toml");
        let mut trust = Trust::read(&path).unwrap();
        trust.add(&layer);
        trust.write(&path).unwrap();
    }

    pub(super) fn load(&self, global: &Global, variables: &[(&str, &str)]) -> Result<Configuration, Failure> {
        let home = self.root.path().join("home");
        let home = [("SECRETS_HOME", home.to_str().unwrap())];
        let environment: Environment = home.iter().chain(variables).copied().collect();
        load(global, &environment, &self.root.path().join("project/deep/down"))
    }

    /// What the user's own file is refused for.
    pub(super) fn refused(text: &str) -> String {
        let scratch = Self::new();
        scratch.write("home/config/config.toml", text);
        let (code, said) = scratch.code();
        assert_eq!(code, exit::CONFIG, "{text}");
        said
    }

    pub(super) fn code(&self) -> (u8, String) {
        let failure = self.load(&Global::default(), &[]).unwrap_err();
        (failure.code(), format!("{failure} / {}", failure.next().unwrap_or_default()))
    }
}

#[test]
fn without_any_file_the_defaults_hold() {
    let found = Scratch::new().load(&Global::default(), &[]).unwrap();
    assert_eq!(found.settings.environment(), "default");
    assert_eq!(found.settings.backend_name(), "local");
    assert!(found.files.is_empty() && found.origins.is_empty());
}

#[test]
fn flag_beats_variable_beats_local_beats_project_beats_user() {
    let scratch = Scratch::new();
    let environment = |global: &Global, variables: &[(&str, &str)]| {
        scratch.load(global, variables).unwrap().settings.environment().to_owned()
    };
    let none = Global::default();
    scratch.write("home/config/config.toml", "environment = \"user\"\nkeep_versions = 7\n");
    assert_eq!(environment(&none, &[]), "user");
    scratch.write("project/secrets.toml", "environment = \"project\"\n");
    assert_eq!(environment(&none, &[]), "project");
    scratch.write("project/secrets.local.toml", "environment = \"mine\"\n");
    assert_eq!(environment(&none, &[]), "mine");
    let variable = [("SECRETS_ENVIRONMENT", "variable")];
    assert_eq!(environment(&none, &variable), "variable");
    let flag = Global { environment: Some("flag".into()), ..Global::default() };
    assert_eq!(environment(&flag, &variable), "flag");
    let found = scratch.load(&none, &variable).unwrap();
    assert_eq!(found.settings.keep_versions.map(u32::from), Some(7));
    assert!(found.origins.contains(&("environment".into(), "SECRETS_ENVIRONMENT".into())));
}

#[test]
fn names_keep_their_case() {
    let scratch = Scratch::new();
    scratch.write("project/secrets.toml", "[secrets]\nDATABASE_URL = { path = \"Db/Url\" }\n");
    let settings = scratch.load(&Global::default(), &[]).unwrap().settings;
    assert_eq!(settings.secrets["DATABASE_URL"].path, "Db/Url");
    assert!(settings.secrets["DATABASE_URL"].required);
}

#[test]
fn names_keep_their_dots_and_a_table_without_settings_is_there() {
    let scratch = Scratch::new();
    let file =
        "environment = \"eu.west\"\n[environments.\"eu.west\"]\n[backends.\"a.b\"]\ntype = \"local\"\n";
    scratch.write("home/config/config.toml", file);
    let settings = scratch.load(&Global::default(), &[]).unwrap().settings;
    assert_eq!(settings.environments.keys().collect::<Vec<_>>(), ["eu.west"]);
    assert_eq!(settings.backends.keys().collect::<Vec<_>>(), ["a.b"]);
}

#[test]
fn yaml_has_the_same_schema() {
    let scratch = Scratch::new();
    scratch.write(
        "project/secrets.yaml",
        "# a comment\nenvironment: prod\nsecrets:\n  A_B: {path: a/b, required: false}\n",
    );
    let settings = scratch.load(&Global::default(), &[]).unwrap().settings;
    assert_eq!(settings.environment(), "prod");
    assert!(!settings.secrets["A_B"].required);
    scratch.write("project/secrets.toml", "");
    let (code, text) = scratch.code();
    assert_eq!(code, exit::CONFIG);
    assert!(text.contains("are both there"), "{text}");
}

#[test]
fn an_unknown_setting_is_an_error_with_a_suggestion() {
    for (file, text, near) in [
        ("home/config/config.toml", "enviroment = \"x\"", "did you mean `environment`?"),
        ("project/secrets.toml", "keep_version = 3", "did you mean `keep_versions`?"),
        ("project/secrets.toml", "[secrets]\nA = { pth = \"a\" }", "did you mean `path`?"),
        ("home/config/config.toml", "[passphrase]\nmemry = 3", "did you mean `memory`?"),
        ("home/config/config.toml", "zzz = 3", "known here: environment"),
        ("home/config/config.toml", "[environments.a]\nprimry = \"x\"", "did you mean `primary`?"),
    ] {
        let scratch = Scratch::new();
        scratch.write(file, text);
        let (code, said) = scratch.code();
        assert_eq!(code, exit::CONFIG);
        assert!(said.contains(near), "{said}");
    }
}

#[test]
fn a_setting_of_the_wrong_kind_is_an_error() {
    for text in [
        "keep_versions = 0",
        "keep_versions = \"x\"",
        "keep_versions = 1.5",
        "keep_versions = 18446744073709551615",
        "engine = \"lmdb\"",
        "environment = 3\n[environment.x]",
        "a = [",
    ] {
        let scratch = Scratch::new();
        scratch.write("home/config/config.toml", text);
        assert_eq!(scratch.code().0, exit::CONFIG, "{text}");
    }
}

#[test]
fn an_untrusted_project_file_is_refused_until_it_is_trusted_and_again_when_it_changes() {
    let scratch = Scratch::new();
    let file = "[backends.mine]\ntype = \"local\"\n[environments.default]\nprimary = \"${WHICH:-mine}\"\n";
    scratch.write("project/secrets.toml", file);
    let (code, text) = scratch.code();
    assert_eq!(code, exit::CONFIG);
    assert!(text.contains("not trusted") && text.contains("secrets trust"), "{text}");
    scratch.trust("project/secrets.toml");
    assert_eq!(scratch.load(&Global::default(), &[]).unwrap().settings.backend_name(), "mine");
    scratch.write("project/secrets.toml", &format!("{file}# changed\n"));
    assert_eq!(scratch.code().0, exit::CONFIG);
}

#[test]
fn a_local_file_needs_trust_too() {
    let scratch = Scratch::new();
    scratch.write("project/secrets.local.toml", "backend = \"local\"");
    assert!(scratch.code().1.contains("not trusted"));
}

#[test]
fn an_unset_variable_is_named_and_a_set_one_is_put_in() {
    let scratch = Scratch::new();
    scratch.write("home/config/config.toml", "environment = \"${WHERE}\"");
    let (code, text) = scratch.code();
    assert_eq!(code, exit::CONFIG);
    assert!(text.contains("WHERE") && text.contains("config.toml"), "{text}");
    let found = scratch.load(&Global::default(), &[("WHERE", "here")]).unwrap();
    assert_eq!(found.settings.environment(), "here");
}

#[test]
fn a_named_file_stands_alone_and_has_to_be_there() {
    let scratch = Scratch::new();
    scratch.write("project/secrets.toml", "environment = \"project\"");
    let path = scratch.write("other.toml", "environment = \"other\"\nkey_file = \"keys/one\"");
    let named = Global { config: Some(path), ..Global::default() };
    let found = scratch.load(&named, &[]).unwrap();
    assert_eq!(found.settings.environment(), "other");
    assert_eq!(found.settings.key_file, Some(scratch.root.path().join("keys/one")));
    let missing = Global { config: Some("/nowhere/x.toml".into()), ..Global::default() };
    assert_eq!(scratch.load(&missing, &[]).unwrap_err().code(), exit::CONFIG);
}

#[test]
fn names_backends_and_tenants_are_checked() {
    for text in [
        "environment = \"a/b\"",
        "environment = \"\"",
        "tenant = \"other\"",
        "backend = \"nowhere\"",
        "[backends.x]\ntype = \"floppy\"",
        "[backends.x]\ntype = \"aws\"\nregion = \"EU!\"",
        "[backends.x]\ntype = \"local\"\naddress = \"x\"",
        "[environments.a]\nprimary = \"nowhere\"",
        "[secrets]\nA = { path = \"../x\" }",
        "seal = false",
        "[environments.a]\nfailover = [\"x\"]",
    ] {
        let scratch = Scratch::new();
        scratch.write("home/config/config.toml", text);
        assert_eq!(scratch.code().0, exit::CONFIG, "{text}");
    }
}

#[test]
fn every_setting_of_the_types_is_a_known_name() {
    let all = serde_json::to_value(Settings {
        environment: Some("a".into()),
        tenant: Some("a".into()),
        backend: Some("a".into()),
        key_file: Some("a".into()),
        passphrase_file: Some("a".into()),
        engine: Some(schema::Engine::Redb),
        keep_versions: std::num::NonZeroU32::new(1),
        lock_wait: std::num::NonZeroU32::new(1),
        passphrase: schema::Passphrase::default(),
        backends: [("a".into(), schema::Backend { kind: "local".into(), seal: None, fields: [].into() })]
            .into(),
        environments: [("a".into(), topology::EnvironmentSettings::default())].into(),
        secrets: [("A".into(), schema::Requirement { path: "a".into(), required: true, generate: None })]
            .into(),
    })
    .unwrap();
    let mut names: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known = keys::TOP.to_vec();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}
