//! Who asks: where tokens come from.
//!
//! Everything is given; nothing here reads a variable. [`DefaultChain::of_variables`] takes what others read.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use secrets_backend::SecretBytes;

use crate::config::InvalidConfig;

mod certificate;
mod chain;
mod cli;
mod federated;
mod machine;
mod no_token;
mod source;
mod tokens;
mod variables;

pub(crate) use no_token::NoToken;
pub(crate) use tokens::Tokens;

/// Who asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// The first of several that gives a token: the machine's identity, the Azure CLI's login, what variables named.
    Default(DefaultChain),
    /// An application with a secret of its own.
    ClientSecret(ClientSecret),
    /// An application with a certificate of its own.
    ClientCertificate(ClientCertificate),
    /// An application for which another issuer speaks, as for a service account of Kubernetes.
    WorkloadIdentity(WorkloadIdentity),
    /// The identity of the machine itself.
    ManagedIdentity(ManagedIdentity),
    /// Whoever is logged in to the Azure CLI, `az`.
    AzureCli(AzureCli),
    /// Whoever is logged in to the Azure Developer CLI, `azd`.
    DeveloperCli(DeveloperCli),
    /// A service connection of Azure Pipelines.
    Pipelines(Pipelines),
}

/// Who is asked in turn, each for a limited time, all of them within 5 s. Who answered first is asked from then on,
/// so that a process does not change who it is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DefaultChain {
    /// First: the identity of the machine.
    pub managed_identity: ManagedIdentity,
    /// Second: the login of the Azure CLI.
    pub azure_cli: AzureCli,
    /// Third: what the variables `AZURE_…` named, where they named anything.
    pub environment: Option<Box<Credentials>>,
}

/// An application with a secret of its own. `Debug` does not show the secret; it is wiped when dropped.
#[derive(Clone)]
pub struct ClientSecret {
    application: Application,
    secret: Arc<SecretBytes>,
}

/// An application with a certificate of its own, registered with it. `Debug` does not show the key.
#[derive(Clone)]
pub struct ClientCertificate {
    application: Application,
    pem: Pem,
}

#[derive(Clone)]
enum Pem {
    Text(Arc<SecretBytes>),
    /// Read for each token, so that a renewed certificate is used.
    File(PathBuf),
}

/// An application for which another issuer speaks, by a token in a file that is renewed from time to time.
#[derive(Clone, Debug)]
pub struct WorkloadIdentity {
    application: Application,
    token_file: PathBuf,
}

/// The identity of the machine: of a virtual machine by its metadata service, of an App Service, a function or a
/// container app by the endpoint that it was told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManagedIdentity {
    /// Which of its identities. Default: the one of the system.
    pub id: IdentityId,
    /// The endpoint that an App Service tells in `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    pub app_service: Option<AppService>,
    /// Where the metadata service is, instead of `http://169.254.169.254`: on this machine or linked to it.
    pub metadata_url: Option<String>,
}

/// Which identity of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityId {
    /// The one of the system.
    #[default]
    System,
    /// The assigned one with this client id.
    Client(String),
    /// The assigned one with this object id.
    Object(String),
    /// The assigned one with this resource id.
    Resource(String),
}

/// The endpoint that tells an App Service who it is. `Debug` does not show its header.
#[derive(Clone)]
pub struct AppService {
    endpoint: String,
    header: Arc<SecretBytes>,
}

/// Whoever is logged in to the Azure CLI.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AzureCli {
    /// The tenant, where it is not that of the login.
    pub tenant_id: Option<String>,
    /// The subscription whose login is meant, by id or name.
    pub subscription: Option<String>,
    /// Where `az` is looked for, instead of `PATH`.
    pub path: Option<OsString>,
}

/// Whoever is logged in to the Azure Developer CLI.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeveloperCli {
    /// The tenant, where it is not that of the login.
    pub tenant_id: Option<String>,
    /// Where `azd` is looked for, instead of `PATH`.
    pub path: Option<OsString>,
}

/// A service connection of Azure Pipelines. `Debug` does not show the token of the job.
#[derive(Clone)]
pub struct Pipelines {
    application: Application,
    service_connection: String,
    request_uri: String,
    access_token: Arc<SecretBytes>,
}

/// An application of a tenant.
#[derive(Clone, Debug)]
struct Application {
    tenant_id: String,
    client_id: String,
}

impl Application {
    fn new(tenant_id: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { tenant_id: tenant_id.into(), client_id: client_id.into() }
    }

    fn check(&self) -> Result<(), InvalidConfig> {
        name("tenant_id", &self.tenant_id)?;
        name("client_id", &self.client_id)
    }
}

impl ClientSecret {
    /// The application `client_id` of a tenant.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<SecretBytes>,
    ) -> Self {
        Self { application: Application::new(tenant_id, client_id), secret: Arc::new(secret.into()) }
    }
}

