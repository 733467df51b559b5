//! `[backends.NAME.auth]`: who asks.

use std::path::PathBuf;

use secrets_backend_azure::{
    AzureCli, ClientCertificate, ClientSecret, Credentials, DefaultChain, DeveloperCli, IdentityId,
    ManagedIdentity, Pipelines, WorkloadIdentity,
};
use serde_json::{Map, Value};

use super::at;
use crate::config::azure::AzureVariables;
use crate::config::schema::shown;
use crate::failure::Failure;

/// Stands for what only a variable says while the configuration is only checked.
const UNKNOWN: &str = "checked-without-one";

/// What a login is made of.
pub(super) struct Login<'a> {
    pub(super) name: &'a str,
    pub(super) tenant_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) variables: &'a AzureVariables,
    /// Whether what variables would say is not looked for.
    pub(super) is_checked_only: bool,
}

impl Login<'_> {
    /// Who asks, by the fields of `auth`; without any, whoever Microsoft's own tools would be.
    pub(super) fn credentials(&self, mut auth: Map<String, Value>) -> Result<Credentials, Failure> {
        let method = self.text(&mut auth, "method")?;
        let credentials = match method.as_deref() {
            None | Some("default") => self.usual()?,
            Some("environment") => self.of_environment()?,
            Some("client-secret") => {
                let (tenant, client) = self.application()?;
                let secret = self.needed(&mut auth, "client_secret", "AZURE_CLIENT_SECRET")?;
                Credentials::ClientSecret(ClientSecret::new(tenant, client, secret))
            }
            Some("client-certificate") => {
                let (tenant, client) = self.application()?;
                let file = self.needed(&mut auth, "certificate_file", "AZURE_CLIENT_CERTIFICATE_PATH")?;
                Credentials::ClientCertificate(ClientCertificate::in_file(tenant, client, file))
            }
            Some("workload-identity") => self.workload(&mut auth)?,
            Some("managed-identity") => Credentials::ManagedIdentity(self.machine(&mut auth)?),
            Some("azure-cli") => {
                let mut login = AzureCli::default();
                login.tenant_id.clone_from(&self.tenant_id);
                login.subscription = self.text(&mut auth, "subscription")?;
                Credentials::AzureCli(login)
            }
            Some("developer-cli") => Credentials::DeveloperCli(self.developer()),
            Some("pipelines") => self.pipelines(&mut auth)?,
            Some(_) => {
                return Err(self.fault(
                    "auth.method",
                    "one of default, environment, client-secret, client-certificate, workload-identity, \
                     managed-identity, azure-cli, developer-cli, pipelines",
                ));
            }
        };
        match (auth.keys().next(), method) {
            (None, _) => Ok(credentials),
            (Some(field), None) => {
                Err(self.fault(&format!("auth.{}", shown(field)), "it needs a `method` beside it"))
            }
            (Some(field), Some(method)) => Err(self.fault(
                &format!("auth.{}", shown(field)),
                &format!("does not go with the method `{}`", shown(&method)),
            )),
        }
    }

    /// An application that the fields name is asked for alone; else the chain of Microsoft's own tools, or the part of it
    /// that `AZURE_TOKEN_CREDENTIALS` names.
    fn usual(&self) -> Result<Credentials, Failure> {
        if self.tenant_id.is_some() && self.client_id.is_some() && !self.is_checked_only {
            return self.of_environment();
        }
        let mut chain = DefaultChain::of_variables(|name| self.variable(name));
        chain.azure_cli.tenant_id.clone_from(&self.tenant_id);
        // A subscription names a tenant too, and `az` takes one of the two.
        if self.tenant_id.is_none() {
            chain.azure_cli.subscription = self.variable("AZURE_SUBSCRIPTION_ID");
        }
        if let Some(id) = &self.client_id {
            chain.managed_identity.id = IdentityId::Client(id.clone());
        }
        match self.variable("AZURE_TOKEN_CREDENTIALS").as_deref().map(str::to_lowercase).as_deref() {
            None => Ok(Credentials::Default(chain)),
            Some("environmentcredential") => self.of_environment(),
            // Whatever else variables name.
            Some("workloadidentitycredential") => self.workload(&mut Map::new()),
            Some("managedidentitycredential") => Ok(Credentials::ManagedIdentity(chain.managed_identity)),
            Some("azureclicredential" | "dev") => Ok(Credentials::AzureCli(chain.azure_cli)),
            Some("azuredeveloperclicredential") => Ok(Credentials::DeveloperCli(self.developer())),
            Some("prod") => match chain.environment {
                Some(application) => Ok(*application),
                None => Ok(Credentials::ManagedIdentity(chain.managed_identity)),
            },
            Some(_) => Err(self.fault(
                "AZURE_TOKEN_CREDENTIALS",
                "one of prod, dev, EnvironmentCredential, WorkloadIdentityCredential, \
                 ManagedIdentityCredential, AzureCliCredential, AzureDeveloperCliCredential",
            )),
        }
    }

    /// The application that variables name, and the fields before them.
    fn of_environment(&self) -> Result<Credentials, Failure> {
        if self.is_checked_only {
            return Ok(Credentials::Default(DefaultChain::default()));
        }
        let found = DefaultChain::of_variables(|name| match name {
            "AZURE_TENANT_ID" => self.tenant_id.clone().or_else(|| self.variable(name)),
            "AZURE_CLIENT_ID" => self.client_id.clone().or_else(|| self.variable(name)),
            _ => self.variable(name),
        });
        found.environment.map(|found| *found).ok_or_else(|| {
            self.fault("auth", "no application is named whole")
                .hint("AZURE_TENANT_ID, AZURE_CLIENT_ID and one of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_FEDERATED_TOKEN_FILE name one")
        })
    }

    /// An application for which a token in a file speaks.
    fn workload(&self, auth: &mut Map<String, Value>) -> Result<Credentials, Failure> {
        let (tenant, client) = self.application()?;
        let file = PathBuf::from(self.needed(auth, "token_file", "AZURE_FEDERATED_TOKEN_FILE")?);
        Ok(Credentials::WorkloadIdentity(WorkloadIdentity::new(tenant, client, file)))
    }

    fn developer(&self) -> DeveloperCli {
        let mut login = DeveloperCli::default();
        login.tenant_id.clone_from(&self.tenant_id);
        login
    }

    /// Which identity of the machine: at most one of its ids.
    fn machine(&self, auth: &mut Map<String, Value>) -> Result<ManagedIdentity, Failure> {
        let mut machine = DefaultChain::of_variables(|name| self.variable(name)).managed_identity;
        machine.id = match (&self.client_id, self.text(auth, "object_id")?, self.text(auth, "resource_id")?) {
            (None, None, None) => machine.id,
            (Some(id), None, None) => IdentityId::Client(id.clone()),
            (None, Some(id), None) => IdentityId::Object(id),
            (None, None, Some(id)) => IdentityId::Resource(id),
            _ => return Err(self.fault("auth", "one of client_id, object_id and resource_id")),
        };
        machine.metadata_url = self.text(auth, "metadata_url")?.or(machine.metadata_url);
        Ok(machine)
    }

    fn pipelines(&self, auth: &mut Map<String, Value>) -> Result<Credentials, Failure> {
        let (tenant, client) = self.application()?;
        let connection = self.text(auth, "service_connection_id")?;
        let connection =
            connection.ok_or_else(|| self.fault("auth.service_connection_id", "it is missing"))?;
        let uri = self.told("SYSTEM_OIDCREQUESTURI")?.unwrap_or_else(|| format!("https://{UNKNOWN}"));
        let token = self.told("SYSTEM_ACCESSTOKEN")?.unwrap_or_else(|| UNKNOWN.to_owned());
        Ok(Credentials::Pipelines(Pipelines::new(tenant, client, connection, uri, token)))
    }

    /// The application: by its fields, or by variables.
    fn application(&self) -> Result<(String, String), Failure> {
        let of = |field: &Option<String>, name: &str, variable: &str| match field {
            Some(id) => Ok(id.clone()),
            None => match self.told(variable) {
                Ok(Some(id)) => Ok(id),
                Ok(None) => Ok(UNKNOWN.to_owned()),
                Err(_) => Err(self.fault(name, &format!("it is missing, and {variable} is not set"))),
            },
        };
        Ok((
            of(&self.tenant_id, "tenant_id", "AZURE_TENANT_ID")?,
            of(&self.client_id, "client_id", "AZURE_CLIENT_ID")?,
        ))
    }

    /// A field, or else what a variable says.
    fn needed(&self, auth: &mut Map<String, Value>, field: &str, variable: &str) -> Result<String, Failure> {
        if let Some(text) = self.text(auth, field)? {
            return Ok(text);
        }
        match self.told(variable) {
            Ok(text) => Ok(text.unwrap_or_else(|| UNKNOWN.to_owned())),
            Err(_) => {
                Err(self
                    .fault(&format!("auth.{field}"), &format!("it is missing, and {variable} is not set")))
            }
        }
    }

    /// What a variable that is needed says; nothing while the configuration is only checked.
    fn told(&self, variable: &str) -> Result<Option<String>, Failure> {
        match self.variable(variable) {
            Some(text) => Ok(Some(text)),
            None if self.is_checked_only => Ok(None),
            None => Err(self.fault("auth", &format!("{variable} is not set"))),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(str::to_owned)
    }

    fn text(&self, auth: &mut Map<String, Value>, field: &str) -> Result<Option<String>, Failure> {
        match auth.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(&format!("auth.{field}"), "it is a text")),
        }
    }

    fn fault(&self, field: &str, problem: &str) -> Failure {
        at(self.name, &format!("{field}: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::environment::Environment;

    /// What these variables and fields make.
    fn login(set: &[(&str, &str)], tenant_id: Option<&str>, auth: &Value) -> Credentials {
        let variables = AzureVariables::find(&set.iter().copied().collect::<Environment>());
        let login = Login {
            name: "vault",
            tenant_id: tenant_id.map(str::to_owned),
            client_id: None,
            variables: &variables,
            is_checked_only: false,
        };
        login.credentials(auth.as_object().cloned().unwrap()).unwrap()
    }

    #[test]
    fn the_subscription_of_a_variable_counts_where_no_tenant_is_named() {
        let set = [("AZURE_SUBSCRIPTION_ID", "shop")];
        let named = |tenant| match login(&set, tenant, &json!({})) {
            Credentials::Default(chain) => (chain.azure_cli.tenant_id, chain.azure_cli.subscription),
            other => panic!("{other:?}"),
        };
        assert_eq!(named(None), (None, Some("shop".to_owned())));
        assert_eq!(named(Some("tenant")), (Some("tenant".to_owned()), None));
    }

    #[test]
    fn workload_identity_means_the_token_of_a_file_whatever_else_is_set() {
        let set = [
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_SECRET", "s3cr3t"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
        ];
        let choice = |name| [&set[..], &[("AZURE_TOKEN_CREDENTIALS", name)]].concat();
        let workload = login(&choice("WorkloadIdentityCredential"), None, &json!({}));
        assert!(matches!(workload, Credentials::WorkloadIdentity(_)), "{workload:?}");
        let environment = login(&choice("EnvironmentCredential"), None, &json!({}));
        assert!(matches!(environment, Credentials::ClientSecret(_)), "{environment:?}");
    }

    #[test]
    fn the_address_of_the_metadata_service_is_a_field_or_a_variable() {
        let set = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")];
        let address = |auth: &Value| match login(&set, None, auth) {
            Credentials::ManagedIdentity(machine) => machine.metadata_url,
            other => panic!("{other:?}"),
        };
        let variable = address(&json!({ "method": "managed-identity" }));
        assert_eq!(variable.as_deref(), Some("http://127.0.0.1:1"));
        let field = "http://127.0.0.1:2";
        let named = address(&json!({ "method": "managed-identity", "metadata_url": field }));
        assert_eq!(named.as_deref(), Some(field));
    }
}
