//! Schedules of a simulated world, in each of which something goes wrong.

use secrets_testkit::simulation::{run_all, tell};

#[test]
fn no_schedule_breaks_a_promise() {
    if let Some(seed) = variable("SECRETS_SIMULATION_SEED") {
        let (outcome, told) = tell(seed);
        told.iter().for_each(|line| println!("{line}"));
        outcome.unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let seeds = variable("SECRETS_TEST_ROUNDS").unwrap_or(60);
    let matrix = run_all(0..seeds).unwrap_or_else(|violation| {
        panic!("{violation}\nagain with SECRETS_SIMULATION_SEED={}", violation.seed)
    });
    matrix.to_string().lines().for_each(|row| println!("ROW: {row}"));
    assert!(seeds < 2_000 || matrix.least() > 0, "a fault never struck at some phase");
    println!(
        "FIGURE: {seeds} schedules, {} faults struck, each at each phase at least {} times",
        matrix.total(),
        matrix.least()
    );
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
