//! The pages of the specification name the files that implement them, each with the hash of its content.
//!
//! A page holds lines `Source: <path> sha256:<first 16 hex digits>`.
//! A change to such a file fails this check until somebody has compared the page with it and run
//! `cargo xtask tidy --bless`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::files::Files;

/// Pages whose sources changed or are missing, and pages without a source.
pub(crate) fn check(files: &Files) -> Vec<String> {
    let mut findings = Vec::new();
    for (page, text) in files.documents().filter(|(path, _)| is_page(path)) {
        let mut sources = 0;
        for (path, hash) in text.lines().filter_map(source) {
            sources += 1;
            match files.text(path) {
                None => findings.push(format!("{page}: {path} is not there")),
                Some(content) if digest(content) != hash => findings.push(format!(
                    "{page}: {path} changed; bring the page up to date, then run `cargo xtask tidy --bless`"
                )),
                Some(_) => {}
            }
        }
        if sources == 0 {
            findings.push(format!("{page} has no line `Source: <path> sha256:<hash>`"));
        }
    }
    findings
}

/// Writes today's hashes into the pages, and returns the pages that changed.
///
/// # Errors
/// When a page or a source cannot be read or written.
pub(crate) fn bless(root: &Path) -> Result<Vec<String>> {
    let files = Files::read(root)?;
    let mut changed = Vec::new();
    for (page, text) in files.documents().filter(|(path, _)| is_page(path)) {
        let blessed = blessed(&files, text);
        if blessed != text {
            fs::write(root.join(page), blessed).with_context(|| format!("cannot write {page}"))?;
            changed.push(page.to_owned());
        }
    }
    Ok(changed)
}

fn blessed(files: &Files, text: &str) -> String {
    let mut blessed = String::new();
    for line in text.split_inclusive('\n') {
        match source(line.trim_end()).and_then(|(path, _)| Some((path, files.text(path)?))) {
            Some((path, content)) => {
                blessed.push_str(&format!("Source: {path} sha256:{}\n", digest(content)));
            }
            None => blessed.push_str(line),
        }
    }
    blessed
}

fn is_page(path: &str) -> bool {
    path.starts_with("docs/spec/") && !path.ends_with("/README.md")
}

fn source(line: &str) -> Option<(&str, &str)> {
    let (path, hash) = line.strip_prefix("Source: ")?.split_once(" sha256:")?;
    Some((path.trim_matches('`'), hash.trim()))
}

fn digest(content: &str) -> String {
    Sha256::digest(content.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Envelope\n\nSource: a.rs sha256:0000000000000000\n\nText.\n";

    #[test]
    fn a_changed_a_missing_and_an_unnamed_source_are_found() {
        let files = Files::of(&[
            ("a.rs", "code"),
            ("docs/spec/changed.md", PAGE),
            ("docs/spec/missing.md", "Source: b.rs sha256:0000000000000000\n"),
            ("docs/spec/none.md", "# None\n"),
            ("docs/spec/README.md", "# Index\n"),
        ]);
        assert_eq!(check(&files).len(), 3, "{:?}", check(&files));
    }

    #[test]
    fn a_blessed_page_is_up_to_date_and_otherwise_unchanged() {
        let files = Files::of(&[("a.rs", "code")]);
        let page = blessed(&files, PAGE);
        assert_eq!(page.replace(&digest("code"), "0000000000000000"), PAGE);
        assert!(check(&Files::of(&[("a.rs", "code"), ("docs/spec/e.md", &page)])).is_empty());
        assert!(!check(&Files::of(&[("a.rs", "code, changed"), ("docs/spec/e.md", &page)])).is_empty());
    }
}
