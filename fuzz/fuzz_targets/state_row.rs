//! No row opens that was not sealed; one that was opens in its own place, and not with one bit changed.
#![no_main]
use secrets_fuzz::{Numbers, ROOT, SAFE};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let key = ROOT.state_key(&SAFE);
    assert!(key.open_row("marks", b"key", data).is_err());
    let mut row = key.seal_row("marks", b"key", data, &mut Numbers(9)).expect("the numbers never end");
    assert_eq!(*key.open_row("marks", b"key", &row).expect("what was sealed opens"), data);
    assert!(key.open_row("marks", b"kez", &row).is_err() && key.open_row("mark", b"skey", &row).is_err());
    let at = data.first().map_or(0, |byte| usize::from(*byte) * row.len() / 256);
    row[at] ^= 1;
    assert!(key.open_row("marks", b"key", &row).is_err(), "byte {at}");
});
