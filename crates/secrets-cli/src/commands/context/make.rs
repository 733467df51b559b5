//! Making a safe where there is none, unless the backend holds one.

use secrets_manager::{InitOptions, Initialised, Places};

use super::Context;
use crate::failure::Failure;
use crate::{exit, hints, output};

impl Context {
    /// Makes a safe with a key file and says what that means.
    pub(super) async fn make(&self) -> Result<(), Failure> {
        if self.configuration.settings.passphrase_file.is_some()
            && self.configuration.settings.key_file.is_none()
        {
            return Err(self
                .no_safe()
                .hint("`secrets init --passphrase --no-key-file` makes one that your passphrase opens"));
        }
        self.look_for_safe().await?;
        let mut options = InitOptions::with_key_file(&self.places());
        options.caller = self.caller();
        match secrets_manager::init(&self.places(), options).await {
            Ok(made) => {
                self.introduce(&made);
                Ok(())
            }
            // Another process was faster: its safe is as good.
            Err(secrets_manager::Error::SafeExists(_)) => Ok(()),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Refuses to make a second safe where the backend in force holds one.
    ///
    /// # Errors
    /// Exit 15 where it does; what the backend answers otherwise.
    pub async fn look_for_safe(&self) -> Result<(), Failure> {
        if !self.is_shared() {
            return Ok(());
        }
        let options = self.options()?;
        let place = options.backend.to_string();
        match secrets_manager::find(options.backend, options.deadline).await {
            Ok(None) => Ok(()),
            Ok(Some(found)) => {
                let text = format!("there is a safe at {place} already, {}", found.id());
                Err(Failure::new(exit::CONFLICT, text).hint(hints::FOREIGN_PLACE))
            }
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Says on stderr where a new safe is and what it protects from.
    pub fn introduce(&self, made: &Initialised) {
        let Places { key_file, data, state, .. } = self.places();
        output::note(&format!("secrets: made a safe, fingerprint {}", made.fingerprint));
        output::note(&format!("  data      {}  (encrypted)", data.display()));
        output::note(&format!("  audit log {}", state.display()));
        if key_file.exists() {
            output::note(&format!("  key file  {}  (mode 0600)", key_file.display()));
            output::note(
                "Copies of the data alone are safe: backups, synced folders, a stolen disk without the key file.",
            );
            output::note(
                "Whoever has both the data and the key file, or can act as you on this machine, can read every secret.",
            );
            output::note(
                "If the key file is lost, so are the secrets: `secrets key add recovery-phrase` makes a second way in.",
            );
            if self.configuration.places.key_lies_with_data(&key_file) {
                output::warn(
                    "key file and data lie together under one directory; `secrets status` says more",
                );
            }
        }
    }
}