impl ClientCertificate {
    /// The application `client_id` of a tenant, with its certificate and the RSA key of that, both as PEM.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        pem: impl Into<SecretBytes>,
    ) -> Self {
        Self { application: Application::new(tenant_id, client_id), pem: Pem::Text(Arc::new(pem.into())) }
    }

    /// The same, with both in a file, which is read whenever a token is needed.
    #[must_use]
    pub fn in_file(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        file: impl Into<PathBuf>,
    ) -> Self {
        Self { application: Application::new(tenant_id, client_id), pem: Pem::File(file.into()) }
    }
}

impl WorkloadIdentity {
    /// The application `client_id` of a tenant, with the token of the other issuer in a file.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        Self { application: Application::new(tenant_id, client_id), token_file: token_file.into() }
    }
}

impl AppService {
    /// What `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` hold.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, header: impl Into<SecretBytes>) -> Self {
        Self { endpoint: endpoint.into(), header: Arc::new(header.into()) }
    }
}

impl Pipelines {
    /// The application behind a service connection; `request_uri` is what `SYSTEM_OIDCREQUESTURI` holds, and
    /// `access_token` what `SYSTEM_ACCESSTOKEN` does.
    #[must_use]
    pub fn new(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        service_connection: impl Into<String>,
        request_uri: impl Into<String>,
        access_token: impl Into<SecretBytes>,
    ) -> Self {
        Self {
            application: Application::new(tenant_id, client_id),
            service_connection: service_connection.into(),
            request_uri: request_uri.into(),
            access_token: Arc::new(access_token.into()),
        }
    }
}

impl Credentials {
    /// Checks what can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        match self {
            Self::Default(chain) => chain.check(),
            Self::ClientSecret(given) => {
                given.application.check()?;
                text("client_secret", &given.secret)
            }
            Self::ClientCertificate(given) => {
                given.application.check()?;
                match &given.pem {
                    Pem::Text(pem) => certificate::Certificate::read(pem).map(drop),
                    Pem::File(_) => Ok(()),
                }
            }
            Self::WorkloadIdentity(given) => given.application.check(),
            Self::ManagedIdentity(given) => given.check(),
            Self::AzureCli(given) => given.check(),
            Self::DeveloperCli(given) => given.tenant_id.iter().try_for_each(|id| name("tenant_id", id)),
            Self::Pipelines(given) => given.check(),
        }
    }

    /// Who that is, for people.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::Default(_) => "whoever is found".to_owned(),
            Self::ClientSecret(ClientSecret { application, .. })
            | Self::ClientCertificate(ClientCertificate { application, .. })
            | Self::WorkloadIdentity(WorkloadIdentity { application, .. })
            | Self::Pipelines(Pipelines { application, .. }) => {
                format!("application {}", application.client_id)
            }
            Self::ManagedIdentity(given) => match &given.id {
                IdentityId::System => "the machine".to_owned(),
                IdentityId::Client(id) | IdentityId::Object(id) | IdentityId::Resource(id) => {
                    format!("the machine's identity {id}")
                }
            },
            Self::AzureCli(_) => "the login of az".to_owned(),
            Self::DeveloperCli(_) => "the login of azd".to_owned(),
        }
    }
}

impl DefaultChain {
    fn check(&self) -> Result<(), InvalidConfig> {
        self.managed_identity.check()?;
        self.azure_cli.check()?;
        match self.environment.as_deref() {
            Some(Credentials::Default(_)) => {
                Err(InvalidConfig::new("environment", "it is one credential, not a chain of them"))
            }
            Some(other) => other.check(),
            None => Ok(()),
        }
    }
}

impl ManagedIdentity {
    fn check(&self) -> Result<(), InvalidConfig> {
        match &self.id {
            IdentityId::System => {}
            IdentityId::Client(id) => name("client_id", id)?,
            IdentityId::Object(id) => name("object_id", id)?,
            IdentityId::Resource(id) => {
                // "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/…"
                if !id.starts_with('/') || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(InvalidConfig::new("resource_id", "it reads like /subscriptions/…"));
                }
            }
        }
        if let Some(given) = &self.app_service {
            machine::local("app_service", &given.endpoint)?;
            text("app_service", &given.header)?;
        }
        self.metadata_url.iter().try_for_each(|url| machine::local("metadata_url", url).map(drop))
    }
}

impl AzureCli {
    fn check(&self) -> Result<(), InvalidConfig> {
        self.tenant_id.iter().try_for_each(|id| name("tenant_id", id))?;
        // It becomes a part of a command line.
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
        let good = |text: &String| !text.is_empty() && text.bytes().all(is_one);
        if self.subscription.as_ref().is_none_or(good) {
            return Ok(());
        }
        Err(InvalidConfig::new("subscription", "it has letters, digits, spaces, `.`, `_` and `-`"))
    }
}

impl Pipelines {
    fn check(&self) -> Result<(), InvalidConfig> {
        self.application.check()?;
        name("service_connection", &self.service_connection)?;
        text("access_token", &self.access_token)?;
        let url = Url::parse(&self.request_uri).ok();
        if url.is_some_and(|url| url.scheme() == "https" && url.has_host()) {
            return Ok(());
        }
        Err(InvalidConfig::new("request_uri", "it starts with https:// and names a host"))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientSecret").field(&self.application).finish()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.application).finish()
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AppService").field(&self.endpoint).finish()
    }
}

