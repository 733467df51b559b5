//! What the binary says when it cannot go on.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::exit;

/// A failed command: what happened, the next thing to try, and the exit code.
///
/// Nothing in it came from a value.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    silent: bool,
}

impl Failure {
    /// A failure with one of the codes of [`crate::exit`].
    #[must_use]
    pub fn new(code: u8, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), hint: None, source: None, silent: false }
    }

    /// Wrong usage or invalid input: exit 2.
    #[must_use]
    pub fn usage(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Configuration or trust: exit 3.
    #[must_use]
    pub fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(exit::CONFIG, message)
    }

    /// Anything without a code of its own: exit 1.
    #[must_use]
    pub fn other(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(exit::OTHER, message)
    }

    /// Says nothing, only ends with this code: the command has printed its findings already.
    #[must_use]
    pub fn silent(code: u8) -> Self {
        Self { silent: true, ..Self::new(code, "") }
    }

    /// The same with the next thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its cause, which is printed after a colon.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Whether it has nothing to print.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The next thing to try.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// One line: the message and its causes, separated by colons.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Failure {}
