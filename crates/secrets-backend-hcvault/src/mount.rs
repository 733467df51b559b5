//! Which KV engine a mount has, and whether the server is well.

use secrets_backend::ErrorKind;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Engine;
use crate::failure::{Effect, Failure};
use crate::wire::{Ask, Reply, Wire};

/// The version of the engine that the server named in its answer about a mount.
///
/// Source: the reply of `sys/internal/ui/mounts/<path>`, which any token may ask that may use the mount.
pub(crate) fn engine(reply: &Reply, mount: &str) -> Result<Engine, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        data: Mount,
    }
    #[derive(Deserialize)]
    struct Mount {
        r#type: String,
        #[serde(default)]
        options: Option<std::collections::HashMap<String, Value>>,
    }
    let Answer { data } = reply.json(Effect::None)?;
    // Before KV had versions it was called `generic`.
    if !matches!(data.r#type.as_str(), "kv" | "generic") {
        return Err(Failure::invalid(format!("mount: {mount} has another engine than KV")));
    }
    let version = data.options.as_ref().and_then(|options| options.get("version")).and_then(Value::as_str);
    match version {
        None | Some("1") => Ok(Engine::Kv1),
        Some("2") => Ok(Engine::Kv2),
        Some(_) => Err(Failure::invalid(format!("mount: {mount} has a newer KV engine than 2"))),
    }
}

/// What to ask about a mount.
pub(crate) fn question(mount: &str) -> Ask {
    Ask::get(format!("sys/internal/ui/mounts/{mount}"))
}

/// No engine was named: no such mount, or none that this token may use.
pub(crate) fn missing(mount: &str) -> Failure {
    Failure::invalid(format!("mount: there is none at {mount}"))
}

/// It has a KV engine, of the version that was not named.
pub(crate) fn other_engine(mount: &str) -> Failure {
    Failure::invalid(format!("engine: the mount {mount} has the other version of KV"))
}

/// What the server says of its own state, where it does not serve; `None` where it seems to be well.
///
/// Source: the documented codes of `sys/health`.
pub(crate) async fn illness(wire: &Wire) -> Option<Failure> {
    let reply = wire.send_bare(&Ask::get("sys/health").with_query("perfstandbyok=true")).await.ok()?;
    let says = |detail: &'static str| Some(Failure::new(ErrorKind::Unavailable, detail));
    match reply.status {
        429 => says("the server is a standby, and does not pass requests on"),
        472 => says("the server is a disaster recovery secondary"),
        473 => says("the server is a standby that does not answer"),
        501 => says("the server is not initialised"),
        503 => says("the server is sealed"),
        _ => None,
    }
}
