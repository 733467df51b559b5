//! `shell`: `export NAME='…'` lines for `eval "$(secrets export --format shell)"` in a POSIX shell.
//!
//! Cannot carry: NUL bytes; names that are no identifiers. Other bytes need not be UTF-8.

use zeroize::Zeroizing;

use super::{CannotCarry, Class, Pair, is_identifier};

/// Writes one `export` per secret.
///
/// # Errors
/// [`CannotCarry`] for a NUL byte or a name that is no identifier.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(Vec::new());
    for pair in pairs {
        let cannot = |class| CannotCarry { name: pair.name.clone(), format: "shell", class };
        if !is_identifier(&pair.name) {
            return Err(cannot(Class::Name));
        }
        if pair.value.expose().contains(&0) {
            return Err(cannot(Class::Nul));
        }
        out.extend_from_slice(format!("export {}='", pair.name).as_bytes());
        for &byte in pair.value.expose() {
            // Inside single quotes a shell reads every byte as it is; a quote itself has to step outside.
            if byte == b'\'' {
                out.extend_from_slice(b"'\\''");
            } else {
                out.push(byte);
            }
        }
        out.extend_from_slice(b"'\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_every_byte_but_nul() {
        let all: Vec<u8> = (1..=255).collect();
        let script = write(&[Pair::new("ALL", all.clone()), Pair::new("EMPTY", "")]).unwrap();
        let mut command = [&script[..], b"printf %s \"$ALL\"; printf %s \"$EMPTY\""].concat();
        command.push(b'\n');
        let output = Command::new("sh")
            .env("LC_ALL", "C")
            .arg("-c")
            .arg(std::ffi::OsStr::from_bytes(&command))
            .output()
            .unwrap();
        assert_eq!(output.stdout, all);
    }

    #[test]
    fn nul_and_odd_names_are_refused_by_name() {
        assert_eq!(write(&[Pair::new("A", "x\0")]).unwrap_err().class, Class::Nul);
        for name in ["1A", "A-B", "", "A;rm", "É"] {
            assert_eq!(write(&[Pair::new(name, "x")]).unwrap_err().class, Class::Name, "{name}");
        }
    }
}
