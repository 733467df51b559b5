//! The conformance suite over the reference backend, whole and with each capability taken away, and over
//! every wrapper.

use std::sync::Arc;
use std::time::Duration;

use secrets_backend::conformance::Target;
use secrets_backend::{
    LimitBackend, MemoryBackend, MemoryConfig, Metrics, MetricsBackend, Operation, PrefixBackend,
    RetryBackend, RetryConfig, SecretBackend, TimeoutBackend,
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
    fn record(&self, _: Operation, _: Option<secrets_backend::ErrorKind>, _: Duration) {}
}
