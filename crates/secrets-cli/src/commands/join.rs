//! `join`: this machine becomes another installation of the safe that the backend holds.

use std::path::PathBuf;

use secrets_manager::{Error, FoundSafe, JoinOptions, Place, Safe, Unlock};

use super::Context;
use crate::args::JoinArgs;
use crate::config::schema::LOCAL;
use crate::failure::Failure;
use crate::{exit, output};

/// Joins, once the fingerprint was compared.
pub(super) async fn run(context: &Context, args: &JoinArgs) -> Result<u8, Failure> {
    let places = context.places();
    if places.header().exists() {
        return Err(context.failure(Error::SafeExists(places.data)));
    }
    if !context.is_shared() {
        let kind = if context.configuration.settings.backend_kind() == LOCAL {
            "the local backend"
        } else {
            "a backend of plain values"
        };
        return Err(Failure::usage(format!("{kind} holds nothing that another installation could join"))
            .hint("name the one that does with --backend or --environment"));
    }
    let (found, place) = find(context).await?;
    let unlock = context.unlock_found(&found.slots())?;
    // Nobody wants to type 24 words for each command.
    let is_own = args.own_key_file || matches!(unlock, Unlock::RecoveryPhrase(_));
    let own_key = is_own.then(|| context.configuration.places.key_file());
    let opens = own_key.clone().or_else(|| key_file(&unlock));
    let unlocked = found.unlock(unlock).await.map_err(|error| context.failure(error))?;
    compare(context, args.fingerprint.as_deref(), &unlocked.fingerprint())?;
    if context.global.dry_run {
        output::note(&format!("would join the safe at {place}"));
        return Ok(exit::DONE);
    }
    let mut options = JoinOptions::default();
    options.caller = context.caller();
    options.key_file.clone_from(&own_key);
    let joined = unlocked.join(&places, options).await.map_err(|error| context.failure(error))?;
    output::note(&format!("secrets: joined the safe {} at {place}", joined.safe));
    output::note(&format!("  data      {}", places.data.display()));
    output::note(&format!("  audit log {}", places.state.display()));
    match own_key {
        Some(file) => output::note(&format!("  key file  {}  (its own, mode 0600)", file.display())),
        None if context.global.key_file.is_some() => output::note(&format!(
            "Later commands need the key file, too: put it at {}, or name it as `key_file` in the configuration.",
            context.configuration.places.key_file().display()
        )),
        None => {}
    }
    if !joined.listed {
        output::warn("the backend does not list this installation yet; the first write adds it");
    }
    look_for_newest(context, opens).await;
    Ok(exit::DONE)
}

fn key_file(unlock: &Unlock) -> Option<PathBuf> {
    match unlock {
        Unlock::KeyFile(file) => Some(file.clone()),
        _ => None,
    }
}

/// This installation has seen nothing yet: only several backends together show that one of them is behind.
async fn look_for_newest(context: &Context, key_file: Option<PathBuf>) {
    let compared = match (context.options(), key_file) {
        (Ok(options), Some(file)) if !options.standbys.is_empty() => {
            let safe = Safe::open(&context.places(), options, Unlock::KeyFile(file)).await;
            let safe = safe.map_err(|error| context.failure(error));
            match safe {
                Ok(safe) => safe.learn_newest().await.map_err(|error| context.failure(error)),
                Err(failure) => Err(failure),
            }
        }
        _ => Ok(1),
    };
    match compared {
        Ok(0 | 1) => {
            output::note("freshness unverified: one backend alone cannot show that it has the newest")
        }
        Ok(_) => {}
        Err(failure) => output::warn(&format!("freshness unverified: {failure}")),
    }
}

/// The safe at the backends of the environment, in the newest form that one of those has that answer.
///
/// What the others have of it is merged with the first use of each.
async fn find(context: &Context) -> Result<(FoundSafe, String), Failure> {
    let options = context.options()?;
    let primary = options.backend.to_string();
    let others = options.standbys.into_iter().filter(|standby| standby.place == Place::Shared);
    let backends = std::iter::once(options.backend).chain(others.map(|standby| standby.backend));
    let (mut newest, mut failure): (Option<(FoundSafe, String)>, _) = (None, None);
    for backend in backends {
        let place = backend.to_string();
        match secrets_manager::find(backend, options.deadline).await {
            Ok(Some(found)) => match &newest {
                Some((known, _)) if known.id() != found.id() => {
                    let other = format!("{place} holds another safe than {}", known.place());
                    return Err(Failure::config(other).hint("name the one to join with --backend"));
                }
                Some((known, _)) if known.sequence() >= found.sequence() => {}
                _ => newest = Some((found, place)),
            },
            Ok(None) => {}
            Err(error) => {
                output::warn(&format!("{}: {error}", context.name_of(&place)));
                failure.get_or_insert(error);
            }
        }
    }
    match (newest, failure) {
        (Some(newest), _) => Ok(newest),
        (None, Some(error)) => Err(context.failure(error)),
        (None, None) => Err(context.failure(Error::NoSafeThere(primary))),
    }
}

/// Whoever holds the backend could offer a safe of their own: its fingerprint tells.
fn compare(context: &Context, wanted: Option<&str>, found: &str) -> Result<(), Failure> {
    output::note(&format!("secrets: the safe has the fingerprint {found}"));
    let plain = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
    match wanted {
        Some(wanted) if plain(wanted) == plain(found) => Ok(()),
        Some(_) => Err(Failure::new(exit::TAMPERED, "this is not the fingerprint that was given")
            .hint("compare with `secrets key fingerprint` of an installation that you trust")),
        None if context.global.yes => Ok(()),
        None if context.terminal.can_ask() => {
            match context
                .terminal
                .confirm("Does `secrets key fingerprint` show the same on a machine that uses the safe?")?
            {
                true => Ok(()),
                false => Err(Failure::other("nothing was joined")),
            }
        }
        None => Err(Failure::usage("nobody can be asked to compare the fingerprint")
            .hint("name the expected one with --fingerprint")),
    }
}
