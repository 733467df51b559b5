//! What a test tells the server to do.

use std::time::Duration;

use super::directory::{AzureCloud, ClientCertificate, ManagedIdentity};
use super::fault::{IssuerFault, VaultFault};
use super::state::{Call, Operation, millis};
use super::store::Vault;
use super::{KeyVault, KeyVaultAccess, PipelinesJob, pipelines};

/// Faults and delays of vaults.
impl KeyVault {
    /// The next `count` operations meet this fault.
    pub fn fault(&self, count: usize, fault: &VaultFault) {
        self.push(count, None, fault);
    }

    /// The next `count` operations of this kind meet this fault.
    pub fn fault_of(&self, operation: Operation, count: usize, fault: &VaultFault) {
        self.push(count, Some(operation), fault);
    }

    /// The next `count` operations are throttled, with this many seconds of `Retry-After`.
    pub fn throttle(&self, count: usize, retry_after: u64) {
        self.fault(count, &VaultFault::Throttled(retry_after));
    }

    /// The next `count` operations fail with this status and body.
    pub fn fail(&self, count: usize, status: u16, body: &str) {
        self.fault(count, &VaultFault::Status(status, body.to_owned()));
    }

    /// Faults that were asked for and not met yet are forgotten.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    /// Each request to a vault waits this long before anything is done.
    pub fn delay(&self, time: Duration) {
        self.shared.lock().latency = time;
    }

    /// From now on, a listing has an empty page with a next link before each other page.
    pub fn sparse_pages(&self) {
        self.shared.lock().sparse_pages = true;
    }

    /// How long a deletion takes, and a recovery, and a purge.
    pub fn asynchronous(&self, delete: Duration, recover: Duration, purge: Duration) {
        let delays = &mut self.shared.lock().delays;
        (delays.delete, delays.recover, delays.purge) = (millis(delete), millis(recover), millis(purge));
    }

    /// How long a recovered secret can be read already, and not be written yet.
    pub fn settle_after_recovery(&self, time: Duration) {
        self.shared.lock().delays.settle = millis(time);
    }

    /// How long a purged secret is shown nowhere before it can be written again.
    pub fn hide_after_purge(&self, time: Duration) {
        self.shared.lock().delays.hidden = millis(time);
    }

    /// From now on, the server's clock is this much further ahead.
    pub fn forward(&self, time: Duration) {
        self.shared.lock().ahead += time;
    }

    /// From now on, nothing in this vault can be purged.
    ///
    /// # Panics
    /// When nobody asked for access to such a vault.
    pub fn protect_from_purge(&self, vault: &str) {
        self.with_vault(vault, |vault| vault.purge_protection = true);
    }

    fn push(&self, count: usize, operation: Option<Operation>, fault: &VaultFault) {
        self.shared.lock().faults.extend((0..count).map(|_| (operation, fault.clone())));
    }

    fn with_vault(&self, name: &str, work: impl FnOnce(&mut Vault)) {
        let host = format!("{name}.{}", AzureCloud::Public.suffix());
        work(self.shared.lock().vaults.get_mut(&host).expect("nobody asked for access to this vault"));
    }
}

/// Who may do what.
impl KeyVault {
    /// From now on, nobody has the role for this operation.
    pub fn deny(&self, operation: Operation) {
        self.shared.lock().denied.insert((operation, None));
    }

    /// From now on, nobody has the role for this operation on the secret of this name.
    pub fn deny_secret(&self, operation: Operation, name: &str) {
        self.shared.lock().denied.insert((operation, Some(name.to_ascii_lowercase())));
    }

    /// From now on, everything is allowed again.
    pub fn allow(&self) {
        self.shared.lock().denied.clear();
    }
}

/// The token issuer and the identity endpoints.
impl KeyVault {
    /// From now on, the issuer does this instead of answering; with none, it answers.
    pub fn issuer_fault(&self, fault: Option<IssuerFault>) {
        self.shared.lock().issuer_fault = fault;
    }

    /// From now on, the identity endpoints do this instead of answering; with none, they answer.
    pub fn identity_fault(&self, fault: Option<IssuerFault>) {
        self.shared.lock().identity_fault = fault;
    }

    /// From now on, tokens are good for so long.
    pub fn token_lifetime(&self, time: Duration) {
        self.shared.lock().token_lifetime = Some(time);
    }

    /// From now on, the tokens that were issued so far are not accepted.
    pub fn revoke_tokens(&self) {
        let mut state = self.shared.lock();
        state.revoked = state.issued;
    }

    /// How many tokens were issued, identity endpoints included.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.shared.lock().issued
    }

    /// From now on, the secret of this client is this one.
    ///
    /// # Panics
    /// When there is no such client.
    pub fn change_secret(&self, access: &KeyVaultAccess, secret: &str) {
        self.with_client(access, |client| secret.clone_into(&mut client.secret));
    }

    /// Registers a certificate, by which the client may prove itself.
    ///
    /// # Panics
    /// When there is no such client.
    pub fn register(&self, access: &KeyVaultAccess, certificate: &ClientCertificate) {
        let registered = certificate.registered(self.shared.client());
        self.with_client(access, |client| client.certificates.push(registered));
    }

    /// From now on, tokens of the federated issuer with this subject may act for the client.
    ///
    /// # Panics
    /// When there is no such client.
    pub fn federate(&self, access: &KeyVaultAccess, subject: &str) {
        self.with_client(access, |client| client.subjects.push(subject.to_owned()));
    }

    /// A token of the federated issuer for this subject, as a workload finds it in a file.
    #[must_use]
    pub fn federated_token(&self, subject: &str, lifetime: Duration) -> String {
        self.shared.federated_token(subject, lifetime)
    }

    /// Where a job of Azure Pipelines asks for the token of a service connection, and what it proves itself by; the
    /// tokens' subject is to be federated with the client.
    #[must_use]
    pub fn pipelines(&self, connection: &str) -> PipelinesJob {
        PipelinesJob {
            request_uri: format!("{}{}", self.shared.url(pipelines::HOST), pipelines::PATH),
            access_token: self.shared.job_token().to_owned(),
            subject: pipelines::subject(connection),
        }
    }

    /// The token that a client of this access gets, without its asking: what a tool like `az` would print.
    #[must_use]
    pub fn token(&self, access: &KeyVaultAccess, resource: &str) -> String {
        let mut state = self.shared.lock();
        let ids = [access.client_id.as_str(), "object"];
        super::issuer::issue(&self.shared, &mut state, &access.tenant_id, ids, resource).0
    }

    /// The identities of the machine: the system's, and one that was assigned.
    #[must_use]
    pub fn identities(&self) -> [ManagedIdentity; 2] {
        let state = self.shared.lock();
        [0, 1].map(|index| state.identities[index].clone())
    }

    fn with_client(&self, access: &KeyVaultAccess, work: impl FnOnce(&mut super::directory::Application)) {
        let mut state = self.shared.lock();
        let tenant = state.tenants.get_mut(&access.tenant_id);
        let client = tenant.and_then(|tenant| tenant.applications.get_mut(&access.client_id));
        work(client.expect("there is no such client"));
    }
}

/// What happened.
impl KeyVault {
    /// Every request so far, to whichever host, in the order in which they arrived.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_calls(&self) {
        self.shared.lock().calls.clear();
    }
}
