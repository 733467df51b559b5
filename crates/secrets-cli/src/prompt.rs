//! Questions to a person, on a terminal only.

use std::io::{self, BufRead, IsTerminal, Write};

use secrets_backend::SecretBytes;

use crate::failure::Failure;

/// What standard input, output and error are, and whether a person may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terminal {
    /// Standard input is a terminal.
    pub stdin: bool,
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is a terminal.
    pub stderr: bool,
    /// Nobody may be asked, whatever is a terminal.
    pub silent: bool,
}

impl Terminal {
    /// Looks at the three streams.
    #[must_use]
    pub fn look(non_interactive: bool) -> Self {
        Self {
            stdin: io::stdin().is_terminal(),
            stdout: io::stdout().is_terminal(),
            stderr: io::stderr().is_terminal(),
            silent: non_interactive,
        }
    }

    /// Whether a person can be asked: both ways are a terminal and nobody forbade it.
    #[must_use]
    pub fn can_ask(self) -> bool {
        self.stdin && self.stderr && !self.silent
    }

    /// Asks for something without echo.
    ///
    /// # Errors
    /// Exit 2 where nobody can be asked.
    pub fn hidden(self, what: &str) -> Result<SecretBytes, Failure> {
        if !self.can_ask() {
            return Err(Failure::usage(format!("{what} cannot be asked for: there is no terminal")));
        }
        rpassword::prompt_password(format!("{what}: "))
            .map(SecretBytes::from)
            .map_err(|source| Failure::usage(format!("{what} was not given")).caused_by(source))
    }

    /// Asks for something without echo, twice.
    ///
    /// # Errors
    /// Exit 2 where nobody can be asked, or both answers differ.
    pub fn hidden_twice(self, what: &str) -> Result<SecretBytes, Failure> {
        let first = self.hidden(what)?;
        if self.hidden(&format!("{what}, again"))? == first {
            Ok(first)
        } else {
            Err(Failure::usage("the two answers differ; nothing was changed"))
        }
    }

    /// Asks a question that `y` or `yes` affirms; anything else is a no.
    ///
    /// # Errors
    /// Exit 2 where the answer cannot be read.
    pub fn confirm(self, question: &str) -> Result<bool, Failure> {
        let mut answer = String::new();
        let ask = || {
            write!(io::stderr(), "{question} [y/N] ")?;
            io::stderr().flush()?;
            io::stdin().lock().read_line(&mut answer)
        };
        let mut ask = ask;
        ask().map_err(|source| Failure::usage("the answer cannot be read").caused_by(source))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
    }
}
