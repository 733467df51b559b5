//! Any sequence of operations answers as it does in memory.

use std::collections::HashMap;

use proptest::prelude::*;
use secrets_backend::{
    Error, ErrorKind, MemoryBackend, MemoryConfig, NewSecret, PutMode, Result, SecretBackend, SecretPath,
    VersionId, VersionMeta, VersionState,
};
use secrets_backend_local::{Engine, LocalBackend};

use crate::support::{config, fast_scratch, path};

const PATHS: [&str; 5] = ["app", "app/x", "app-x", "apple", "app/x/y"];
const KEPT: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    Upsert(usize, u8),
    Create(usize, u8),
    /// Replaces what the version of this age was, 0 being the newest.
    Replace(usize, usize, u8),
    Delete(usize),
    Undelete(usize),
    Purge(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..PATHS.len();
    prop_oneof![
        4 => (at.clone(), any::<u8>()).prop_map(|(at, value)| Step::Upsert(at, value)),
        2 => (at.clone(), any::<u8>()).prop_map(|(at, value)| Step::Create(at, value)),
        3 => (at.clone(), 0..2_usize, any::<u8>()).prop_map(|(at, age, value)| Step::Replace(at, age, value)),
        2 => at.clone().prop_map(Step::Delete),
        2 => at.clone().prop_map(Step::Undelete),
        1 => at.prop_map(Step::Purge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn redb_answers_as_memory_does(steps in prop::collection::vec(step(), 1..24)) {
        run(Engine::Redb, &steps);
    }
}

#[cfg(feature = "sled")]
proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn sled_answers_as_memory_does(steps in prop::collection::vec(step(), 1..16)) {
        run(Engine::Sled, &steps);
    }
}

fn run(engine: Engine, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(compare(engine, steps));
}

/// The pair of backends, and which version of the one is which of the other: the ids differ after a purge.
struct Pair {
    local: LocalBackend,
    memory: MemoryBackend,
    ids: HashMap<(SecretPath, VersionId), VersionId>,
    /// Every version that memory ever named, newest last.
    named: HashMap<SecretPath, Vec<VersionId>>,
}

async fn compare(engine: Engine, steps: &[Step]) {
    let scratch = fast_scratch();
    let mut config = config(&scratch.path().join("store"), engine);
    config.page_size = 2.try_into().unwrap();
    config.keep_versions = u32::from(KEPT).try_into().unwrap();
    let mut reference = MemoryConfig::default();
    reference.page_size = 2;
    reference.max_versions = usize::from(KEPT);
    let mut pair = Pair {
        local: LocalBackend::new(config).unwrap(),
        memory: MemoryBackend::with_config(reference),
        ids: HashMap::new(),
        named: HashMap::new(),
    };
    for step in steps {
        pair.step(step).await;
    }
    for at in PATHS {
        pair.compare_secret(&path(at)).await;
    }
    for prefix in [None, Some("app"), Some("app/x"), Some("nothing")] {
        let prefix = prefix.map(path);
        let ours = list(&pair.local, prefix.as_ref()).await;
        assert_eq!(ours, list(&pair.memory, prefix.as_ref()).await, "listing {prefix:?}");
        if prefix.is_none() {
            assert_eq!(pair.local.stats().await.unwrap().live, ours.len() as u64);
        }
    }
}

impl Pair {
    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Upsert(at, value) => self.put(at, value, PutMode::Upsert, PutMode::Upsert).await,
            Step::Create(at, value) => self.put(at, value, PutMode::Create, PutMode::Create).await,
            Step::Replace(at, age, value) => {
                let target = path(PATHS[at]);
                let old = self.named.get(&target).and_then(|named| named.iter().nth_back(age)).cloned();
                let old = old.unwrap_or_else(|| VersionId::from_number(77));
                let ours = self.ids.get(&(target, old.clone())).cloned().unwrap_or_else(|| old.clone());
                self.put(at, value, PutMode::Replace(ours), PutMode::Replace(old)).await;
            }
            Step::Delete(at) => {
                let at = path(PATHS[at]);
                same(self.local.delete(&at).await, self.memory.delete(&at).await);
            }
            Step::Undelete(at) => {
                let at = path(PATHS[at]);
                same(self.local.undelete(&at).await, self.memory.undelete(&at).await);
            }
            Step::Purge(at) => {
                let at = path(PATHS[at]);
                same(self.local.purge(&at).await, self.memory.purge(&at).await);
            }
        }
    }

    async fn put(&mut self, at: usize, value: u8, ours: PutMode, theirs: PutMode) {
        let at = path(PATHS[at]);
        let secret = NewSecret::new(vec![value; usize::from(value)]);
        let written =
            same(self.local.put(&at, &secret, &ours).await, self.memory.put(&at, &secret, &theirs).await);
        if let Some((ours, theirs)) = written {
            let theirs = theirs.version.unwrap();
            let earlier = self.ids.insert((at.clone(), theirs.clone()), ours.version.clone().unwrap());
            assert_eq!(earlier, None);
            let again =
                self.ids.iter().filter(|((path, _), id)| *path == at && Some(*id) == ours.version.as_ref());
            assert_eq!(again.count(), 1, "a version id of {at} means two things");
            self.named.entry(at).or_default().push(theirs);
        }
    }

    async fn compare_secret(&self, at: &SecretPath) {
        let read = same(self.local.get(at, None).await, self.memory.get(at, None).await);
        if let Some((ours, theirs)) = read {
            assert_eq!(ours.value, theirs.value, "{at}");
            assert_eq!(self.ids[&(at.clone(), theirs.version)], ours.version, "{at}");
        }
        for theirs in self.named.get(at).into_iter().flatten() {
            let ours = &self.ids[&(at.clone(), theirs.clone())];
            let read = same(self.local.get(at, Some(ours)).await, self.memory.get(at, Some(theirs)).await);
            if let Some((ours, theirs)) = read {
                assert_eq!(ours.value, theirs.value, "{at}");
            }
        }
        if let Some((ours, theirs)) = same(self.local.versions(at).await, self.memory.versions(at).await) {
            let theirs: Vec<_> = theirs
                .iter()
                .map(|meta| (self.ids[&(at.clone(), meta.id.clone())].clone(), meta.state))
                .collect();
            let plain = |meta: &VersionMeta| -> (VersionId, VersionState) { (meta.id.clone(), meta.state) };
            assert_eq!(ours.iter().map(plain).collect::<Vec<_>>(), theirs, "{at}");
        }
    }
}

/// Both answers, where both are answers; else both must be errors of one kind.
fn same<T, U>(ours: Result<T>, theirs: Result<U>) -> Option<(T, U)> {
    let kind = |error: &Error| -> ErrorKind { error.kind() };
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => Some((ours, theirs)),
        (ours, theirs) => {
            assert_eq!(ours.as_ref().err().map(kind), theirs.as_ref().err().map(kind));
            None
        }
    }
}

async fn list(backend: &dyn SecretBackend, prefix: Option<&SecretPath>) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = backend.list(prefix, token.as_ref()).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|item| item.path.to_string()));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), count, "a path is listed twice");
    found
}
