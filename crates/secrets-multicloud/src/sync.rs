//! What replicas lack of each other, found from listings alone, and how it is brought to them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use secrets_backend::{Error, Result, SecretBackendExt, SecretPath, Stamp};

use crate::forward::{Forwarded, forward};
use crate::relation::{Record, Relation, relation};
use crate::replica::Replica;

/// What would bring replicas to the same state. No value was read for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// What is to be copied, by path.
    pub steps: Vec<Step>,
    /// How many secrets are the same everywhere.
    pub equal: usize,
    /// Secrets of which replicas have versions that were written without each other.
    pub diverged: BTreeSet<SecretPath>,
    /// What is not ours, or not sealed, and is left alone: by replica.
    pub foreign: BTreeMap<String, BTreeSet<SecretPath>>,
}

/// A version that one replica has and another lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The secret
    pub path: SecretPath,
    /// Whose version it is, by name
    pub from: String,
    /// Who lacks it, by name
    pub to: String,
    /// Whether what is there is known to be an ancestor, so that nothing is lost
    pub proven: bool,
}

/// What became of a step.
#[derive(Debug)]
#[non_exhaustive]
pub enum Applied {
    /// It was written, or something newer was there already.
    Done,
    /// What is there is not known to be an ancestor: it was left alone.
    Unproven,
    /// What is there was written without it: both were left alone.
    Diverged,
    /// The source has none any more, or one of the replicas failed.
    Failed(Error),
}

impl Plan {
    /// Whether there is nothing to do and nothing to decide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.diverged.is_empty()
    }
}

/// Compares replicas by what their listings claim; `record` says what is known of a path's history.
///
/// # Errors
/// Where one of them cannot be listed: what it lacks would be unknown.
pub async fn plan(
    replicas: &[Replica],
    prefix: Option<&SecretPath>,
    record: &(dyn Fn(&SecretPath, u64) -> Option<secrets_backend::ContentId> + Sync),
) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut claims: BTreeMap<SecretPath, Vec<Option<Stamp>>> = BTreeMap::new();
    for (at, replica) in replicas.iter().enumerate() {
        for item in replica.list_all(prefix).await? {
            match item.stamp {
                Some(stamp) => {
                    claims.entry(item.path).or_insert_with(|| vec![None; replicas.len()])[at] = Some(stamp)
                }
                None => {
                    plan.foreign.entry(replica.name().to_owned()).or_default().insert(item.path);
                }
            }
        }
    }
    for (path, stamps) in claims {
        plan.add(replicas, path, &stamps, record);
    }
    Ok(plan)
}

impl Plan {
    fn add(
        &mut self,
        replicas: &[Replica],
        path: SecretPath,
        stamps: &[Option<Stamp>],
        record: &(dyn Fn(&SecretPath, u64) -> Option<secrets_backend::ContentId> + Sync),
    ) {
        let of_path = |version| record(&path, version);
        let of_path: &Record<'_> = &of_path;
        let version = |at: &usize| stamps[*at].as_ref().map(|stamp| stamp.version);
        // Of several with the highest number the first: if they differ, nothing is copied.
        let Some(best) = (0..stamps.len()).rev().max_by_key(version) else { return };
        let mut steps = Vec::new();
        for (at, stamp) in stamps.iter().enumerate() {
            let proven = match relation(stamps[best].as_ref(), stamp.as_ref(), of_path) {
                Relation::Equal => continue,
                Relation::Ahead => true,
                Relation::AheadUnproven => false,
                _ => {
                    self.diverged.insert(path);
                    return;
                }
            };
            let (from, to) = (replicas[best].name().to_owned(), replicas[at].name().to_owned());
            steps.push(Step { path: path.clone(), from, to, proven });
        }
        self.equal += usize::from(steps.is_empty());
        self.steps.extend(steps);
    }
}

/// Carries out steps, `at_once` of them side by side, and tells of each as it ends. It can be stopped at any time and
/// begun again from a new plan.
pub async fn apply(
    replicas: &[Replica],
    steps: &[Step],
    at_once: usize,
    record: &(dyn Fn(&SecretPath, u64) -> Option<secrets_backend::ContentId> + Sync),
    mut progress: impl FnMut(&Step, Applied),
) {
    let work = steps.iter().map(|step| async move { (step, applied(replicas, step, record).await) });
    let work: Vec<_> = work.collect();
    let mut done = stream::iter(work).buffer_unordered(at_once.max(1));
    while let Some((step, applied)) = done.next().await {
        progress(step, applied);
    }
}

