//! Every backend crate is complete: a README with its error table, the conformance suite, an arm in the CLI and a
//! row in the documentation.

use super::files::Files;

/// What each `crates/secrets-backend-*` lacks.
pub(crate) fn check(files: &Files) -> Vec<String> {
    files
        .crates()
        .filter(|name| name.starts_with("secrets-backend-"))
        .flat_map(|name| lacks(files, name).into_iter().map(move |what| format!("{name} lacks {what}")))
        .collect()
}

fn lacks(files: &Files, name: &str) -> Vec<&'static str> {
    let home = format!("crates/{name}/");
    let readme = files.text(&format!("{home}README.md")).unwrap_or_default();
    let in_crate =
        |needle: &str| files.rust().any(|(path, text)| path.starts_with(&home) && text.contains(needle));
    let module = name.replace('-', "_");
    let in_cli = files
        .rust()
        .any(|(path, text)| path.starts_with("crates/secrets-cli/src/") && text.contains(&module));
    let in_documents = files.documents().any(|(path, text)| {
        (path == "README.md" || path.starts_with("docs/"))
            && text.lines().any(|line| line.starts_with('|') && line.contains(name))
    });
    [
        ("a README", !readme.is_empty()),
        (
            "an error table in its README (a heading with `Errors` and a table below it)",
            has_error_table(readme),
        ),
        ("a conformance test (`conformance_tests!`)", in_crate("conformance_tests!")),
        ("an arm in secrets-cli", in_cli),
        ("a row in a table of README.md or docs/", in_documents),
    ]
    .into_iter()
    .filter(|(_, there)| !there)
    .map(|(what, _)| what)
    .collect()
}

fn has_error_table(readme: &str) -> bool {
    readme
        .lines()
        .skip_while(|line| !(line.starts_with('#') && line.to_lowercase().contains("error")))
        .any(|line| line.starts_with('|'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_backend_crate_lacks_everything() {
        let files = Files::of(&[("crates/secrets-backend-x/Cargo.toml", "")]);
        assert_eq!(check(&files).len(), 5, "{:?}", check(&files));
    }

    #[test]
    fn a_complete_one_lacks_nothing() {
        let files = Files::of(&[
            ("crates/secrets-backend-x/Cargo.toml", ""),
            ("crates/secrets-backend-x/README.md", "# X\n\n## Errors\n\n| a | b |\n"),
            ("crates/secrets-backend-x/tests/conformance.rs", "secrets_backend::conformance_tests!();"),
            ("crates/secrets-cli/src/backends.rs", "secrets_backend_x::XBackend::new(config)"),
            ("docs/backends.md", "| `secrets-backend-x` | X |\n"),
        ]);
        assert!(check(&files).is_empty(), "{:?}", check(&files));
    }
}
