//! One command of the rounds.

use std::sync::Arc;

use anyhow::Result;

use super::model::Model;
use crate::proof::random::Random;
use crate::proof::secrets::Safe;

/// Secrets that are written; few enough for histories to grow, too many for one to fill up its kept versions.
const SECRETS: u64 = 40;
/// Secrets of one import.
const IMPORTED: u64 = 5;

/// A command, with the values that it writes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Set {
        path: String,
        value: Arc<[u8]>,
    },
    /// All or nothing, each below `import/`
    Import {
        values: Vec<(String, Arc<[u8]>)>,
    },
    Delete {
        path: String,
    },
    Undelete {
        path: String,
    },
    Get {
        path: String,
    },
}

impl Step {
    /// A step that succeeds when it is not killed.
    pub(crate) fn choose(random: &mut Random, model: &Model, round: u32) -> Self {
        let path = format!("app/secret-{}", random.below(SECRETS));
        match (random.below(20), model.is_live(&path)) {
            (0..4, _) => {
                let first = random.below(SECRETS);
                let value = |number: u64| {
                    Arc::from(format!("imported in round {round}, number {number}").into_bytes())
                };
                let name = |number: u64| format!("KEY_{}", (first + number) % SECRETS);
                Self::Import { values: (0..IMPORTED).map(|number| (name(number), value(number))).collect() }
            }
            (4..6, Some(true)) => Self::Delete { path },
            (4..10, Some(false)) => Self::Undelete { path },
            (6..11, Some(true)) => Self::Get { path },
            _ => {
                // Up to some tens of kilobytes, so that some values need pages of their own.
                let length = 16 << random.below(12);
                let value = format!("round {round} ").into_bytes().into_iter().cycle().take(length).collect();
                Self::Set { path, value }
            }
        }
    }

    /// The arguments, and what is written to standard input.
    pub(crate) fn command(&self, safe: &Safe) -> Result<(Vec<String>, Vec<u8>)> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match self {
            Self::Set { path, value } => (words(&["set", path, "-", "--raw"]), value.to_vec()),
            Self::Import { values } => {
                let file = safe.file("import.env");
                let lines = values
                    .iter()
                    .map(|(name, value)| format!("{name}='{}'\n", String::from_utf8_lossy(value)));
                std::fs::write(&file, lines.collect::<String>())?;
                (words(&["import", &file.to_string_lossy(), "--prefix", "import"]), Vec::new())
            }
            Self::Delete { path } => (words(&["delete", path, "--yes"]), Vec::new()),
            Self::Undelete { path } => (words(&["undelete", path]), Vec::new()),
            Self::Get { path } => (words(&["get", path]), Vec::new()),
        })
    }

    /// How much longer it takes than one write.
    pub(crate) const fn weight(&self) -> u64 {
        match self {
            Self::Import { .. } => IMPORTED,
            _ => 1,
        }
    }

    /// Whether it had said that it was done before it was killed.
    pub(crate) fn acknowledged(&self, said: &str) -> bool {
        let word = match self {
            Self::Set { .. } => "set ",
            Self::Import { .. } => "imported ",
            Self::Delete { .. } => "deleted ",
            Self::Undelete { .. } => "brought ",
            Self::Get { .. } => return false,
        };
        said.lines().any(|line| line.starts_with(word))
    }

    /// What it adds to the history of each secret: a value, or `None` for a deletion or for the value before it.
    pub(crate) fn writes(&self) -> Vec<(String, Write)> {
        match self {
            Self::Set { path, value } => vec![(path.clone(), Write::Value(Arc::clone(value)))],
            Self::Import { values } => values
                .iter()
                .map(|(name, value)| (format!("import/{name}"), Write::Value(Arc::clone(value))))
                .collect(),
            Self::Delete { path } => vec![(path.clone(), Write::Deletion)],
            Self::Undelete { path } => vec![(path.clone(), Write::Last)],
            Self::Get { .. } => Vec::new(),
        }
    }
}

/// One version to come.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Value(Arc<[u8]>),
    Deletion,
    /// The value before the deletion
    Last,
}
