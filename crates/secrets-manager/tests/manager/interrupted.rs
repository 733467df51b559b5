//! A making of a safe that was cut short: the next command completes it or starts anew, by itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrets_manager::{Error, InitOptions, Places, init};

use crate::harness::{Home, set, value};

/// What the interrupted step left of its file.
#[derive(Clone, Copy, Debug)]
enum Leftover {
    Nothing,
    /// The file beside its place, empty.
    Empty,
    /// The file beside its place, half of it.
    Half,
    /// The file under both names, as between a link and the removal of the first name.
    Twice,
}

#[tokio::test]
async fn an_init_that_was_cut_short_after_any_step_is_completed_or_started_anew() {
    let whole = Home::new().await;
    let steps = steps(&whole.places);
    for done in 0..=steps.len() {
        for leftover in [Leftover::Nothing, Leftover::Empty, Leftover::Half, Leftover::Twice] {
            let home = Home::empty();
            for step in &steps[..done] {
                copy(&whole.places, &home.places, step, 1.0, "");
            }
            if let Some(next) = steps.get(done) {
                leave(&whole.places, &home.places, next, leftover);
            }
            continues(&home, &format!("{leftover:?} after {done} steps")).await;
        }
    }
}

/// Whatever is there, a safe is there after `init`, and it works.
async fn continues(home: &Home, when: &str) {
    let had_header = home.places.header().exists();
    match init(&home.places, InitOptions::with_key_file(&home.places)).await {
        Ok(_) => assert!(!had_header, "{when}: a second safe was made"),
        Err(error) => assert!(had_header && matches!(error, Error::SafeExists(_)), "{when}: {error}"),
    }
    let safe = home.open().await;
    set(&safe, "app/key", when).await;
    assert_eq!(value(&home.open().await, "app/key").await, when);
    assert_eq!(home.verified(&safe).fault, None, "{when}");
}

/// The files of a new safe, in the order in which they are made durable.
fn steps(places: &Places) -> Vec<PathBuf> {
    let keyring = fs::read_dir(places.keyrings()).unwrap().next().unwrap().unwrap().path();
    let steps = vec![
        places.key_file.clone(),
        keyring,
        places.installation_key(),
        places.header(),
        places.audit_log(),
        places.audit_head(),
    ];
    steps.iter().for_each(|step| assert!(step.exists(), "{}", step.display()));
    steps
}

fn leave(whole: &Places, to: &Places, step: &Path, leftover: Leftover) {
    let is_log = step.starts_with(&whole.state) && step != whole.installation_key();
    match leftover {
        Leftover::Nothing => {}
        // The log and its head are written in place.
        Leftover::Empty if is_log => copy(whole, to, step, 0.0, ""),
        Leftover::Half | Leftover::Twice if is_log => copy(whole, to, step, 0.5, ""),
        Leftover::Empty => copy(whole, to, step, 0.0, ".new"),
        Leftover::Half => copy(whole, to, step, 0.5, ".new"),
        Leftover::Twice => {
            copy(whole, to, step, 1.0, "");
            let copied = moved(whole, to, step);
            fs::hard_link(&copied, format!("{}.new", copied.display())).unwrap();
        }
    }
}

/// Copies a share of a file to the same place of another safe.
fn copy(whole: &Places, to: &Places, file: &Path, share: f64, suffix: &str) {
    let bytes = fs::read(file).unwrap();
    let target = PathBuf::from(format!("{}{suffix}", moved(whole, to, file).display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(target.parent().unwrap()).unwrap();
    fs::write(&target, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
}

fn moved(whole: &Places, to: &Places, file: &Path) -> PathBuf {
    for (from, to) in [(&whole.data, &to.data), (&whole.state, &to.state)] {
        if let Ok(relative) = file.strip_prefix(from) {
            return to.join(relative);
        }
    }
    to.key_file.clone()
}
