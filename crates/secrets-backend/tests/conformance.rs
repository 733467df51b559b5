//! The conformance suite over the reference backend, whole and with each capability taken away, and over
//! every wrapper.

#![allow(clippy::disallowed_methods, reason = "`#[tokio::test]` expands to a runtime of the test's own")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrets_backend::conformance::{CASES, Case, Target, cases};
use secrets_backend::{
    Capabilities, Error, ErrorKind, LimitBackend, MemoryBackend, MemoryConfig, Metrics, MetricsBackend,
    NewSecret, Operation, Page, PageToken, PrefixBackend, PutMode, Result, RetryBackend, RetryConfig, Secret,
    SecretBackend, SecretPath, TimeoutBackend, VersionId, VersionMeta, Written, async_trait, get_each,
};

/// A memory with pages of three, changed as a test needs it.
fn memory(change: impl FnOnce(&mut MemoryConfig)) -> MemoryBackend {
    let mut config = MemoryConfig::default();
    config.page_size = 3;
    change(&mut config);
    MemoryBackend::with_config(config)
}

fn small_pages(backend: impl SecretBackend) -> Target {
    Target::new(backend).with_page_size(3)
}

fn prefixed(prefix: &str) -> Target {
    small_pages(PrefixBackend::new(memory(|_| ()), prefix).expect("a prefix"))
}

mod memory_backend {
    secrets_backend::conformance_tests! { target: super::small_pages(super::memory(|_| ())) }
}

mod memory_with_default_configuration {
    secrets_backend::conformance_tests! {
        target: secrets_backend::conformance::Target::from(secrets_backend::MemoryBackend::new())
            .with_page_size(100)
    }
}

mod memory_behind_a_pointer {
    use std::sync::Arc;
    secrets_backend::conformance_tests! {
        target: super::small_pages(Arc::new(super::memory(|_| ())) as Arc<dyn secrets_backend::SecretBackend>)
    }
}

/// As HashiCorp's KV version 1: one version, final deletes, no conditions.
mod memory_that_can_nothing {
    secrets_backend::conformance_tests! {
        target: super::small_pages(super::memory(|config| {
            config.capabilities.atomic_create = false;
            config.capabilities.atomic_replace = false;
            config.capabilities.versions = false;
            config.capabilities.recoverable_delete = false;
            config.capabilities.max_value = 100_000;
            config.capabilities.max_path = 120;
        }))
    }
}

/// As Azure Key Vault: versions and recoverable deletes, no conditions.
mod memory_without_conditions {
    secrets_backend::conformance_tests! {
        target: super::small_pages(super::memory(|config| {
            config.capabilities.atomic_create = false;
            config.capabilities.atomic_replace = false;
        }))
    }
}

mod memory_with_final_deletes {
    secrets_backend::conformance_tests! {
        target: super::small_pages(super::memory(|config| config.capabilities.recoverable_delete = false))
    }
}

mod memory_without_versions {
    secrets_backend::conformance_tests! {
        target: super::small_pages(super::memory(|config| config.capabilities.versions = false))
    }
}

mod prefix_that_is_a_folder {
    secrets_backend::conformance_tests! { target: super::prefixed("prod/eu/") }
}

mod prefix_within_a_segment {
    secrets_backend::conformance_tests! { target: super::prefixed("intraday-") }
}

mod prefix_of_both_kinds {
    secrets_backend::conformance_tests! { target: super::prefixed("_t/acme/x.") }
}

mod prefix_of_nothing {
    secrets_backend::conformance_tests! { target: super::prefixed("") }
}

mod retry {
    use super::{RetryBackend, RetryConfig};
    secrets_backend::conformance_tests! {
        target: super::small_pages(RetryBackend::new(super::memory(|_| ()), RetryConfig::default()))
    }
}

mod timeout {
    use super::{Duration, TimeoutBackend};
    secrets_backend::conformance_tests! {
        target: super::small_pages(TimeoutBackend::new(super::memory(|_| ()), Duration::from_secs(10)))
    }
}

mod limit {
    secrets_backend::conformance_tests! {
        target: super::small_pages(super::LimitBackend::new(super::memory(|_| ()), 2))
    }
}

mod metrics {
    secrets_backend::conformance_tests! {
        target: super::small_pages(super::MetricsBackend::new(super::memory(|_| ()), super::Unread))
    }
}

mod all_wrappers_at_once {
    secrets_backend::conformance_tests! { target: super::stack() }
}

fn stack() -> Target {
    let timed = TimeoutBackend::new(MetricsBackend::new(memory(|_| ()), Unread), Duration::from_secs(10));
    let retried = RetryBackend::new(LimitBackend::new(timed, 4), RetryConfig::default());
    let inner: Arc<dyn SecretBackend> = Arc::new(PrefixBackend::new(retried, "prod/").expect("a prefix"));
    small_pages(PrefixBackend::new(inner, "team-").expect("a prefix"))
}

#[derive(Debug)]
struct Unread;

impl Metrics for Unread {
    fn record(&self, _: Operation, _: Option<ErrorKind>, _: Duration) {}
}

/// A backend below which something is wrong, for the hooks of the suite.
#[derive(Debug)]
struct Failing {
    kind: ErrorKind,
    /// `None`: everything fails.
    only: Option<SecretPath>,
    memory: MemoryBackend,
}

