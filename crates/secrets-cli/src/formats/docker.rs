//! `docker`: files for `docker run --env-file`, one `NAME=VALUE` a line without any quoting.
//!
//! Cannot carry: bytes that are not UTF-8, NUL, line feeds, carriage returns (Docker drops one at a line's
//! end), lines over 65,535 bytes (the buffer of Docker's line scanner).

use zeroize::Zeroizing;

use super::{CannotCarry, Class, Pair, text};

/// The longest line that Docker reads, in bytes, without its line feed.
pub const MAX_LINE: usize = 65_535;

/// Writes one line per secret.
///
/// # Errors
/// [`CannotCarry`] for the classes above.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(Vec::new());
    for pair in pairs {
        let value = text(pair, "docker", &[Class::Nul, Class::LineFeed, Class::CarriageReturn])?;
        if pair.name.len() + 1 + value.len() > MAX_LINE {
            let class = Class::TooLong { max: MAX_LINE };
            return Err(CannotCarry { name: pair.name.clone(), format: "docker", class });
        }
        out.extend_from_slice(pair.name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_as_they_are() {
        let file = write(&[Pair::new("A", "x 'y' \"z\" #no $comment "), Pair::new("B", "")]).unwrap();
        assert_eq!(&file[..], b"A=x 'y' \"z\" #no $comment \nB=\n");
    }

    #[test]
    fn each_class_is_refused_by_its_name() {
        for (value, class) in [
            (&b"\xff"[..], Class::NotUtf8),
            (b"a\0", Class::Nul),
            (b"a\nb", Class::LineFeed),
            (b"a\r", Class::CarriageReturn),
        ] {
            assert_eq!(write(&[Pair::new("A", value)]).unwrap_err().class, class);
        }
        assert!(write(&[Pair::new("A", vec![b'x'; MAX_LINE - 2])]).is_ok());
        assert!(write(&[Pair::new("A", vec![b'x'; MAX_LINE - 1])]).is_err());
    }
}