impl fmt::Debug for Pipelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pipelines").field(&self.application).field(&self.service_connection).finish()
    }
}

/// A part of a URL or a name: letters, digits, `.`, `_` and `-`.
fn name(setting: &'static str, text: &str) -> Result<(), InvalidConfig> {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_one) && !text.starts_with('.') {
        return Ok(());
    }
    Err(InvalidConfig::new(setting, "it has letters, digits, `.`, `_` and `-`"))
}

/// A secret that travels as text.
fn text(setting: &'static str, secret: &SecretBytes) -> Result<(), InvalidConfig> {
    let is_one = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    if secret.expose_str().is_some_and(is_one) {
        return Ok(());
    }
    Err(InvalidConfig::new(setting, "it is a text of one line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(credentials: &Credentials) -> &'static str {
        credentials.check().unwrap_err().setting()
    }

    fn secret(tenant: &str, client: &str, secret: &str) -> Credentials {
        Credentials::ClientSecret(ClientSecret::new(tenant, client, secret))
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for hostile in ["", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "é", "a;b", "$(a)", "`a`"] {
            assert_eq!(wrong(&secret(hostile, "client", "s")), "tenant_id", "{hostile:?}");
            assert_eq!(wrong(&secret("tenant", hostile, "s")), "client_id", "{hostile:?}");
            let file = WorkloadIdentity::new(hostile, "client", "file");
            assert_eq!(wrong(&Credentials::WorkloadIdentity(file)), "tenant_id", "{hostile:?}");
            let tenant_id = Some(hostile.to_owned());
            let az = AzureCli { tenant_id: tenant_id.clone(), ..AzureCli::default() };
            assert_eq!(wrong(&Credentials::AzureCli(az)), "tenant_id", "{hostile:?}");
            let azd = DeveloperCli { tenant_id, ..DeveloperCli::default() };
            assert_eq!(wrong(&Credentials::DeveloperCli(azd)), "tenant_id", "{hostile:?}");
            let machine =
                ManagedIdentity { id: IdentityId::Client(hostile.to_owned()), ..Default::default() };
            assert_eq!(wrong(&Credentials::ManagedIdentity(machine)), "client_id", "{hostile:?}");
        }
        for hostile in ["", "a\"b", "a;b", "$(a)", "a\nb", "é"] {
            let az = AzureCli { subscription: Some(hostile.to_owned()), ..AzureCli::default() };
            assert_eq!(wrong(&Credentials::AzureCli(az)), "subscription", "{hostile:?}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for bad in ["", "a\nb", "a\0b"] {
            assert_eq!(wrong(&secret("tenant", "client", bad)), "client_secret", "{bad:?}");
        }
        let certificate = ClientCertificate::new("tenant", "client", "no certificate");
        assert_eq!(wrong(&Credentials::ClientCertificate(certificate)), "certificate");
        let pipelines = |uri: &str, token: &str| {
            Credentials::Pipelines(Pipelines::new("tenant", "client", "connection", uri, token))
        };
        assert_eq!(wrong(&pipelines("http://dev.azure.com/x", "token")), "request_uri");
        assert_eq!(wrong(&pipelines("https://dev.azure.com/x", "")), "access_token");
        let chain = DefaultChain {
            environment: Some(Box::new(Credentials::Default(DefaultChain::default()))),
            ..DefaultChain::default()
        };
        assert_eq!(wrong(&Credentials::Default(chain)), "environment");
    }

    #[test]
    fn the_machine_is_asked_on_this_machine_alone() {
        for (url, good) in [
            ("http://169.254.169.254", true),
            ("http://127.0.0.1:41741/msi/token/", true),
            ("http://localhost:42356/msi/token", true),
            ("http://[::1]:80/", true),
            ("https://127.0.0.1/", false),
            ("http://10.0.0.1/", false),
            ("http://169.254.169.254.example.org/", false),
            ("http://localhost.example.org/", false),
            ("http://user@127.0.0.1/", false),
            ("file:///etc", false),
            ("", false),
        ] {
            let app_service = Some(AppService::new(url, "header"));
            let machine = ManagedIdentity { app_service, ..ManagedIdentity::default() };
            assert_eq!(machine.check().is_ok(), good, "{url}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let pem = "pl4nted";
        let all = [
            secret("tenant", "client", "pl4nted"),
            Credentials::ClientCertificate(ClientCertificate::new("tenant", "client", pem)),
            Credentials::Pipelines(Pipelines::new("tenant", "client", "c", "https://x", "pl4nted")),
            Credentials::ManagedIdentity(ManagedIdentity {
                app_service: Some(AppService::new("http://127.0.0.1/", "pl4nted")),
                ..ManagedIdentity::default()
            }),
        ];
        for given in all {
            let chain =
                DefaultChain { environment: Some(Box::new(given.clone())), ..DefaultChain::default() };
            let shown = format!("{given:?} {given:#?} {chain:?} {} {:?}", given.who(), given.check());
            assert!(!shown.contains("pl4nted"), "{shown}");
        }
    }
}
