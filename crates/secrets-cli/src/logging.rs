//! Diagnostics on stderr, by `-v` and `SECRETS_LOG`. They never hold values.
//!
//! Those of other crates are left out: clients of servers put requests and answers into theirs, with what these hold.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::schema::shown;
use crate::environment::Environment;
use crate::output;

/// Starts them: `SECRETS_LOG` holds a filter such as `info` or `secrets_manager=debug`, `-v` is `info` and `-vv` `debug`;
/// what either asks for is shown. Without both, warnings are.
pub(crate) fn start(environment: &Environment, verbose: u8) {
    let chosen = chosen(environment).unwrap_or_else(|problem| {
        output::warn(&problem);
        None
    });
    let by_flags = by_flags(verbose, chosen.is_some());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(verbose > 0);
    let asked = filter_fn(move |metadata| {
        let (target, level) = (metadata.target(), metadata.level());
        let is_chosen = || chosen.as_ref().is_some_and(|chosen| chosen.would_enable(target, level));
        target.starts_with(OURS) && (*level <= by_flags || is_chosen())
    });
    let started = tracing_subscriber::registry().with(lines).with(asked).try_init();
    // A second start, in a test, keeps the first.
    drop(started);
}

/// What `-v` asks for. Where there is a filter, its absence asks for nothing.
const fn by_flags(verbose: u8, has_filter: bool) -> LevelFilter {
    match verbose {
        0 if has_filter => LevelFilter::OFF,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    }
}

/// What `SECRETS_LOG` asks for, or why it asks for nothing.
fn chosen(environment: &Environment) -> Result<Option<Targets>, String> {
    let Some(filter) = environment.get("SECRETS_LOG") else { return Ok(None) };
    let parsed = filter.to_str().and_then(|filter| filter.parse::<Targets>().ok());
    let chosen = parsed.ok_or_else(|| {
        "SECRETS_LOG is ignored: it is no filter such as `info` or `secrets_manager=debug`".to_owned()
    })?;
    // A slip in a level is read as the name of a target, of which nothing would ever be shown.
    match chosen.iter().find(|(target, _)| !target.starts_with(OURS)) {
        Some((target, _)) => Err(format!(
            "SECRETS_LOG is ignored: `{}` is neither a level nor a name that starts with `{OURS}`",
            shown(target)
        )),
        None => Ok(Some(chosen)),
    }
}

/// The beginning of the names of our own crates.
const OURS: &str = "secrets";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(filter: &str) -> Result<Option<Targets>, String> {
        chosen(&[("SECRETS_LOG", filter)].into_iter().collect())
    }

    #[test]
    fn a_filter_that_can_show_nothing_is_a_problem() {
        for wrong in ["infoo", "secrets_manager=loud", "hyper=debug", "info,hyper=debug"] {
            assert!(of(wrong).unwrap_err().contains("SECRETS_LOG"), "{wrong}");
        }
        for right in ["info", "off", "secrets_manager=debug", "warn,secrets_cli=trace"] {
            assert!(of(right).unwrap().is_some(), "{right}");
        }
        assert!(of("").unwrap().is_none(), "set to nothing is not set");
    }

    #[test]
    fn a_filter_alone_decides_and_with_a_flag_the_flag_adds_to_it() {
        assert_eq!(by_flags(0, true), LevelFilter::OFF);
        assert_eq!(by_flags(0, false), LevelFilter::WARN);
        assert_eq!((by_flags(1, true), by_flags(2, true)), (LevelFilter::INFO, LevelFilter::DEBUG));
    }
}
