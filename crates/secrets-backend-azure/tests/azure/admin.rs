//! How tests reach a vault: the one of the test kit with its controls, or any that is given.

use std::time::Duration;

use secrets_backend::{
    ContentId, ErrorKind, NewSecret, PutMode, Result, SecretBackend, SecretPath, Stamp, StampKind,
};
use secrets_backend_azure::{AzureBackend, AzureConfig, ClientSecret, Credentials};
use secrets_testkit::azure::Call;
use secrets_testkit::{KeyVault, KeyVaultAccess};

pub(crate) const VAULT: &str = "kit";

/// Everything given: nothing is left to the environment of the tests.
pub(crate) fn config(access: &KeyVaultAccess) -> AzureConfig {
    let secret = ClientSecret::new(&*access.tenant_id, &*access.client_id, &*access.client_secret);
    let mut config = AzureConfig::new(&*access.vault_url, Credentials::ClientSecret(secret));
    config.authority = Some(access.authority.clone());
    config.addresses = access.addresses.clone();
    config.ca_pem = Some(access.ca_pem.clone());
    if access.vault_url.contains(".vault.azure.net") {
        return config;
    }
    // Another implementation may have any name; its tokens are for Key Vault all the same.
    config.resource = Some("https://vault.azure.net".to_owned());
    config
}

/// The same that gives up soon.
pub(crate) fn hasty(access: &KeyVaultAccess) -> AzureConfig {
    let mut config = config(access);
    config.timeout = Duration::from_secs(1);
    config.connect_timeout = Duration::from_secs(2);
    config.settle = Duration::from_secs(1);
    config
}

pub(crate) fn backend(config: AzureConfig) -> AzureBackend {
    AzureBackend::new(config).unwrap()
}

/// A server of the test kit, and a backend of one of its vaults.
pub(crate) fn kit() -> (KeyVault, AzureBackend) {
    let server = KeyVault::start().unwrap();
    let backend = backend(config(&server.access(VAULT)));
    (server, backend)
}

/// The same that gives up soon.
pub(crate) fn hasty_kit() -> (KeyVault, AzureBackend) {
    let server = KeyVault::start().unwrap();
    let backend = backend(hasty(&server.access(VAULT)));
    (server, backend)
}

pub(crate) fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

/// A path that no other test has, in no other run either.
pub(crate) fn fresh(what: &str) -> SecretPath {
    let random = getrandom::u64().unwrap();
    path(&format!("t-{random:016x}/{what}"))
}

pub(crate) async fn put(backend: &dyn SecretBackend, path: &SecretPath, value: &str) {
    backend.put(path, &NewSecret::new(value), &PutMode::Upsert).await.unwrap();
}

pub(crate) async fn value(backend: &dyn SecretBackend, path: &SecretPath) -> String {
    let secret = backend.get(path, None).await.unwrap();
    secret.value.expose_str().unwrap().to_owned()
}

/// A sealed version: an envelope as far as a backend can see.
pub(crate) fn sealed(version: u64, content: u8) -> NewSecret {
    let id = ContentId::new([content; 32]);
    let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, id, None);
    NewSecret::new(vec![content; 40]).with_stamp(stamp)
}

/// The kind of a failure, which shows nothing planted.
pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T>) -> ErrorKind {
    answer.unwrap_err().kind()
}

/// What was asked of vaults, as `METHOD /path`.
pub(crate) fn asked(server: &KeyVault) -> Vec<String> {
    let of_vault = |call: &Call| call.host.contains("vault");
    let calls = server.calls().into_iter().filter(of_vault);
    calls.map(|call| format!("{} {}", call.method, call.path)).collect()
}
