//! The conformance suite: what the contract of [`SecretBackend`] says, as one test per sentence.
//!
//! A backend crate takes `secrets-backend` with feature `conformance` as a development dependency and writes:
//!
//! ```
//! # use secrets_backend::MemoryBackend;
//! mod memory {
//!     # use secrets_backend::MemoryBackend;
//!     secrets_backend::conformance_tests! { target: MemoryBackend::new() }
//! }
//! ```
//!
//! That makes one `#[test]` per case, named after the case. The expression is evaluated anew for each test,
//! inside an `async` block on a runtime of the test's own, so it may `.await`; its value is a backend, or a
//! [`Target`] where there is more to say:
//!
//! ```
//! # use secrets_backend::{MemoryBackend, MemoryConfig};
//! use secrets_backend::conformance::Target;
//!
//! async fn target() -> Target {
//!     let mut config = MemoryConfig::default();
//!     config.page_size = 3;
//!     Target::new(MemoryBackend::with_config(config)).with_page_size(3)
//! }
//!
//! mod memory {
//!     # use super::*;
//!     secrets_backend::conformance_tests! { target: target().await }
//! }
//! ```
//!
//! Each case works under a fresh random prefix and removes only what it made, so a shared server will do.
//! What a backend cannot do is decided by its `capabilities()` alone; one that keeps conditions beyond them says so
//! by [`Target::keeping_conditions`]. Faults need a backend that has them;
//! those that cannot be had, such as bad credentials of a local store, are left out:
//!
//! ```
//! # use secrets_backend::{MemoryBackend, TimeoutBackend, conformance::Target};
//! # async fn target() -> Target { Target::new(MemoryBackend::new()) }
//! # async fn refused_port() -> Target { target().await }
//! # async fn silent_port() -> Target { target().await }
//! mod served {
//!     # use super::*;
//!     secrets_backend::conformance_tests! {
//!         target: target().await,
//!         faults: {
//!             dead_endpoint: refused_port().await,
//!             hanging_endpoint: silent_port().await,
//!         }
//!     }
//! }
//! ```
//!
//! [`SecretBackend`]: crate::SecretBackend

#![allow(
    clippy::missing_errors_doc,
    reason = "every case fails in one way only, where its sentence does not hold"
)]

mod batches;
mod conduct;
mod deletes;
pub mod disk;
mod faults;
mod listing;
mod metadata;
mod modes;
mod names;
mod scratch;
mod values;
mod versions;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use scratch::Scratch;

use crate::{Error, ErrorKind, Result, SecretBackend, SecretPath};

/// A backend to be tested, and what the suite has to know of it.
#[derive(Debug)]
pub struct Target {
    backend: Arc<dyn SecretBackend>,
    page_size: usize,
    deadline: Duration,
    planted: Vec<String>,
    refused: Option<SecretPath>,
    takes_stamps: bool,
    keeps_conditions: bool,
    guards: Vec<Guard>,
}

/// One case: a name and what it checks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Its name, a sentence with underscores.
    pub name: &'static str,
    check: for<'a> fn(&'a Scratch) -> Checking<'a>,
}

/// A case at work.
type Checking<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// How a case ended.
pub type Outcome = std::result::Result<(), Failure>;

/// What a backend did otherwise than the contract says. It shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

/// A text that the suite writes as value; a hook for faults may put it into replies. No text may show it.
pub const PLANTED: &str = "planted-5ecre7-value";

impl Target {
    /// A backend with pages of at most 25 secrets, a deadline of 10 s, and no credential to look out for.
    #[must_use]
    pub fn new(backend: impl SecretBackend) -> Self {
        Self {
            backend: Arc::new(backend),
            page_size: 25,
            deadline: Duration::from_secs(10),
            planted: vec![PLANTED.to_owned()],
            refused: None,
            takes_stamps: true,
            keeps_conditions: false,
            guards: Vec::new(),
        }
    }

    /// The most secrets that a page of its listing holds. The suite writes enough for three pages, so build
    /// the backend for a test with small ones, and say here how small.
    #[must_use]
    pub const fn with_page_size(mut self, secrets: usize) -> Self {
        self.page_size = secrets;
        self
    }

    /// How long a call to it may take when its endpoint hangs.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// A credential that it was built with, which nothing may show.
    #[must_use]
    pub fn with_credential(mut self, credential: impl Into<String>) -> Self {
        self.planted.push(credential.into());
        self
    }

