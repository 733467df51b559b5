//! The contract between `secrets` and the places that keep them.
#![doc = include_str!("../README.md")]

mod backend;
mod bytes;
mod error;
mod metadata;
mod path;
mod secret;
mod stamp;
mod time;

pub use async_trait::async_trait;
pub use backend::{Capabilities, PutMode, SecretBackend};
pub use bytes::SecretBytes;
pub use error::{Error, ErrorKind, Operation, Result};
pub use metadata::{Metadata, RotationPolicy};
pub use path::{InvalidPath, SecretPath};
pub use secret::{
    Listed, NewSecret, Page, PageToken, Secret, VersionId, VersionMeta, VersionState, Written,
};
pub use stamp::{ContentId, InvalidStamp, Stamp, StampKind};
pub use time::Timestamp;
