//! The command on Azure Key Vault: what a user does, and who is asked for.

use std::fmt::Write as _;
use std::process::Command;

use secrets_testkit::{KeyVault, KeyVaultAccess, key_vault};

use crate::support::{Done, Machine, Scratch};

/// A scratch installation whose backend is a Key Vault, under a prefix of its own.
struct Remote {
    scratch: Scratch,
    access: KeyVaultAccess,
    prefix: String,
    _server: Option<KeyVault>,
}

impl Remote {
    fn new() -> Self {
        let (access, server) = key_vault();
        let scratch = Scratch::new();
        let directory = scratch.home().parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let prefix = format!("cli{}-", directory.replace('.', "x").to_lowercase());
        let remote = Self { scratch, access, prefix, _server: server };
        remote.configure("");
        remote
    }

    /// Writes the configuration, with these lines more.
    fn configure(&self, more: &str) {
        let config = self.scratch.home().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let authority = config.join("ca.pem");
        std::fs::write(&authority, &self.access.ca_pem).unwrap();
        let mut addresses = String::new();
        for (host, address) in &self.access.addresses {
            write!(addresses, "{host:?} = \"{address}\", ").unwrap();
        }
        let text = format!(
            "[environments.default]\nprimary = \"cloud\"\n[backends.cloud]\ntype = \"azure\"\n\
             vault_url = \"{}\"\nauthority = \"{}\"\nprefix = \"{}\"\nca_file = \"ca.pem\"\n\
             addresses = {{ {} }}\n{more}\n",
            self.access.vault_url,
            self.access.authority,
            self.prefix,
            addresses.trim_end_matches(", ")
        );
        std::fs::write(config.join("config.toml"), text).unwrap();
    }

    /// The command without any credentials, which never asks a metadata address.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(arguments);
        command.env("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
        command
    }
}

impl Machine for Remote {
    /// With an application in the environment.
    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command
            .env("AZURE_TENANT_ID", &self.access.tenant_id)
            .env("AZURE_CLIENT_ID", &self.access.client_id)
            .env("AZURE_CLIENT_SECRET", &self.access.client_secret);
        command
    }
}

#[test]
fn a_user_notices_nothing_of_the_services_names_and_deletions() {
    let remote = Remote::new();
    for path in ["app/api-key", "app/API_KEY", "app/api_key", "app/api.key", "app-api/key"] {
        remote.store(path, path);
    }
    for path in ["app/api-key", "app/API_KEY", "app/api_key", "app/api.key", "app-api/key"] {
        assert_eq!(remote.done(&["get", path]), path);
    }
    let listed = remote.done(&["list", "app"]);
    assert_eq!(listed.lines().filter(|line| line.starts_with("app/")).count(), 4, "{listed}");
    remote.store("app/api-key", "second");
    assert_eq!(remote.done(&["get", "app/api-key", "--version", "1"]), "app/api-key");
    remote.done(&["delete", "app/api-key", "--yes"]);
    assert_eq!(remote.call(&["get", "app/api-key"]).code, 10);
    remote.store("app/api-key", "third");
    assert_eq!(remote.done(&["get", "app/api-key"]), "third");
    remote.done(&["purge", "app/api-key", "--yes"]);
    remote.store("app/api-key", "anew");
    assert_eq!(remote.done(&["get", "app/api-key"]), "anew");
    remote.done(&["audit", "verify"]);
    assert!(remote.done(&["health"]).contains("cloud"));
}

#[test]
fn several_machines_share_one_vault() {
    let remote = Remote::new();
    remote.store("app/key", "ours");
    let second = Remote {
        scratch: Scratch::new(),
        access: remote.access.clone(),
        prefix: remote.prefix.clone(),
        _server: None,
    };
    second.configure("");
    let key_file = remote.scratch.home().join("config/key");
    std::fs::copy(key_file, second.scratch.home().join("config/key")).unwrap();
    let fingerprint = remote.done(&["key", "fingerprint"]);
    second.done(&["join", "--fingerprint", fingerprint.trim()]);
    assert_eq!(second.done(&["get", "app/key"]), "ours");
    second.done(&["key", "rotate"]);
    second.store("app/key", "theirs");
    assert_eq!(remote.done(&["get", "app/key"]), "theirs");
}