impl Failing {
    fn always(kind: ErrorKind) -> Self {
        Self { kind, only: None, memory: memory(|_| ()) }
    }

    fn fail(&self, operation: Operation, path: Option<&SecretPath>) -> Result<()> {
        if self.only.is_some() && self.only.as_ref() != path {
            return Ok(());
        }
        let error = Error::new(self.kind, operation, "failing").with_retry_after(Duration::from_secs(1));
        Err(match path {
            Some(path) => error.with_path(path),
            None => error,
        })
    }

    /// A connection on which nothing ever comes.
    async fn hang(&self) {
        if self.kind == ErrorKind::TimedOut {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing")
    }
}

#[async_trait]
impl SecretBackend for Failing {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.hang().await;
        self.fail(Operation::Check, None)
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.hang().await;
        self.fail(Operation::Get, Some(path))?;
        self.memory.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        get_each(self, paths, 4).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.hang().await;
        self.fail(Operation::Put, Some(path))?;
        self.memory.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.hang().await;
        self.fail(Operation::Delete, Some(path))?;
        self.memory.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.hang().await;
        self.fail(Operation::Undelete, Some(path))?;
        self.memory.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.hang().await;
        self.fail(Operation::Purge, Some(path))?;
        self.memory.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.hang().await;
        self.fail(Operation::Versions, Some(path))?;
        self.memory.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.hang().await;
        self.fail(Operation::List, prefix)?;
        self.memory.list(prefix, page).await
    }
}

fn denied_in_batch() -> Target {
    let refused: SecretPath = "refused/secret".parse().expect("a path");
    let only = Some(refused.clone());
    let backend = Failing { kind: ErrorKind::PermissionDenied, only, memory: memory(|_| ()) };
    small_pages(backend).with_refused_path(refused)
}

mod a_backend_that_refuses_one_path {
    use super::{ErrorKind, Failing};
    secrets_backend::conformance_tests! {
        target: super::denied_in_batch(),
        faults: {
            bad_credentials: Failing::always(ErrorKind::Unauthenticated),
            denied: Failing::always(ErrorKind::PermissionDenied),
            denied_in_batch: super::denied_in_batch(),
            dead_endpoint: Failing::always(ErrorKind::Unavailable),
            hanging_endpoint: super::TimeoutBackend::new(
                Failing::always(ErrorKind::TimedOut),
                super::Duration::from_millis(20),
            ),
            throttled: Failing::always(ErrorKind::RateLimited),
            oversized_reply: Failing::always(ErrorKind::Tampered),
            malformed_reply: Failing::always(ErrorKind::Tampered),
        }
    }
}

/// A case about a fault fails on a backend that has it not, or has another.
macro_rules! wants_its_fault {
    ($($name:ident: $case:ident on $target:expr,)*) => {
        $(#[tokio::test]
        async fn $name() {
            let case = Case::new(stringify!($case), |scratch| Box::pin(cases::$case(scratch)));
            let target = Target::from($target).with_deadline(Duration::from_millis(50));
            case.run(target).await.expect_err("the case fails");
        })*
    };
}

wants_its_fault! {
    good_credentials_do_not_pass_for_bad_ones:
        bad_credentials_are_unauthenticated on MemoryBackend::new(),
    a_denial_does_not_pass_for_bad_credentials:
        bad_credentials_are_unauthenticated on Failing::always(ErrorKind::PermissionDenied),
    bad_credentials_do_not_pass_for_a_denial:
        a_refused_operation_is_permission_denied on Failing::always(ErrorKind::Unauthenticated),
    a_batch_without_a_refused_path_does_not_pass:
        a_refused_secret_leaves_the_rest_of_a_batch on MemoryBackend::new(),
    absence_does_not_pass_for_a_denial_in_a_batch:
        a_refused_secret_leaves_the_rest_of_a_batch on
            Target::new(MemoryBackend::new()).with_refused_path("refused/secret".parse().expect("a path")),
    absence_does_not_pass_for_a_dead_endpoint:
        a_dead_endpoint_is_unavailable on Failing::always(ErrorKind::NotFound),
    a_call_that_outlasts_the_deadline_does_not_pass:
        a_hanging_endpoint_times_out on Failing::always(ErrorKind::TimedOut),
    unavailable_does_not_pass_for_throttled:
        throttling_is_rate_limited_with_retry_after on Failing::always(ErrorKind::Unavailable),
    a_damaged_reply_does_not_pass_for_an_absence:
        a_malformed_reply_is_a_typed_error on Failing::always(ErrorKind::NotFound),
    a_damaged_reply_does_not_pass_for_a_bug:
        an_oversized_reply_is_a_typed_error on Failing::always(ErrorKind::Unexpected),
}

#[test]
fn the_guide_names_every_case_in_the_order_of_the_list() {
    let guide = include_str!("../../../docs/adding-a-backend.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let named: Vec<&str> =
        rows.map(|(name, _)| name).filter(|name| CASES.iter().any(|case| case.name == *name)).collect();
    assert_eq!(named, CASES.iter().map(|case| case.name).collect::<Vec<_>>());
}
