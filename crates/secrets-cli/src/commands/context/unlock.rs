//! What unlocks the safe: a key file, a passphrase, a recovery phrase.

use std::path::Path;

use secrets_manager::{SlotInfo, SlotKind, Unlock};

use super::Context;
use crate::failure::Failure;
use crate::{exit, input, output};

impl Context {
    /// What unlocks the safe: what the command line names, else the environment, else the configuration,
    /// else the key file, else a question.
    ///
    /// # Errors
    /// Exit 19 where there is nothing to try and nobody to ask.
    pub fn unlock(&self) -> Result<Unlock, Failure> {
        if let Some(unlock) = self.unlock_at_hand()? {
            return Ok(unlock);
        }
        let status = secrets_manager::status(&self.places()).map_err(|error| self.failure(error))?;
        self.ask(&status.slots)
    }

    /// What unlocks the safe without a question; `None` where nothing is named and the key file is not there.
    fn unlock_at_hand(&self) -> Result<Option<Unlock>, Failure> {
        let from_file = |path: &Path| passphrase_of(path).map(Unlock::Passphrase);
        let variable = |name: &str| self.environment.path(name);
        for (key, passphrase) in [
            (self.global.key_file.clone(), self.global.passphrase_file.clone()),
            (variable("SECRETS_KEY_FILE"), variable("SECRETS_PASSPHRASE_FILE")),
            (
                self.configuration.settings.key_file.clone(),
                self.configuration.settings.passphrase_file.clone(),
            ),
        ] {
            match (key, passphrase) {
                (Some(path), _) => return Ok(Some(Unlock::KeyFile(path))),
                (None, Some(path)) => return from_file(&path).map(Some),
                (None, None) => {}
            }
        }
        let key_file = self.key_file();
        Ok(key_file.symlink_metadata().is_ok().then_some(Unlock::KeyFile(key_file)))
    }

    /// What unlocks a safe with these slots that is not here yet.
    ///
    /// # Errors
    /// As [`Context::unlock`].
    pub fn unlock_found(&self, slots: &[SlotInfo]) -> Result<Unlock, Failure> {
        match self.unlock_at_hand()? {
            Some(unlock) => Ok(unlock),
            None => self.ask(slots),
        }
    }

    /// Asks for what opens one of these slots; an empty passphrase leads on to the recovery phrase.
    fn ask(&self, slots: &[SlotInfo]) -> Result<Unlock, Failure> {
        let has = |kind| slots.iter().any(|slot| slot.kind == kind);
        let ask = |what: &str| {
            self.terminal.hidden(what).map_err(|failure| {
                Failure::new(exit::LOCKED, format!("the safe is locked, and {failure}"))
                    .hint("name a key file with --key-file, or a passphrase with SECRETS_PASSPHRASE_FILE")
            })
        };
        let phrase = has(SlotKind::RecoveryPhrase);
        if has(SlotKind::Passphrase) {
            let what = if phrase { "Passphrase (empty for the recovery phrase)" } else { "Passphrase" };
            let passphrase = ask(what)?;
            if !(passphrase.is_empty() && phrase) {
                return Ok(Unlock::Passphrase(passphrase));
            }
        }
        // Without a terminal, the missing key file is the better thing to complain of.
        if phrase && (self.terminal.can_ask() || !has(SlotKind::KeyFile)) {
            return ask("Recovery phrase (24 words)").map(Unlock::RecoveryPhrase);
        }
        Ok(Unlock::KeyFile(self.key_file()))
    }
}

/// A passphrase from a file: its content without one line feed at the end.
///
/// # Errors
/// Exit 19 where it cannot be read.
pub(crate) fn passphrase_of(path: &Path) -> Result<secrets_backend::SecretBytes, Failure> {
    use std::os::unix::fs::MetadataExt;
    let locked = |reason: String| {
        Failure::new(exit::LOCKED, format!("the passphrase file {}: {reason}", path.display()))
    };
    let found = std::fs::metadata(path).map_err(|error| locked(error.to_string()))?;
    // A pipe, as `<(…)` makes one, has no mode to speak of.
    if found.is_file() && found.mode() & 0o077 != 0 {
        // Container platforms hand secrets in as files that everybody in the container can read: no refusal.
        output::warn(&format!(
            "{} has mode {:04o}: others can read it",
            path.display(),
            found.mode() & 0o7777
        ));
    }
    let content = input::file(path).map_err(|failure| locked(failure.to_string()))?;
    Ok(input::without_line_end(&content))
}
