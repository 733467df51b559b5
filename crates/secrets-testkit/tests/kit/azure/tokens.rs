//! The tokens that a vault accepts.

use std::time::Duration;

use secrets_testkit::KeyVault;
use secrets_testkit::azure::AzureCloud;

use super::client::{Reply, Vault};

fn vault() -> (KeyVault, Vault) {
    let server = KeyVault::start().unwrap();
    let vault = Vault::of(&server);
    vault.set("a", "x");
    (server, vault)
}

fn with(vault: &Vault, authorization: &str) -> Reply {
    let headers = [("authorization", authorization)];
    vault.try_send("GET", "/secrets/a?api-version=7.6", &headers, "").unwrap()
}

/// It is refused, and told whom to ask.
fn is_challenged(reply: &Reply, vault: &Vault) {
    let access = &vault.access;
    assert_eq!(reply.refusal(), (401, "Unauthorized", ""));
    let challenge = format!(
        "Bearer authorization=\"{}/{}\", resource=\"https://vault.azure.net\"",
        access.authority, access.tenant_id
    );
    assert_eq!(reply.header("www-authenticate"), Some(challenge.as_str()));
}

#[test]
fn without_a_token_a_vault_says_whom_to_ask_whatever_else_is_wrong() {
    let (_server, vault) = vault();
    for path in ["/secrets/a?api-version=7.6", "/secrets/a", "/secrets/a_b?api-version=7.6", "/nothing"] {
        is_challenged(&vault.try_send("GET", path, &[], "").unwrap(), &vault);
    }
    for authorization in ["", "Basic eDp4", "Bearer", "Bearer x", "Bearer a.b.c"] {
        is_challenged(&with(&vault, authorization), &vault);
    }
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    let (_server, vault) = vault();
    assert_eq!(with(&vault, &format!("Bearer {}", vault.token)).status, 200);
    for part in 0..3 {
        let mut parts: Vec<Vec<u8>> = vault.token.split('.').map(|part| part.as_bytes().to_vec()).collect();
        let middle = parts[part].len() / 2;
        parts[part][middle] = if parts[part][middle] == b'A' { b'B' } else { b'A' };
        let changed: Vec<String> = parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect();
        is_challenged(&with(&vault, &format!("Bearer {}", changed.join("."))), &vault);
    }
}

#[test]
fn a_token_of_another_tenant_or_for_another_cloud_is_refused() {
    let (server, vault) = vault();
    let other = server.access_in("theirs", "other", AzureCloud::Public);
    assert_ne!(other.tenant_id, vault.access.tenant_id);
    let theirs = server.token(&other, "https://vault.azure.net");
    is_challenged(&with(&vault, &format!("Bearer {theirs}")), &vault);
    let elsewhere = server.token(&vault.access, "https://vault.azure.cn");
    is_challenged(&with(&vault, &format!("Bearer {elsewhere}")), &vault);
    let graph = server.token(&vault.access, "https://graph.microsoft.com");
    is_challenged(&with(&vault, &format!("Bearer {graph}")), &vault);
    assert_eq!(Vault::at(&server, &other).get("/secrets/a").status, 404, "at home it is good");
}

#[test]
fn a_token_is_good_for_its_time_and_until_it_is_revoked() {
    let (server, vault) = vault();
    server.token_lifetime(Duration::from_secs(600));
    let short = Vault::of(&server);
    assert_eq!(short.get("/secrets/a").status, 200);
    server.forward(Duration::from_secs(601));
    is_challenged(&short.get("/secrets/a"), &vault);
    assert_eq!(vault.get("/secrets/a").status, 200, "one with more time is good still");
    server.revoke_tokens();
    is_challenged(&vault.get("/secrets/a"), &vault);
    assert_eq!(Vault::of(&server).get("/secrets/a").status, 200, "a later one is good");
}

#[test]
fn other_clouds_have_hosts_and_audiences_of_their_own() {
    let server = KeyVault::start().unwrap();
    for (cloud, host, resource, authority) in [
        (
            AzureCloud::Government,
            "gov.vault.usgovcloudapi.net",
            "https://vault.usgovcloudapi.net",
            "login.microsoftonline.us",
        ),
        (AzureCloud::China, "cn.vault.azure.cn", "https://vault.azure.cn", "login.chinacloudapi.cn"),
    ] {
        let access = server.access_in(host.split('.').next().unwrap(), "", cloud);
        assert!(access.vault_url.starts_with(&format!("https://{host}:")));
        let token = server.token(&access, resource);
        let vault = Vault { access, token };
        assert_eq!(vault.get("/secrets/a").status, 404);
        let challenge = vault.try_send("GET", "/secrets/a", &[], "").unwrap();
        let challenge = challenge.header("www-authenticate").unwrap();
        assert!(challenge.contains(authority) && challenge.contains(resource), "{challenge}");
    }
}
