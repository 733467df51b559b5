//! Words that must not be in any file: paths of one machine, and marks of unfinished work.

use std::env;

use super::files::Files;
use crate::repository;

/// The paths of the machine that runs this: its home directory and where the repository lies.
pub(crate) fn own_paths() -> Vec<String> {
    let home = env::home_dir().into_iter();
    let paths = home.chain([repository::root()]);
    // A path of one name, such as the directory for temporary files, is every machine's.
    paths.filter(|path| path.components().count() > 2).map(|path| format!("{}/", path.display())).collect()
}

/// Files that name a path of one machine.
pub(crate) fn check_machine_paths(files: &Files, own: &[String]) -> Vec<String> {
    let mut paths = vec![["/ro", "ot/"].concat(), ["..", "/shared"].concat()];
    paths.extend_from_slice(own);
    lines(files, |line| paths.iter().any(|path| line.contains(path.as_str())))
        .into_iter()
        .map(|place| format!("{place} names a path of one machine"))
        .collect()
}

/// Code that says of itself that it is not finished.
pub(crate) fn check_left_open(files: &Files) -> Vec<String> {
    let marks = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["#[ig", "nore"],
        ["FIX", "ME"],
        ["// XX", "X"],
        ["TO", "DO"],
    ]
    .map(|halves| halves.concat());
    lines(files, |line| marks.iter().any(|mark| line.contains(mark.as_str())))
        .into_iter()
        .filter(|place| place.contains(".rs:") && !place.contains("/templates/"))
        .map(|place| format!("{place} is left open"))
        .collect()
}

fn lines(files: &Files, found: impl Fn(&str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for (path, text) in files.iter() {
        places.extend(
            text.lines()
                .enumerate()
                .filter(|(_, line)| found(line))
                .map(|(index, _)| format!("{path}:{}", index + 1)),
        );
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        let files = Files::of(&[
            ("docs/a.md", "It lies in /ro\u{6f}t/x.\n"),
            ("b.sh", "cd /build/here/secrets\n"),
            ("c.md", "It lies in /usr/bin.\n"),
        ]);
        let found = check_machine_paths(&files, &["/build/here/".to_owned()]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn unfinished_code_is_found() {
        let code = format!("fn f() {{ {}) }}\n#[{}]\n", ["to", "do!("].concat(), ["ig", "nore"].concat());
        assert_eq!(check_left_open(&Files::of(&[("a.rs", &code)])).len(), 2);
        assert!(check_left_open(&Files::of(&[("a.rs", "fn f() {}\n")])).is_empty());
    }
}
