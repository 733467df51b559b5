//! Every `cargo xtask X` and `secrets X` that a document names is a command.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::documents::quoted;
use super::files::Files;

/// The commands of this program, and the proofs as `proof kills` and so on.
pub(crate) fn of_xtask() -> BTreeSet<String> {
    let commands = crate::Arguments::command();
    let names = commands.get_subcommands().map(|command| command.get_name().to_owned());
    names.chain(crate::proof::names().map(|name| format!("proof {name}"))).collect()
}

/// The commands of `secrets`, from the `Subcommand` enums of secrets-cli: the variants of `Command`, and those of
/// `AuditCommand` as `audit verify` and so on.
///
/// They are read from the source, so that this check needs no build of the CLI.
pub(crate) fn of_secrets(files: &Files) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for (_, text) in files.rust().filter(|(path, _)| path.starts_with("crates/secrets-cli/src/")) {
        for item in text.split("Subcommand").skip(1) {
            let Some((_, item)) = item.split_once("enum ") else { continue };
            let name = item.split([' ', '{']).next().unwrap_or_default();
            let Some(group) = name.strip_suffix("Command").map(kebab) else { continue };
            commands
                .extend(variants(item).into_iter().map(|word| format!("{group} {word}").trim().to_owned()));
        }
    }
    commands
}

/// Commands in documents that do not exist.
pub(crate) fn check(files: &Files, xtask: &BTreeSet<String>, secrets: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for (document, text) in files.documents() {
        for (number, command) in commands(text) {
            let known = match command.as_slice() {
                ["cargo", "xtask", words @ ..] => is_known(xtask, words),
                ["cargo", "secrets", words @ ..] | ["secrets", words @ ..] => is_known(secrets, words),
                _ => true,
            };
            if !known {
                findings.push(format!(
                    "{document}:{number} names `{}`, which is no command",
                    command[..command.len().min(3)].join(" ")
                ));
            }
        }
    }
    findings
}

/// Is the first word a command, and the second one of its own where it has any?
fn is_known(known: &BTreeSet<String>, words: &[&str]) -> bool {
    let Some(first) = words.first() else { return true };
    let group = format!("{first} ");
    let has_own = known.iter().any(|command| command.starts_with(&group));
    let second = words.get(1).filter(|word| has_own && is_word(word));
    known.contains(*first) && second.is_none_or(|word| known.contains(&format!("{group}{word}")))
}

fn is_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// The commands of a document: quoted ones, and the lines of shell examples.
fn commands(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut fence: Option<&str> = None;
    let mut commands = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = fence.is_none().then_some(language.trim());
            continue;
        }
        match fence {
            None => commands.extend(quoted(line).filter_map(command).map(|words| (index + 1, words))),
            Some(language) => {
                let shell = ["sh", "bash", "shell"].contains(&language);
                let typed = line.trim_start();
                if let Some(typed) = typed.strip_prefix("$ ").or(shell.then_some(typed)) {
                    let parts = typed.split(" | ").filter_map(command);
                    commands.extend(parts.map(|words| (index + 1, words)));
                }
            }
        }
    }
    commands
}

/// The words of a command whose word after the program is written like a subcommand.
fn command(text: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let word = match words.as_slice() {
        ["cargo", "xtask" | "secrets", word, ..] | ["secrets", word, ..] => word,
        _ => return None,
    };
    is_word(word).then_some(words)
}

/// The commands of the enum that follows in `text`: variants at its first level, and their aliases.
fn variants(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Some((_, body)) = text.split_once('{') else { return names };
    let mut depth = 0_i32;
    for line in body.lines().map(str::trim) {
        if depth == 0 && line.starts_with('}') {
            break;
        }
        if line.starts_with("//") {
            continue;
        }
        if depth == 0 && line.starts_with("#[") {
            for attribute in ["alias = \"", "name = \""] {
                names.extend(
                    line.split(attribute)
                        .skip(1)
                        .filter_map(|rest| rest.split('"').next())
                        .map(str::to_owned),
                );
            }
            if let Some((_, list)) = line.split_once("aliases = [") {
                names.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
            }
        } else if depth == 0 && line.starts_with(|first: char| first.is_ascii_uppercase()) {
            let name = line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            names.insert(kebab(name));
        }
        if !line.starts_with("#[") {
            depth += count(line, &['{', '(']) - count(line, &['}', ')']);
        }
    }
    names
}

fn count(line: &str, characters: &[char]) -> i32 {
    i32::try_from(line.matches(characters).count()).unwrap_or(i32::MAX)
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for (index, character) in name.chars().enumerate() {
        if character.is_ascii_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.push(character.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLI: &str = "
#[derive(Debug, Subcommand)]
enum AuditCommand {
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store
    Set(SetArguments),
    /// Read { it }
    Get {
        /// The path
        #[arg(name = \"inner\")]
        Path: String,
    },
    #[command(visible_alias = \"ls\")]
    List(ListArguments),
    NewThing,
    #[command(subcommand)]
    Audit(AuditCommand),
}

enum Other { Unrelated }
";

    #[test]
    fn the_commands_are_read_from_the_source() {
        let files = Files::of(&[("crates/secrets-cli/src/arguments.rs", CLI)]);
        let found: Vec<_> = of_secrets(&files).into_iter().collect();
        assert_eq!(found, ["audit", "audit verify", "get", "list", "ls", "new-thing", "set"]);
    }

    #[test]
    fn a_command_that_is_none_is_found_in_prose_and_in_examples() {
        let text = "Run `secrets frobnicate x` or `cargo xtask dance`.\n\n```sh\ncargo secrets wobble\n```\n\n\
                    ```text\n$ secrets jump\nsecrets stored\n```\n";
        let files = Files::of(&[("docs/a.md", text)]);
        let found = check(&files, &of_xtask(), &BTreeSet::from(["get".to_owned()]));
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_wrong_second_word_of_a_group_is_found() {
        let files = Files::of(&[
            ("crates/secrets-cli/src/arguments.rs", CLI),
            (
                "a.md",
                "`secrets audit verify` `secrets audit dance` `secrets get dance` `secrets audit --json`\n",
            ),
        ]);
        let found = check(&files, &of_xtask(), &of_secrets(&files));
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn existing_commands_flags_and_placeholders_are_not() {
        let text = "Run `secrets get x`, `secrets --help`, `secrets …`, `cargo xtask COMMAND`, `cargo xtask test`.\n";
        let files = Files::of(&[("docs/a.md", text)]);
        assert!(check(&files, &of_xtask(), &BTreeSet::from(["get".to_owned()])).is_empty());
    }
}
