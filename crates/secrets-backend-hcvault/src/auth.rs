//! How to log in: the methods, and where their secrets come from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrets_backend::{ErrorKind, SecretBackend, SecretBytes, SecretPath};
use zeroize::Zeroizing;

use crate::config::{InvalidConfig, segments};
use crate::failure::Failure;

/// How to get a token. `mount` is where the method is enabled, below `auth/`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Auth {
    /// A token that somebody else got.
    Token(Credential),
    /// A machine's role id and secret id.
    #[allow(missing_docs, reason = "named as Vault names them")]
    AppRole { mount: String, role_id: String, secret_id: Credential },
    /// A role id, and a token that wraps the secret id: it is unwrapped once, when it is first needed.
    #[allow(missing_docs, reason = "named as Vault names them")]
    AppRoleWrapped { mount: String, role_id: String, wrapping_token: Credential },
    /// The service account token of a pod, read anew for each login.
    #[allow(missing_docs, reason = "named as Vault names them")]
    Kubernetes { mount: String, role: String, jwt: Credential },
    /// A name and a password that an LDAP server knows.
    #[allow(missing_docs, reason = "named as Vault names them")]
    Ldap { mount: String, username: String, password: Credential },
    /// A name and a password that Vault knows.
    #[allow(missing_docs, reason = "named as Vault names them")]
    Userpass { mount: String, username: String, password: Credential },
    /// A signed token of an identity provider; without a role, the method's default one.
    #[allow(missing_docs, reason = "named as Vault names them")]
    Jwt { mount: String, role: Option<String>, jwt: Credential },
    /// The certificate of `tls.client_certificate`; without a role, the first that fits.
    #[allow(missing_docs, reason = "named as Vault names them")]
    Certificate { mount: String, role: Option<String> },
    /// An AWS identity.
    #[cfg(feature = "aws-iam")]
    AwsIam(AwsIam),
}

/// Where a secret of a login comes from. It is read when a login needs it, anew each time.
#[derive(Clone)]
pub struct Credential(Source);

#[derive(Clone)]
enum Source {
    Value(Arc<SecretBytes>),
    File(PathBuf),
    Backend(Arc<dyn SecretBackend>, SecretPath),
    Missing(Arc<str>),
}

/// An AWS identity, proven by a signed `GetCallerIdentity` request that Vault sends on.
#[cfg(feature = "aws-iam")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AwsIam {
    /// Where the method is enabled, below `auth/`. Default: `aws`.
    pub mount: String,
    /// The role to log in as; without it, Vault takes the name of the AWS identity.
    pub role: Option<String>,
    /// Keys of the identity: handed in, no chain is asked.
    pub credentials: AwsCredentials,
    /// The region to sign for. Default: `us-east-1`, that of the global endpoint.
    pub region: String,
    /// The security token service to sign for. Default: `https://sts.amazonaws.com`.
    pub sts_endpoint: String,
    /// The value of `X-Vault-AWS-IAM-Server-ID`, where the server asks for it.
    pub server_id: Option<String>,
}

/// The keys of an AWS identity.
#[cfg(feature = "aws-iam")]
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "what signing takes")]
pub struct AwsCredentials {
    /// Id of the access key.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Credential,
    /// The session token, for temporary keys.
    pub session_token: Option<Credential>,
}

#[cfg(feature = "aws-iam")]
impl AwsIam {
    /// An identity by its keys, with everything else as AWS and Vault have it by default.
    #[must_use]
    pub fn new(credentials: AwsCredentials) -> Self {
        Self {
            mount: "aws".to_owned(),
            role: None,
            credentials,
            region: "us-east-1".to_owned(),
            sts_endpoint: "https://sts.amazonaws.com".to_owned(),
            server_id: None,
        }
    }
}

