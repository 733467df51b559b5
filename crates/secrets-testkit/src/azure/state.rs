//! What the server knows and what it was told to do, behind one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::directory::{AzureCloud, ManagedIdentity, Tenant, client_signer};
use super::fault::{IssuerFault, VaultFault};
use super::grants::{FEDERATED_AUDIENCE, FEDERATED_ISSUER};
use super::random;
use super::store::{Delays, Time, Vault};
use super::tokens::Signer;

const ISSUER_KEY: &str = include_str!("../../keys/azure-issuer.pem");

/// What a caller may be allowed to do with a secret: the permissions that the reference names beside each operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// "Get Secret", "Get Deleted Secret"
    Get,
    /// "Set Secret", "Update Secret"
    Set,
    /// "Get Secrets", "Get Secret Versions", "Get Deleted Secrets"
    List,
    /// "Delete Secret"
    Delete,
    /// "Recover Deleted Secret"
    Recover,
    /// "Purge Deleted Secret"
    Purge,
}

/// A request that arrived, without anything that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// `GET`, `PUT`, …
    pub method: String,
    /// As the client named it, without the port
    pub host: String,
    /// Without the query
    pub path: String,
    /// Did it bring a token?
    pub with_token: bool,
    /// What was answered; none while it is not, and where the connection ended instead
    pub status: Option<u16>,
}

/// What all requests share.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    port: u16,
    issuer: Signer,
    /// Of certificates, and of the issuer of federated tokens
    client: Signer,
    /// What `IDENTITY_HEADER` must hold
    identity_header: String,
    /// What `SYSTEM_ACCESSTOKEN` holds
    job_token: String,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) ahead: Duration,
    /// By host
    pub(super) vaults: BTreeMap<String, Vault>,
    /// By id
    pub(super) tenants: BTreeMap<String, Tenant>,
    /// The ids of tenants by the names that tests give them
    pub(super) tenant_ids: BTreeMap<String, String>,
    pub(super) identities: Vec<ManagedIdentity>,
    pub(super) delays: Delays,
    pub(super) latency: Duration,
    pub(super) sparse_pages: bool,
    pub(super) faults: VecDeque<(Option<Operation>, VaultFault)>,
    pub(super) issuer_fault: Option<IssuerFault>,
    pub(super) identity_fault: Option<IssuerFault>,
    pub(super) token_lifetime: Option<Duration>,
    pub(super) issued: u64,
    /// Tokens up to this one are not accepted any more
    pub(super) revoked: u64,
    /// Refused operations, on one secret or on all
    pub(super) denied: BTreeSet<(Operation, Option<String>)>,
    pub(super) calls: Vec<Call>,
}

impl Shared {
    pub(super) fn new(port: u16) -> io::Result<Self> {
        let identities = ["system", "assigned"].map(ManagedIdentity::new).into();
        let state = Mutex::new(State { identities, ..State::default() });
        let (issuer, client) = (Signer::from_pem(ISSUER_KEY)?, client_signer()?);
        let [identity_header, job_token] = [random::hex(), random::hex()];
        Ok(Self(Arc::new(Inner { port, issuer, client, identity_header, job_token, state })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn issuer(&self) -> &Signer {
        &self.0.issuer
    }

    pub(super) fn client(&self) -> &Signer {
        &self.0.client
    }

    pub(super) fn identity_header(&self) -> &str {
        &self.0.identity_header
    }

    /// What a job of Azure Pipelines proves itself by.
    pub(super) fn job_token(&self) -> &str {
        &self.0.job_token
    }

    /// A token of the federated issuer.
    pub(super) fn federated_token(&self, subject: &str, lifetime: Duration) -> String {
        let now = self.lock().now() / 1_000;
        let claims = json!({
            "iss": FEDERATED_ISSUER,
            "sub": subject,
            "aud": FEDERATED_AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime.as_secs(),
        });
        self.client().sign(&json!({}), &claims)
    }

    /// The address of a host of this server's, without a slash at its end.
    pub(super) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.0.port)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("port", &self.0.port).finish_non_exhaustive()
    }
}

impl State {
    /// Now, by the server's own clock.
    pub(super) fn now(&self) -> Time {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + self.ahead;
        millis(now)
    }

    /// The tenant of this name, which is made when it is first asked for.
    pub(super) fn tenant(&mut self, name: &str) -> String {
        let id = self.tenant_ids.entry(name.to_owned()).or_insert_with(random::guid).clone();
        self.tenants.entry(id.clone()).or_default();
        id
    }

    /// The vault of this name, which is made in this tenant when it is first asked for.
    pub(super) fn vault(&mut self, name: &str, tenant: &str, cloud: AzureCloud) -> String {
        let host = format!("{name}.{}", cloud.suffix());
        let vault = || Vault::new(tenant.to_owned(), cloud.resource(), cloud.authority());
        self.vaults.entry(host.clone()).or_insert_with(vault);
        host
    }

    /// The fault that is next for this operation.
    pub(super) fn next_fault(&mut self, operation: Operation) -> Option<VaultFault> {
        let fits = |(only, _): &(Option<Operation>, VaultFault)| only.is_none_or(|only| only == operation);
        let next = self.faults.iter().position(fits)?;
        self.faults.remove(next).map(|(_, fault)| fault)
    }

    pub(super) fn is_denied(&self, operation: Operation, name: Option<&str>) -> bool {
        let name = name.map(str::to_ascii_lowercase);
        self.denied.contains(&(operation, None)) || name.is_some() && self.denied.contains(&(operation, name))
    }
}

pub(super) fn millis(time: Duration) -> Time {
    Time::try_from(time.as_millis()).unwrap_or(Time::MAX)
}
