//! The files of the repository, read once for all checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Path relative to the root, with `/`, and content; a file that is not UTF-8 has empty content.
#[derive(Debug)]
pub(crate) struct Files(BTreeMap<String, String>);

impl Files {
    /// Reads everything below `root` that is not a build product.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        walk(root, "", &mut files)?;
        Ok(Self(files))
    }

    /// The files of a test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// The content of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Is there a file or a directory of this name?
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty()
            || self.0.contains_key(path)
            || self
                .0
                .range(format!("{path}/")..)
                .next()
                .is_some_and(|(file, _)| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Every file, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Every Rust file, in order.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Every Markdown file, in order.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| path.ends_with(".md"))
    }

    /// The names of the crates below `crates/`.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &str> {
        self.iter().filter_map(|(path, _)| {
            path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml").filter(|name| !name.contains('/'))
        })
    }
}

/// The part of a Rust file before its tests.
pub(crate) fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]").map_or(text, |(code, _)| code)
}

/// The lines of code with their numbers: neither tests, comments nor empty lines.
pub(crate) fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    without_tests(text).lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//")
    })
}

fn walk(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !is_product(&name) {
                walk(&entry.path(), &format!("{prefix}{name}/"), files)?;
            }
        } else if kind.is_file() {
            // Others may be at work in the same tree: a file that has just gone is none of ours.
            if let Ok(bytes) = fs::read(entry.path()) {
                files.insert(format!("{prefix}{name}"), String::from_utf8(bytes).unwrap_or_default());
            }
        }
    }
    Ok(())
}

fn is_product(directory: &str) -> bool {
    directory == ".git"
        || directory == "target"
        || directory.starts_with("target-")
        || directory == "artifacts"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_when_a_file_is_in_it() {
        let files = Files::of(&[("a/b/c.rs", ""), ("a/bc.rs", "")]);
        assert!(files.has("a/b") && files.has("a/b/") && files.has("a/b/c.rs") && files.has("a"));
        assert!(!files.has("a/b/c") && !files.has("a/x") && !files.has("b"));
    }

    #[test]
    fn code_is_neither_comment_nor_test() {
        let text = "//! Head.\n\nfn f() {\n    // why\n}\n\n#[cfg(test)]\nmod tests {}\n";
        let numbers: Vec<_> = code_lines(text).map(|(number, _)| number).collect();
        assert_eq!(numbers, [3, 5]);
    }
}
