//! AWS Secrets Manager: its fields in a configuration file, and what they become.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{Error, ErrorKind, Operation, SecretPath, async_trait};
use secrets_backend_aws::{AwsBackend, AwsConfig, Credentials, Replica, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::{self, at};
use super::{AWS, About, Configured};
use crate::config::schema::Backend;
use crate::failure::Failure;

/// The fields of `[backends.NAME]` with `type = "aws"`. Credentials are those of AWS's own tools.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    region: Option<String>,
    profile: Option<String>,
    prefix: Option<String>,
    role_arn: Option<String>,
    external_id: Option<String>,
    endpoint_url: Option<String>,
    sts_endpoint_url: Option<String>,
    use_fips: Option<bool>,
    use_dual_stack: Option<bool>,
    ca_file: Option<PathBuf>,
    kms_key_id: Option<String>,
    recovery_window_days: Option<u8>,
    /// Seconds.
    timeout: Option<u32>,
    /// Seconds.
    connect_timeout: Option<u32>,
}

pub(super) fn check(name: &str, backend: &Backend) -> Result<(), Failure> {
    let fields: Fields = fields::read(name, backend)?;
    fields::check_prefix(name, fields.prefix.as_deref())?;
    fields.config(name)?.check().map_err(|invalid| at(name, &invalid))
}

pub(super) fn make(name: &str, backend: &Backend) -> Result<Configured, Failure> {
    let fields: Fields = fields::read(name, backend)?;
    let prefix = fields.prefix.clone().unwrap_or_default();
    let whole = AwsBackend::new(fields.config(name)?).map_err(|invalid| at(name, &invalid))?;
    let least_policy = Some(whole.least_policy(&prefix));
    let whole = Arc::new(whole);
    let backend = fields::behind(name, &prefix, Arc::clone(&whole))?;
    let about: Arc<dyn About> = Arc::new(Part { whole, prefix });
    Ok(Configured { kind: AWS.to_owned(), backend, least_policy, about: Some(about), writes: None })
}

impl Fields {
    fn config(self, name: &str) -> Result<AwsConfig, Failure> {
        let mut config = AwsConfig::new();
        config.credentials = self.profile.map_or(Credentials::Default, Credentials::Profile);
        if let Some(arn) = self.role_arn {
            let mut role = Role::new(arn, config.credentials);
            role.external_id = self.external_id;
            config.credentials = Credentials::Role(Box::new(role));
        } else if self.external_id.is_some() {
            return Err(at(name, "external_id: it goes with role_arn"));
        }
        config.region = self.region;
        config.endpoint_url = self.endpoint_url;
        config.sts_endpoint_url = self.sts_endpoint_url;
        config.use_fips = self.use_fips;
        config.use_dual_stack = self.use_dual_stack;
        config.ca_file = self.ca_file;
        config.kms_key_id = self.kms_key_id;
        if let Some(days) = self.recovery_window_days {
            config.recovery_window_days = days;
        }
        if let Some(seconds) = self.timeout {
            config.timeout = Duration::from_secs(seconds.into());
        }
        if let Some(seconds) = self.connect_timeout {
            config.connect_timeout = Duration::from_secs(seconds.into());
        }
        Ok(config)
    }
}

/// The part of the service that a prefix names.
#[derive(Debug)]
struct Part {
    whole: Arc<AwsBackend>,
    prefix: String,
}

#[async_trait]
impl About for Part {
    async fn about(&self, path: &SecretPath) -> secrets_backend::Result<Value> {
        let name = SecretPath::prefixed(&self.prefix, path).map_err(|invalid| {
            Error::new(ErrorKind::InvalidInput, Operation::Get, self.whole.to_string())
                .with_path(path)
                .with_source(invalid)
        })?;
        let replicas = self.whole.replicas(&name).await?;
        let policy = self.whole.resource_policy(&name).await?;
        // One that is no JSON is shown as a text of JSON: it is there, and none of its characters reaches a terminal.
        let policy = policy.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        let replica = |one: &Replica| json!({ "region": one.region, "state": one.state.to_string() });
        Ok(json!({
            "name": name.as_str(),
            "replicas": replicas.iter().map(replica).collect::<Vec<_>>(),
            "resource_policy": policy,
        }))
    }
}
