//! `key`: what unlocks the safe.

use std::path::Path;

use secrets_backend::SecretBytes;
use secrets_crypto::KdfParams;
use secrets_manager::{NewSlot, SlotInfo, SlotKind as Kind};
use serde_json::json;

use super::Context;
use super::context::passphrase_of;
use crate::args::{KdfChoice, KeyCommand, OutputArgs, SlotKind};
use crate::config::schema::Kdf;
use crate::failure::Failure;
use crate::output::Table;
use crate::{exit, output};

/// Lists, adds or removes slots.
pub(super) async fn run(context: &Context, command: &KeyCommand) -> Result<u8, Failure> {
    match command {
        KeyCommand::List(args) => list(context, *args),
        KeyCommand::Add { kind, label, out, new_passphrase_file, kdf: choice } => {
            let slot = new_slot(context, *kind, out.as_deref(), new_passphrase_file.as_deref(), *choice)?;
            add(context, slot, label).await
        }
        KeyCommand::Rotate(args) => rotate(context, *args).await,
        KeyCommand::Fingerprint(args) => fingerprint(context, *args).await,
        KeyCommand::Remove { slot } => remove(context, *slot).await,
    }
}

fn list(context: &Context, args: OutputArgs) -> Result<u8, Failure> {
    let status = secrets_manager::status(&context.places()).map_err(|error| context.failure(error))?;
    output::data(args.chosen(), json!({ "slots": slots_json(&status.slots) }), || {
        let mut table = Table::new(&["SLOT", "KIND", "DERIVATION", "LABEL"]);
        for slot in &status.slots {
            table.row([
                slot.id.to_string(),
                kind_name(slot.kind).into(),
                kdf_name(slot.kdf),
                slot.label.clone(),
            ]);
        }
        table
    })?;
    Ok(exit::DONE)
}

fn new_slot(
    context: &Context,
    kind: SlotKind,
    out: Option<&Path>,
    passphrase_file: Option<&Path>,
    choice: Option<KdfChoice>,
) -> Result<NewSlot, Failure> {
    match kind {
        SlotKind::KeyFile => {
            let path = out.ok_or_else(|| Failure::usage("--out names the new key file"))?;
            let path = std::path::absolute(path)
                .map_err(|source| Failure::usage("--out is not a file name").caused_by(source))?;
            Ok(NewSlot::KeyFile(path))
        }
        SlotKind::Passphrase => {
            let passphrase = new_passphrase(context, passphrase_file)?;
            Ok(NewSlot::Passphrase { passphrase, kdf: kdf(context, choice) })
        }
        SlotKind::RecoveryPhrase if context.terminal.stderr => Ok(NewSlot::RecoveryPhrase),
        SlotKind::RecoveryPhrase => {
            Err(Failure::usage("a recovery phrase is shown on a terminal only, and there is none"))
        }
    }
}

async fn add(context: &Context, slot: NewSlot, label: &str) -> Result<u8, Failure> {
    if context.global.dry_run {
        output::note("would add a slot");
        return Ok(exit::DONE);
    }
    let (safe, unlock) = context.open_twice().await?;
    let slots = safe.slots(unlock);
    let added = slots.add(slot, label).await.map_err(|error| context.failure(error))?;
    output::note(&format!("added slot {}", added.id));
    if let Some(words) = &added.recovery_phrase {
        show_phrase(words);
    }
    Ok(exit::DONE)
}

async fn remove(context: &Context, slot: u8) -> Result<u8, Failure> {
    if context.global.dry_run {
        output::note(&format!("would remove slot {slot}"));
        return Ok(exit::DONE);
    }
    // What was removed by mistake cannot be put back, and with the last key gone the secrets are, too.
    if !context.global.yes && !context.terminal.can_ask() {
        return Err(Failure::usage("removing a slot needs --yes when nobody can be asked")
            .hint("`secrets key list` shows what each slot is"));
    }
    let (safe, unlock) = context.open_twice().await?;
    let question = format!("Remove slot {slot}? What opens it will no longer open the safe.");
    if !context.global.yes && !context.terminal.confirm(&question)? {
        return Err(Failure::other("nothing was removed"));
    }
    let slots = safe.slots(unlock);
    slots.remove(slot).await.map_err(|error| context.failure(error))?;
    output::note(&format!("removed slot {slot}"));
    Ok(exit::DONE)
}

