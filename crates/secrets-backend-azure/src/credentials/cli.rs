//! Whoever is logged in to a program of Microsoft's: `az` or `azd`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, Executor,
};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::credentials::no_token::NoToken;
use crate::credentials::{AzureCli, DeveloperCli};

/// A shell's answer for a program that it does not find.
const NOT_FOUND: i32 = 127;

/// A token of the login of `az`.
pub(super) async fn azure(given: &AzureCli, scope: &str) -> Result<AccessToken, NoToken> {
    let options = AzureCliCredentialOptions {
        subscription: given.subscription.clone(),
        tenant_id: given.tenant_id.clone(),
        executor: Some(Arc::new(Program { login: "run `az login`", path: given.path.clone() })),
    };
    let credential = AzureCliCredential::new(Some(options)).map_err(|error| NoToken::of(&error))?;
    credential.get_token(&[scope], None).await.map_err(|error| NoToken::of(&error))
}

/// A token of the login of `azd`.
pub(super) async fn developer(given: &DeveloperCli, scope: &str) -> Result<AccessToken, NoToken> {
    let options = AzureDeveloperCliCredentialOptions {
        tenant_id: given.tenant_id.clone(),
        executor: Some(Arc::new(Program { login: "run `azd auth login`", path: given.path.clone() })),
    };
    let credential = AzureDeveloperCliCredential::new(Some(options)).map_err(|error| NoToken::of(&error))?;
    credential.get_token(&[scope], None).await.map_err(|error| NoToken::of(&error))
}

/// Runs the commands of Microsoft's credentials, and ends what they started when nobody waits any more.
#[derive(Debug)]
struct Program {
    /// What helps where it has no login.
    login: &'static str,
    path: Option<OsString>,
}

#[async_trait::async_trait]
impl Executor for Program {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A group of its own: the shell's children end with it.
        command.process_group(0);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let child = command.spawn()?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let output = child.wait_with_output().await?;
        // It ended by itself, and its number may be another's by now.
        group.keep();
        if output.status.success() {
            return Ok(output);
        }
        // What it said may hold anything.
        Err(io::Error::other(if output.status.code() == Some(NOT_FOUND) {
            NoToken::absent("not installed")
        } else {
            NoToken::absent(format!("no login; {}", self.login))
        }))
    }
}

/// A group of processes that is ended unless it ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended this very moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
