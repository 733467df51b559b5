//! Every test that `docs/assurance.md` names exists: a promise is a test, and a test has a name.
//!
//! In a row of a table there, a name in backquotes that is written like a test (`a_sentence_like_this`, with or
//! without a path before it) must be a function of a Rust file.

use std::collections::BTreeSet;

use super::documents::quoted;
use super::files::Files;

/// Where promises and tests are connected.
const PAGE: &str = "docs/assurance.md";

/// Names of tests that no file has.
pub(crate) fn check(files: &Files) -> Vec<String> {
    let Some(page) = files.text(PAGE) else { return Vec::new() };
    let functions = functions(files);
    page.lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('|'))
        .flat_map(|(index, line)| quoted(line).map(move |name| (index + 1, name)))
        .filter(|(_, name)| is_test(name))
        .filter(|(_, name)| !functions.contains(name.rsplit("::").next().unwrap_or_default()))
        .map(|(number, name)| format!("{PAGE}:{number} names the test {name}, which is not there"))
        .collect()
}

/// A name of at least three lower-case words: types and flags are written otherwise, crates begin with our name.
fn is_test(name: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or_default();
    !last.starts_with("secrets_")
        && last.split('_').count() >= 3
        && last.split('_').all(|word| !word.is_empty())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte))
}

/// Every function's name, and every word of a macro's list of cases (`name,` alone on its line).
fn functions(files: &Files) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (_, text) in files.rust() {
        for line in text.lines() {
            let line = line.trim();
            if let Some((_, rest)) = line.split_once("fn ") {
                names.insert(rest.split(['(', '<']).next().unwrap_or_default().trim());
            } else if let Some(word) = line.strip_suffix(',').or(line.strip_suffix(';')) {
                names.insert(word);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let page = "| promise | test |\n| --- | --- |\n| it holds | `a::tests::it_holds_always` `gone_with_the_wind` |\n";
        let files = Files::of(&[(PAGE, page), ("crates/a/src/a.rs", "    fn it_holds_always() {\n")]);
        let found = check(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("gone_with_the_wind"));
    }

    #[test]
    fn what_is_not_written_like_a_test_is_left_alone() {
        let page = "| `SecretPath` | `--dry-run` | `secrets_backend_local` | `cargo xtask proof` |\nA `name_outside_a_table`.\n";
        assert!(check(&Files::of(&[(PAGE, page)])).is_empty());
    }
}
