//! AWS Secrets Manager: its fields in a configuration file, and what they become.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::{PrefixBackend, SecretBackend, SecretPath};
use secrets_backend_aws::{AwsBackend, AwsConfig, Credentials, Role};
use serde::Deserialize;
use serde_json::Value;

use super::{AWS, Configured};
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
    let fields = fields(name, backend)?;
    // Something has to follow a prefix for it to make a name.
    let with_prefix = SecretPath::native(&format!("{}x", fields.prefix.as_deref().unwrap_or_default()));
    with_prefix.map_err(|invalid| at(name, &format!("prefix: {invalid}")))?;
    fields.config(name)?.check().map_err(|invalid| at(name, &invalid))
}

pub(super) fn make(name: &str, backend: &Backend) -> Result<Configured, Failure> {
    let fields = fields(name, backend)?;
    let prefix = fields.prefix.clone().unwrap_or_default();
    let whole = AwsBackend::new(fields.config(name)?).map_err(|invalid| at(name, &invalid))?;
    let least_policy = Some(whole.least_policy(&prefix));
    let backend: Arc<dyn SecretBackend> = if prefix.is_empty() {
        Arc::new(whole)
    } else {
        let part = PrefixBackend::new(whole, prefix);
        Arc::new(part.map_err(|invalid| at(name, &format!("prefix: {invalid}")))?)
    };
    Ok(Configured { kind: AWS.to_owned(), backend, least_policy })
}

fn fields(name: &str, backend: &Backend) -> Result<Fields, Failure> {
    let object = Value::Object(backend.fields.clone().into_iter().collect());
    // Its messages name fields and types; of a value they would show a part, so only the known ones are passed on.
    serde_json::from_value(object).map_err(|error| {
        let text = error.to_string();
        let known = ["unknown field", "missing field"].iter().any(|start| text.starts_with(start));
        at(name, if known { text.as_str() } else { "a field has a value of the wrong type" })
    })
}

fn at(name: &str, problem: &(impl std::fmt::Display + ?Sized)) -> Failure {
    Failure::config(format!("`backends.{name}`: {problem}"))
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
