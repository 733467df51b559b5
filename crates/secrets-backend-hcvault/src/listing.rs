//! Pages of a tree of folders, which the server lists one folder at a time.
//!
//! Paths are visited in the order of their segments, a secret before the folder of its name. A page token is the last
//! path of the page, so a listing goes on where it was, whatever was written or deleted meanwhile.

use secrets_backend::{PageToken, SecretPath};

use crate::failure::Failure;
use crate::store::Store;

/// Up to `limit` names at and below `prefix`, after the one that `page` names.
pub(crate) async fn names(
    store: &dyn Store,
    prefix: Option<&SecretPath>,
    page: Option<&PageToken>,
    limit: usize,
) -> Result<Vec<SecretPath>, Failure> {
    let after = page.map(|token| SecretPath::native(token.as_str())).transpose();
    let after = after.map_err(|_| Failure::invalid("the page token is of another listing"))?;
    let is_next = |path: &SecretPath| after.as_ref().is_none_or(|after| is_before(after, path));
    let mut found = Vec::new();
    // Folders are last in, first out: their names are pushed in reverse.
    let mut open: Vec<Node> = match prefix {
        Some(prefix) => vec![Node::Folder(prefix.to_string()), Node::Secret(prefix.clone())],
        None => vec![Node::Folder(String::new())],
    };
    while let Some(node) = open.pop() {
        match node {
            Node::Secret(path) => {
                if is_next(&path) {
                    found.push(path);
                    if found.len() == limit {
                        break;
                    }
                }
            }
            Node::Folder(folder) => {
                let keys = store.folder(&folder).await?;
                let mut nodes: Vec<Node> = keys.iter().filter_map(|key| node_of(&folder, key)).collect();
                nodes.retain(|node| match node {
                    Node::Secret(_) => true,
                    Node::Folder(below) => after.as_ref().is_none_or(|after| may_hold_next(below, after)),
                });
                nodes.sort_by(|a, b| b.order().cmp(&a.order()));
                open.extend(nodes);
            }
        }
    }
    Ok(found)
}

enum Node {
    Secret(SecretPath),
    Folder(String),
}

impl Node {
    /// By name, the secret before the folder.
    fn order(&self) -> (&str, bool) {
        match self {
            Self::Secret(path) => (path.as_str(), false),
            Self::Folder(path) => (path, true),
        }
    }
}

/// A name of the server's; none for one that is no name of ours.
fn node_of(folder: &str, key: &str) -> Option<Node> {
    let (name, is_folder) = key.strip_suffix('/').map_or((key, false), |name| (name, true));
    if name.contains('/') {
        return None;
    }
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let path = SecretPath::native(&path).ok()?;
    Some(if is_folder { Node::Folder(path.to_string()) } else { Node::Secret(path) })
}

/// By segments: `a`, `a/x`, `a-b`.
fn is_before(a: &SecretPath, b: &SecretPath) -> bool {
    a.segments().lt(b.segments())
}

/// Whether something in a folder may come after a path: where the path is in it, or before it.
fn may_hold_next(folder: &str, after: &SecretPath) -> bool {
    let inside = after.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    inside || after.segments().lt(folder.split('/')) || after.as_str() == folder
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's runtime")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use secrets_backend::{NewSecret, PutMode, Secret, VersionId, VersionMeta, async_trait};

    use super::*;
    use crate::store::{Line, missing};

    /// A server's folders over a set of paths.
    #[derive(Debug)]
    struct Folders(BTreeSet<String>);

    #[async_trait]
    impl Store for Folders {
        fn has_versions(&self) -> bool {
            true
        }

        async fn folder(&self, folder: &str) -> Result<Vec<String>, Failure> {
            let below = |path: &String| {
                let rest =
                    if folder.is_empty() { path } else { path.strip_prefix(folder)?.strip_prefix('/')? };
                Some(rest.split_once('/').map_or(rest.to_owned(), |(name, _)| format!("{name}/")))
            };
            Ok(self.0.iter().filter_map(below).collect::<BTreeSet<_>>().into_iter().collect())
        }

        async fn get(&self, _: &SecretPath, _: Option<&VersionId>) -> Result<Secret, Failure> {
            Err(missing())
        }

        async fn put(&self, _: &SecretPath, _: &NewSecret, _: &PutMode) -> Result<VersionId, Failure> {
            Err(missing())
        }

        async fn delete(&self, _: &SecretPath) -> Result<(), Failure> {
            Err(missing())
        }

        async fn undelete(&self, _: &SecretPath) -> Result<(), Failure> {
            Err(missing())
        }

        async fn purge(&self, _: &SecretPath) -> Result<(), Failure> {
            Err(missing())
        }

        async fn versions(&self, _: &SecretPath) -> Result<Vec<VersionMeta>, Failure> {
            Err(missing())
        }

        async fn lines(&self, _: &[SecretPath]) -> Vec<Line> {
            Vec::new()
        }
    }

    fn all_pages(paths: &BTreeSet<String>, prefix: Option<&str>, limit: usize) -> Vec<String> {
        let folders = Folders(paths.clone());
        let prefix = prefix.map(|text| SecretPath::native(text).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut found, mut page) = (Vec::new(), None);
            loop {
                let names = names(&folders, prefix.as_ref(), page.as_ref(), limit).await.unwrap();
                found.extend(names.iter().map(SecretPath::to_string));
                match names.last().filter(|_| names.len() == limit) {
                    Some(last) => page = Some(PageToken::new(last.as_str())),
                    None => return found,
                }
            }
        })
    }

    proptest! {
        #[test]
        fn every_path_is_on_one_page_whatever_its_size(
            paths in prop::collection::btree_set("[ab](-[ab])?(/[ab](-a)?){0,3}", 0..30),
            limit in 1_usize..7,
        ) {
            let mut found = all_pages(&paths, None, limit);
            found.sort();
            prop_assert_eq!(found, paths.iter().cloned().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_prefix_is_listed_with_what_is_below_it() {
        let paths = ["app", "app/x", "app/x/y", "app-b", "apple"].map(str::to_owned).into();
        assert_eq!(all_pages(&paths, Some("app"), 2), ["app", "app/x", "app/x/y"]);
    }

    #[test]
    fn names_that_are_none_of_ours_are_left_out() {
        assert!(node_of("", "a b").is_none() && node_of("", ".hidden").is_none());
        assert!(node_of("", "../").is_none() && node_of("a", "b/c").is_none());
    }
}
