//! Every path of the repository that a document names exists, and every heading that it links to.

use std::collections::BTreeSet;

use super::files::Files;

/// Names of directories and files at the top of the repository by which a path in backquotes is recognised.
const TOPS: [&str; 7] = ["crates/", "docs/", "xtask/", "fuzz/", "benches/", ".ci/", ".cargo/"];

/// Links and quoted paths that lead nowhere.
pub(crate) fn check_paths(files: &Files) -> Vec<String> {
    let mut findings = Vec::new();
    for (document, text) in files.documents().filter(|(path, _)| !path.contains("/templates/")) {
        for (number, line) in prose(text) {
            for target in links(line) {
                if !exists(files, document, target) || !has_anchor(files, document, target) {
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
    let path = target.split('#').next().unwrap_or_default();
    is_elsewhere(target) || path.is_empty() || resolved(document, path).is_some_and(|path| files.has(&path))
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// The path that a relative one means in a document; `None` where it leaves the repository.
fn resolved(document: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Does the Markdown file that is linked to have the heading that is linked to?
fn has_anchor(files: &Files, document: &str, target: &str) -> bool {
    let Some((path, anchor)) = target.split_once('#').filter(|_| !is_elsewhere(target)) else { return true };
    let path = if path.is_empty() { Some(document.to_owned()) } else { resolved(document, path) };
    let text = path.filter(|path| path.ends_with(".md")).and_then(|path| files.text(&path));
    text.is_none_or(|text| anchors(text).contains(anchor))
}

/// The anchors that GitHub makes of the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let headings = prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.strip_prefix(' ')).flatten()
    });
    for heading in headings {
        let slug = slug(heading);
        // A heading that is there already is numbered.
        let mut numbered = (1..).map(|number| format!("{slug}-{number}"));
        let mut anchor = slug.clone();
        while !anchors.insert(anchor) {
            anchor = numbered.next().unwrap_or_default();
        }
    }
    anchors
}

/// A heading in lower case with `-` for each space, and nothing else but letters, digits, `-` and `_`. Of a link
/// its text counts.
fn slug(heading: &str) -> String {
    let mut text = String::new();
    for (index, part) in heading.trim().split("](").enumerate() {
        text.push_str(if index == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) });
    }
    text.to_lowercase()
        .chars()
        .filter(|character| character.is_alphanumeric() || "-_ ".contains(*character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
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
    fn a_heading_that_is_gone_is_found() {
        let b = "# Part\n\n```sh\n# other\n```\n#hash\n";
        let text = "[a](#gone) [b](b.md#part) [c](b.md#other) [d](b.md#hash) [e](b.md#part-1)\n";
        let found = check_paths(&Files::of(&[("docs/a.md", text), ("docs/b.md", b)]));
        let gone: Vec<_> = found.iter().filter_map(|finding| finding.split(' ').nth(3)).collect();
        assert_eq!(gone, ["#gone,", "b.md#other,", "b.md#hash,", "b.md#part-1,"]);
    }

    #[test]
    fn anchors_are_made_as_github_makes_them() {
        let text = "# What it *is*, in 2 words\n## `a_b` and A-B\n## Twice\n## Twice\n";
        let expected = ["a_b-and-a-b", "twice", "twice-1", "what-it-is-in-2-words"];
        assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_there_or_elsewhere_or_a_pattern_is_not() {
        let text = "# Part\n[up](../README.md) [web](https://example.org/x#y) [here](#part) [b](b.md#a-part-of-b)\n\
                    [code](../a.rs#L1) `docs/b.md` `crates/` `crates/secrets-*/x` `docs/decisions/NNNN-title.md` `a/b`\n\
                    ```\n`docs/gone.md`\n```\n";
        let b = "## A `part` of [b](a.md)!\n";
        let files = Files::of(&[("docs/a.md", text), ("README.md", ""), ("docs/b.md", b), ("a.rs", "")]);
        assert!(check_paths(&files).is_empty(), "{:?}", check_paths(&files));
    }
}
