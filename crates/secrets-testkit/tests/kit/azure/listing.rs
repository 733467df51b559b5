//! Listings: pages, next links, what is shown and what is not.

use std::collections::BTreeSet;

use secrets_testkit::KeyVault;
use serde_json::Value;

use super::client::Vault;

/// All pages of a listing: their sizes, and the ids that they show.
fn pages(vault: &Vault, path: &str) -> (Vec<usize>, Vec<String>) {
    let (mut sizes, mut ids) = (Vec::new(), Vec::new());
    let mut next = Some(format!("{path}{}api-version=7.6", if path.contains('?') { '&' } else { '?' }));
    while let Some(path) = next {
        let page = vault.send_as_is("GET", &path, "");
        assert_eq!(page.status, 200, "{path}");
        let items = page.body["value"].as_array().unwrap();
        sizes.push(items.len());
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        next = page.body["nextLink"].as_str().map(|link| {
            link.strip_prefix(&vault.access.vault_url).expect("a next link of the same vault").to_owned()
        });
    }
    (sizes, ids)
}

fn vault() -> (KeyVault, Vault) {
    let server = KeyVault::start().unwrap();
    let vault = Vault::of(&server);
    (server, vault)
}

#[test]
fn a_page_has_as_many_as_were_asked_for_and_25_where_none_were() {
    let (_server, vault) = vault();
    for index in 0..30 {
        vault.set(&format!("s-{index:02}"), "x");
    }
    assert_eq!(pages(&vault, "/secrets").0, [25, 5]);
    let (sizes, ids) = pages(&vault, "/secrets?maxresults=7");
    assert_eq!((sizes, ids.iter().collect::<BTreeSet<_>>().len()), (vec![7, 7, 7, 7, 2], 30));
    assert_eq!(pages(&vault, "/secrets?maxresults=15").0, [15, 15]);
    for bad in ["0", "26", "-1", "x", ""] {
        let reply = vault.get(&format!("/secrets?maxresults={bad}"));
        assert_eq!(reply.refusal(), (400, "BadParameter", ""), "{bad}");
    }
    assert_eq!(vault.get("/secrets?%24skiptoken=nonsense").refusal(), (400, "BadParameter", ""));
}

#[test]
fn versions_are_listed_in_pages_and_their_order_says_nothing() {
    let (server, vault) = vault();
    let written: Vec<String> = (0..30).map(|index| vault.set("a", &index.to_string())).collect();
    server.sparse_pages();
    let (sizes, ids) = pages(&vault, "/secrets/a/versions?maxresults=20");
    assert_eq!(sizes, [0, 20, 0, 10]);
    let listed: Vec<&str> = ids.iter().map(|id| id.rsplit('/').next().unwrap()).collect();
    assert!(listed.is_sorted() && listed.iter().copied().collect::<BTreeSet<_>>().len() == 30);
    assert!(written.iter().all(|version| listed.contains(&version.as_str())));
    assert_eq!(vault.get("/secrets/a").body["value"], "29", "the current one is the last written");
}

#[test]
fn a_name_that_there_is_not_has_no_versions() {
    let (_server, vault) = vault();
    let none = vault.get("/secrets/none/versions");
    assert_eq!(
        (none.status, &none.body["value"], &none.body["nextLink"]),
        (200, &Value::Array(vec![]), &Value::Null)
    );
}

#[test]
fn vaults_do_not_see_each_other() {
    let (server, vault) = vault();
    vault.set("a", "here");
    let other = Vault::at(&server, &server.access("other"));
    assert_eq!(other.get("/secrets/a").status, 404);
    other.set("a", "there");
    assert_eq!(vault.get("/secrets/a").body["value"], "here");
}