#[test]
fn who_asks_is_said_by_fields_and_by_variables() {
    let remote = Remote::new();
    remote.store("a", "1");
    let none = Done::of(remote.command(&["get", "a"]).output().unwrap());
    assert_eq!(none.code, 3, "{}", none.stderr);
    assert!(none.stderr.contains("AZURE_CLIENT_SECRET"), "{}", none.stderr);
    let wrong =
        Done::of(remote.prepared(&["get", "a"]).env("AZURE_CLIENT_SECRET", "wr0ng").output().unwrap());
    assert_eq!(wrong.code, 13, "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("wr0ng"));
    let KeyVaultAccess { tenant_id, client_id, client_secret, .. } = remote.access.clone();
    let fields = format!(
        "tenant_id = \"{tenant_id}\"\nclient_id = \"{client_id}\"\n\
         [backends.cloud.auth]\nmethod = \"client-secret\"\nclient_secret = \"${{KV_SECRET}}\"\n"
    );
    remote.configure(&fields);
    let mut command = remote.command(&["get", "a"]);
    let done = Done::of(command.env("KV_SECRET", &client_secret).output().unwrap());
    assert_eq!((done.code, done.text()), (0, "1"), "{}", done.stderr);
    let mut shown = remote.command(&["config", "show"]);
    let shown = Done::of(shown.env("KV_SECRET", &client_secret).output().unwrap());
    assert!(shown.text().contains("(hidden)") && !shown.text().contains(&client_secret));
}

#[test]
fn without_a_choice_the_machine_the_program_and_the_variables_are_asked_in_turn() {
    let remote = Remote::new();
    remote.store("a", "1");
    let usual = |secret: &str| {
        let mut command = remote.prepared(&["get", "a"]);
        command.env_remove("AZURE_TOKEN_CREDENTIALS").env("AZURE_CLIENT_SECRET", secret);
        // Nobody is there, and no `az` is on this path.
        command.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9").env("PATH", "/nonexistent");
        Done::of(command.output().unwrap())
    };
    let done = usual(&remote.access.client_secret);
    assert_eq!((done.code, done.text()), (0, "1"), "{}", done.stderr);
    let refused = usual("wr0ng");
    assert_eq!(refused.code, 13, "{}", refused.stderr);
    assert!(!refused.stderr.contains("wr0ng"));
}

#[test]
fn a_vault_needs_no_configuration_and_says_what_role_it_needs() {
    let scratch = Scratch::new();
    let vault = "https://shop.vault.azure.net";
    let mut command =
        scratch.command(["--backend", "azure", "--vault-url", vault, "backend", "describe", "azure"]);
    command.env("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential");
    for (name, value) in [("TENANT_ID", "t"), ("CLIENT_ID", "c"), ("CLIENT_SECRET", "s3cr3t")] {
        command.env(format!("AZURE_{name}"), value);
    }
    let described = Done::of(command.output().unwrap());
    assert_eq!(described.code, 0, "{}", described.stderr);
    assert!(described.text().contains("getSecret/action") && described.text().contains("shop"));
    let misplaced = scratch.command(["--backend", "aws", "--tenant-id", "t", "list"]).output().unwrap();
    assert_eq!(Done::of(misplaced).code, 2);
    let nowhere = scratch.command(["--backend", "azure", "list"]).output().unwrap();
    let nowhere = Done::of(nowhere);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("AZURE_KEYVAULT_URL"), "{}", nowhere.stderr);
}

#[test]
fn what_cannot_be_a_vault_is_refused_before_anybody_is_asked() {
    let remote = Remote::new();
    for (more, says) in [
        ("cloud = \"moon\"", "cloud"),
        ("addressez = {}", "addressez"),
        ("timeout = \"long\"", "wrong type"),
        ("[backends.cloud.auth]\nmethod = \"guess\"", "auth.method"),
        ("[backends.cloud.auth]\nmethod = \"azure-cli\"\nclient_secret = \"x\"", "does not go with"),
        ("[backends.cloud.auth]\nobject_id = \"x\"", "needs a `method`"),
    ] {
        remote.configure(more);
        let refused = Done::of(remote.command(&["list"]).output().unwrap());
        assert_eq!(refused.code, 3, "{more}: {}", refused.stderr);
        assert!(refused.stderr.contains(says), "{more}: {}", refused.stderr);
    }
}