    /// A path that it refuses with `PermissionDenied` while others work, for `denied_in_batch`.
    #[must_use]
    pub fn with_refused_path(mut self, path: SecretPath) -> Self {
        self.refused = Some(path);
        self
    }

    /// It is a wrapper for plain values, which refuses a stamp with `Unsupported`.
    #[must_use]
    pub const fn refusing_stamps(mut self) -> Self {
        self.takes_stamps = false;
        self
    }

    /// Its own callers can rely on `Create` and `Replace`, though its capabilities promise them to nobody else: the
    /// production stack, over a backend without conditions, lets one of them write at a time.
    #[must_use]
    pub const fn keeping_conditions(mut self) -> Self {
        self.keeps_conditions = true;
        self
    }

    /// Something to be kept until the case is over: a server, a scratch directory.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guards.push(Guard(Box::new(guard)));
        self
    }
}

impl<B: SecretBackend> From<B> for Target {
    fn from(backend: B) -> Self {
        Self::new(backend)
    }
}

impl Case {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, check: for<'a> fn(&'a Scratch) -> Checking<'a>) -> Self {
        Self { name, check }
    }

    /// Runs it under a fresh prefix, then removes what it made.
    ///
    /// # Errors
    /// [`Failure`], where the backend did not do what the contract says.
    pub async fn run(&self, target: Target) -> Outcome {
        let scratch = Scratch::new(target)?;
        let outcome = (self.check)(&scratch).await;
        scratch.clean().await;
        outcome
    }
}

/// Runs one case on a runtime of its own; the body of each test that the macro makes.
///
/// # Panics
/// With the failure, where the case fails: that is how a test fails.
#[doc(hidden)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test's runtime, so that a backend crate needs none of its own"
)]
pub fn run_test(case: &Case, target: impl Future<Output = Target>) {
    let outcome = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async { case.run(target.await).await }),
        Err(error) => Err(Failure::new(format!("no runtime: {error}"))),
    };
    if let Err(failure) = outcome {
        panic!("{}: {failure}", case.name);
    }
}

/// Makes one test per case of the conformance suite; see the [module](crate::conformance).
///
/// `target` is an expression that gives a backend or a [`Target`](crate::conformance::Target); it may await.
/// `faults` gives further ones, each already failing in the way of its name: `bad_credentials`, `denied`,
/// `denied_in_batch` (needs [`with_refused_path`](crate::conformance::Target::with_refused_path)),
/// `dead_endpoint`, `hanging_endpoint`, `throttled`, `oversized_reply`, `malformed_reply`.
#[macro_export]
macro_rules! conformance_tests {
    (target: $target:expr $(, faults: { $($fault:ident: $faulty:expr),* $(,)? })? $(,)?) => {
        $crate::__conformance_cases! { __conformance_tests, [$target] }
        $($($crate::__conformance_fault! { $fault, $faulty })*)?
    };
}

