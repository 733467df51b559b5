//! The first steps of an OpenBao that is no development server: its keys, and the engine that such a one begins with.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{START_WITHIN, Serves};
use crate::responder::{Body, Request};

/// Makes the keys of a new one, unseals it, and mounts version 2 of KV at `secret`.
pub(super) fn begin(mut serves: Serves) -> Result<Serves, String> {
    let shares = json!({"secret_shares": 1, "secret_threshold": 1});
    let made = ask(&serves, "PUT", "sys/init", &shares)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("it did not say its keys");
    serves.unseal_key = text(&made["keys_base64"][0])?;
    serves.root_token = text(&made["root_token"])?;
    unseal(&serves)?;
    let engine = json!({"type": "kv", "options": {"version": "2"}});
    ask(&serves, "POST", "sys/mounts/secret", &engine)?;
    Ok(serves)
}

/// Unseals one that was started, and waits until it has elected itself.
pub(super) fn unseal(serves: &Serves) -> Result<(), String> {
    ask(serves, "PUT", "sys/unseal", &json!({"key": serves.unseal_key}))?;
    let deadline = Instant::now() + START_WITHIN;
    // API documentation, `/sys/health`: 200 where it is unsealed and active.
    while let Err(error) = ask(serves, "GET", "sys/health", &Value::Null) {
        if Instant::now() > deadline {
            return Err(error);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn ask(serves: &Serves, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let token = ("x-vault-token", serves.root_token.as_str());
    let request = Request::new(method, &format!("/v1/{path}"), &[token], body.to_string());
    let answer = request.forward(&serves.address).map_err(|error| format!("{path}: {error}"))?;
    match answer.body {
        Body::Bytes(bytes) if answer.status < 300 => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        _ => Err(format!("{path}: status {}", answer.status)),
    }
}
