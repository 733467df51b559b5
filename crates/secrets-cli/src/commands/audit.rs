//! `audit`: showing, verifying and handing out the log.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use secrets_audit::note::{Note, NoteKey};
use secrets_audit::read::{self, Entries, Entry};
use secrets_audit::{AuditLog, Checkpoint, LogConfig, Report, SigningKey, VerifyingKey, verify_log};
use secrets_backend::Timestamp;
use secrets_manager::Safe;
use serde_json::{Value, json};

use super::Context;
use crate::args::{AuditCommand, OutputArgs};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{exit, names};

/// Shows, verifies or exports.
pub(super) async fn run(context: &Context, command: &AuditCommand) -> Result<u8, Failure> {
    match command {
        AuditCommand::Show { last, path, output } => show(context, *last, path.as_deref(), *output).await,
        AuditCommand::Verify { log, public_key, checkpoint, output } => {
            let key = public_key.as_deref().map(public_key_of).transpose()?;
            let checkpoint = checkpoint.as_deref().map(text_of).transpose()?;
            match (log, key) {
                (Some(log), Some(key)) => verify_file(log, &key, checkpoint.as_deref(), *output),
                (_, key) => verify_own(context, key, checkpoint.as_deref(), *output),
            }
        }
        AuditCommand::Export { directory } => export(context, directory).await,
    }
}

async fn show(context: &Context, last: usize, path: Option<&OsStr>, args: OutputArgs) -> Result<u8, Failure> {
    let path = path.map(names::path).transpose()?;
    let safe = context.open().await?;
    let log = read::snapshot(&context.places().audit_log(), WAIT).map_err(broken)?;
    let mut shown = VecDeque::new();
    // Without a filter the end of the log is enough.
    let log = if path.is_none() { read::last(log, last).map_err(broken)? } else { log };
    for entry in Entries::new(log) {
        let entry = entry.map_err(broken)?;
        let detail = detail(&safe, &entry);
        let on_path = |path: &secrets_backend::SecretPath| {
            detail["paths"].as_array().is_some_and(|paths| paths.iter().any(|one| one == path.as_str()))
        };
        if path.as_ref().is_none_or(on_path) {
            shown.push_back((entry, detail));
            if shown.len() > last {
                shown.pop_front();
            }
        }
    }
    let entries: Vec<Value> = shown.iter().map(|(entry, detail)| fields(entry, detail)).collect();
    output::data(args.chosen(), json!({ "entries": entries }), || {
        let mut table = Table::new(&["SEQ", "TIME", "ACTION", "OUTCOME", "USER", "ON", "REASON"]);
        for (entry, detail) in &shown {
            let text = |field: &str| detail[field].as_str().unwrap_or_default().to_owned();
            table.row([
                entry.seq.to_string(),
                output::time(Timestamp::from_millis(entry.said.ts_ms)),
                entry.said.action.name().to_owned(),
                entry.said.outcome.name().to_owned(),
                text("user"),
                on(detail),
                text("reason"),
            ]);
        }
        table
    })?;
    Ok(exit::DONE)
}

/// The opened detail of an entry; empty where it has none or it was erased.
fn detail(safe: &Safe, entry: &Entry) -> Value {
    let opened = safe.audit_detail(&entry.said.detail);
    opened.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| json!({}))
}

