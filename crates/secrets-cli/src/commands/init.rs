//! `init`: a safe with the slots that the user chooses.

use secrets_manager::{InitOptions, NewSlot};

use super::Context;
use super::key::{kdf, new_passphrase, show_phrase};
use crate::args::InitArgs;
use crate::failure::Failure;
use crate::{exit, output};

/// Makes a safe.
pub(super) async fn run(context: &Context, args: &InitArgs) -> Result<u8, Failure> {
    let places = context.places();
    if places.header().exists() {
        return Err(context.failure(secrets_manager::Error::SafeExists(places.data)));
    }
    if let Err(failure) = context.look_for_safe().await {
        if failure.code() == exit::CONFLICT {
            return Err(failure);
        }
        output::warn(&format!("it is not known whether the backend already holds a safe: {failure}"));
    }
    if args.recovery_phrase && !context.terminal.stderr {
        return Err(Failure::usage("a recovery phrase is shown on a terminal only, and there is none")
            .hint("leave --recovery-phrase out; `secrets key add recovery-phrase` makes one later"));
    }
    let mut slots = Vec::new();
    if !args.no_key_file {
        slots.push((NewSlot::KeyFile(places.key_file.clone()), "key file".to_owned()));
    }
    if args.passphrase {
        let passphrase = new_passphrase(context, context.configuration.settings.passphrase_file.as_deref())?;
        slots.push((NewSlot::Passphrase { passphrase, kdf: kdf(context, None) }, "passphrase".to_owned()));
    }
    if args.recovery_phrase {
        slots.push((NewSlot::RecoveryPhrase, "recovery phrase".to_owned()));
    }
    if context.global.dry_run {
        output::note(&format!("would make a safe at {} with {} slots", places.data.display(), slots.len()));
        return Ok(exit::DONE);
    }
    let mut options = InitOptions::with_slots(slots);
    options.caller = context.caller();
    let made = secrets_manager::init(&places, options).await.map_err(|error| context.failure(error))?;
    context.introduce(&made);
    if let Some(words) = &made.recovery_phrase {
        show_phrase(words);
    }
    Ok(exit::DONE)
}