async fn rotate(context: &Context, args: OutputArgs) -> Result<u8, Failure> {
    if context.global.dry_run {
        output::note("would make a new key");
        return Ok(exit::DONE);
    }
    let (safe, unlock) = context.open_twice().await?;
    let rotated = safe.rotate_epoch(unlock).await.map_err(|error| context.failure(error))?;
    let epoch = format!("{:08x}", rotated.epoch);
    output::data(args.chosen(), json!({ "epoch": epoch, "epochs": rotated.epochs }), || {
        let mut table = Table::plain();
        table.row(["epoch".to_owned(), epoch.clone()]);
        table.row(["epochs".to_owned(), format!("{} of at most 256", rotated.epochs)]);
        table
    })?;
    output::note("What is written from now on is sealed under the new key; what is there stays as it is.");
    Ok(exit::DONE)
}

async fn fingerprint(context: &Context, args: OutputArgs) -> Result<u8, Failure> {
    let safe = context.open().await?;
    let fingerprint = safe.fingerprint();
    output::data(args.chosen(), json!({ "fingerprint": fingerprint }), || {
        let mut table = Table::plain();
        table.row([fingerprint.clone()]);
        table
    })?;
    Ok(exit::DONE)
}

/// A new passphrase: from a file, or asked for twice.
pub(super) fn new_passphrase(context: &Context, file: Option<&Path>) -> Result<SecretBytes, Failure> {
    match file {
        Some(file) => passphrase_of(file),
        None => context.terminal.hidden_twice("New passphrase"),
    }
}

/// How a new passphrase slot stretches: as configured, unless the command line names a function.
pub(super) fn kdf(context: &Context, choice: Option<KdfChoice>) -> KdfParams {
    let configured = context.configuration.settings.passphrase;
    let kdf = match choice {
        Some(KdfChoice::Argon2id) => Kdf::Argon2id,
        Some(KdfChoice::Pbkdf2) => Kdf::Pbkdf2,
        None => configured.kdf,
    };
    match (kdf, KdfParams::ARGON2ID_DEFAULT, KdfParams::PBKDF2_DEFAULT) {
        (Kdf::Argon2id, KdfParams::Argon2id { memory_kib, time, lanes }, _) => KdfParams::Argon2id {
            memory_kib: configured.memory.map_or(memory_kib, |mib| mib.saturating_mul(1024)),
            time: configured.time.unwrap_or(time),
            lanes: configured.lanes.unwrap_or(lanes),
        },
        (Kdf::Pbkdf2, _, KdfParams::Pbkdf2 { iterations }) => {
            KdfParams::Pbkdf2 { iterations: configured.iterations.unwrap_or(iterations) }
        }
        (_, default, _) => default,
    }
}

/// Shows a recovery phrase, once.
pub(super) fn show_phrase(words: &str) {
    output::note("Recovery phrase, shown this once. Write it on paper and keep it away from this machine:");
    for (row, words) in words.split(' ').collect::<Vec<_>>().chunks(6).enumerate() {
        output::note(&format!("  {:>2}  {}", row * 6 + 1, words.join(" ")));
    }
}

/// Slots for programs.
pub(super) fn slots_json(slots: &[SlotInfo]) -> serde_json::Value {
    let one = |slot: &SlotInfo| json!({ "slot": slot.id, "kind": kind_name(slot.kind), "derivation": kdf_name(slot.kdf), "label": slot.label });
    slots.iter().map(one).collect()
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::KeyFile => "key-file",
        Kind::Passphrase => "passphrase",
        Kind::RecoveryPhrase => "recovery-phrase",
        _ => "unknown",
    }
}

fn kdf_name(kdf: KdfParams) -> String {
    match kdf {
        KdfParams::Hkdf => "HKDF".to_owned(),
        KdfParams::Argon2id { memory_kib, time, lanes } => {
            format!("Argon2id, {} MiB, {time} passes, {lanes} lanes", memory_kib / 1024)
        }
        KdfParams::Pbkdf2 { iterations } => format!("PBKDF2, {iterations} iterations"),
    }
}
