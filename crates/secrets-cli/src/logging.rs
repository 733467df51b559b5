//! Diagnostics on stderr, by `-v` and `SECRETS_LOG`. They never hold values.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::environment::Environment;

/// Starts them: `SECRETS_LOG` holds a filter such as `info` or `secrets_manager=debug`; without one, `-v` is
/// `info`, `-vv` `debug`, and warnings are always shown.
pub(crate) fn start(environment: &Environment, verbose: u8) {
    let filter = match (environment.text("SECRETS_LOG"), verbose) {
        (Some(filter), _) => EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn")),
        (None, 0) => EnvFilter::new("warn"),
        (None, 1) => EnvFilter::new("info"),
        (None, _) => EnvFilter::new("debug"),
    };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(verbose > 0)
        .try_init();
    // A second start, in a test, keeps the first.
    drop(started);
}
