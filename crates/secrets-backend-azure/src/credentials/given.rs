//! What each credential is made of.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrets_backend::SecretBytes;

/// An application with a secret of its own. `Debug` does not show the secret; it is wiped when dropped.
#[derive(Clone)]
pub struct ClientSecret {
    pub(super) application: Application,
    pub(super) secret: Arc<SecretBytes>,
}

/// An application with a certificate of its own, registered with it. `Debug` does not show the key.
#[derive(Clone)]
pub struct ClientCertificate {
    pub(super) application: Application,
    pub(super) pem: Pem,
}

#[derive(Clone)]
pub(super) enum Pem {
    Text(Arc<SecretBytes>),
    /// Read for each token, so that a renewed certificate is used.
    File(PathBuf),
}

/// An application for which another issuer speaks, by a token in a file that is renewed from time to time.
#[derive(Clone, Debug)]
pub struct WorkloadIdentity {
    pub(super) application: Application,
    pub(super) token_file: PathBuf,
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
    pub(super) endpoint: String,
    pub(super) header: Arc<SecretBytes>,
}

/// Whoever is logged in to the Azure CLI. It takes a tenant or a subscription, not both.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AzureCli {
    /// The tenant, where it is not that of the login.
    pub tenant_id: Option<String>,
    /// The subscription whose login is meant, by id or name; its tenant comes with it.
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
    pub(super) application: Application,
    pub(super) service_connection: String,
    pub(super) request_uri: String,
    pub(super) access_token: Arc<SecretBytes>,
}

/// An application of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) tenant_id: String,
    pub(super) client_id: String,
}

impl Application {
    fn new(tenant_id: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { tenant_id: tenant_id.into(), client_id: client_id.into() }
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