/// The list of cases. It exists once, here.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($callback:ident, $arguments:tt) => {
        $crate::$callback! { $arguments
            a_value_reads_back_as_written
            an_empty_value_is_a_value
            a_binary_value_reads_back_byte_for_byte
            the_largest_value_reads_back_whole
            one_byte_over_the_limit_is_invalid_input_and_writes_nothing
            the_newest_value_is_read
            every_legal_character_of_a_path_is_kept
            paths_that_look_alike_are_different_secrets
            a_secret_lives_beside_the_secrets_below_it
            the_longest_path_works
            a_path_over_the_limit_is_invalid_input
            a_missing_secret_is_not_found_by_every_method
            create_twice_already_exists
            create_after_delete_succeeds
            replace_of_the_current_version_succeeds
            replace_of_a_stale_version_conflicts
            replace_of_a_missing_secret_conflicts
            of_concurrent_creates_one_wins
            of_concurrent_replaces_one_wins_each_round
            a_deleted_secret_is_gone_at_once
            a_deleted_path_can_be_written_again_at_once
            delete_touches_no_other_secret
            undelete_brings_the_same_bytes_back
            undelete_of_a_live_secret_changes_nothing
            a_purged_secret_cannot_be_brought_back
            a_deleted_secret_can_be_purged
            a_purged_path_can_be_written_again
            a_write_names_the_version_that_get_answers
            versions_are_in_the_order_of_their_writes
            an_old_version_reads_back_by_id
            a_missing_version_is_not_found
            a_listing_of_three_pages_shows_each_secret_once
            a_prefix_ends_at_a_segment
            a_prefix_that_holds_nothing_is_an_empty_page
            a_listing_without_prefix_shows_every_secret
            a_listing_leaves_deleted_secrets_out
            metadata_of_every_type_reads_back
            metadata_of_the_portable_size_reads_back
            metadata_is_kept_whole_or_refused
            metadata_belongs_to_its_version
            a_stamp_reads_back
            a_batch_answers_in_the_order_asked
            an_empty_batch_has_no_answers
            check_succeeds
            a_dropped_future_leaves_the_backend_usable
            every_error_names_operation_and_path
            nothing_shows_a_planted_value
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ([$target:expr] $($name:ident)*) => {
        $(#[test]
        fn $name() {
            let case = $crate::conformance::Case::new(stringify!($name), |scratch| {
                ::std::boxed::Box::pin($crate::conformance::cases::$name(scratch))
            });
            $crate::conformance::run_test(&case, async { $crate::conformance::Target::from($target) });
        })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ([] $($name:ident)*) => {
        /// Every case, in the order of the contract; the macro makes a test of each.
        pub const CASES: &[Case] =
            &[$(Case::new(stringify!($name), |scratch| Box::pin(cases::$name(scratch)))),*];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_fault {
    (bad_credentials, $target:expr) => {
        $crate::__conformance_tests! { [$target] bad_credentials_are_unauthenticated }
    };
    (denied, $target:expr) => {
        $crate::__conformance_tests! { [$target] a_refused_operation_is_permission_denied }
    };
    (denied_in_batch, $target:expr) => {
        $crate::__conformance_tests! { [$target] a_refused_secret_leaves_the_rest_of_a_batch }
    };
    (dead_endpoint, $target:expr) => {
        $crate::__conformance_tests! { [$target] a_dead_endpoint_is_unavailable }
    };
    (hanging_endpoint, $target:expr) => {
        $crate::__conformance_tests! { [$target] a_hanging_endpoint_times_out }
    };
    (throttled, $target:expr) => {
        $crate::__conformance_tests! { [$target] throttling_is_rate_limited_with_retry_after }
    };
    (oversized_reply, $target:expr) => {
        $crate::__conformance_tests! { [$target] an_oversized_reply_is_a_typed_error }
    };
    (malformed_reply, $target:expr) => {
        $crate::__conformance_tests! { [$target] a_malformed_reply_is_a_typed_error }
    };
}

__conformance_cases! { __conformance_list, [] }

/// The cases as functions, each a sentence of the contract.
pub mod cases {
    pub use super::batches::*;
    pub use super::conduct::*;
    pub use super::deletes::*;
    pub use super::faults::*;
    pub use super::listing::*;
    pub use super::metadata::*;
    pub use super::modes::*;
    pub use super::names::*;
    pub use super::values::*;
    pub use super::versions::*;
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Failure {}

/// A backend that fails where the contract lets it not.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("unexpected error: {error}"))
    }
}

struct Guard(#[allow(dead_code, reason = "kept for its drop")] Box<dyn Any + Send + Sync>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// Fails the case with what the contract says, unless it holds.
fn ensure(holds: bool, contract: impl fmt::Display) -> Outcome {
    if holds { Ok(()) } else { Err(Failure::new(format!("does not hold: {contract}"))) }
}

/// Requires an error of one kind; `what` says which call it was.
fn ensure_kind<T>(answer: &Result<T>, kind: ErrorKind, what: impl fmt::Display) -> Outcome {
    ensure_kind_of(answer, &[kind], what)
}

/// Requires an error of one of some kinds.
fn ensure_kind_of<T>(answer: &Result<T>, kinds: &[ErrorKind], what: impl fmt::Display) -> Outcome {
    match answer {
        Ok(_) => Err(Failure::new(format!("{what} succeeded, expected {kinds:?}"))),
        Err(error) if kinds.contains(&error.kind()) => Ok(()),
        Err(error) => Err(Failure::new(format!("{what}: expected {kinds:?}, was: {error}"))),
    }
}
