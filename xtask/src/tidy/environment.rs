//! Only `secrets-cli` reads the environment, and no library keeps state between calls: invariant 3.

use super::files::{Files, code_lines};

/// Library code that reads environment variables, arguments or the places they name.
pub(crate) fn check(files: &Files) -> Vec<String> {
    matches(files, reads_environment)
        .into_iter()
        .map(|place| format!("{place} reads the environment; only secrets-cli may"))
        .collect()
}

/// Library code with mutable state of the process, or run before `main`.
pub(crate) fn check_state(files: &Files) -> Vec<String> {
    matches(files, is_state)
        .into_iter()
        .map(|place| format!("{place} keeps state of the process; pass it as an argument"))
        .collect()
}

/// The program's own name and the names of the platform are no settings.
fn reads_environment(line: &str) -> bool {
    (line.contains("std::env") || line.contains("env::var") || line.contains("env::temp_dir"))
        && !line.contains("env::current_exe")
        && !line.contains("env::consts")
}

fn is_state(line: &str) -> bool {
    const CELLS: [&str; 8] =
        ["Mutex", "RwLock", "Atomic", "OnceLock", "OnceCell", "LazyLock", "LazyCell", "RefCell"];
    let line = line.trim_start();
    let item = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    line.contains("thread_local!")
        || line.contains("#[ctor")
        || item.starts_with("static ") && CELLS.iter().any(|cell| item.contains(cell))
}

fn matches(files: &Files, found: impl Fn(&str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for (path, text) in files.rust().filter(|(path, _)| is_library(path)) {
        places.extend(
            code_lines(text).filter(|(_, line)| found(line)).map(|(number, _)| format!("{path}:{number}")),
        );
    }
    places
}

fn is_library(path: &str) -> bool {
    path.starts_with("crates/")
        && path.contains("/src/")
        && !path.starts_with("crates/secrets-cli/")
        && !path.starts_with("crates/secrets-testkit/")
        && !path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_reads_the_environment_is_found() {
        let bad = "//! A.\nfn f() {\n    let home = std::env::var(\"HOME\");\n}\n";
        let files = Files::of(&[("crates/secrets-audit/src/a.rs", bad)]);
        assert_eq!(check(&files).len(), 1);
        assert!(check(&files)[0].starts_with("crates/secrets-audit/src/a.rs:3 "));
    }

    #[test]
    fn the_binary_and_tests_may_read_it() {
        let code = "use std::env;\n";
        let test =
            "//! A.\nlet own = std::env::current_exe();\n\n#[cfg(test)]\nmod tests { use std::env; }\n";
        let files = Files::of(&[
            ("crates/secrets-cli/src/main.rs", code),
            ("crates/secrets-audit/tests/go.rs", code),
            ("crates/secrets-audit/src/a.rs", test),
        ]);
        assert!(check(&files).is_empty());
    }

    #[test]
    fn state_of_the_process_is_found_and_a_constant_table_is_not() {
        let bad = "static SEEN: Mutex<u8> = Mutex::new(0);\nthread_local! {}\n";
        assert_eq!(check_state(&Files::of(&[("crates/a/src/lib.rs", bad)])).len(), 2);
        let good = "static WORDS: [&str; 1] = [\"a\"];\n";
        assert!(check_state(&Files::of(&[("crates/a/src/lib.rs", good)])).is_empty());
    }
}
