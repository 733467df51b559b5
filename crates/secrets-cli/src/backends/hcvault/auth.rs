//! `[backends.NAME.auth]`: how to log in, and where the secrets of a login come from.

use std::path::PathBuf;

use secrets_backend_hcvault::{Auth, AwsCredentials, AwsIam, Credential};
use serde_json::{Map, Value};

use super::{at, elsewhere};
use crate::config::Configuration;
use crate::config::schema::shown;
use crate::failure::Failure;

/// Where Kubernetes puts the token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Stands for a secret of a login while the configuration is only checked.
const UNKNOWN: &str = "checked without one";

/// How to log in, by the fields of `auth`. Without a configuration, what lies outside them is not looked for.
pub(super) fn read(
    name: &str,
    fields: Map<String, Value>,
    configuration: Option<&Configuration>,
) -> Result<Auth, Failure> {
    let mut login = Login { name, fields, configuration };
    let method = login.text("method")?.unwrap_or_else(|| "token".to_owned());
    let auth = login.auth(&method)?;
    match login.fields.keys().next() {
        None => Ok(auth),
        Some(field) => {
            Err(login.fault(&shown(field), &format!("does not go with the method `{}`", shown(&method))))
        }
    }
}

/// The fields of `auth`, taken one by one: what is left in the end does not go with the method.
struct Login<'a> {
    name: &'a str,
    fields: Map<String, Value>,
    configuration: Option<&'a Configuration>,
}

impl Login<'_> {
    fn auth(&mut self, method: &str) -> Result<Auth, Failure> {
        Ok(match method {
            "token" => Auth::Token(self.secret("token")?),
            "approle" => return self.app_role(),
            "kubernetes" => Auth::Kubernetes {
                mount: self.mount("kubernetes")?,
                role: self.needed("role")?,
                jwt: Credential::file(self.file("jwt_file")?.unwrap_or_else(|| POD_TOKEN.into())),
            },
            "ldap" => Auth::Ldap {
                mount: self.mount("ldap")?,
                username: self.needed("username")?,
                password: self.secret("password")?,
            },
            "userpass" => Auth::Userpass {
                mount: self.mount("userpass")?,
                username: self.needed("username")?,
                password: self.secret("password")?,
            },
            "jwt" => {
                Auth::Jwt { mount: self.mount("jwt")?, role: self.text("role")?, jwt: self.secret("jwt")? }
            }
            "cert" => Auth::Certificate { mount: self.mount("cert")?, role: self.text("role")? },
            "aws-iam" => Auth::AwsIam(self.aws()?),
            _ => {
                return Err(self.fault(
                    "method",
                    "one of token, approle, kubernetes, ldap, userpass, jwt, cert, aws-iam",
                ));
            }
        })
    }

    fn app_role(&mut self) -> Result<Auth, Failure> {
        let (mount, role_id) = (self.mount("approle")?, self.needed("role_id")?);
        if self.has("wrapping_token") {
            let wrapping_token = self.secret("wrapping_token")?;
            return Ok(Auth::AppRoleWrapped { mount, role_id, wrapping_token });
        }
        Ok(Auth::AppRole { mount, role_id, secret_id: self.secret("secret_id")? })
    }

    fn aws(&mut self) -> Result<AwsIam, Failure> {
        let mut identity = AwsIam::new(self.aws_keys()?);
        identity.mount = self.mount("aws")?;
        identity.role = self.text("role")?;
        identity.server_id = self.text("server_id")?;
        if let Some(region) = self.text("region")? {
            identity.region = region;
        }
        if let Some(endpoint) = self.text("sts_endpoint")? {
            identity.sts_endpoint = endpoint;
        }
        Ok(identity)
    }

    /// Those of the fields, else those of the variables: no chain, no file, no metadata address.
    fn aws_keys(&mut self) -> Result<AwsCredentials, Failure> {
        let named = ["access_key_id", "secret_access_key", "session_token"];
        if named.into_iter().any(|field| self.has(field)) {
            return Ok(AwsCredentials {
                access_key_id: self.needed("access_key_id")?,
                secret_access_key: self.secret("secret_access_key")?,
                session_token: self.secret_if_given("session_token")?,
            });
        }
        Ok(match self.configuration.and_then(|configuration| configuration.aws.as_ref()) {
            Some(keys) => AwsCredentials {
                access_key_id: keys.access_key_id.clone(),
                secret_access_key: Credential::value(keys.secret_access_key.as_str()),
                session_token: keys.session_token.as_ref().map(|token| Credential::value(token.as_str())),
            },
            // Without them the backend is there all the same: whoever uses it is told.
            None => AwsCredentials {
                access_key_id: String::new(),
                secret_access_key: Credential::missing(
                    "missing, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
                ),
                session_token: None,
            },
        })
    }

    /// Where the method is.
    fn mount(&mut self, default: &str) -> Result<String, Failure> {
        Ok(self.text("mount")?.unwrap_or_else(|| default.to_owned()))
    }

    fn needed(&mut self, field: &str) -> Result<String, Failure> {
        let text = self.text(field)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.fault(field, "missing"))
    }

    fn text(&mut self, field: &str) -> Result<Option<String>, Failure> {
        match self.fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(field, "must be a text")),
        }
    }

    fn file(&mut self, field: &str) -> Result<Option<PathBuf>, Failure> {
        Ok(self.text(field)?.map(PathBuf::from))
    }

    /// Whether a secret is named, in whichever way.
    fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field) || self.fields.contains_key(&format!("{field}_file"))
    }

    fn secret_if_given(&mut self, field: &str) -> Result<Option<Credential>, Failure> {
        if self.has(field) { self.secret(field).map(Some) } else { Ok(None) }
    }

    /// The secret of a login: in the configuration, mostly by `${VAR}`; in a file; on another backend.
    fn secret(&mut self, field: &str) -> Result<Credential, Failure> {
        let file = self.file(&format!("{field}_file"))?;
        match (self.fields.remove(field), file) {
            (Some(Value::String(value)), None) => Ok(Credential::value(value)),
            (Some(Value::Object(place)), None) => self.elsewhere(field, &place),
            (None, Some(file)) => Ok(Credential::file(file)),
            (None, None) => Err(self.fault(field, &format!("missing; `auth.{field}_file` names a file"))),
            (Some(_), Some(_)) => Err(self.fault(field, &format!("also given as `auth.{field}_file`"))),
            (Some(_), None) => {
                Err(self.fault(field, "must be a text, or the `backend` and `path` of a secret"))
            }
        }
    }

    fn elsewhere(&self, field: &str, place: &Map<String, Value>) -> Result<Credential, Failure> {
        let (backend, path) = elsewhere::place(place).map_err(|problem| self.fault(field, &problem))?;
        let Some(configuration) = self.configuration else { return Ok(Credential::value(UNKNOWN)) };
        let fields = configuration.settings.backends.get(backend);
        let fields = fields.ok_or_else(|| self.fault(field, "there is no such backend"))?;
        // It ends: a configuration in which this leads back to a backend is refused when it is read.
        Ok(Credential::backend(super::make(backend, fields, configuration)?.backend, path))
    }

    fn fault(&self, field: &str, problem: &str) -> Failure {
        at(self.name, &format!("auth.{field}: {problem}"))
    }
}
