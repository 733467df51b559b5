//! A build with the local backend alone: no other backend in it, no client of a cloud, no network at all.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repository;

const BACKENDS: &str = "secrets-backend-";
const BUILT: &str = "secrets-backend-local";

/// How the names of crates begin that speak with a service, or over a network for those that do.
const OF_SERVICES: [&str; 8] =
    ["aws-", "azure_", "google-cloud-", "hyper", "kube", "reqwest", "rustls", "vaultrs"];

/// Every crate of the command that is built with the local backend and without the default features.
pub(super) fn read() -> Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--package", "secrets-cli", "--no-default-features", "--features", "local"])
        .args(["--edges", "normal,build", "--target", "all", "--prefix", "none", "--format", "{p}"])
        .current_dir(repository::root())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    Ok(names(&String::from_utf8_lossy(&output.stdout)))
}

/// The names that do not belong there. That the local backend is missing shows that the list is another one.
pub(super) fn check(names: &[String]) -> Vec<String> {
    let is_strange = |name: &&String| {
        name.starts_with(BACKENDS) && *name != BUILT
            || OF_SERVICES.iter().any(|start| name.starts_with(start))
    };
    let strange = names.iter().filter(is_strange).map(|name| format!("with `local` alone there is {name}"));
    let missing =
        (!names.iter().any(|name| name == BUILT)).then(|| format!("with `local` there is no {BUILT}"));
    strange.chain(missing).collect()
}

/// The first word of each line, each once.
fn names(tree: &str) -> Vec<String> {
    let mut names: Vec<String> =
        tree.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(crates: &[&str]) -> Vec<String> {
        check(&crates.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn another_backend_and_its_clients_are_found_and_nothing_else() {
        assert!(finds(&["redb", "secrets-backend", "secrets-backend-local", "tokio"]).is_empty());
        for strange in
            ["secrets-backend-hcvault", "aws-sdk-secretsmanager", "vaultrs", "azure_core", "rustls"]
        {
            assert_eq!(finds(&["secrets-backend-local", strange]).len(), 1, "{strange}");
        }
        assert_eq!(finds(&[]).len(), 1);
    }

    #[test]
    fn each_crate_of_a_tree_is_named_once() {
        let tree = "secrets-cli v0.1.0 (/somewhere)\nserde v1.0.1\n\nserde v1.0.1 (*)\n";
        assert_eq!(names(tree), ["secrets-cli", "serde"]);
    }
}
