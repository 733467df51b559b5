//! What every command needs: the configuration, the terminal, and the open safe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrets_manager::{
    Caller, InitOptions, Initialised, Options, Place, Places, Safe, SlotInfo, SlotKind, Unlock,
};

use crate::args::Global;
use crate::config::schema::LOCAL;
use crate::config::{self, Configuration};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::prompt::Terminal;
use crate::{backends, exit, hints, input, output};

/// What every command needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Context {
    /// The flags that every command takes.
    pub global: Global,
    /// The variables of this process.
    pub environment: Environment,
    /// What is configured.
    pub configuration: Configuration,
    /// What the streams are.
    pub terminal: Terminal,
}

impl Context {
    /// Loads the configuration that holds in `directory`.
    ///
    /// # Errors
    /// As [`config::load`].
    pub fn new(global: Global, environment: Environment, directory: &Path) -> Result<Self, Failure> {
        let configuration = config::load(&global, &environment, directory)?;
        let terminal = Terminal::look(global.non_interactive);
        Ok(Self { global, environment, configuration, terminal })
    }

    /// Where the safe lies.
    #[must_use]
    pub fn places(&self) -> Places {
        let places = &self.configuration.places;
        Places::new(self.key_file(), &places.data, &places.state)
    }

    /// The key file: the one that is named, or the one in the configuration directory.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.configuration.settings.key_file.clone().unwrap_or_else(|| self.configuration.places.key_file())
    }

    /// Opens the safe.
    ///
    /// # Errors
    /// By the exit codes: no safe, cannot be unlocked, audit log, damage.
    pub async fn open(&self) -> Result<Safe, Failure> {
        if !self.places().header().exists() {
            return Err(self.no_safe());
        }
        self.open_with(self.unlock()?).await
    }

    /// Opens the safe, and answers what opened it, for what has to be unlocked again.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub async fn open_twice(&self) -> Result<(Safe, Unlock), Failure> {
        if !self.places().header().exists() {
            return Err(self.no_safe());
        }
        let unlock = self.unlock()?;
        let again = match &unlock {
            Unlock::KeyFile(path) => Unlock::KeyFile(path.clone()),
            Unlock::Passphrase(passphrase) => Unlock::Passphrase(passphrase.duplicate()),
            Unlock::RecoveryPhrase(words) => Unlock::RecoveryPhrase(words.duplicate()),
            _ => self.unlock()?,
        };
        Ok((self.open_with(unlock).await?, again))
    }

    async fn open_with(&self, unlock: Unlock) -> Result<Safe, Failure> {
        Safe::open(&self.places(), self.options()?, unlock).await.map_err(|error| self.failure(error))
    }

    /// Opens the safe, and makes one first where there is none.
    ///
    /// # Errors
    /// As [`Context::open`], and those of making one.
    pub async fn open_or_make(&self) -> Result<Safe, Failure> {
        if !self.places().header().exists() {
            self.make().await?;
        }
        self.open().await
    }

    /// Makes a safe with a key file and says what that means.
    async fn make(&self) -> Result<(), Failure> {
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
        if self.configuration.settings.backend_kind() == LOCAL {
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

    /// Who asks, and why, for the audit log.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let mut caller = Caller::default();
        caller.actor = Some(format!("uid:{}", rustix::process::getuid().as_raw()));
        let user = self.environment.text("USER").or_else(|| self.environment.text("LOGNAME"));
        caller.user = user.map(str::to_owned);
        caller.host = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
        caller.program = Some("secrets".to_owned());
        caller.reason.clone_from(&self.global.reason);
        caller
    }

    /// A library error as this program tells it.
    #[must_use]
    pub fn failure(&self, error: secrets_manager::Error) -> Failure {
        exit::failure(error, &self.places())
    }

    /// How the safe is opened over the backend in force.
    ///
    /// # Errors
    /// As [`backends::in_force`].
    pub fn options(&self) -> Result<Options, Failure> {
        let backend = backends::in_force(&self.configuration, self.places().store())?;
        let mut options = Options::new(backend);
        if self.configuration.settings.backend_kind() == LOCAL {
            options.place = Place::Own;
        }
        options.environment = self.configuration.settings.environment().to_owned();
        options.caller = self.caller();
        if let Some(seconds) = self.configuration.settings.lock_wait {
            options.lock_wait = Duration::from_secs(u32::from(seconds).into());
        }
        Ok(options)
    }

    fn no_safe(&self) -> Failure {
        let failure = format!("there is no safe at {} yet", self.places().data.display());
        let failure = Failure::new(exit::NOT_FOUND, failure);
        if self.configuration.settings.backend_kind() != LOCAL {
            return failure
                .hint("`secrets join` joins the one that the backend holds; `secrets set PATH` makes one");
        }
        failure.hint("`secrets set PATH` makes one and stores a first secret; `secrets init` lets you choose how it opens")
    }
}

/// A passphrase from a file: its content without one line feed at the end.
///
/// # Errors
/// Exit 19 where it cannot be read.
pub(super) fn passphrase_of(path: &Path) -> Result<secrets_backend::SecretBytes, Failure> {
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
