//! Schedules of the simulation, as a program: `simulate SEEDS` runs so many in the order of their seeds until one breaks a
//! promise, `simulate SEEDS FROM` those from a seed on.
#![allow(clippy::print_stdout, reason = "a program")]

use std::process::ExitCode;

use secrets_testkit::simulation::{Matrix, run_all};

/// How many run before the next look: the lowest seed that breaks a promise is the one that is told.
const AT_ONCE: u64 = 64;

fn main() -> ExitCode {
    let numbers: Option<Vec<u64>> = std::env::args().skip(1).map(|number| number.parse().ok()).collect();
    let (seeds, from) = match numbers.as_deref() {
        Some([seeds]) => (*seeds, 0),
        Some([seeds, from]) => (*seeds, *from),
        _ => return ExitCode::from(2),
    };
    let mut matrix = Matrix::default();
    for first in (from..from + seeds).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        match run_all(first..(first + AT_ONCE).min(from + seeds)) {
            Ok(of_some) => matrix.add(&of_some),
            Err(violation) => {
                println!("{violation}");
                return ExitCode::from(1);
            }
        }
    }
    println!("{matrix}");
    ExitCode::SUCCESS
}