impl Auth {
    /// Checks the parts of a method that become parts of an address.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        let named = |setting, name: &str| {
            // One segment: a name with `/`, `..` or `?` in it would be a call to something else.
            segments(setting, name).and_then(|checked| {
                (checked == name && !name.contains('/'))
                    .then_some(())
                    .ok_or_else(|| InvalidConfig::new(setting, "a name has no `/`"))
            })
        };
        if let Some(mount) = self.mount() {
            segments("auth.mount", mount)?;
        }
        match self {
            Self::Ldap { username, .. } | Self::Userpass { username, .. } => named("auth.username", username),
            #[cfg(feature = "aws-iam")]
            Self::AwsIam(aws) => match reqwest::Url::parse(&aws.sts_endpoint) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
                _ => Err(InvalidConfig::new("auth.sts_endpoint", "no URL, like `https://sts.amazonaws.com`")),
            },
            _ => Ok(()),
        }
    }

    /// Where the method is enabled; none for a token.
    pub(crate) fn mount(&self) -> Option<&str> {
        match self {
            Self::Token(_) => None,
            Self::AppRole { mount, .. }
            | Self::AppRoleWrapped { mount, .. }
            | Self::Kubernetes { mount, .. }
            | Self::Ldap { mount, .. }
            | Self::Userpass { mount, .. }
            | Self::Jwt { mount, .. }
            | Self::Certificate { mount, .. } => Some(mount),
            #[cfg(feature = "aws-iam")]
            Self::AwsIam(aws) => Some(&aws.mount),
        }
    }
}

impl Credential {
    /// The secret itself.
    #[must_use]
    pub fn value(secret: impl Into<SecretBytes>) -> Self {
        Self(Source::Value(Arc::new(secret.into())))
    }

    /// A file that holds the secret and nothing else; white space around it does not count.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// A secret of another backend.
    #[must_use]
    pub fn backend(backend: Arc<dyn SecretBackend>, path: SecretPath) -> Self {
        Self(Source::Backend(backend, path))
    }

    /// A secret that is not there, and why: a backend with it can be made, described and combined with others, and every
    /// call that needs the secret is `Unauthenticated`.
    ///
    /// `why` is shown in errors, after the name of the setting; nothing secret may be in it.
    ///
    /// ```
    /// use secrets_backend_hcvault::{Auth, Credential, HcVaultBackend, HcVaultConfig};
    ///
    /// let auth = Auth::Token(Credential::missing("there is no token in VAULT_TOKEN"));
    /// let backend = HcVaultBackend::new(HcVaultConfig::new("https://vault.example.org:8200", auth))?;
    /// println!("{}", backend.least_policy("app/"));
    /// # Ok::<(), secrets_backend_hcvault::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn missing(why: &str) -> Self {
        Self(Source::Missing(why.into()))
    }

    /// Whether reading it again could give another secret.
    pub(crate) fn may_change(&self) -> bool {
        !matches!(self.0, Source::Value(_) | Source::Missing(_))
    }

    /// The secret, as text without white space around it; `setting` names it in errors.
    pub(crate) async fn read(&self, setting: &'static str) -> Result<Zeroizing<String>, Failure> {
        let bytes = match &self.0 {
            Source::Value(value) => Zeroizing::new(value.expose().to_vec()),
            Source::File(path) => tokio::fs::read(path).await.map(Zeroizing::new).map_err(|error| {
                Failure::invalid(format!("{setting}: cannot read {}", path.display())).caused_by(error)
            })?,
            Source::Backend(backend, path) => {
                let secret = backend.get(path, None).await.map_err(|error| {
                    let detail = format!("{setting}: {path} on {backend}: {}", error.kind());
                    // That it is missing says nothing of the secret that is asked for.
                    let kind = match error.kind() {
                        ErrorKind::NotFound => ErrorKind::InvalidInput,
                        kind => kind,
                    };
                    Failure::new(kind, detail).caused_by(error)
                })?;
                if secret.stamp.is_some() {
                    let detail =
                        format!("{setting}: {path} on {backend} is sealed: log in with a plain secret");
                    return Err(Failure::invalid(detail));
                }
                Zeroizing::new(secret.value.expose().to_vec())
            }
            Source::Missing(why) => {
                return Err(Failure::new(ErrorKind::Unauthenticated, format!("{setting}: {why}")));
            }
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Failure::invalid(format!("{setting}: empty, or no single line of text")));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Value(_) => f.write_str("Credential(..)"),
            Source::File(path) => write!(f, "Credential(file {})", path.display()),
            Source::Backend(backend, path) => write!(f, "Credential({path} on {backend})"),
            Source::Missing(_) => f.write_str("Credential(missing)"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]
mod tests {
    use secrets_backend::Operation;

    use super::*;

    #[tokio::test]
    async fn a_missing_secret_is_unauthenticated_and_says_why() {
        let missing = Credential::missing("there is none in VAULT_TOKEN");
        let failure = missing.read("auth.token").await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unauthenticated);
        let error = failure.of(Operation::Get, "hcvault", None);
        assert_eq!(error.detail(), Some("auth.token: there is none in VAULT_TOKEN"));
        assert!(!missing.may_change());
        assert_eq!(format!("{missing:?}"), "Credential(missing)");
    }
}
