//! What JSON and YAML files of secrets are read into: text and mappings, nothing else.

use std::collections::BTreeSet;
use std::fmt;

use secrets_backend::SecretBytes;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Fault, Pair};

/// A tree of mappings with text at its leaves, in the order of the file.
#[derive(Debug)]
pub(super) enum Tree {
    Text(SecretBytes),
    Map(Vec<(String, Self)>),
    /// Something that has no text of its own; the word says what.
    Other(&'static str),
}

impl Tree {
    /// The leaves, named by the names on the way, joined by `/`.
    pub(super) fn into_pairs(self) -> Result<Vec<Pair>, Fault> {
        let Self::Map(entries) = self else {
            return Err(Fault::whole("the file holds no mapping of names to values"));
        };
        let mut pairs = Vec::new();
        flatten("", entries, &mut pairs)?;
        let mut seen = BTreeSet::new();
        match pairs.iter().find(|pair| !seen.insert(pair.name.as_str())) {
            Some(pair) => Err(Fault::whole(format!("`{}` is there twice", shown(&pair.name)))),
            None => Ok(pairs),
        }
    }

    /// Our own words in a parser's message, or a sentence that quotes nothing.
    pub(super) fn reason(message: &str) -> String {
        if message.contains(TWICE) { TWICE.to_owned() } else { "this cannot be read".to_owned() }
    }
}

fn flatten(above: &str, entries: Vec<(String, Tree)>, pairs: &mut Vec<Pair>) -> Result<(), Fault> {
    for (name, tree) in entries {
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        match tree {
            Tree::Text(value) => pairs.push(Pair { name: path, value }),
            Tree::Map(entries) => flatten(&path, entries, pairs)?,
            Tree::Other(what) => {
                return Err(Fault::whole(format!("`{}` is {what}; write it as a string", shown(&path))));
            }
        }
    }
    Ok(())
}

/// A name of the file for people: no control characters, not endless.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() || !c.is_ascii() { '?' } else { c }).collect()
}

const TWICE: &str = "a name is there twice";

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of names to text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text.into()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string().into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string().into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string().into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Other("a number whose digits might not survive"))
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Other("empty (null)"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Tree::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries: Vec<(String, Tree)> = Vec::new();
        let mut names = BTreeSet::new();
        while let Some((name, tree)) = map.next_entry::<String, Tree>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(TWICE));
            }
            entries.push((name, tree));
        }
        Ok(Tree::Map(entries))
    }
}
