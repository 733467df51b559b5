//! `toml`: a table with one quoted key per secret (TOML 1.0).
//!
//! Cannot carry: bytes that are not UTF-8.

use zeroize::Zeroizing;

use super::{CannotCarry, Pair, quoted, text};

/// Writes one line per secret.
///
/// # Errors
/// [`CannotCarry`] for a value that is not UTF-8.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(String::new());
    for pair in pairs {
        let value = text(pair, "toml", &[])?;
        quoted::push(&mut out, &pair.name, quoted::is_plain);
        out.push_str(" = ");
        quoted::push(&mut out, value, quoted::is_plain);
        out.push('\n');
    }
    Ok(Zeroizing::new(std::mem::take(&mut *out).into_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_toml_crate_reads_back_every_text(values in prop::collection::vec(".*|\\PC*|[\\x00-\\x20\"\\\\]*", 1..5)) {
            let pairs: Vec<Pair> =
                values.iter().enumerate().map(|(index, value)| Pair::new(format!("a/{index}"), value.as_str())).collect();
            let file = write(&pairs).unwrap();
            let table: ::toml::Table = std::str::from_utf8(&file).unwrap().parse().unwrap();
            for pair in &pairs {
                prop_assert_eq!(table[&pair.name].as_str(), pair.value.expose_str());
            }
        }
    }
}
