//! A keyring as bytes, and back.

use std::collections::BTreeMap;

use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use super::{Epoch, KeyState, Keyring, TenantRoot};
use crate::aead::{self, WRAPPED_KEY_LEN, sealed_len};
use crate::bytes::Reader;
use crate::{Error, Key, Result, RootKey, SafeId, Suite, TenantId, separation};

pub(super) fn seal<R: TryCryptoRng + ?Sized>(
    keyring: &Keyring,
    root: &RootKey,
    rng: &mut R,
) -> Result<Vec<u8>> {
    let (safe, tenant, suite) = (keyring.safe, keyring.tenant, keyring.suite);
    let content = encode_content(keyring);
    let name_len = sealed_len(keyring.name.len());
    let sealed_content_len = sealed_len(content.len());
    let roots_len = keyring.roots.len() * ROOT_LEN;
    let total = FIXED_LEN + roots_len + name_len + sealed_content_len;

    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_be_bytes());
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(safe.as_bytes());
    out.extend_from_slice(tenant.as_bytes());
    out.push(suite.number());
    out.extend_from_slice(&(keyring.roots.len() as u16).to_be_bytes());
    for (id, tenant_root) in &keyring.roots {
        let id = id.to_be_bytes();
        out.extend_from_slice(&id);
        out.push(tenant_root.state.number());
        match &tenant_root.key {
            Some(key) => {
                let context = [separation::TENANT, safe.as_bytes(), tenant.as_bytes(), &id];
                out.extend_from_slice(&aead::seal(suite, &root.0, &context, key.expose(), rng)?);
            }
            None => out.extend_from_slice(&[0; WRAPPED_KEY_LEN]),
        }
    }
    let context = [separation::TENANT_NAME, safe.as_bytes(), tenant.as_bytes()];
    out.extend_from_slice(&(name_len as u16).to_be_bytes());
    out.extend_from_slice(&aead::seal(suite, &root.0, &context, keyring.name.as_bytes(), rng)?);
    let (id, key) = keyring.active_root().ok_or(Error::NoActiveEpoch)?;
    out.extend_from_slice(&id.to_be_bytes());
    let context = [separation::KEYRING, safe.as_bytes(), tenant.as_bytes(), &out];
    let sealed = aead::seal(suite, key, &context, &content, rng)?;
    out.extend_from_slice(&sealed);
    Ok(out)
}

pub(super) fn open(bytes: &[u8], root: &RootKey, safe: SafeId, tenant: TenantId) -> Result<Keyring> {
    let frame = Frame::parse(bytes, safe, tenant)?;
    let roots = frame.open_roots(root)?;
    let context = [separation::TENANT_NAME, safe.as_bytes(), tenant.as_bytes()];
    let name = aead::open(frame.suite, &root.0, &context, frame.sealed_name)?;
    let name = std::str::from_utf8(&name).map_err(|_| MALFORMED)?.to_owned();
    let key = roots.get(&frame.active_root).and_then(|tenant_root| tenant_root.key.as_ref());
    let (index, detail, epochs) = frame.open_content(key.ok_or(MALFORMED)?)?;
    if name.len() > Keyring::MAX_NAME_LEN {
        return Err(MALFORMED);
    }
    Ok(Keyring { safe, tenant, name, suite: Suite::detect(), roots, index, detail, epochs })
}

/// A later form of `known`, opened by the tenant root keys that are known already: its epochs, without its tenant
/// root keys; and whether it has everything that `known` has. `None` where it is sealed under a key that is not known.
pub(super) fn open_known(bytes: &[u8], known: &Keyring) -> Result<Option<(Keyring, bool)>> {
    let (safe, tenant) = (known.safe, known.tenant);
    let frame = Frame::parse(bytes, safe, tenant)?;
    let key = known.roots.get(&frame.active_root).and_then(|tenant_root| tenant_root.key.as_ref());
    let Some(key) = key else { return Ok(None) };
    let (index, detail, epochs) = frame.open_content(key)?;
    let has_roots = known.roots.iter().all(|(id, ours)| {
        let theirs = frame.roots.iter().find(|theirs| theirs.id == *id);
        theirs.is_some_and(|theirs| theirs.state >= ours.state)
    });
    let has_epochs =
        known.epochs.iter().all(|(id, ours)| epochs.get(id).is_some_and(|theirs| theirs.state >= ours.state));
    let (name, roots) = (known.name.clone(), BTreeMap::new());
    let keyring = Keyring { safe, tenant, name, suite: known.suite, roots, index, detail, epochs };
    Ok(Some((keyring, has_roots && has_epochs)))
}

