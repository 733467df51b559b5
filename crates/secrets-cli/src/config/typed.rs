//! Backends without a configuration file: `vault`, `aws` and `azure`, as flags and the variables of their own tools describe them.

use serde_json::{Value, json};

use super::schema::{Backend, Settings};
use super::{azure, vault};
use crate::args::Global;
use crate::backends::{AWS, AZURE, HCVAULT};
use crate::environment::Environment;
use crate::failure::Failure;

/// The name of the backend that the flags of Vault make.
const VAULT: &str = "vault";

/// Adds the backend that the command line or the environment asks for, where no file defines one of its name.
///
/// # Errors
/// Exit 2 for a flag that goes with another backend, or an address that nothing names.
pub fn add(settings: &mut Settings, global: &Global, environment: &Environment) -> Result<(), Failure> {
    let said = Said::by(global);
    if settings.backend.is_none() {
        settings.backend = said.alone().map(str::to_owned);
    }
    let name = settings.backend_name().to_owned();
    let (kind, fields) = match name.as_str() {
        _ if settings.backends.contains_key(&name) => return misplaced(global, said),
        VAULT | HCVAULT if !said.is_prefix && !said.is_aws && !said.is_azure => {
            (HCVAULT, vault::typed(global, environment)?)
        }
        AWS if !said.is_url && !said.is_vault && !said.is_azure => (AWS, aws(global)),
        AZURE if !said.is_aws && !said.is_vault => (AZURE, azure::typed(global, environment)?),
        _ => return misplaced(global, said),
    };
    let Value::Object(fields) = fields else { return Ok(()) };
    let seal = global.no_seal.then_some(false);
    let backend = Backend { kind: kind.to_owned(), seal, fields: fields.into_iter().collect() };
    settings.backends.insert(name, backend);
    Ok(())
}

/// Which flags of backends there are.
#[derive(Clone, Copy)]
struct Said {
    /// One of Vault's or Azure's.
    is_url: bool,
    /// One that goes with Vault alone.
    is_vault: bool,
    /// One that goes with AWS alone.
    is_aws: bool,
    /// One that goes with Azure alone.
    is_azure: bool,
    /// One of AWS's or Azure's.
    is_prefix: bool,
}

impl Said {
    fn by(global: &Global) -> Self {
        let aws = [&global.region, &global.profile, &global.role_arn, &global.endpoint_url];
        let is_key_vault = |url: &str| KEY_VAULTS.iter().any(|suffix| url.contains(suffix));
        Self {
            is_url: global.vault_url.is_some(),
            is_vault: global.token.is_some(),
            is_aws: aws.into_iter().any(Option::is_some),
            is_azure: global.tenant_id.is_some()
                || global.client_id.is_some()
                || global.vault_url.as_deref().is_some_and(is_key_vault),
            is_prefix: global.name_prefix.is_some(),
        }
    }

    /// The backend that is meant where none is named. A prefix alone says too little: it may be meant for a command,
    /// where it names paths.
    const fn alone(self) -> Option<&'static str> {
        match self {
            Self { is_azure: true, .. } => Some(AZURE),
            Self { is_url: true, .. } | Self { is_vault: true, .. } => Some(VAULT),
            Self { is_aws: true, .. } => Some(AWS),
            _ => None,
        }
    }

    const fn is_any(self) -> bool {
        self.is_url || self.is_vault || self.is_aws || self.is_azure || self.is_prefix
    }
}

/// Hosts of Key Vault end in these, in whatever cloud.
const KEY_VAULTS: [&str; 3] = [".vault.azure.net", ".vault.usgovcloudapi.net", ".vault.azure.cn"];

/// The fields that flags name; what they leave open, AWS's own variables and files say.
fn aws(global: &Global) -> Value {
    let flags = [
        ("region", &global.region),
        ("profile", &global.profile),
        ("role_arn", &global.role_arn),
        ("endpoint_url", &global.endpoint_url),
        ("prefix", &global.name_prefix),
    ];
    flags.into_iter().filter_map(|(name, flag)| Some((name, flag.clone()?))).collect()
}

/// Names the region of each backend of AWS that leaves it to AWS's own variables: where secrets are is part of what a
/// place is called, and decides whether it is known.
pub fn name_regions(settings: &mut Settings, environment: &Environment) {
    let of_environment = || environment.text("AWS_REGION").or_else(|| environment.text("AWS_DEFAULT_REGION"));
    // What is none is left to the backend, which says where it comes from.
    let is_region = |text: &&str| {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.starts_with('-') && text.bytes().all(letters)
    };
    for backend in settings.backends.values_mut().filter(|backend| backend.kind == AWS) {
        if let (None, Some(region)) = (backend.fields.get("region"), of_environment().filter(is_region)) {
            backend.fields.insert("region".to_owned(), json!(region));
        }
    }
}

/// Refuses flags that describe a backend which is not in force, or which a file describes.
fn misplaced(global: &Global, said: Said) -> Result<(), Failure> {
    if !said.is_any() && !global.no_seal {
        return Ok(());
    }
    Err(Failure::usage("these flags do not go with the backend in force").hint(
        "`--vault-url` and `--token` go with `--backend vault`; `--region`, `--profile`, `--role-arn` and \
         `--endpoint-url` with `--backend aws`; `--vault-url`, `--tenant-id` and `--client-id` with \
         `--backend azure`; a `--prefix` before the command with the last two; `--no-seal` with each, where no \
         file defines it",
    ))
}
