//! `gha`: lines for the file that `$GITHUB_ENV` names in GitHub Actions, in its heredoc form.
//!
//! Cannot carry: bytes that are not UTF-8, NUL, carriage returns (the runner takes them for line ends).

use zeroize::Zeroizing;

use super::{CannotCarry, Class, Pair, text};

/// Writes one heredoc per secret, behind a delimiter that no line of the value equals.
///
/// # Errors
/// [`CannotCarry`] for the classes above.
pub fn write(pairs: &[Pair]) -> Result<Zeroizing<Vec<u8>>, CannotCarry> {
    let mut out = Zeroizing::new(Vec::new());
    for pair in pairs {
        let value = text(pair, "gha", &[Class::Nul, Class::CarriageReturn])?;
        let mut delimiter = String::from("END_OF_SECRET");
        while value.split('\n').any(|line| line == delimiter) {
            delimiter.push('_');
        }
        for part in [&pair.name, "<<", &delimiter, "\n", value, "\n", &delimiter, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runner's rule: everything between the delimiter lines, joined by line feeds.
    fn runner_reads(file: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut lines = file.split('\n');
        while let Some((name, delimiter)) = lines.next().and_then(|line| line.split_once("<<")) {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            pairs.push((name.to_owned(), value.join("\n")));
        }
        pairs
    }

    #[test]
    fn a_value_that_holds_the_delimiter_cannot_end_the_heredoc() {
        let evil = "a\nEND_OF_SECRET\nPATH<<X\n/tmp\nX";
        let file = write(&[Pair::new("A", evil), Pair::new("B", ""), Pair::new("C", "x\n")]).unwrap();
        let read = runner_reads(std::str::from_utf8(&file).unwrap());
        assert_eq!(
            read,
            [("A".into(), evil.into()), ("B".into(), String::new()), ("C".into(), "x\n".into())]
        );
    }

    #[test]
    fn a_carriage_return_is_refused() {
        assert_eq!(write(&[Pair::new("A", "x\r\n")]).unwrap_err().class, Class::CarriageReturn);
    }
}