fn on(detail: &Value) -> String {
    let paths: Vec<&str> =
        detail["paths"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match paths.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

fn fields(entry: &Entry, detail: &Value) -> Value {
    let said = &entry.said;
    json!({
        "seq": entry.seq,
        "time": output::time(Timestamp::from_millis(said.ts_ms)),
        "action": said.action.name(),
        "outcome": said.outcome.name(),
        "op": said.op.to_string(),
        "actor": said.actor.as_ref().map(ToString::to_string),
        "code": said.code.as_ref().map(ToString::to_string),
        "user": detail["user"],
        "host": detail["host"],
        "program": detail["program"],
        "reason": detail["reason"],
        "paths": detail["paths"],
        "versions": said.objects.iter().map(|object| object.version).collect::<Vec<_>>(),
    })
}

/// Verifies the safe's own log: every line, then the head, which knows how long the log was.
fn verify_own(
    context: &Context,
    key: Option<VerifyingKey>,
    checkpoint: Option<&str>,
    args: OutputArgs,
) -> Result<u8, Failure> {
    let places = context.places();
    if !places.header().exists() {
        return Err(context.failure(secrets_manager::Error::NoSafe(places.data)));
    }
    let signing = SigningKey::load(&places.installation_key()).map_err(broken)?;
    let key = key.unwrap_or_else(|| signing.verifying_key());
    let log = read::snapshot(&places.audit_log(), WAIT).map_err(broken)?;
    let checkpoints = checkpoints(checkpoint, &key)?;
    let report = verify_log(log, &key, &checkpoints).map_err(broken)?;
    let cut = match report.fault {
        Some(_) => None,
        None => {
            let origin = "verify".parse().map_err(broken)?;
            let config =
                LogConfig { log: places.audit_log(), head: places.audit_head(), origin, lock_wait: WAIT };
            AuditLog::open(config, signing).err().map(|error| error.to_string())
        }
    };
    print(&report, cut, &key, args)
}

fn verify_file(
    log: &Path,
    key: &VerifyingKey,
    checkpoint: Option<&str>,
    args: OutputArgs,
) -> Result<u8, Failure> {
    let file = File::open(log)
        .map_err(|source| Failure::usage(format!("{} cannot be read", log.display())).caused_by(source))?;
    let checkpoints = checkpoints(checkpoint, key)?;
    let report = verify_log(BufReader::new(file), key, &checkpoints).map_err(broken)?;
    print(&report, None, key, args)
}

fn print(report: &Report, cut: Option<String>, key: &VerifyingKey, args: OutputArgs) -> Result<u8, Failure> {
    let fault = report.fault.map(|fault| format!("entry {}: {}", fault.seq, fault.reason)).or(cut);
    let public: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let open: Vec<u64> = report.open_intents.iter().map(|intent| intent.seq).collect();
    let fields = json!({
        "ok": fault.is_none(),
        "entries": report.size,
        "root": report.root.to_base64(),
        "fault": fault,
        "fault_seq": report.fault.map(|fault| fault.seq),
        "open_intents": open,
        "public_key": public,
    });
    output::data(args.chosen(), fields, || {
        let mut table = Table::plain();
        match &fault {
            Some(fault) => table.row(["broken".to_owned(), fault.clone()]),
            None => table.row(["ok".to_owned(), format!("{} entries", report.size)]),
        }
        table.row(["root".to_owned(), report.root.to_base64()]);
        table.row(["public key".to_owned(), public.clone()]);
        if !open.is_empty() {
            table.row(["interrupted".to_owned(), format!("{} calls have no outcome", open.len())]);
        }
        table
    })?;
    Ok(if fault.is_some() { exit::CHECK_FAILED } else { exit::DONE })
}

/// Writes log, checkpoint and public key into a new directory.
async fn export(context: &Context, directory: &Path) -> Result<u8, Failure> {
    if context.global.dry_run {
        output::note(&format!(
            "would write the log, its checkpoint and public key to {}",
            directory.display()
        ));
        return Ok(exit::DONE);
    }
    let safe = context.open().await?;
    let checkpoint = safe.checkpoint().await.map_err(|error| context.failure(error))?;
    let verifier = safe.audit_log().vkey().to_string();
    let mut log = read::snapshot(&context.places().audit_log(), WAIT).map_err(broken)?;
    let write = || {
        fs::DirBuilder::new().mode(0o700).create(directory)?;
        let fresh = |name: &str| {
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(name))
        };
        io::copy(&mut log, &mut fresh("audit.jsonl")?)?;
        fresh("checkpoint")?.write_all(checkpoint.as_bytes())?;
        fresh("public-key")?.write_all(format!("{verifier}\n").as_bytes())
    };
    let mut write = write;
    write().map_err(|source| {
        Failure::other(format!("{} cannot be written", directory.display())).caused_by(source)
    })?;
    output::note(&format!("wrote audit.jsonl, checkpoint and public-key to {}", directory.display()));
    let name = directory.display();
    output::note(&format!(
        "  verify with: secrets audit verify --log {name}/audit.jsonl --public-key \"$(cat {name}/public-key)\" --checkpoint {name}/checkpoint"
    ));
    Ok(exit::DONE)
}

/// A public key: 64 hexadecimal digits, or the form that signed notes use.
fn public_key_of(text: &str) -> Result<VerifyingKey, Failure> {
    let wrong = || {
        Failure::usage(
            "--public-key takes 64 hexadecimal digits, or name+id+base64 as `audit export` writes it",
        )
    };
    if let Ok(key) = text.trim().parse::<NoteKey>() {
        return Ok(*key.key());
    }
    let digits = text.trim().as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())
}

fn checkpoints(note: Option<&str>, key: &VerifyingKey) -> Result<Vec<Checkpoint>, Failure> {
    let Some(text) = note else { return Ok(Vec::new()) };
    let refuse = |source: secrets_audit::Error| {
        Failure::new(exit::CHECK_FAILED, "the checkpoint does not hold").caused_by(source)
    };
    let note: Note = text.parse().map_err(refuse)?;
    // A log's checkpoints are signed under the log's own name, which their first line gives.
    let name = text.lines().next().unwrap_or_default().parse().map_err(refuse)?;
    Ok(vec![Checkpoint::open(&note, &NoteKey::signer(name, *key)).map_err(refuse)?])
}

fn text_of(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|source| Failure::usage(format!("{} cannot be read", path.display())).caused_by(source))
}

fn broken(error: secrets_audit::Error) -> Failure {
    Failure::new(exit::AUDIT, "the audit log cannot be used").caused_by(error)
}

const WAIT: Duration = Duration::from_secs(10);
