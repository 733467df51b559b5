//! Backends without a configuration file: `vault` and `aws`, as flags and the variables of their own tools describe them.

use serde_json::{Value, json};

use super::schema::{Backend, Settings};
use super::vault;
use crate::args::Global;
use crate::backends::{AWS, HCVAULT};
use crate::environment::Environment;
use crate::failure::Failure;

/// The name of the backend that the flags of Vault make.
const VAULT: &str = "vault";

/// Adds the backend that the command line or the environment asks for, where no file defines one of its name.
///
/// # Errors
/// Exit 2 for a flag that goes with another backend, or an address that nothing names.
pub fn add(settings: &mut Settings, global: &Global, environment: &Environment) -> Result<(), Failure> {
    let of_vault = global.vault_url.is_some() || global.token.is_some();
    let of_aws = aws(global) != json!({});
    // A prefix alone says too little: it may be meant for a command, where it names paths.
    let is_said = of_vault || (of_aws && aws(global) != json!({ "prefix": global.name_prefix }));
    if settings.backend.is_none() && is_said {
        settings.backend = Some(if of_vault { VAULT } else { AWS }.to_owned());
    }
    let name = settings.backend_name().to_owned();
    let (kind, fields) = match name.as_str() {
        _ if settings.backends.contains_key(&name) => return misplaced(global, of_vault || of_aws),
        VAULT | HCVAULT if !of_aws => (HCVAULT, vault::typed(global, environment)?),
        AWS if !of_vault => (AWS, aws(global)),
        _ => return misplaced(global, of_vault || of_aws),
    };
    let Value::Object(fields) = fields else { return Ok(()) };
    let seal = global.no_seal.then_some(false);
    let backend = Backend { kind: kind.to_owned(), seal, fields: fields.into_iter().collect() };
    settings.backends.insert(name, backend);
    Ok(())
}

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
fn misplaced(global: &Global, typed: bool) -> Result<(), Failure> {
    if !typed && !global.no_seal {
        return Ok(());
    }
    Err(Failure::usage("these flags do not go with the backend in force").hint(
        "`--vault-url` and `--token` go with `--backend vault`; `--region`, `--profile`, `--role-arn`, \
         `--endpoint-url` and a `--prefix` before the command with `--backend aws`; `--no-seal` with either, \
         where no file defines it",
    ))
}
