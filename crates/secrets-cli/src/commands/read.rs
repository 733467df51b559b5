//! `get`, `list`, `history`, `describe`: reading.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_backend::{ErrorKind, Metadata, SecretBytes, SecretPath, Timestamp, VersionState};
use secrets_manager::{Error, ListScope, Safe};
use serde_json::{Value, json};

use super::Context;
use crate::args::{DescribeArgs, GetArgs, HistoryArgs, ListArgs, OutputFormat};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{exit, hints, names};

/// Prints a value.
pub(super) async fn get(context: &Context, args: &GetArgs) -> Result<u8, Failure> {
    let path = names::path(&args.path)?;
    let safe = context.open().await?;
    let version = args.version.as_deref().map(|typed| context.version(typed)).transpose()?;
    let secret = match safe.get(&path, version.as_ref()).await {
        Ok(secret) => secret,
        Err(error) => return Err(missing(context, &safe, &path, error).await),
    };
    context.tell_served(std::iter::once((&path, &secret)));
    let served = secret.served.clone();
    let value = match &args.field {
        Some(name) => field(&path, &secret.value, name)?,
        None => secret.value,
    };
    let format = args.output.chosen();
    if format == OutputFormat::Table {
        output::bytes(value.expose())?;
        if context.terminal.stdout {
            output::bytes(b"\n")?;
        }
        context.after(&safe).await;
        return Ok(exit::DONE);
    }
    let mut fields = json!({ "path": path.as_str(), "version": output::version(&secret.version) });
    if let Some(name) = &args.field {
        fields["field"] = name.as_str().into();
    }
    if let Some(served) = served {
        fields["served"] = json!({
            "by": context.name_of(&served.by),
            "degraded": served.degraded,
            "age_s": served.age.map(|age| age.as_secs()),
            "conflict": served.conflict,
        });
    }
    match value.expose_str() {
        Some(text) => fields["value"] = text.into(),
        None => fields["value_base64"] = STANDARD.encode(value.expose()).into(),
    }
    output::data(format, fields, Table::plain)?;
    context.after(&safe).await;
    Ok(exit::DONE)
}

/// One field of a value that is a JSON object: a text as it is, anything else as JSON.
fn field(path: &SecretPath, value: &SecretBytes, name: &str) -> Result<SecretBytes, Failure> {
    let fields: BTreeMap<String, Value> = serde_json::from_slice(value.expose()).map_err(|_| {
        Failure::usage(format!("the value of {path} is not a JSON object, so it has no fields"))
            .hint("leave out --field to print it whole")
    })?;
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text.as_str().into()),
        Some(other) => Ok(other.to_string().into()),
        // The names of the others are as secret as the value.
        None => Err(Failure::new(exit::NOT_FOUND, format!("the value of {path} has no such field"))),
    }
}

/// Prints paths.
pub(super) async fn list(context: &Context, args: &ListArgs) -> Result<u8, Failure> {
    let prefix = args.prefix.as_deref().map(names::path).transpose()?;
    let safe = context.open().await?;
    let scope = if args.deleted { ListScope::WithDeleted } else { ListScope::Live };
    let all = safe.list(prefix.as_ref(), scope).await.map_err(|error| context.failure(error))?;
    let secrets: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "path": one.path.as_str(),
                "version": one.version,
                "updated": one.updated.map(output::time),
                "deleted": one.deleted,
            })
        })
        .collect();
    let environment = context.configuration.settings.environment();
    output::data(args.output.chosen(), json!({ "environment": environment, "secrets": secrets }), || {
        let mut table = Table::new(&["PATH", "VERSION", "UPDATED", ""]);
        for one in &all {
            let version = one.version.map_or_else(|| "-".to_owned(), |version| version.to_string());
            let state = if one.deleted { "deleted" } else { "" };
            table.row([one.path.to_string(), version, time(one.updated), state.to_owned()]);
        }
        table
    })?;
    context.after(&safe).await;
    Ok(exit::DONE)
}

/// Prints versions.
pub(super) async fn history(context: &Context, args: &HistoryArgs) -> Result<u8, Failure> {
    let path = names::path(&args.path)?;
    let safe = context.open().await?;
    let versions = match safe.history(&path).await {
        Ok(versions) => versions,
        Err(error) => return Err(missing(context, &safe, &path, error).await),
    };
    let state = |version: &secrets_backend::VersionMeta| match version.state {
        _ if version.stamp.as_ref().is_some_and(secrets_backend::Stamp::is_tombstone) => "deletion",
        VersionState::Live => "live",
        VersionState::Deleted => "deleted",
        _ => "destroyed",
    };
    let fields: Vec<Value> = versions
        .iter()
        .map(|version| {
            json!({
                "version": output::version(&version.id),
                "created": version.created.map(output::time),
                "state": state(version),
            })
        })
        .collect();
    output::data(args.output.chosen(), json!({ "path": path.as_str(), "versions": fields }), || {
        let mut table = Table::new(&["VERSION", "CREATED", "STATE"]);
        for version in &versions {
            table.row([version.id.to_string(), time(version.created), state(version).to_owned()]);
        }
        table
    })?;
    context.after(&safe).await;
    Ok(exit::DONE)
}

/// Prints metadata.
pub(super) async fn describe(context: &Context, args: &DescribeArgs) -> Result<u8, Failure> {
    let path = names::path(&args.path)?;
    let safe = context.open().await?;
    let found = match safe.describe(&path).await {
        Ok(found) => found,
        Err(error) => return Err(missing(context, &safe, &path, error).await),
    };
    let Metadata { description, tags, classification, content_type, owner, expires, rotation, .. } =
        &found.metadata;
    let rows = [
        ("path", Some(found.path.to_string())),
        ("version", Some(found.version.to_string())),
        ("created", found.created.map(output::time)),
        ("size", Some(format!("{} bytes", found.size))),
        ("description", description.clone()),
        ("owner", owner.clone()),
        ("classification", classification.clone()),
        ("content type", content_type.clone()),
        ("expires", expires.map(output::time)),
        ("rotate every", rotation.as_ref().map(|policy| format!("{} days", policy.every_days))),
    ];
    let fields = json!({
        "path": path.as_str(),
        "version": output::version(&found.version),
        "created": found.created.map(output::time),
        "size": found.size,
        "description": description,
        "tags": tags,
        "owner": owner,
        "classification": classification,
        "content_type": content_type,
        "expires": expires.map(output::time),
        "rotate_every_days": rotation.as_ref().map(|policy| policy.every_days),
    });
    output::data(args.output.chosen(), fields, || {
        let mut table = Table::plain();
        for (name, value) in rows {
            if let Some(value) = value {
                table.row([name.to_owned(), value]);
            }
        }
        for (name, value) in tags {
            table.row(["tag".to_owned(), format!("{name}={value}")]);
        }
        table
    })?;
    context.after(&safe).await;
    Ok(exit::DONE)
}

/// A failed look-up; of a secret that is not there, with the name that was most likely meant. The listing it
/// takes is the caller's own, and audited.
pub(super) async fn missing(context: &Context, safe: &Safe, path: &SecretPath, error: Error) -> Failure {
    let not_found = matches!(&error, Error::Backend(error) if error.kind() == ErrorKind::NotFound);
    let failure = context.failure(error);
    if !not_found {
        return failure;
    }
    let Ok(listed) = safe.list(None, ListScope::Live).await else { return failure };
    match hints::nearest(path.as_str(), listed.iter().map(|one| one.path.as_str())) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure,
    }
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), output::time)
}
