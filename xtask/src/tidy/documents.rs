//! Every path of the repository that a document names exists.

use super::files::Files;

/// Names of directories and files at the top of the repository by which a path in backquotes is recognised.
const TOPS: [&str; 7] = ["crates/", "docs/", "xtask/", "fuzz/", "benches/", ".ci/", ".cargo/"];

/// Links and quoted paths that lead nowhere.
pub(crate) fn check_paths(files: &Files) -> Vec<String> {
    let mut findings = Vec::new();
    for (document, text) in files.documents().filter(|(path, _)| !path.contains("/templates/")) {
        for (number, line) in prose(text) {
            for target in links(line) {
                if !exists(files, document, target) {
                    findings.push(format!("{document}:{number} links to {target}, which is not there"));
                }
            }
            for quoted in quoted(line) {
                if is_path(quoted) && !files.has(quoted) && !exists(files, document, quoted) {
                    findings.push(format!("{document}:{number} names {quoted}, which is not there"));
                }
            }
        }
    }
    findings
}

/// The lines outside fenced blocks, with their numbers.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// What stands between backquotes on this line.
pub(crate) fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

fn exists(files: &Files, document: &str, target: &str) -> bool {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            part => parts.push(part),
        }
    }
    files.has(&parts.join("/"))
}

/// Is this a whole path of the repository, and neither a pattern nor a part of a command?
fn is_path(quoted: &str) -> bool {
    TOPS.iter().any(|top| quoted.starts_with(top) && quoted.len() > top.len())
        && quoted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
        && !quoted.contains("NNNN")
        && !quoted.contains("NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_gone_is_found_in_links_and_in_backquotes() {
        let text = "See [the page](gone.md).\nIt is `crates/gone/src/lib.rs`.\n";
        let found = check_paths(&Files::of(&[("docs/a.md", text)]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("docs/a.md:1 ") && found[1].starts_with("docs/a.md:2 "));
    }

    #[test]
    fn what_is_there_or_elsewhere_or_a_pattern_is_not() {
        let text = "[up](../README.md) [web](https://example.org/x) [here](#part) [b](b.md#part)\n\
                    `docs/b.md` `crates/` `crates/secrets-*/x` `docs/decisions/NNNN-title.md` `a/b`\n\
                    ```\n`docs/gone.md`\n```\n";
        let files = Files::of(&[("docs/a.md", text), ("README.md", ""), ("docs/b.md", "")]);
        assert!(check_paths(&files).is_empty(), "{:?}", check_paths(&files));
    }
}
