//! slapd, the directory behind Vault's LDAP login: one person, one group, plain LDAP.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Place, Server, find, source, vault};

pub(super) const SERVER: Server = Server {
    name: "slapd",
    about: "the directory behind Vault's LDAP login",
    at_hand: vault::is_built,
    program: |_| find("slapd").context("slapd is not installed"),
    command: |place| {
        fill(place)?;
        let mut command = Command::new(&place.program);
        command.arg("-f").arg(source("slapd").join("slapd.conf"));
        command.args(["-h", &format!("ldap://{}", place.address())]);
        // With a level, even none, it stays in the foreground.
        command.args(["-d", "0"]);
        Ok(command)
    },
    ready: Place::listens,
    settings: |place| Ok(vec![("SECRETS_TEST_LDAP_URL", format!("ldap://{}", place.address()))]),
};

/// Writes the entries into the empty directory.
fn fill(place: &Place) -> Result<()> {
    std::fs::create_dir_all(place.directory.join("data"))?;
    let slapadd = find("slapadd").context("slapadd is not installed")?;
    let output = Command::new(slapadd)
        .arg("-f")
        .arg(source("slapd").join("slapd.conf"))
        .arg("-l")
        .arg(source("slapd").join("entries.ldif"))
        .current_dir(&place.directory)
        .output()?;
    ensure!(output.status.success(), "slapadd: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
