//! What someone with write access to the log does to it, and what the verifier says.

use secrets_audit::note::Note;
use secrets_audit::{
    Action, Checkpoint, Durability, Error, Outcome, Reason, Report, SigningKey, open_line, sign_line,
    verify_log,
};

use super::sample::{self, Place, entry, key, place_with, public, read_of};

fn verify(log: &[u8]) -> Report {
    verify_log(log, &public(), &[]).unwrap()
}

#[track_caller]
fn assert_fault(log: &[u8], seq: u64, reason: Reason) {
    let fault = verify(log).fault.expect("the verifier must notice");
    assert_eq!((fault.seq, fault.reason), (seq, reason));
}

fn lines(log: &[u8]) -> Vec<&[u8]> {
    log.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The checkpoint over all of a place's log.
fn checkpoint(place: &Place) -> Checkpoint {
    let log = place.open().unwrap();
    let note: Note = log.checkpoint().unwrap().parse().unwrap();
    Checkpoint::open(&note, &log.vkey()).unwrap()
}

/// Signs a changed payload as the holder of the key would.
fn resigned(line: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let payload = line.split(|byte| *byte == b'\t').next().unwrap();
    sign_line(change(std::str::from_utf8(payload).unwrap()).as_bytes(), &key())
}

#[test]
fn every_flipped_byte_is_noticed_at_its_entry() {
    let log = place_with(3).bytes();
    let mut seq = 0;
    for index in 0..log.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut flipped = log.clone();
            flipped[index] ^= mask;
            let report = verify(&flipped);
            assert_eq!(report.fault.map(|fault| fault.seq), Some(seq), "byte {index} with {mask:02x}");
            assert_eq!(report.size, seq);
        }
        seq += u64::from(log[index] == b'\n');
    }
}

/// A line alone, outside a log: each bit flipped, each cut, a byte more.
#[test]
fn no_altered_line_opens() {
    let log = place_with(2).bytes();
    let line = lines(&log)[1].strip_suffix(b"\n").unwrap();
    let assert_refused = |altered: &[u8], how: String| {
        let reason = open_line(altered, &public()).unwrap_err();
        assert!([Reason::Malformed, Reason::BadSignature].contains(&reason), "{how}: {reason:?}");
    };
    assert!(open_line(line, &public()).is_ok());
    for at in 0..line.len() {
        for bit in 0..8 {
            let mut flipped = line.to_vec();
            flipped[at] ^= 1 << bit;
            assert_refused(&flipped, format!("bit {bit} of byte {at}"));
        }
        assert_refused(&line[..at], format!("cut at {at}"));
    }
    for more in *b"\0\t\nA=" {
        assert_refused(&[line, &[more]].concat(), format!("byte {more:#x} behind"));
    }
}

#[test]
fn a_byte_behind_the_last_line_is_a_torn_one() {
    let log = place_with(2).bytes();
    for more in [0, b'\t', b'{', 0xff] {
        assert_fault(&[&log[..], &[more]].concat(), 2, Reason::TornTail);
    }
    assert_fault(&[&log[..], b"\n"].concat(), 2, Reason::Malformed);
}

#[test]
fn every_truncation_is_noticed_with_a_checkpoint_and_every_torn_one_without() {
    let place = place_with(4);
    let (log, checkpoint) = (place.bytes(), checkpoint(&place));
    for length in 0..log.len() {
        let cut = &log[..length];
        let whole = lines(cut).iter().filter(|line| line.ends_with(b"\n")).count() as u64;
        let fault = verify(cut).fault;
        if length == 0 || cut.ends_with(b"\n") {
            assert_eq!(fault, None, "length {length}");
        } else {
            assert_eq!(fault.map(|fault| (fault.seq, fault.reason)), Some((whole, Reason::TornTail)));
        }
        let fault = verify_log(cut, &public(), std::slice::from_ref(&checkpoint)).unwrap().fault.unwrap();
        assert_eq!((fault.seq, fault.reason), (whole, Reason::Cut), "length {length}");
    }
    assert_eq!(verify_log(&log[..], &public(), &[checkpoint]).unwrap().fault, None);
}

#[test]
fn removed_repeated_and_reordered_entries_are_noticed() {
    let log = place_with(5).bytes();
    let all = lines(&log);
    assert_fault(&[all[0], all[1], all[3], all[4]].concat(), 2, Reason::WrongSequence);
    assert_fault(&[all[1], all[2]].concat(), 0, Reason::WrongSequence);
    assert_fault(&[all[0], all[2], all[1]].concat(), 1, Reason::WrongSequence);
    assert_fault(&[all[0], all[1], all[1]].concat(), 2, Reason::WrongSequence);
    assert_fault(&[all[0], b"\n", all[1]].concat(), 1, Reason::Malformed);
}

#[test]
fn a_log_signed_again_with_another_key_is_noticed_at_its_first_entry() {
    let other = SigningKey::from_seed(&[1; 32]);
    let log = place_with(3).bytes();
    let payloads = lines(&log).into_iter().map(|line| line.split(|byte| *byte == b'\t').next().unwrap());
    let signed: Vec<u8> = payloads.flat_map(|payload| sign_line(payload, &other)).collect();
    assert_fault(&signed, 0, Reason::BadSignature);
    assert_eq!(verify_log(&signed[..], &other.verifying_key(), &[]).unwrap().fault, None);
}

#[test]
fn an_entry_changed_by_the_holder_of_the_key_breaks_the_chain_after_it() {
    let log = place_with(4).bytes();
    let all = lines(&log);
    let changed = resigned(all[1], |payload| payload.replace("uid:1000", "uid:1001"));
    assert_fault(&[all[0], &changed, all[2], all[3]].concat(), 2, Reason::BrokenChain);
}

