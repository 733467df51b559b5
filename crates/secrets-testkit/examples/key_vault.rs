//! The Key Vault server of the test kit as a program of its own, until its input ends. It prints the variables by which
//! tests find another Key Vault than their own.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::{self, Read as _, Write as _};

use secrets_testkit::KeyVault;

fn main() -> io::Result<()> {
    let server = KeyVault::start()?;
    let access = server.access("kit");
    let mut authority = tempfile::NamedTempFile::new()?;
    authority.write_all(access.ca_pem.as_bytes())?;
    let addresses: Vec<String> =
        access.addresses.iter().map(|(host, address)| format!("{host}={address}")).collect();
    for (name, value) in [
        ("VAULT_URL", access.vault_url),
        ("AUTHORITY", access.authority),
        ("TENANT_ID", access.tenant_id),
        ("CLIENT_ID", access.client_id),
        ("CLIENT_SECRET", access.client_secret),
        ("CA_FILE", authority.path().display().to_string()),
        ("ADDRESSES", addresses.join(",")),
    ] {
        println!("export SECRETS_TEST_AZURE_{name}='{value}'");
    }
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
