//! Many values at once: twenty a call, several calls side by side.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_secretsmanager::Client;
use futures_util::StreamExt;
use futures_util::stream;
use secrets_backend::{ErrorKind, SecretPath};

use crate::api::{Api, CURRENT, Found, found};
use crate::codes::{Code, Meaning};
use crate::failure::{Effect, Failure};

/// API reference, `BatchGetSecretValue`: SecretIdList.
const BATCH: usize = 20;
/// A call may answer in parts, each with one secret at least.
const MAX_PARTS: usize = BATCH;

/// What a batch says of each secret; those that it says nothing about, or nothing certain, are asked for one by one.
type Answers = HashMap<String, Result<Found, Failure>>;

/// Whether batches may be asked for: a permission of its own.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    denied: AtomicBool,
}

impl Batches {
    /// The values of `paths`, which are all different, as far as batches tell.
    pub(crate) async fn values(&self, api: &Api, paths: &[&SecretPath]) -> Answers {
        if paths.len() < 2 || self.denied.load(Ordering::Relaxed) {
            return Answers::new();
        }
        let calls: Vec<_> = paths.chunks(BATCH).map(|paths| self.batch(api, paths)).collect();
        let answers: Vec<Answers> = stream::iter(calls).buffered(api.config.concurrency).collect().await;
        answers.into_iter().flatten().collect()
    }

    async fn batch(&self, api: &Api, paths: &[&SecretPath]) -> Answers {
        let mut answers = Answers::new();
        if let Err(failure) = parts(api, paths, &mut answers).await {
            if failure.kind == ErrorKind::PermissionDenied {
                // Reading one by one may be allowed.
                self.denied.store(true, Ordering::Relaxed);
                return answers;
            }
            for path in paths {
                answers.entry(path.to_string()).or_insert_with(|| Err(failure.again()));
            }
        }
        answers
    }
}

async fn parts(api: &Api, paths: &[&SecretPath], answers: &mut Answers) -> Result<(), Failure> {
    let mut next = None;
    for _ in 0..MAX_PARTS {
        let get = |client: &Client| {
            let ids = paths.iter().map(ToString::to_string).collect();
            let call = client.batch_get_secret_value().set_secret_id_list(Some(ids));
            call.set_next_token(next.clone()).send()
        };
        let reply = api.call(Effect::None, get).await?;
        for entry in reply.secret_values.unwrap_or_default() {
            let is_current = entry.version_stages().iter().any(|stage| stage == CURRENT);
            let Some(name) = entry.name.filter(|_| is_current) else { continue };
            let found = found(entry.version_id, entry.secret_string, entry.secret_binary, entry.created_date);
            answers.insert(name, found);
        }
        for refused in reply.errors.unwrap_or_default() {
            if let (Some(name), Some(failure)) = (refused.secret_id(), refusal(refused.error_code())) {
                answers.insert(name.to_owned(), Err(failure));
            }
        }
        match reply.next_token.filter(|token| !token.is_empty()) {
            Some(token) if Some(&token) != next.as_ref() => next = Some(token),
            Some(_) => return Err(Failure::damaged(Effect::None)),
            None => return Ok(()),
        }
    }
    Err(Failure::damaged(Effect::None))
}

/// The failure for one secret of a batch; none where its code has several meanings, which a call of its own tells apart.
fn refusal(code: Option<&str>) -> Option<Failure> {
    let code = Code::of(code?)?;
    match code.meaning() {
        Meaning::Kind(kind @ (ErrorKind::NotFound | ErrorKind::PermissionDenied)) => {
            Some(Failure::coded(kind, code))
        }
        _ => None,
    }
}
