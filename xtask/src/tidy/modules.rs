//! The shape of Rust files: their size, their header, their name.

use std::collections::BTreeMap;

use super::files::{Files, code_lines};

/// A file over this many lines of code does not read top to bottom in five minutes.
const LARGEST: usize = 600;
/// The median of the files of a crate stays under this.
const MEDIAN: usize = 200;

/// Files that are too long, and crates whose files are too long in the middle.
pub(crate) fn check_sizes(files: &Files) -> Vec<String> {
    let mut findings = Vec::new();
    let mut sizes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (path, text) in files.rust().filter(|(path, _)| !path.contains("/tests/")) {
        let size = code_lines(text).count();
        if size > LARGEST {
            findings.push(format!("{path} has {size} lines of code, more than {LARGEST}"));
        }
        if let Some((package, _)) = path.split_once("/src/") {
            sizes.entry(package).or_default().push(size);
        }
    }
    for (package, mut sizes) in sizes {
        sizes.sort_unstable();
        let median = sizes[sizes.len() / 2];
        if median >= MEDIAN {
            findings
                .push(format!("{package}: the median file has {median} lines of code, not under {MEDIAN}"));
        }
    }
    findings
}

/// Files that do not start by saying what their job is.
pub(crate) fn check_headers(files: &Files) -> Vec<String> {
    files
        .rust()
        .filter(|(_, text)| !has_header(text))
        .map(|(path, _)| format!("{path} does not start with a `//!` that says its job and its place"))
        .collect()
}

/// Files named `mod.rs`.
pub(crate) fn check_names(files: &Files) -> Vec<String> {
    files
        .rust()
        .filter(|(path, _)| path.ends_with("/mod.rs"))
        .map(|(path, _)| format!("{path}: write `foo.rs` beside `foo/` instead"))
        .collect()
}

fn has_header(text: &str) -> bool {
    text.lines()
        .find(|line| {
            let line = line.trim();
            !line.is_empty() && (!line.starts_with("#![") || line.starts_with("#![doc"))
        })
        .is_some_and(|line| line.starts_with("//! ") || line.starts_with("#![doc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_tests_and_comments_do_not_count() {
        let code = "fn f() {}\n".repeat(601);
        let found = check_sizes(&Files::of(&[("crates/a/src/long.rs", &code)]));
        assert!(found[0].contains("601 lines"), "{found:?}");
        let rest = format!("fn f() {{}}\n{}\n#[cfg(test)]\n{code}", "// why\n".repeat(900));
        assert!(check_sizes(&Files::of(&[("crates/a/src/short.rs", &rest)])).is_empty());
    }

    #[test]
    fn a_crate_of_middling_files_is_found() {
        let code = "fn f() {}\n".repeat(200);
        assert_eq!(check_sizes(&Files::of(&[("crates/a/src/lib.rs", &code)])).len(), 1);
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        let files = Files::of(&[
            ("a.rs", "fn f() {}\n"),
            ("b.rs", "//! Job.\n"),
            ("c.rs", "#![no_main]\n//! Job.\n"),
            ("d.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("e.rs", "// Job.\n"),
        ]);
        let found = check_headers(&files);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("a.rs ") && found[1].starts_with("e.rs "));
    }

    #[test]
    fn a_file_named_mod_is_found() {
        assert_eq!(check_names(&Files::of(&[("crates/a/src/b/mod.rs", "//! B.\n")])).len(), 1);
    }
}
