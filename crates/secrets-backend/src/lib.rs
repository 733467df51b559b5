//! The contract between `secrets` and the places that keep them.
#![doc = include_str!("../README.md")]

mod backend;
mod bytes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod each;
mod error;
mod ext;
mod memory;
mod metadata;
mod path;
mod read_back;
mod secret;
mod shared;
mod stamp;
mod time;
mod wrapper;

pub use async_trait::async_trait;
pub use backend::{Capabilities, PutMode, SecretBackend};
pub use bytes::SecretBytes;
pub use each::get_each;
pub use error::{Error, ErrorKind, Operation, Result};
pub use ext::{MAX_EMPTY_PAGES, MAX_LISTED, MAX_PAGES, SecretBackendExt};
pub use memory::{MemoryBackend, MemoryConfig};
pub use metadata::{Metadata, RotationPolicy};
pub use path::{InvalidPath, SecretPath};
pub use read_back::read_back;
pub use secret::{
    Level, Listed, NewSecret, Page, PageToken, Secret, Served, VersionId, VersionMeta, VersionState, Written,
};
pub use stamp::{ContentId, InvalidStamp, Stamp, StampKind};
pub use time::Timestamp;
pub use wrapper::{
    LimitBackend, Metrics, MetricsBackend, PrefixBackend, RetryBackend, RetryConfig, TimeoutBackend,
};
