//! What every command needs: the configuration, the terminal, and the open safe.

mod make;
mod unlock;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use secrets_backend::{Level, SecretPath, VersionId};
use secrets_manager::{
    Caller, FailoverConfig, Options, Place, Places, Route, Safe, Sealing, Standby, Unlock,
};

use crate::args::Global;
use crate::backends::{Configured, Made};
use crate::config::schema::{EnvironmentSettings, LOCAL, RouteSettings};
use crate::config::topology::{Member, Topology};
use crate::config::{self, Configuration};
use crate::environment::Environment;
use crate::exit;
use crate::failure::Failure;
use crate::prompt::Terminal;
pub(super) use unlock::passphrase_of;

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
    /// What each backend calls itself, and its name in the configuration: looked up when it is first needed, since that
    /// makes every backend.
    pub(super) names: OnceLock<BTreeMap<String, String>>,
}

impl Context {
    /// Loads the configuration that holds in `directory`.
    ///
    /// # Errors
    /// As [`config::load`].
    pub fn new(global: Global, environment: Environment, directory: &Path) -> Result<Self, Failure> {
        let configuration = config::load(&global, &environment, directory)?;
        let terminal = Terminal::look(global.non_interactive);
        Ok(Self { global, environment, configuration, terminal, names: OnceLock::new() })
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

    /// Opens the safe in another way than the configuration says.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub async fn open_as(&self, options: Options) -> Result<Safe, Failure> {
        if !self.places().header().exists() {
            return Err(self.no_safe());
        }
        Safe::open(&self.places(), options, self.unlock()?).await.map_err(|error| self.failure(error))
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

    /// Whether the backend in force keeps the safe's header and keyrings, so that other machines can join.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.configuration.settings.backend_kind() != LOCAL && self.sealing() == Sealing::Sealed
    }

    /// How the safe is opened over the backends of the environment in force.
    ///
    /// # Errors
    /// As [`crate::backends::named`].
    pub fn options(&self) -> Result<Options, Failure> {
        let settings = &self.configuration.settings;
        let mut made = Made::new(&self.configuration, self.places().store());
        let (first, standbys) = members(&mut made, &settings.topology())?;
        let mut options = Options::new(first.backend);
        options.weight = first.weight;
        options.standbys = standbys;
        if !self.is_shared() {
            options.place = Place::Own;
        }
        if let Some(environment) = settings.in_force() {
            options.routes = routes(&mut made, environment)?;
            options.failover.ack = self.ack();
            options.failover.next_on = environment.next_on();
            if let Some(when_down) = environment.when_primary_down {
                options.failover.when_down = when_down.into();
            }
        }
        // With several, the journal carries on what takes longer.
        if options.standbys.is_empty() && options.routes.is_empty() {
            options.write_deadline = made.named(settings.topology().primary.name)?.writes;
        }
        options.failover.require_primary = self.global.require_primary;
        options.failover.max_staleness = self.global.max_staleness.as_deref().map(duration).transpose()?;
        options.sealing = self.sealing();
        Ok(self.with_caller(options))
    }

    /// How far a write has to come in the environment in force.
    #[must_use]
    pub fn ack(&self) -> Level {
        let configured = self.configuration.settings.in_force().and_then(|environment| environment.ack);
        configured.map_or_else(|| FailoverConfig::default().ack, Level::from)
    }

    /// How the safe is opened over one backend alone, whatever the environment says.
    ///
    /// # Errors
    /// As [`crate::backends::named`].
    pub fn options_of(&self, name: &str) -> Result<Options, Failure> {
        let settings = &self.configuration.settings;
        let one = crate::backends::named(name, &self.configuration, self.places().store())?;
        let mut options = Options::new(one.backend);
        if one.kind == LOCAL {
            options.place = Place::Own;
        }
        options.write_deadline = one.writes;
        options.sealing = if settings.seals(name) { Sealing::Sealed } else { Sealing::Plain };
        Ok(self.with_caller(options))
    }

    fn with_caller(&self, mut options: Options) -> Options {
        let settings = &self.configuration.settings;
        options.environment = settings.environment().to_owned();
        options.caller = self.caller();
        if let Some(seconds) = settings.lock_wait {
            options.lock_wait = Duration::from_secs(u32::from(seconds).into());
        }
        options
    }

