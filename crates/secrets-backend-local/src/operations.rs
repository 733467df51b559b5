//! The operations of the contract as work on rows, the same for every engine. Each runs in one snapshot or
//! one transaction, and none reads more rows than it answers or changes.
//!
//! Those that write read first: one that is refused has written nothing, and others may share its
//! transaction.

use std::ops::ControlFlow;

use secrets_backend::{
    ErrorKind, Listed, NewSecret, Page, PageToken, PutMode, Secret, SecretPath, Timestamp, VersionId,
    VersionMeta, VersionState, Written,
};

use crate::engine::{Rows, RowsMut, Table};
use crate::fault::Fault;
use crate::rows::{self, ENVIRONMENT_KEY, EnvironmentRow, IndexRow, VersionRow};

/// A value, ready to be written.
pub(crate) struct Put<'a> {
    pub(crate) path: &'a SecretPath,
    pub(crate) secret: &'a NewSecret,
    /// The metadata as JSON; empty where there is none.
    pub(crate) metadata: &'a [u8],
    pub(crate) mode: &'a PutMode,
    pub(crate) now: Timestamp,
    /// How many versions are kept.
    pub(crate) keep: u64,
}

/// How many rows a page of a listing looks at, for each one that it may show: a long run of deleted secrets
/// gives a short page rather than a long wait.
const SCANNED_PER_LISTED: usize = 8;

