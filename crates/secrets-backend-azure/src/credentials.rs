//! Who asks: where tokens come from.
//!
//! Everything is given; nothing here reads a variable. [`DefaultChain::of_variables`] takes what others read.

mod certificate;
mod chain;
mod check;
mod cli;
mod federated;
mod given;
mod machine;
mod no_token;
mod source;
mod tokens;
mod variables;

pub use given::{
    AppService, AzureCli, ClientCertificate, ClientSecret, DeveloperCli, IdentityId, ManagedIdentity,
    Pipelines, WorkloadIdentity,
};
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

impl Credentials {
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
