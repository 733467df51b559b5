//! Listings by the one call that OpenBao has for the metadata of a folder, and without it.

use secrets_backend::{
    ContentId, ErrorKind, NewSecret, PutMode, SecretBackend, SecretBackendExt, SecretPath, Stamp, StampKind,
};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend};
use secrets_testkit::Product;
use serde_json::{Value, json};

use crate::admin::Admin;

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

/// A server of the test's own, and a mount.
async fn own(product: Product) -> Option<(Admin, String)> {
    let admin = Admin::own(product).await?;
    let mount = admin.mount(Engine::Kv2).await;
    Some((admin, mount))
}

/// Fifty secrets in one folder, sealed and plain ones.
async fn fill(backend: &HcVaultBackend) {
    for number in 0..50_u8 {
        let stamp = Stamp::new(StampKind::Secret, 1, Some(1), 7, ContentId::new([number; 32]), None);
        let secret = NewSecret::new("value");
        let secret = if number % 2 == 0 { secret.with_stamp(stamp) } else { secret };
        backend.put(&path(&format!("app/s{number:02}")), &secret, &PutMode::Create).await.unwrap();
    }
}

/// A deleted one beside them, and one in a folder among them.
async fn fill_more(backend: &HcVaultBackend) {
    for name in ["app/gone", "app/s05/below"] {
        backend.put(&path(name), &NewSecret::new("value"), &PutMode::Create).await.unwrap();
    }
    backend.delete(&path("app/gone")).await.unwrap();
}

async fn lists(backend: &HcVaultBackend, count: usize) {
    let listed = backend.list_all(Some(&path("app"))).await.unwrap();
    assert_eq!(listed.len(), count);
    assert!(listed.iter().all(|item| item.path.as_str() != "app/gone"), "a deleted secret is not listed");
    for item in &listed {
        let number = item.path.as_str().strip_prefix("app/s").and_then(|text| text.parse::<u8>().ok());
        let sealed = number.is_some_and(|number| number % 2 == 0);
        assert_eq!(item.stamp.is_some(), sealed, "{}", item.path);
        assert!(item.updated.is_some());
    }
}

fn of_mount(admin: &Admin, mount: &str) -> impl Fn() -> usize {
    move || admin.requests(|entry| entry["request"]["path"].as_str().is_some_and(|path| path.contains(mount)))
}

#[tokio::test]
async fn openbao_tells_of_a_folder_at_once() {
    let Some((admin, mount)) = own(Product::OpenBao).await else { return };
    fill(&admin.backend(&mount)).await;
    let requests = of_mount(&admin, &mount);
    let mut config = admin.config(&mount);
    config.engine = Engine::Kv2;
    let backend = HcVaultBackend::new(config.clone()).unwrap();
    let before = requests();
    lists(&backend, 50).await;
    // Whether there is a secret `app`, the names in the folder, and what it says of them.
    assert_eq!(requests() - before, 3);
    fill_more(&backend).await;
    let before = requests();
    lists(&backend, 51).await;
    // The names in another folder, and the one secret in it.
    assert_eq!(requests() - before, 5);
    // In pages, each asks for its part of the folder.
    config.page_size = 10;
    let before = requests();
    lists(&HcVaultBackend::new(config).unwrap(), 51).await;
    assert!(requests() - before < 30, "{} requests for 51 secrets", requests() - before);
}

#[tokio::test]
async fn vault_is_asked_for_it_once_and_then_secret_by_secret() {
    let Some((admin, mount)) = own(Product::Vault).await else { return };
    let backend = admin.backend(&mount);
    fill(&backend).await;
    fill_more(&backend).await;
    let details = format!("{mount}/detailed-metadata/app");
    let asked = || {
        admin.requests(|entry| {
            entry["request"]["path"].as_str().is_some_and(|path| path.trim_end_matches('/') == details)
        })
    };
    lists(&backend, 51).await;
    lists(&backend, 51).await;
    assert_eq!(asked(), 1, "it is not asked again for what it does not have");
}

#[tokio::test]
async fn a_policy_that_knows_nothing_of_it_lists_as_before() {
    let Some((admin, mount)) = own(Product::OpenBao).await else { return };
    fill(&admin.backend(&mount)).await;
    fill_more(&admin.backend(&mount)).await;
    let policy = format!(
        "path \"{mount}/data/*\" {{ capabilities = [\"read\"] }}\n\
         path \"{mount}/metadata/*\" {{ capabilities = [\"read\", \"list\"] }}"
    );
    let token = admin.token(&policy, json!({})).await;
    let config = admin.config_with(&mount, Auth::Token(Credential::value(&*token)));
    let backend = HcVaultBackend::new(config).unwrap();
    lists(&backend, 51).await;
    let (status, _) =
        admin.call_as(&token, "LIST", &format!("{mount}/detailed-metadata/app"), Value::Null).await;
    assert_eq!(status, 403);
    let error = backend.put(&path("app/new"), &NewSecret::new("1"), &PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}
