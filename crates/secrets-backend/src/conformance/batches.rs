//! Cases about many secrets in one call.

use super::{Failure, Outcome, Scratch, ensure, ensure_kind};
use crate::{ErrorKind, SecretBackendExt, SecretPath};

/// One answer per path, in their order, present and missing and repeated, more than a service takes at once.
pub async fn a_batch_answers_in_the_order_asked(scratch: &Scratch) -> Outcome {
    let names: Vec<String> = (0..25).map(|number| format!("batch-{number}")).collect();
    let mut paths = names.iter().map(|name| scratch.path(name)).collect::<Result<Vec<_>, Failure>>()?;
    for (path, name) in paths.iter().zip(&names).filter(|(path, _)| is_present(path)) {
        scratch.put(path, name.as_bytes()).await?;
    }
    // Neither the order of writing nor that of names, and one path twice.
    paths.reverse();
    paths.rotate_left(7);
    paths.push(paths[3].clone());
    let answers = scratch.backend().get_many(&paths).await;
    ensure(answers.len() == paths.len(), "a batch has one answer per path")?;
    for (path, answer) in paths.iter().zip(answers) {
        if !is_present(path) {
            ensure_kind(&answer, ErrorKind::NotFound, format!("the answer for the missing {path}"))?;
            continue;
        }
        let secret = answer?;
        ensure(secret.value.expose() == path.name().as_bytes(), format!("the answer for {path} is its own"))?;
    }
    let deleted = scratch.backend().delete_many(&paths[..3], 2).await;
    ensure(deleted.len() == 3, "delete_many has one answer per path")
}

/// A batch of nothing is answered with nothing, whatever the service makes of it.
pub async fn an_empty_batch_has_no_answers(scratch: &Scratch) -> Outcome {
    ensure(scratch.backend().get_many(&[]).await.is_empty(), "an empty batch has no answers")
}

/// Every third is missing.
fn is_present(path: &SecretPath) -> bool {
    path.name().bytes().map(usize::from).sum::<usize>() % 3 != 0
}
