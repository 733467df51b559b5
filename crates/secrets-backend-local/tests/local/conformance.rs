//! The conformance suite, on each engine.

use secrets_backend::conformance::Target;
use secrets_backend_local::Engine;

use crate::support::{config, fast_scratch};

/// A fresh store with small pages, which lives until the process ends.
fn target(engine: Engine) -> Target {
    let mut config = config(&fast_scratch().keep().join("store"), engine);
    config.page_size = 7.try_into().unwrap();
    Target::from(secrets_backend_local::LocalBackend::new(config).unwrap())
}

mod redb {
    secrets_backend::conformance_tests! { target: super::target(super::Engine::Redb) }
}

#[cfg(feature = "sled")]
mod sled {
    secrets_backend::conformance_tests! { target: super::target(super::Engine::Sled) }
}
