//! Azure Key Vault on loopback, after Microsoft's published reference of its REST interface: vaults that enforce the
//! service's rules, the token issuer whose tokens they check, and the endpoints at which a machine asks for tokens of
//! its own identity.
//!
//! Beside each rule stands the page that has it. What no page says is as the service was seen to do it.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::background::Background;
use crate::certificates::Certificates;
use crate::responder::acceptor;

mod admit;
mod control;
mod directory;
mod fault;
mod grants;
mod identity;
mod issuer;
mod pages;
mod pipelines;
mod random;
mod refusal;
mod rules;
mod sdk;
mod serve;
mod shown;
mod state;
mod store;
mod tokens;
mod vault;

pub use directory::{AzureCloud, ClientCertificate, ManagedIdentity};
pub use fault::{IssuerFault, VaultFault};
pub use sdk::{AzureSdk, SdkCredential};
pub use state::{Call, Operation};

use directory::Application;
use serve::Sites;
use state::Shared;

/// What a test needs to reach some Key Vault: the one of this kit, or one that was given by variables.
/// `Debug` does not show the secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct KeyVaultAccess {
    /// `https://NAME.vault.azure.net:PORT`
    pub vault_url: String,
    /// Who issues its tokens: `https://login.microsoftonline.com:PORT`
    pub authority: String,
    /// The tenant that owns the vault
    pub tenant_id: String,
    /// An application of that tenant, which may do everything in the vault
    pub client_id: String,
    /// The application's secret
    pub client_secret: String,
    /// The authority that issued the certificates of the hosts
    pub ca_pem: String,
    /// Where the hosts are
    pub addresses: Vec<(String, SocketAddr)>,
}

/// Access to the Key Vault that the variables `SECRETS_TEST_AZURE_…` name, else to one of this kit, which lives as
/// long as the second value.
///
/// # Panics
/// When only some of the variables are set, or one of them cannot be understood, or no server starts.
#[must_use]
pub fn key_vault() -> (KeyVaultAccess, Option<KeyVault>) {
    let variable = |name: &str| env::var(format!("SECRETS_TEST_AZURE_{name}")).ok();
    if let Some(access) = KeyVaultAccess::given(variable) {
        return (access, None);
    }
    let server = KeyVault::start().expect("the Key Vault server of the test kit does not start");
    (server.access(&format!("kit-{}", random::hex().split_at(12).0)), Some(server))
}

impl KeyVaultAccess {
    const VARIABLES: [&str; 7] =
        ["VAULT_URL", "AUTHORITY", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "CA_FILE", "ADDRESSES"];

    /// What these variables say; none where none of them is set.
    fn given(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = Self::VARIABLES.map(&variable);
        if set.iter().all(Option::is_none) {
            return None;
        }
        let missing = |name: &str| panic!("SECRETS_TEST_AZURE_{name} is missing beside the others");
        let [vault_url, authority, tenant_id, client_id, client_secret, ca_file, addresses] =
            std::array::from_fn(|index| {
                set[index].clone().unwrap_or_else(|| missing(Self::VARIABLES[index]))
            });
        Some(Self {
            vault_url,
            authority,
            tenant_id,
            client_id,
            client_secret,
            ca_pem: std::fs::read_to_string(&ca_file)
                .unwrap_or_else(|error| panic!("SECRETS_TEST_AZURE_CA_FILE {ca_file}: {error}")),
            addresses: addresses.split(',').map(pair).collect(),
        })
    }
}

/// `HOST=IP:PORT`
fn pair(text: &str) -> (String, SocketAddr) {
    let pair = text.split_once('=').and_then(|(host, address)| Some((host, address.parse().ok()?)));
    let (host, address) = pair.expect("SECRETS_TEST_AZURE_ADDRESSES holds HOST=IP:PORT, separated by commas");
    (host.to_owned(), address)
}

impl fmt::Debug for KeyVaultAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVaultAccess").field("vault_url", &self.vault_url).finish_non_exhaustive()
    }
}

/// What a job of Azure Pipelines is told. `Debug` does not show its token.
#[derive(Clone)]
#[non_exhaustive]
pub struct PipelinesJob {
    /// `SYSTEM_OIDCREQUESTURI`
    pub request_uri: String,
    /// `SYSTEM_ACCESSTOKEN`
    pub access_token: String,
    /// Of the tokens that it is given
    pub subject: String,
}

impl fmt::Debug for PipelinesJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelinesJob").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// The Key Vault server: any number of vaults and tenants. It ends with this value, and its state is in memory.
pub struct KeyVault {
    address: SocketAddr,
    identity: SocketAddr,
    ca_pem: String,
    shared: Shared,
    _thread: Background,
}

