//! The least policy of a configuration, in the server's own language.

use std::fmt::Write;

use crate::config::{Engine, HcVaultConfig};

/// What a token needs, by path below the mount; `%` stands for the names that start with the prefix.
const KV1: [(&str, &[&str]); 1] = [("%", &["create", "read", "update", "delete", "list"])];
const KV2: [(&str, &[&str]); 5] = [
    ("data/%", &["create", "read", "update"]),
    ("metadata/%", &["create", "read", "update", "delete", "list"]),
    // OpenBao's alone; without it a listing makes a call for each secret.
    ("detailed-metadata/%", &["list"]),
    ("delete/%", &["update"]),
    ("undelete/%", &["update"]),
];

/// The policy for every name that starts with `prefix`.
///
/// A token may look itself up and renew itself by the server's default policy; one without that policy needs the last
/// two stanzas, so they are always there.
pub(crate) fn least(config: &HcVaultConfig, prefix: &str) -> String {
    let mut policy = String::new();
    let mut stanza = |path: &str, capabilities: &[&str]| {
        let quoted: Vec<String> = capabilities.iter().map(|name| format!("\"{name}\"")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(policy, "path \"{path}\" {{\n  capabilities = [{}]\n}}\n", quoted.join(", "));
    };
    let rows: &[(&str, &[&str])] = if config.engine == Engine::Kv1 { &KV1 } else { &KV2 };
    for (path, capabilities) in rows {
        stanza(&format!("{}/{}", config.mount, path.replace('%', &format!("{prefix}*"))), capabilities);
    }
    stanza("auth/token/lookup-self", &["read"]);
    stanza("auth/token/renew-self", &["update"]);
    policy.truncate(policy.trim_end().len());
    policy.push('\n');
    policy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Auth, Credential};

    #[test]
    fn a_policy_names_the_mount_and_the_prefix_and_no_more() {
        let mut config = HcVaultConfig::new("http://127.0.0.1:8200", Auth::Token(Credential::value("t")));
        config.mount = "team/kv".to_owned();
        let policy = least(&config, "app/");
        assert!(policy.starts_with(
            "path \"team/kv/data/app/*\" {\n  capabilities = [\"create\", \"read\", \"update\"]\n}\n"
        ));
        assert!(!policy.contains("sudo") && !policy.contains("destroy") && policy.ends_with("}\n"));
        config.engine = Engine::Kv1;
        assert!(least(&config, "").starts_with("path \"team/kv/*\" {"));
    }
}