#[test]
fn another_spelling_of_an_entry_is_refused_even_when_signed() {
    let log = place_with(2).bytes();
    let all = lines(&log);
    let (long, longer) = ("b".repeat(129), "9".repeat(30));
    let (long, longer) = (format!(r#""boot":"{long}""#), format!(r#""seq":{longer}"#));
    let spellings: [(&str, &str, Reason); 17] = [
        (r#"{"v":1"#, r#"{ "v":1"#, Reason::NotCanonical),
        (r#"{"v":1"#, r#"{"v":2"#, Reason::NotCanonical),
        (r#""seq":1"#, r#""seq":01"#, Reason::NotCanonical),
        (r#""seq":1"#, r#""seq":1e0"#, Reason::NotCanonical),
        (r#""seq":1"#, r#""seq":9007199254740992"#, Reason::NotCanonical),
        (r#""seq":1"#, &longer, Reason::NotCanonical),
        (r#""seq":1"#, r#""seq":"#, Reason::NotCanonical),
        (r#""boot":"b0""#, &long, Reason::NotCanonical),
        (r#""boot":"b0""#, r#""boot":"b 0""#, Reason::NotCanonical),
        (r#""boot":"b0""#, r#""boot":"""#, Reason::NotCanonical),
        (r#""boot":"b0""#, r#""boot":"\u0062""#, Reason::NotCanonical),
        (r#""secret.write""#, r#""secret.peek""#, Reason::UnknownName),
        (r#""error""#, r#""fine""#, Reason::UnknownName),
        (r#""det":"c2VhbGVk""#, r#""det":"c2VhbGV""#, Reason::NotCanonical),
        (r#""det":"c2VhbGVk""#, r#""det":"""#, Reason::NotCanonical),
        (r#""code":"not-found""#, r#""code":"not-found","code":"x""#, Reason::NotCanonical),
        (r#""}"#, r#"","more":1}"#, Reason::NotCanonical),
    ];
    for (old, new, reason) in spellings {
        let changed = resigned(all[1], |payload| {
            assert!(payload.contains(old), "{old}");
            payload.replacen(old, new, 1)
        });
        assert_fault(&[all[0], &changed].concat(), 1, reason);
    }
}

#[test]
fn a_fork_is_noticed_against_a_checkpoint() {
    let (place, other) = (place_with(3), place_with(3));
    place.open().unwrap().append(vec![read_of(100)], Durability::Synced).unwrap();
    other.open().unwrap().append(vec![read_of(200)], Durability::Synced).unwrap();
    let signed = checkpoint(&place);
    other.open().unwrap().append(vec![read_of(201)], Durability::Synced).unwrap();

    assert_eq!(verify(&other.bytes()).fault, None, "a fork is whole by itself");
    let fault = verify_log(&other.bytes()[..], &public(), &[signed]).unwrap().fault.unwrap();
    assert_eq!((fault.seq, fault.reason), (3, Reason::Forked));
}

#[test]
fn several_checkpoints_are_checked_in_any_order() {
    let place = Place::new();
    let empty = checkpoint(&place);
    let log = place.open().unwrap();
    let mut signed = vec![empty];
    for number in 0..6 {
        log.append(vec![read_of(number)], Durability::Synced).unwrap();
        signed.insert(0, checkpoint(&place));
    }
    assert_eq!(verify_log(&place.bytes()[..], &public(), &signed).unwrap().fault, None);
    signed[2].root = signed[3].root;
    let fault = verify_log(&place.bytes()[..], &public(), &signed).unwrap().fault.unwrap();
    assert_eq!((fault.seq, fault.reason), (signed[2].size - 1, Reason::Forked));
}

#[test]
fn a_checkpoint_under_another_name_or_key_is_not_opened() {
    let place = place_with(1);
    let note: Note = place.open().unwrap().checkpoint().unwrap().parse().unwrap();
    let vkey = |name: &str, key: &SigningKey| {
        secrets_audit::note::NoteKey::signer(name.parse().unwrap(), key.verifying_key())
    };
    let name = sample::origin();
    assert!(Checkpoint::open(&note, &vkey(name.as_str(), &key())).is_ok());
    for wrong in [vkey("other", &key()), vkey(name.as_str(), &SigningKey::from_seed(&[9; 32]))] {
        assert!(matches!(Checkpoint::open(&note, &wrong), Err(Error::BadSignature(_))));
    }
    let stranger =
        Note::sign("someone.else\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", &name, &key()).unwrap();
    assert!(
        Checkpoint::open(&stranger, &vkey(name.as_str(), &key())).is_err(),
        "the origin must be the key's name"
    );
}

#[test]
fn an_endless_line_is_refused_in_bounded_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'a'));
    let fault = verify_log(endless, &public(), &[]).unwrap().fault.unwrap();
    assert_eq!((fault.seq, fault.reason), (0, Reason::TooLong));
}

#[test]
fn intents_without_an_outcome_are_listed() {
    let place = Place::new();
    let log = place.open().unwrap();
    let write = |number, outcome| entry(number, Action::SecretWrite, outcome);
    let said = vec![
        write(1, Outcome::Intent),
        write(2, Outcome::Intent),
        write(3, Outcome::Intent),
        write(2, Outcome::Ok),
        read_of(4),
        write(3, Outcome::Unknown),
    ];
    log.append(said, Durability::Synced).unwrap();
    let report = place.verify();
    assert_eq!(report.fault, None);
    let open: Vec<_> = report.open_intents.iter().map(|intent| (intent.seq, intent.op.to_string())).collect();
    assert_eq!(open, [(0, format!("{:032x}", 1))]);
    assert_eq!(report.untracked_intents, 0);
}
