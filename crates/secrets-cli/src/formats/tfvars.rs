//! `tfvars`: `name = "value"` lines for Terraform and OpenTofu.
//!
//! Cannot carry: bytes that are not UTF-8, NUL; names that are no identifiers. Terraform itself brings text
//! into Unicode's normal form C when it reads it.

use zeroize::Zeroizing;

use super::{CannotCarry, Class, Pair, is_identifier, quoted, text};

/// Writes one assignment per secret; `${` and `%{` are escaped, so nothing in a value is evaluated.
///
/// # Errors
/// [`CannotCarry`] for the classes above.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(String::new());
    for pair in pairs {
        let value = text(pair, "tfvars", &[Class::Nul])?;
        if !is_identifier(&pair.name) {
            return Err(CannotCarry { name: pair.name.clone(), format: "tfvars", class: Class::Name });
        }
        let literal = Zeroizing::new(value.replace("${", "$${").replace("%{", "%%{"));
        out.push_str(&pair.name);
        out.push_str(" = ");
        quoted::push(&mut out, &literal, quoted::is_plain);
        out.push('\n');
    }
    Ok(Zeroizing::new(std::mem::take(&mut *out).into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_quotes_are_escaped() {
        let file = write(&[Pair::new("a", "x\"${var.b}%{ if }\\\n\u{7f}é")]).unwrap();
        assert_eq!(std::str::from_utf8(&file).unwrap(), "a = \"x\\\"$${var.b}%%{ if }\\\\\\n\\u007Fé\"\n");
    }

    #[test]
    fn binary_and_nul_are_refused() {
        assert_eq!(write(&[Pair::new("a", &b"\xff"[..])]).unwrap_err().class, Class::NotUtf8);
        assert_eq!(write(&[Pair::new("a", "\0")]).unwrap_err().class, Class::Nul);
    }
}
