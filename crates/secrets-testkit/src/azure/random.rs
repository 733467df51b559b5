//! Ids that nobody can guess an order from, as the service's are.

use ring::rand::{SecureRandom as _, SystemRandom};

/// 32 lower-case hexadecimal digits: the id of a version.
pub(super) fn hex() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of a tenant, an application, an object.
pub(super) fn guid() -> String {
    let digits = hex();
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}