impl KeyVault {
    /// Starts it. It needs no runtime of the caller's, and is ready when this returns.
    ///
    /// # Errors
    /// When no loopback port, thread or key is to be had.
    pub fn start() -> io::Result<Self> {
        let wildcards = AzureCloud::ALL.map(|cloud| format!("*.{}", cloud.suffix()));
        let hosts = wildcards
            .iter()
            .map(String::as_str)
            .chain(AzureCloud::ALL.map(AzureCloud::authority))
            .chain([pipelines::HOST]);
        let certificates = Certificates::of(&hosts.collect::<Vec<_>>())?;
        let [secure, plain] = [serve::listen()?, serve::listen()?];
        let [address, identity] = [secure.local_addr()?, plain.local_addr()?];
        let tls = acceptor(&certificates)?;
        let shared = Shared::new(address.port())?;
        let sites = Sites::new(shared.clone());
        let thread = Background::start("key vault", move || async move {
            let secure = serve::accept(secure, Some(tls), sites.clone());
            tokio::join!(secure, serve::accept(plain, None, sites));
        })?;
        Ok(Self { address, identity, ca_pem: certificates.authority, shared, _thread: thread })
    }

    /// Access to the vault of this name, which is made when it is first asked for.
    #[must_use]
    pub fn access(&self, vault: &str) -> KeyVaultAccess {
        self.access_in(vault, "", AzureCloud::Public)
    }

    /// The same for an application of another tenant, by a name of the test's own, and for another cloud.
    /// A vault belongs to the tenant for which it was first asked.
    #[must_use]
    pub fn access_in(&self, vault: &str, tenant: &str, cloud: AzureCloud) -> KeyVaultAccess {
        let mut state = self.shared.lock();
        let tenant_id = state.tenant(tenant);
        let host = state.vault(vault, &tenant_id, cloud);
        let applications: &mut BTreeMap<String, Application> =
            &mut state.tenants.entry(tenant_id.clone()).or_default().applications;
        if applications.is_empty() {
            applications.insert(random::guid(), Application::new());
        }
        let (client_id, application) = applications.first_key_value().expect("one was just put there");
        KeyVaultAccess {
            vault_url: self.shared.url(&host),
            authority: self.shared.url(cloud.authority()),
            tenant_id,
            client_id: client_id.clone(),
            client_secret: application.secret.clone(),
            ca_pem: self.ca_pem.clone(),
            addresses: [host.as_str(), cloud.authority(), pipelines::HOST]
                .map(|host| (host.to_owned(), self.address))
                .into(),
        }
    }

    /// Where vaults and issuer are: HTTPS, whatever the host.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the identity endpoints are: plain HTTP. That of the metadata service is `/metadata/identity/oauth2/token`.
    #[must_use]
    pub const fn identity_addr(&self) -> SocketAddr {
        self.identity
    }

    /// The variables by which a program in an App Service finds the endpoint for its identity.
    #[must_use]
    pub fn app_service(&self) -> [(&'static str, String); 2] {
        [
            ("IDENTITY_ENDPOINT", format!("http://{}{}", self.identity, identity::APP_SERVICE)),
            ("IDENTITY_HEADER", self.shared.identity_header().to_owned()),
        ]
    }
}

impl fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVault").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(left_out: &str, addresses: &str) -> Option<KeyVaultAccess> {
        let ca_file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca_file.path(), "pem").unwrap();
        KeyVaultAccess::given(|name| {
            let value = match name {
                "CA_FILE" => ca_file.path().display().to_string(),
                "ADDRESSES" => addresses.to_owned(),
                other => other.to_lowercase(),
            };
            (name != left_out).then_some(value)
        })
    }

    #[test]
    fn another_key_vault_is_given_by_all_variables_or_by_none() {
        let access =
            given("", "a.vault.azure.net=127.0.0.1:1,login.microsoftonline.com=127.0.0.2:2").unwrap();
        assert_eq!((access.vault_url.as_str(), access.ca_pem.as_str()), ("vault_url", "pem"));
        assert_eq!(
            access.addresses[1],
            ("login.microsoftonline.com".to_owned(), "127.0.0.2:2".parse().unwrap())
        );
        assert!(KeyVaultAccess::given(|_| None).is_none());
    }

    #[test]
    #[should_panic(expected = "SECRETS_TEST_AZURE_TENANT_ID is missing")]
    fn one_that_is_missing_is_named() {
        let _ = given("TENANT_ID", "a=127.0.0.1:1");
    }

    #[test]
    #[should_panic(expected = "HOST=IP:PORT")]
    fn an_address_that_is_none_is_refused() {
        let _ = given("", "a.vault.azure.net");
    }
}
