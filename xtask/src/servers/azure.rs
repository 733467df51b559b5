//! Microsoft's own SDK for Python, which drives the Key Vault server of the test kit.
//! It is no server: tests start that one themselves, since it is in the test kit.

use anyhow::Result;
use xshell::Shell;

use super::{Settings, python};

/// Installs it, unless it is there, and says how tests find it.
pub(super) fn sdk(shell: &Shell) -> Result<Settings> {
    python::environment(shell, "azure")?;
    Ok(settings())
}

/// How tests find it, where it was installed.
pub(super) fn settings() -> Settings {
    let python = python::made("azure").map(|environment| environment.join("bin/python"));
    python.map(|python| ("SECRETS_TEST_AZURE_SDK_PYTHON", python.display().to_string())).into_iter().collect()
}
