//! The contract holds for the production stack: audited, and sealed and verified or plain.

use std::sync::Arc;

use secrets_backend::conformance::Target;
use secrets_backend::{MemoryBackend, MemoryConfig, SecretBackend};
use secrets_backend_local::{LocalBackend, LocalConfig};

use crate::harness::Home;

async fn stack_over(backend: Arc<dyn SecretBackend>, home: Home, page_size: usize) -> Target {
    let safe = home.open_over(backend).await.unwrap();
    Target::new(safe.as_backend()).with_page_size(page_size).keeping(safe).keeping(home)
}

async fn over_memory() -> Target {
    let mut config = MemoryConfig::default();
    config.page_size = 3;
    config.capabilities.max_value = LocalConfig::DEFAULT_MAX_VALUE;
    stack_over(Arc::new(MemoryBackend::with_config(config)), Home::new().await, 3).await
}

async fn over_redb() -> Target {
    let home = Home::new().await;
    let mut config = LocalConfig::new(home.places.store());
    config.page_size = 3.try_into().unwrap();
    stack_over(Arc::new(LocalBackend::new(config).unwrap()), home, 3).await
}

async fn plain_over_memory() -> Target {
    let home = Home::in_memory().await;
    let mut config = MemoryConfig::default();
    config.page_size = 3;
    let safe = crate::plain::plain(&home, Arc::new(MemoryBackend::with_config(config))).await;
    Target::new(safe.as_backend()).with_page_size(3).refusing_stamps().keeping(safe).keeping(home)
}

mod memory {
    use super::*;
    secrets_backend::conformance_tests! { target: over_memory().await }
}

mod redb {
    use super::*;
    secrets_backend::conformance_tests! { target: over_redb().await }
}

mod plain {
    use super::*;
    secrets_backend::conformance_tests! { target: plain_over_memory().await }
}