/// A sealed keyring in its parts, none of them opened.
struct Frame<'a> {
    safe: SafeId,
    tenant: TenantId,
    suite: Suite,
    roots: Vec<WrappedRoot<'a>>,
    sealed_name: &'a [u8],
    active_root: u32,
    /// Everything before the sealed content, which authenticates it.
    before: &'a [u8],
    sealed_content: &'a [u8],
}

struct WrappedRoot<'a> {
    id: u32,
    state: KeyState,
    wrapped: &'a [u8],
}

impl<'a> Frame<'a> {
    fn parse(bytes: &'a [u8], safe: SafeId, tenant: TenantId) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len()).ok_or(MALFORMED)? != MAGIC {
            return Err(MALFORMED);
        }
        let found = reader.u16().ok_or(MALFORMED)?;
        if found != FORMAT {
            return Err(Error::UnsupportedFormat { what: "the keyring", found });
        }
        if reader.len32().ok_or(MALFORMED)? != bytes.len() {
            return Err(MALFORMED);
        }
        if reader.array().ok_or(MALFORMED)? != *safe.as_bytes() {
            return Err(Error::ForeignSafe);
        }
        if reader.array().ok_or(MALFORMED)? != *tenant.as_bytes() {
            return Err(Error::ForeignTenant);
        }
        let suite = reader.u8().and_then(Suite::from_number).ok_or(MALFORMED)?;
        let roots = parse_roots(&mut reader).ok_or(MALFORMED)?;
        let name_len = reader.u16().ok_or(MALFORMED)?;
        let sealed_name = reader.take(name_len.into()).ok_or(MALFORMED)?;
        let active_root = reader.u32().ok_or(MALFORMED)?;
        let sealed_content = reader.rest();
        let before = &bytes[..bytes.len() - sealed_content.len()];
        Ok(Self { safe, tenant, suite, roots, sealed_name, active_root, before, sealed_content })
    }

    fn open_roots(&self, root: &RootKey) -> Result<BTreeMap<u32, TenantRoot>> {
        let open = |one: &WrappedRoot<'_>| {
            let key = if one.state == KeyState::Destroyed {
                None
            } else {
                let id = one.id.to_be_bytes();
                let context = [separation::TENANT, self.safe.as_bytes(), self.tenant.as_bytes(), &id];
                let opened = aead::open(self.suite, &root.0, &context, one.wrapped)?;
                Some(Key::from_opened(&opened)?)
            };
            Ok((one.id, TenantRoot { state: one.state, key }))
        };
        self.roots.iter().map(open).collect()
    }

    fn open_content(&self, tenant_root: &Key) -> Result<(Key, Key, BTreeMap<u32, Epoch>)> {
        let context = [separation::KEYRING, self.safe.as_bytes(), self.tenant.as_bytes(), self.before];
        let content = aead::open(self.suite, tenant_root, &context, self.sealed_content)?;
        decode_content(&content).ok_or(MALFORMED)
    }
}

/// Ids ascend strictly and are not 0; a destroyed key is zeros.
fn parse_roots<'a>(reader: &mut Reader<'a>) -> Option<Vec<WrappedRoot<'a>>> {
    let count = usize::from(reader.u16()?);
    if count > Keyring::MAX_ROOTS {
        return None;
    }
    let mut roots: Vec<WrappedRoot<'_>> = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.u32()?;
        let state = KeyState::from_number(reader.u8()?)?;
        let wrapped = reader.take(WRAPPED_KEY_LEN)?;
        let is_zero = wrapped.iter().all(|&byte| byte == 0);
        let last = roots.last().map_or(0, |last| last.id);
        if id <= last || (state == KeyState::Destroyed && !is_zero) {
            return None;
        }
        roots.push(WrappedRoot { id, state, wrapped });
    }
    Some(roots)
}