pub(crate) fn get(rows: &dyn Rows, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret, Fault> {
    let index = index(rows, path)?.ok_or(ErrorKind::NotFound)?;
    let (number, created, stamp) = match at {
        None if index.deleted => return Err(ErrorKind::NotFound.into()),
        None => (index.newest, index.updated, index.stamp),
        Some(id) => {
            let number = id.number().filter(|number| index.holds(*number)).ok_or(ErrorKind::NotFound)?;
            let key = rows::version_key(path, number);
            let row = rows.get(Table::Versions, &key)?.ok_or_else(|| missing("versions"))?;
            let version = VersionRow::decode(&key, &row)?;
            (number, version.created, version.stamp)
        }
    };
    let key = rows::version_key(path, number);
    let row = rows.get(Table::Values, &key)?.ok_or_else(|| missing("values"))?;
    let (metadata, value) = rows::decode_value(&key, row)?;
    let mut secret = Secret::new(VersionId::from_number(number), value);
    secret.metadata = metadata;
    secret.stamp = stamp;
    secret.created = Some(created);
    Ok(secret)
}

pub(crate) fn versions(rows: &dyn Rows, path: &SecretPath) -> Result<Vec<VersionMeta>, Fault> {
    let index = index(rows, path)?.ok_or(ErrorKind::NotFound)?;
    let mut metas = Vec::new();
    let (from, to) = version_range(path, &index);
    rows.scan(Table::Versions, &from, &to, &mut |key, row| {
        let version = VersionRow::decode(key, row)?;
        let number = rows::version_number(key)?;
        let mut meta = VersionMeta::new(VersionId::from_number(number));
        meta.created = Some(version.created);
        meta.stamp = version.stamp;
        if index.deleted && number == index.newest {
            meta.state = VersionState::Deleted;
        }
        metas.push(meta);
        Ok(ControlFlow::Continue(()))
    })?;
    let expected = index.newest - index.oldest + 1;
    if metas.len() as u64 == expected { Ok(metas) } else { Err(missing("versions")) }
}

pub(crate) fn list(
    rows: &dyn Rows,
    prefix: Option<&SecretPath>,
    page: Option<&PageToken>,
    page_size: usize,
) -> Result<Page, Fault> {
    let after = page.map(|token| cursor(token, prefix)).transpose()?;
    let mut listing = Listing { page: Page::default(), seen: 0, last: None, page_size, full: false };
    for (from, to) in list_ranges(prefix) {
        let from = match &after {
            // The first key after a path is the path and a zero byte.
            Some(after) => from.max([after.as_bytes(), &[0]].concat()),
            None => from,
        };
        if !listing.full {
            rows.scan(Table::Index, &from, &to, &mut |key, row| listing.visit(key, row))?;
        }
    }
    Ok(listing.page)
}

pub(crate) fn put(rows: &mut dyn RowsMut, put: &Put<'_>) -> Result<Written, Fault> {
    let Put { path, secret, metadata, mode, now, keep } = *put;
    let known = index(rows, path)?;
    check_mode(mode, known.as_ref())?;
    let mut environment = environment(rows)?;
    let newest = known.as_ref().map_or(environment.floor, |known| known.newest) + 1;
    let oldest = known.as_ref().map_or(newest, |known| known.oldest);
    let kept_from = oldest.max((newest + 1).saturating_sub(keep));
    for number in oldest..kept_from {
        remove_version(rows, path, number)?;
    }
    let key = rows::version_key(path, newest);
    let version = VersionRow { created: now, stamp: secret.stamp.clone() };
    rows.put(Table::Values, &key, &rows::encode_value(&key, metadata, secret.value.expose()))?;
    rows.put(Table::Versions, &key, &version.encode(&key))?;
    let index =
        IndexRow { deleted: false, newest, oldest: kept_from, updated: now, stamp: secret.stamp.clone() };
    write_index(rows, path, &index)?;
    if known.is_none_or(|known| known.deleted) {
        environment.live += 1;
        write_environment(rows, &environment)?;
    }
    Ok(Written::version(VersionId::from_number(newest)).with_stamp(secret.stamp.clone()))
}

pub(crate) fn delete(rows: &mut dyn RowsMut, path: &SecretPath) -> Result<Written, Fault> {
    let known = index(rows, path)?.filter(|known| !known.deleted).ok_or(ErrorKind::NotFound)?;
    let mut environment = environment(rows)?;
    write_index(rows, path, &IndexRow { deleted: true, ..known })?;
    environment.live = environment.live.saturating_sub(1);
    write_environment(rows, &environment)?;
    Ok(Written::default())
}

pub(crate) fn undelete(rows: &mut dyn RowsMut, path: &SecretPath) -> Result<Written, Fault> {
    let known = index(rows, path)?.filter(|known| known.deleted).ok_or(ErrorKind::NotFound)?;
    let mut environment = environment(rows)?;
    write_index(rows, path, &IndexRow { deleted: false, ..known })?;
    environment.live += 1;
    write_environment(rows, &environment)?;
    Ok(Written::default())
}

pub(crate) fn purge(rows: &mut dyn RowsMut, path: &SecretPath) -> Result<Written, Fault> {
    let known = index(rows, path)?.ok_or(ErrorKind::NotFound)?;
    let mut environment = environment(rows)?;
    for number in known.oldest..=known.newest {
        remove_version(rows, path, number)?;
    }
    rows.remove(Table::Index, path.as_str().as_bytes())?;
    environment.floor = environment.floor.max(known.newest);
    if !known.deleted {
        environment.live = environment.live.saturating_sub(1);
    }
    write_environment(rows, &environment)?;
    Ok(Written::default())
}

/// How many secrets are live.
pub(crate) fn live(rows: &dyn Rows) -> Result<u64, Fault> {
    Ok(environment(rows)?.live)
}

impl IndexRow {
    /// Whether a version can be read: kept, and not hidden by a deletion.
    const fn holds(&self, number: u64) -> bool {
        self.oldest <= number && number <= self.newest && !(self.deleted && number == self.newest)
    }
}

/// A page of a listing, while it is being filled.
struct Listing {
    page: Page,
    /// Rows looked at so far.
    seen: usize,
    /// The path looked at last.
    last: Option<SecretPath>,
    page_size: usize,
    full: bool,
}

impl Listing {
    fn visit(&mut self, key: &[u8], row: &[u8]) -> Result<ControlFlow<()>, Fault> {
        if self.page.items.len() >= self.page_size || self.seen >= self.page_size * SCANNED_PER_LISTED {
            self.full = true;
            self.page.next = self.last.as_ref().map(|last| PageToken::new(last.as_str()));
            return Ok(ControlFlow::Break(()));
        }
        let path = std::str::from_utf8(key)
            .ok()
            .and_then(|text| stored_path(text).ok())
            .ok_or_else(|| Fault::damaged("a key of table index is no path"))?;
        let index = IndexRow::decode(key, row)?;
        if !index.deleted {
            let mut listed = Listed::new(path.clone());
            listed.updated = Some(index.updated);
            listed.stamp = index.stamp;
            self.page.items.push(listed);
        }
        self.seen += 1;
        self.last = Some(path);
        Ok(ControlFlow::Continue(()))
    }
}

/// Where a listing looks: everything, or the prefix itself and what is below it. `app` and `app/x` are not
/// neighbours: `app-x` lies between them.
fn list_ranges(prefix: Option<&SecretPath>) -> Vec<(Vec<u8>, Vec<u8>)> {
    match prefix {
        // No path starts with a byte above 0x7f.
        None => vec![(Vec::new(), vec![0x80])],
        Some(prefix) => {
            let own = prefix.as_str().as_bytes();
            // `0` is the character after `/`.
            vec![(own.to_vec(), [own, &[0]].concat()), ([own, b"/"].concat(), [own, b"0"].concat())]
        }
    }
}

fn cursor(token: &PageToken, prefix: Option<&SecretPath>) -> Result<String, Fault> {
    stored_path(token.as_str())
        .ok()
        .filter(|path| prefix.is_none_or(|prefix| path.is_under(prefix)))
        .map(|path| path.as_str().to_owned())
        .ok_or_else(|| Fault::new(ErrorKind::InvalidInput, "this page token is not of this listing"))
}

/// A path as it may stand in the store: behind prefixes, reserved ones too.
fn stored_path(text: &str) -> Result<SecretPath, secrets_backend::InvalidPath> {
    SecretPath::native(text)
}

fn check_mode(mode: &PutMode, known: Option<&IndexRow>) -> Result<(), Fault> {
    let current = known.filter(|known| !known.deleted).map(|known| VersionId::from_number(known.newest));
    match (mode, current) {
        (PutMode::Create, Some(_)) => Err(ErrorKind::AlreadyExists.into()),
        (PutMode::Replace(expected), current) if current.as_ref() != Some(expected) => {
            Err(ErrorKind::Conflict.into())
        }
        _ => Ok(()),
    }
}

fn index<R: Rows + ?Sized>(rows: &R, path: &SecretPath) -> Result<Option<IndexRow>, Fault> {
    let key = path.as_str().as_bytes();
    rows.get(Table::Index, key)?.map(|row| IndexRow::decode(key, &row)).transpose()
}

fn environment<R: Rows + ?Sized>(rows: &R) -> Result<EnvironmentRow, Fault> {
    let row = rows.get(Table::Environment, ENVIRONMENT_KEY)?;
    row.map_or(Ok(EnvironmentRow::default()), |row| EnvironmentRow::decode(&row))
}

fn write_index(rows: &mut dyn RowsMut, path: &SecretPath, index: &IndexRow) -> Result<(), Fault> {
    rows.put(Table::Index, path.as_str().as_bytes(), &index.encode(path))
}

fn write_environment(rows: &mut dyn RowsMut, environment: &EnvironmentRow) -> Result<(), Fault> {
    rows.put(Table::Environment, ENVIRONMENT_KEY, &environment.encode())
}

fn remove_version(rows: &mut dyn RowsMut, path: &SecretPath, number: u64) -> Result<(), Fault> {
    let key = rows::version_key(path, number);
    rows.remove(Table::Versions, &key)?;
    rows.remove(Table::Values, &key)
}

fn version_range(path: &SecretPath, index: &IndexRow) -> (Vec<u8>, Vec<u8>) {
    (rows::version_key(path, index.oldest), rows::version_key(path, index.newest + 1))
}

fn missing(table: &'static str) -> Fault {
    Fault::damaged(format!("a row of table {table} is missing"))
}
