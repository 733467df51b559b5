//! Every test that `docs/assurance.md` names exists: a promise is a test, and a test has a name.
//!
//! A name in backquotes that is written like a test (`a_sentence_like_this`, with or without a path before it) must be
//! a function of a Rust file, in a table as in prose. What the macros of the conformance suite make a test of is a
//! function, too.

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

/// Every function's name.
fn functions(files: &Files) -> BTreeSet<&str> {
    files.rust().flat_map(|(_, text)| text.lines()).filter_map(function).collect()
}

/// The function that a line defines.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let is_definition =
        before.split_whitespace().all(|word| QUALIFIERS.contains(&word) || word.starts_with("pub("));
    is_definition.then(|| rest.split(['(', '<']).next().unwrap_or_default().trim())
}

/// What can stand before `fn`.
const QUALIFIERS: [&str; 3] = ["pub", "const", "async"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_does_not_exist_is_found_in_a_table_and_in_prose() {
        let page = "| promise | test |\n| --- | --- |\n| it holds | `a::tests::it_holds_always` `gone_with_the_wind` |\n\
                    \nIn prose `it_holds_always`, and `not_any_more_there`.\n";
        let files = Files::of(&[
            (PAGE, page),
            ("crates/a/src/a.rs", "    pub(crate) async fn it_holds_always() {\n"),
        ]);
        let found = check(&files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("gone_with_the_wind") && found[1].contains(":5 names the test not_any"));
    }

    #[test]
    fn a_word_at_the_end_of_a_line_is_no_test() {
        let code = "    let a_name_of_something = 1;\n    f(\n        a_name_of_something,\n    );\n// a fn a_name_of_something(\n";
        let files = Files::of(&[(PAGE, "`a_name_of_something`\n"), ("crates/a/src/a.rs", code)]);
        assert_eq!(check(&files).len(), 1);
    }

    #[test]
    fn what_is_not_written_like_a_test_is_left_alone() {
        let page = "| `SecretPath` | `--dry-run` | `secrets_backend_local` | `cargo xtask proof` |\nA `two_words`.\n";
        assert!(check(&Files::of(&[(PAGE, page)])).is_empty());
    }
}