fn encode_content(keyring: &Keyring) -> Zeroizing<Vec<u8>> {
    // The exact length, so that no growth leaves a copy of a key behind.
    let len = 2 * Key::LEN + 2 + keyring.epochs.len() * EPOCH_LEN;
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    out.extend_from_slice(keyring.index.expose());
    out.extend_from_slice(keyring.detail.expose());
    out.extend_from_slice(&(keyring.epochs.len() as u16).to_be_bytes());
    for (id, epoch) in &keyring.epochs {
        out.extend_from_slice(&id.to_be_bytes());
        out.push(epoch.state.number());
        out.extend_from_slice(&epoch.created_ms.to_be_bytes());
        out.extend_from_slice(epoch.key.as_ref().map_or(&[0; Key::LEN][..], |key| key.expose()));
    }
    out
}

fn decode_content(content: &[u8]) -> Option<(Key, Key, BTreeMap<u32, Epoch>)> {
    let mut reader = Reader::new(content);
    let index = read_key(&mut reader)?;
    let detail = read_key(&mut reader)?;
    let mut epochs = BTreeMap::new();
    let count = usize::from(reader.u16()?);
    if count > Keyring::MAX_EPOCHS {
        return None;
    }
    for _ in 0..count {
        let id = reader.u32()?;
        let state = KeyState::from_number(reader.u8()?)?;
        let created_ms = reader.u64()?;
        let key = if state == KeyState::Destroyed {
            reader.take(Key::LEN).filter(|key| key.iter().all(|&byte| byte == 0))?;
            None
        } else {
            Some(read_key(&mut reader)?)
        };
        insert_ascending(&mut epochs, id, Epoch { created_ms, state, key })?;
    }
    reader.end()?;
    Some((index, detail, epochs))
}

fn read_key(reader: &mut Reader<'_>) -> Option<Key> {
    reader.take(Key::LEN)?.try_into().ok().map(Key::from_bytes)
}

/// One form for one map: ids ascend strictly and are not 0.
fn insert_ascending<T>(map: &mut BTreeMap<u32, T>, id: u32, value: T) -> Option<()> {
    let ascends = map.last_key_value().is_none_or(|(last, _)| *last < id);
    if id == 0 || !ascends {
        return None;
    }
    map.insert(id, value);
    Some(())
}

const MAGIC: &[u8; 4] = b"SEVK";
const FORMAT: u16 = 1;
/// Id, state, wrapped key.
const ROOT_LEN: usize = 4 + 1 + WRAPPED_KEY_LEN;
/// Id, state, creation, key.
const EPOCH_LEN: usize = 4 + 1 + 8 + Key::LEN;
/// Magic, format, size, safe id, tenant id, suite, count of roots, length of the name, id of the root key.
const FIXED_LEN: usize = 4 + 2 + 4 + 16 + 16 + 1 + 2 + 2 + 4;
const MALFORMED: Error = Error::Malformed("the keyring");

/// The fullest keyring: every part at its longest.
pub(super) const MAX_LEN: usize = FIXED_LEN
    + Keyring::MAX_ROOTS * ROOT_LEN
    + sealed_len(Keyring::MAX_NAME_LEN)
    + sealed_len(2 * Key::LEN + 2 + Keyring::MAX_EPOCHS * EPOCH_LEN);

// It fits where a service takes 25 KB of base64, and every length fits its field.
const _: () = assert!(MAX_LEN.div_ceil(3) * 4 <= 25_000);
const _: () = assert!(Keyring::MAX_ROOTS <= u16::MAX as usize);
const _: () = assert!(Keyring::MAX_EPOCHS <= u16::MAX as usize);
const _: () = assert!(sealed_len(Keyring::MAX_NAME_LEN) <= u16::MAX as usize);

#[cfg(test)]
mod tests {
    use getrandom::SysRng;

    use super::*;

    #[test]
    fn the_content_never_grows_while_it_is_written_so_that_no_copy_of_a_key_is_left_behind() {
        let (safe, tenant) = (SafeId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let mut keyring = Keyring::create(safe, tenant, "", 0, Suite::Aes256Gcm, &mut SysRng).unwrap();
        for _ in 0..9 {
            let content = encode_content(&keyring);
            assert_eq!(content.capacity(), content.len());
            keyring.rotate(0, &mut SysRng).unwrap();
        }
    }
}
