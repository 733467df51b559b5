//! Counting what passed, failed and was skipped, from the output of `cargo test -- --show-output`.
//!
//! With that flag the harness repeats the output of passing tests in a block that starts with `successes:`.
//! The block is not shown, but its `SKIP:` lines are counted: a test that cannot run on this machine prints one and
//! returns, and the harness takes it for passed.

use std::fmt;
use std::ops::AddAssign;

use anyhow::{Result, bail};

/// What became of the tests or checks of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) const PASS: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAIL: Self = Self { passed: 0, failed: 1, skipped: 0 };

    /// Prints the closing line of a tier, and fails when anything failed, or was skipped where it must not be.
    pub(crate) fn close(self, skips_are_failures: bool) -> Result<()> {
        println!("{self}");
        if self.failed > 0 {
            bail!("{} failed", self.failed);
        }
        if self.skipped > 0 && skips_are_failures {
            bail!("{} skipped, which CI=true and SECRETS_TEST_REQUIRE=1 forbid", self.skipped);
        }
        Ok(())
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Reads the output of test harnesses line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    tally: Tally,
    section: Section,
    reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Running,
    Successes,
    Failures,
}

impl Reader {
    /// Takes one line, and says whether it is worth showing.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        if let Some(counts) = result_line(line) {
            self.tally += counts;
            self.section = Section::Running;
            return true;
        }
        match line {
            "successes:" => self.section = Section::Successes,
            "failures:" => self.section = Section::Failures,
            _ => {}
        }
        // What a failed test says of a skip does not matter; a line outside both blocks comes from a child process.
        if self.section != Section::Failures
            && let Some(reason) = line.strip_prefix("SKIP:")
        {
            self.reasons.push(reason.trim().to_owned());
            return false;
        }
        self.section != Section::Successes && !(line.starts_with("test ") && line.ends_with(" ... ok"))
    }

    /// Takes over what another reader counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.tally += other.tally;
        self.reasons.extend(other.reasons);
    }

    /// The sum, in which a skipped test is not counted as passed, and the reasons of the skips.
    pub(crate) fn finish(mut self) -> (Tally, Vec<String>) {
        self.tally.skipped += self.reasons.len() as u64;
        self.tally.passed = self.tally.passed.saturating_sub(self.reasons.len() as u64);
        (self.tally, self.reasons)
    }
}

/// Parses `test result: ok. 3 passed; 0 failed; 1 ignored; …`; an ignored test counts as skipped.
fn result_line(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?;
    let count = |word: &str| -> Option<u64> {
        let (before, _) = rest.split_once(&format!(" {word}"))?;
        before.rsplit([' ', ';']).next()?.parse().ok()
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 3 tests
test a ... ok
test b ... ok
test c ... FAILED

successes:

---- a stdout ----
SKIP: no Go on PATH
failed to be noticed

successes:
    a
    b

failures:

---- c stdout ----
thread 'c' panicked

failures:
    c

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn read(output: &str) -> (Tally, Vec<String>, Vec<String>) {
        let mut reader = Reader::default();
        let shown = output.lines().filter(|line| reader.line(line)).map(str::to_owned).collect();
        let (tally, reasons) = reader.finish();
        (tally, reasons, shown)
    }

    #[test]
    fn a_skip_is_counted_once_and_not_as_passed() {
        let (tally, reasons, _) = read(OUTPUT);
        assert_eq!(tally, Tally { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(reasons, ["no Go on PATH"]);
    }

    #[test]
    fn the_output_of_failures_is_shown_and_that_of_successes_is_not() {
        let (_, _, shown) = read(OUTPUT);
        assert!(shown.iter().any(|line| line == "thread 'c' panicked"), "{shown:?}");
        assert!(!shown.iter().any(|line| line == "failed to be noticed"), "{shown:?}");
    }

    #[test]
    fn an_ignored_test_counts_as_skipped() {
        let (tally, _, _) =
            read("test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out");
        assert_eq!(tally, Tally { passed: 5, failed: 0, skipped: 2 });
    }

    #[test]
    fn the_closing_line_fails_on_a_failure_and_on_a_forbidden_skip() {
        let passed = Tally { passed: 3, ..Tally::default() };
        assert_eq!(passed.to_string(), "3 passed, 0 failed, 0 skipped");
        assert!(passed.close(true).is_ok());
        assert!(Tally::FAIL.close(false).is_err());
        let skipped = Tally { skipped: 1, ..passed };
        assert!(skipped.close(false).is_ok());
        assert!(skipped.close(true).is_err());
    }
}
