//! Who may depend on whom: the invariants 1 and 2 of `docs/architecture.md`.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::repository;

/// A normal or build dependency of one crate of the workspace on another.
pub(crate) type Edge = (String, String);

/// The dependencies between crates of the workspace, tests' own aside.
pub(crate) fn read() -> Result<Vec<Edge>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(repository::root())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(edges(&serde_json::from_slice(&output.stdout)?))
}

/// Every edge that the architecture does not have.
pub(crate) fn check(edges: &[Edge]) -> Vec<String> {
    edges
        .iter()
        .filter(|(from, to)| !allowed(from, to))
        .map(|(from, to)| format!("{from} must not depend on {to}"))
        .collect()
}

fn allowed(from: &str, to: &str) -> bool {
    // The test kit is for tests, where it is no normal dependency.
    if to == "secrets-testkit" || to == "secrets-cli" && from != "secrets-benches" {
        return false;
    }
    match from {
        "secrets-crypto" | "secrets-audit" | "secrets-backend" | "xtask" => false,
        // Its simulation stands on what the manager stands on.
        "secrets-testkit" => {
            ["secrets-audit", "secrets-backend", "secrets-crypto", "secrets-manager", "secrets-multicloud"]
                .contains(&to)
        }
        "secrets-multicloud" => to == "secrets-backend",
        "secrets-manager" => {
            ["secrets-audit", "secrets-backend", "secrets-crypto", "secrets-multicloud"].contains(&to)
        }
        "secrets-cli" | "secrets-benches" => true,
        backend if backend.starts_with("secrets-backend-") => to == "secrets-backend",
        _ => false,
    }
}

fn edges(metadata: &Value) -> Vec<Edge> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut edges = Vec::new();
    for package in packages {
        for dependency in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
            if let (Some(from), Some(to)) = (package["name"].as_str(), dependency["name"].as_str())
                && dependency["kind"] != "dev"
                && names.contains(&to)
            {
                edges.push((from.to_owned(), to.to_owned()));
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn finds(from: &str, to: &str) -> bool {
        !check(&[(from.to_owned(), to.to_owned())]).is_empty()
    }

    #[test]
    fn an_edge_against_the_direction_is_found() {
        assert!(finds("secrets-crypto", "secrets-backend"));
        assert!(finds("secrets-backend-aws", "secrets-crypto"));
        assert!(finds("secrets-multicloud", "secrets-backend-local"));
        assert!(finds("secrets-manager", "secrets-backend-local"));
        assert!(finds("secrets-manager", "secrets-cli"));
        assert!(finds("secrets-cli", "secrets-testkit"));
        assert!(finds("secrets-testkit", "secrets-backend-local"));
        assert!(finds("secrets-unheard-of", "secrets-backend"));
    }

    #[test]
    fn the_edges_of_the_architecture_are_not() {
        assert!(!finds("secrets-backend-aws", "secrets-backend"));
        assert!(!finds("secrets-manager", "secrets-crypto"));
        assert!(!finds("secrets-cli", "secrets-backend-local"));
    }

    #[test]
    fn dependencies_of_tests_are_no_edges() {
        let metadata = json!({ "packages": [
            { "name": "a", "dependencies": [
                { "name": "b", "kind": null }, { "name": "c", "kind": "dev" }, { "name": "serde", "kind": null },
            ] },
            { "name": "b", "dependencies": [] },
            { "name": "c", "dependencies": [{ "name": "a", "kind": "build" }] },
        ] });
        assert_eq!(edges(&metadata), [("a".into(), "b".into()), ("c".into(), "a".into())]);
    }
}
