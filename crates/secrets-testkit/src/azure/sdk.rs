//! Microsoft's own SDK for Python as a client of a Key Vault, in processes of its own, by `sdk.py`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::KeyVaultAccess;
use super::directory::ClientCertificate;

/// A Python that has the SDK, and the vault that it talks to. `Debug` shows no credential.
pub struct AzureSdk {
    python: PathBuf,
    access: KeyVaultAccess,
    credential: Value,
    variables: Vec<(&'static str, String)>,
}

/// By what the SDK proves who it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum SdkCredential<'a> {
    /// `ClientSecretCredential`, with the secret of the access
    Secret,
    /// `CertificateCredential`
    Certificate(&'a ClientCertificate),
    /// `ClientAssertionCredential`, with this token of a federated issuer
    Workload(&'a str),
    /// `ManagedIdentityCredential`, by the variables of an App Service; of this client id, or the system's
    AppService([(&'static str, String); 2], Option<&'a str>),
}

impl AzureSdk {
    /// The SDK with the secret of this access; none, after a loud skip, where it is not installed.
    #[must_use]
    pub fn of(access: &KeyVaultAccess) -> Option<Self> {
        Self::with(access, SdkCredential::Secret)
    }

    /// The SDK with this credential; none, after a loud skip, where it is not installed.
    #[must_use]
    pub fn with(access: &KeyVaultAccess, credential: SdkCredential<'_>) -> Option<Self> {
        let Some(python) = crate::azure_sdk() else {
            crate::skip("there is no Python with Microsoft's SDK for Key Vault");
            return None;
        };
        let client = &access.client_id;
        let mut variables = Vec::new();
        let credential = match credential {
            SdkCredential::Secret => {
                json!({ "kind": "secret", "client_id": client, "secret": access.client_secret })
            }
            SdkCredential::Certificate(certificate) => {
                json!({ "kind": "certificate", "client_id": client, "pem": certificate.pem })
            }
            SdkCredential::Workload(token) => {
                json!({ "kind": "workload", "client_id": client, "token": token })
            }
            SdkCredential::AppService(service, client) => {
                variables.extend(service);
                json!({ "kind": "managed", "client_id": client })
            }
        };
        Some(Self { python, access: access.clone(), credential, variables })
    }

    /// Calls methods of the SDK's `SecretClient` one after the other; what each answered, or
    /// `{"refused": CLASS, "status": …, "code": …, "inner": …}`.
    ///
    /// # Panics
    /// When the SDK itself fails.
    #[must_use]
    pub fn calls(&self, calls: &[(&str, Value)]) -> Vec<Value> {
        let mut authority = NamedTempFile::new().expect("a temporary file");
        authority.write_all(self.access.ca_pem.as_bytes()).expect("the file of the authority");
        let request = json!({
            "vault_url": self.access.vault_url,
            "authority": self.access.authority,
            "tenant_id": self.access.tenant_id,
            "ca_file": authority.path(),
            "addresses": self.addresses(),
            "credential": self.credential,
            "calls": calls,
        });
        let mut child = Command::new(&self.python)
            .args(["-c", include_str!("sdk.py")])
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of the SDK");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(request.to_string().as_bytes()).expect("a Python that reads");
        drop(input);
        let output = child.wait_with_output().expect("a Python that ends");
        assert!(output.status.success(), "the SDK failed");
        serde_json::from_slice(&output.stdout).expect("answers in JSON")
    }

    /// The same of calls that must succeed.
    ///
    /// # Panics
    /// When one is refused.
    #[must_use]
    pub fn done(&self, calls: &[(&str, Value)]) -> Vec<Value> {
        let answers = self.calls(calls);
        for ((method, _), answer) in calls.iter().zip(&answers) {
            assert!(answer["refused"].is_null(), "{method}: {}", answer["refused"]);
        }
        answers
    }

    fn addresses(&self) -> Value {
        let place = |address: &std::net::SocketAddr| json!([address.ip().to_string(), address.port()]);
        self.access.addresses.iter().map(|(host, address)| (host.clone(), place(address))).collect()
    }
}

impl std::fmt::Debug for AzureSdk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureSdk").field("access", &self.access).finish_non_exhaustive()
    }
}
