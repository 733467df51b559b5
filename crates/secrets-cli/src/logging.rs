//! Diagnostics on stderr, by `-v` and `SECRETS_LOG`. They never hold values.
//!
//! Those of other crates are left out: clients of servers put requests and answers into theirs, with what these hold.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment::Environment;

/// Starts them: `SECRETS_LOG` holds a filter such as `info` or `secrets_manager=debug`; without one, `-v` is
/// `info`, `-vv` `debug`, and warnings are always shown.
pub(crate) fn start(environment: &Environment, verbose: u8) {
    let chosen = environment.text("SECRETS_LOG").and_then(|filter| filter.parse::<Targets>().ok());
    let by_flags = || {
        Targets::new().with_default(match verbose {
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        })
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(verbose > 0);
    let ours = filter_fn(|metadata| metadata.target().starts_with("secrets"));
    let layers = tracing_subscriber::registry().with(lines).with(chosen.unwrap_or_else(by_flags)).with(ours);
    let started = layers.try_init();
    // A second start, in a test, keeps the first.
    drop(started);
}
