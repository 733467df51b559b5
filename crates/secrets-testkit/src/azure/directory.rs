//! Who exists: tenants, their applications, their managed identities.

use std::collections::BTreeMap;
use std::io;

use rcgen::{CertificateParams, DnType, KeyPair};

use super::random;
use super::tokens::{Signer, thumbprints};

const CLIENT_KEY: &str = include_str!("../../keys/azure-client.pem");

/// A cloud of Microsoft's, each with its own hosts and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AzureCloud {
    /// `vault.azure.net`
    Public,
    /// `vault.usgovcloudapi.net`
    Government,
    /// `vault.azure.cn`
    China,
}

impl AzureCloud {
    pub(super) const ALL: [Self; 3] = [Self::Public, Self::Government, Self::China];

    /// What follows the name of a vault.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Public => "vault.azure.net",
            Self::Government => "vault.usgovcloudapi.net",
            Self::China => "vault.azure.cn",
        }
    }

    /// What tokens for its vaults are for.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::Public => "https://vault.azure.net",
            Self::Government => "https://vault.usgovcloudapi.net",
            Self::China => "https://vault.azure.cn",
        }
    }

    /// The host that issues its tokens.
    pub(super) const fn authority(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::Government => "login.microsoftonline.us",
            Self::China => "login.chinacloudapi.cn",
        }
    }
}

/// A tenant: its applications and managed identities.
#[derive(Default)]
pub(super) struct Tenant {
    pub(super) applications: BTreeMap<String, Application>,
}

/// An application, and by what it proves that it is itself.
pub(super) struct Application {
    pub(super) object_id: String,
    pub(super) secret: String,
    pub(super) certificates: Vec<Registered>,
    /// Subjects of the federated issuer that may act for it
    pub(super) subjects: Vec<String>,
}

/// What a tenant knows of a certificate.
pub(super) struct Registered {
    pub(super) thumbprints: [String; 2],
    pub(super) public_key: Vec<u8>,
}

impl Application {
    pub(super) fn new() -> Self {
        Self {
            object_id: random::guid(),
            secret: format!("{}-5ecret~of_the.application", random::hex()),
            certificates: Vec::new(),
            subjects: Vec::new(),
        }
    }
}

/// An identity that the machine has: one of the system, or one that was assigned to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ManagedIdentity {
    /// What it is called as a client
    pub client_id: String,
    /// What it is called in the directory
    pub object_id: String,
    /// What it is called as a resource
    pub resource_id: String,
}

impl ManagedIdentity {
    pub(super) fn new(name: &str) -> Self {
        let group = format!("/subscriptions/{}/resourcegroups/kit/providers", random::guid());
        Self {
            client_id: random::guid(),
            object_id: random::guid(),
            resource_id: format!("{group}/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"),
        }
    }
}

/// A certificate for an application, with its private key. `Debug` does not show it.
pub struct ClientCertificate {
    /// The private key in PKCS#8 and the certificate, as PEM
    pub pem: String,
    pub(super) der: Vec<u8>,
}

impl ClientCertificate {
    /// A certificate that signs itself, of an RSA key.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn new(subject: &str) -> io::Result<Self> {
        Self::make(subject).map_err(io::Error::other)
    }

    fn make(subject: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::from_pem(CLIENT_KEY)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, subject);
        let certificate = parameters.self_signed(&key)?;
        Ok(Self { pem: format!("{CLIENT_KEY}{}", certificate.pem()), der: certificate.der().to_vec() })
    }

    pub(super) fn registered(&self, signer: &Signer) -> Registered {
        Registered { thumbprints: thumbprints(&self.der), public_key: signer.public_key().to_vec() }
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCertificate(..)")
    }
}

/// The other key of the kit: of certificates, and of the issuer of federated tokens.
pub(super) fn client_signer() -> io::Result<Signer> {
    Signer::from_pem(CLIENT_KEY)
}