    /// Whether the backend in force is given sealed values or plain ones.
    fn sealing(&self) -> Sealing {
        let settings = &self.configuration.settings;
        if settings.seals(settings.backend_name()) { Sealing::Sealed } else { Sealing::Plain }
    }

    /// The name of a version, as typed; it is not repeated, since it may be a value in the wrong place.
    ///
    /// # Errors
    /// Exit 2 where values are sealed and it is no number.
    pub fn version(&self, typed: &str) -> Result<VersionId, Failure> {
        let version = VersionId::new(typed);
        if self.sealing() == Sealing::Sealed && version.number().is_none() {
            return Err(Failure::usage("the version of a sealed secret is a number")
                .hint("`secrets history PATH` shows the versions"));
        }
        Ok(version)
    }

    fn no_safe(&self) -> Failure {
        let failure = format!("there is no safe at {} yet", self.places().data.display());
        let failure = Failure::new(exit::NOT_FOUND, failure);
        if self.is_shared() {
            return failure
                .hint("`secrets join` joins the one that the backend holds; `secrets set PATH` makes one");
        }
        failure.hint("`secrets set PATH` makes one and stores a first secret; `secrets init` lets you choose how it opens")
    }
}

/// A time such as `90s` or `15m`.
fn duration(text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.ok_or_else(|| Failure::usage("--max-staleness takes a time such as 90s, 15m or 2h"))
}

/// The backends of a topology: the primary, and those that stand by.
fn members(made: &mut Made<'_>, topology: &Topology<'_>) -> Result<(Standby, Vec<Standby>), Failure> {
    let primary = member(made, &topology.primary)?;
    let standbys = topology.standbys.iter().map(|one| member(made, one)).collect::<Result<_, _>>()?;
    Ok((primary, standbys))
}

fn member(made: &mut Made<'_>, member: &Member<'_>) -> Result<Standby, Failure> {
    let Configured { kind, backend, .. } = made.named(member.name)?;
    let mut standby = Standby::new(backend);
    standby.place = if kind == LOCAL { Place::Own } else { Place::Shared };
    standby.role = member.role;
    standby.weight = member.weight;
    Ok(standby)
}

fn routes(made: &mut Made<'_>, environment: &EnvironmentSettings) -> Result<Vec<Route>, Failure> {
    let route = |(prefix, route): (&String, &RouteSettings)| {
        let prefix = SecretPath::parse(prefix)
            .map_err(|invalid| Failure::config("the prefix of a route").caused_by(invalid))?;
        let (primary, standbys) = members(made, &route.topology())?;
        Ok(Route::new(prefix, primary, standbys))
    };
    environment.routes.iter().map(route).collect()
}

#[cfg(test)]
#[cfg(feature = "azure")]
mod tests {
    use std::fs;

    use super::*;

    /// How long a writing call may take in this environment, and over one backend alone.
    fn write_deadlines(environment: &str) -> [Option<Duration>; 2] {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("config")).unwrap();
        let vault = "[backends.vault]\ntype = \"azure\"\nvault_url = \"https://shop.vault.azure.net\"\n\
                     timeout = 7\nsettle = 40\n";
        let text = format!("{vault}\n[environments.default]\n{environment}\n");
        fs::write(home.path().join("config/config.toml"), text).unwrap();
        let set = [("SECRETS_HOME", home.path().to_str().unwrap())].into_iter().collect();
        let context = Context::new(Global::default(), set, home.path()).unwrap();
        [context.options().unwrap(), context.options_of("vault").unwrap()].map(|found| found.write_deadline)
    }

    #[test]
    fn a_vault_alone_has_the_time_that_it_needs_and_the_journal_carries_on_for_one_among_others() {
        let needed = Some(Duration::from_secs(47));
        assert_eq!(write_deadlines("primary = \"vault\""), [needed; 2]);
        assert_eq!(write_deadlines("primary = \"local\""), [None, needed]);
        assert_eq!(write_deadlines("primary = \"vault\"\nbackup = [\"local\"]"), [None, needed]);
        let routed = "primary = \"vault\"\n[environments.default.routes.\"app\"]\nprimary = \"local\"";
        assert_eq!(write_deadlines(routed), [None, needed]);
    }
}