async fn applied(
    replicas: &[Replica],
    step: &Step,
    record: &(dyn Fn(&SecretPath, u64) -> Option<secrets_backend::ContentId> + Sync),
) -> Applied {
    let named = |name: &str| replicas.iter().find(|replica| replica.name() == name);
    let (Some(from), Some(to)) = (named(&step.from), named(&step.to)) else { return Applied::Unproven };
    let copied = async {
        let (secret, stamp) = from.envelope(&step.path).await?;
        forward(to, &step.path, &secret, &stamp, &|version| record(&step.path, version)).await
    };
    match copied.await {
        Ok(Forwarded::Has) => Applied::Done,
        Ok(Forwarded::Unproven) => Applied::Unproven,
        Ok(Forwarded::Diverged) => Applied::Diverged,
        Err(error) => Applied::Failed(error),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests have runtimes of their own")]
mod tests {
    use std::sync::Arc;

    use secrets_backend::{ContentId, MemoryBackend, NewSecret, PutMode, SecretBackend, StampKind};

    use super::*;
    use crate::replica::Verify;

    fn path(name: &str) -> SecretPath {
        name.parse().unwrap()
    }

    fn sealed(version: u64, content: u8, parent: Option<u8>) -> NewSecret {
        let parent = parent.map(|parent| ContentId::new([parent; 32]));
        let stamp = Stamp::new(StampKind::Secret, version, Some(1), 7, ContentId::new([content; 32]), parent);
        NewSecret::new(vec![content]).with_stamp(stamp)
    }

    struct Scene {
        memories: Vec<Arc<MemoryBackend>>,
        replicas: Vec<Replica>,
    }

    impl Scene {
        fn new() -> Self {
            let verify: Arc<Verify> =
                Arc::new(|_, _, answer| Ok(answer.and_then(|secret| secret.stamp.clone())));
            let memories: Vec<_> = (0..3).map(|_| Arc::new(MemoryBackend::new())).collect();
            let named = ["one", "two", "three"].into_iter().zip(&memories);
            let replicas = named.map(|(name, memory)| {
                let backend: Arc<dyn SecretBackend> = Arc::clone(memory) as _;
                Replica::new(name, backend, Arc::clone(&verify))
            });
            let replicas = replicas.collect();
            Self { memories, replicas }
        }

        /// Puts versions, each the child of the one before it, whose content is their number.
        async fn put(&self, at: usize, name: &str, versions: std::ops::RangeInclusive<u64>) {
            for version in versions {
                let content = u8::try_from(version).unwrap();
                let secret = sealed(version, content, content.checked_sub(1).filter(|&parent| parent > 0));
                self.memories[at].put(&path(name), &secret, &PutMode::Upsert).await.unwrap();
            }
        }

        async fn plan(&self) -> Plan {
            plan(&self.replicas, None, &|_, _| None).await.unwrap()
        }

        async fn apply(&self, plan: &Plan) -> Vec<String> {
            let mut told = Vec::new();
            let record = |_: &SecretPath, _| None;
            apply(&self.replicas, &plan.steps, 4, &record, |step, applied| {
                told.push(format!("{} {} {applied:?}", step.path, step.to));
            })
            .await;
            told.sort();
            told
        }
    }

    #[tokio::test]
    async fn what_is_one_version_behind_or_missing_is_brought_forward_and_then_there_is_nothing_to_do() {
        let scene = Scene::new();
        scene.put(0, "a", 1..=3).await;
        scene.put(1, "a", 1..=2).await;
        scene.put(2, "b", 1..=1).await;
        let plan = scene.plan().await;
        assert!(plan.steps.iter().all(|step| step.proven) && plan.diverged.is_empty());
        assert_eq!(scene.apply(&plan).await, ["a three Done", "a two Done", "b one Done", "b two Done"]);
        let after = scene.plan().await;
        assert!(after.is_empty() && after.equal == 2, "{after:?}");
        for replica in &scene.replicas {
            assert_eq!(replica.get(&path("a"), None).await.unwrap().value.expose(), [3]);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_shown_to_be_an_ancestor_is_left_alone() {
        let scene = Scene::new();
        scene.put(0, "a", 1..=5).await;
        scene.put(1, "a", 1..=2).await;
        scene.put(2, "a", 1..=5).await;
        let plan = scene.plan().await;
        assert_eq!((plan.steps.len(), plan.steps[0].proven), (1, false));
        assert_eq!(scene.apply(&plan).await, ["a two Unproven"]);
        assert_eq!(scene.memories[1].get(&path("a"), None).await.unwrap().value.expose(), [2]);
    }

    #[tokio::test]
    async fn rivals_are_told_and_both_kept() {
        let scene = Scene::new();
        for at in 0..3 {
            scene.put(at, "a", 1..=2).await;
        }
        scene.memories[1].put(&path("a"), &sealed(2, 9, Some(1)), &PutMode::Upsert).await.unwrap();
        let plan = scene.plan().await;
        assert!(plan.steps.is_empty() && plan.diverged == [path("a")].into() && !plan.is_empty());
    }

    #[tokio::test]
    async fn a_rival_that_comes_between_plan_and_apply_is_not_written_over() {
        let scene = Scene::new();
        scene.put(0, "a", 1..=2).await;
        scene.put(1, "a", 1..=1).await;
        scene.put(2, "a", 1..=2).await;
        let plan = scene.plan().await;
        scene.memories[1].put(&path("a"), &sealed(2, 9, Some(1)), &PutMode::Upsert).await.unwrap();
        assert_eq!(scene.apply(&plan).await, ["a two Diverged"]);
        assert_eq!(scene.memories[1].get(&path("a"), None).await.unwrap().value.expose(), [9]);
    }

    #[tokio::test]
    async fn what_is_not_ours_is_reported_and_left_alone() {
        let scene = Scene::new();
        scene.memories[1].put(&path("theirs"), &NewSecret::new("x"), &PutMode::Create).await.unwrap();
        let plan = scene.plan().await;
        assert_eq!(plan.foreign["two"], [path("theirs")].into());
        assert!(plan.is_empty());
    }
}
