//! Which backend is the primary, where somebody promoted another than the configuration names.
//!
//! Promotions of an environment are counted by its term, which is sealed into every version. The newest is kept here and,
//! as an envelope whose version is the term, at each backend: so an installation that was not there learns of it.

use secrets_backend::{ErrorKind, Metadata, Result, SecretBytes, SecretPath, StampKind};
use secrets_multicloud::FailoverBackend;

use crate::control::{Control, Object, Stored};
use crate::seal::someone_else_wrote;
use crate::tenant::{Draft, Tenant};

/// Who was promoted in an environment, up to its newest term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promotion {
    pub(crate) term: u64,
    /// The backends that were promoted, by their own names, the last one last: each leads the routes that it is in, as
    /// far as none after it does. Each is named once.
    pub(crate) primaries: Vec<String>,
}

impl Promotion {
    /// What follows `known` where `name` is promoted.
    pub(crate) fn after(known: Option<Self>, term: u64, name: &str) -> Self {
        let mut primaries = known.map(|known| known.primaries).unwrap_or_default();
        primaries.retain(|primary| primary != name);
        primaries.push(name.to_owned());
        Self { term, primaries }
    }

    /// Who was promoted last.
    pub(crate) fn last(&self) -> &str {
        self.primaries.last().map_or("", String::as_str)
    }

    /// Leads every route as it says; answers whether the last one is a backend that is known here.
    pub(crate) fn lead(&self, group: &FailoverBackend) -> bool {
        self.primaries.iter().fold(false, |_, primary| group.lead_with(primary))
    }

    fn path() -> SecretPath {
        SecretPath::control("_secrets/term").expect("an object's name is a path")
    }

    /// Where it is kept at a backend: under the environment's object id, which does not show its name.
    fn object(tenant: &Tenant) -> Object {
        Object::Term(tenant.object(&Self::path()))
    }

    fn seal(&self, tenant: &Tenant) -> Option<Vec<u8>> {
        let names = self.names();
        let draft = Draft {
            kind: StampKind::Secret,
            version: self.term,
            parent: None,
            metadata: &Metadata::default(),
            value: names.as_bytes(),
        };
        tenant.seal(&Self::path(), &draft).ok().map(|(envelope, _)| envelope)
    }

    fn open(tenant: &Tenant, stored: &SecretBytes) -> Option<Self> {
        let opened = tenant.open(&Self::path(), None, stored.expose()).ok()?;
        Some(Self { term: opened.stamp.version, primaries: named(opened.value.expose())? })
    }

    /// A line for each.
    fn names(&self) -> String {
        self.primaries.join("\n")
    }

    /// The newest of what is stored; of two that were written for one term at once, the first.
    fn newest(tenant: &Tenant, stored: &Stored) -> Option<Self> {
        let newest_first = std::iter::once(&stored.bytes).chain(&stored.beside);
        newest_first.filter_map(|bytes| Self::open(tenant, bytes)).max_by_key(|promotion| promotion.term)
    }

    /// What a backend knows; none where it knows of no promotion.
    pub(crate) async fn read(control: &Control, tenant: &Tenant) -> Result<Option<Self>> {
        let Some(stored) = control.read(Self::object(tenant)).await? else { return Ok(None) };
        let tampered =
            || control.error(ErrorKind::Tampered).with_detail("its record of the primary does not open");
        Self::newest(tenant, &stored).map(Some).ok_or_else(tampered)
    }

    /// Writes it where an older one or none is; answers a newer one that is there.
    pub(crate) async fn write(&self, control: &Control, tenant: &Tenant) -> Result<Option<Self>> {
        let object = Self::object(tenant);
        let stored = control.read(object).await?;
        // One that does not open is no reason to follow it.
        let known = stored.as_ref().and_then(|stored| Self::newest(tenant, stored));
        if let Some(settled) = self.settled(known) {
            return Ok(settled);
        }
        let sealed = self.seal(tenant).ok_or_else(|| control.error(ErrorKind::Unexpected))?;
        match control.write(object, &sealed, stored.as_ref()).await {
            // Where both are kept, what was written first says whether it was ours.
            Err(error) if someone_else_wrote(&error) => {
                self.settled(Self::read(control, tenant).await?).ok_or(error)
            }
            written => written.map(|()| None),
        }
    }

    /// What a known promotion makes of this one: nothing to do, or the one that goes before it. Of two for one term, who
    /// was there first stays.
    fn settled(&self, known: Option<Self>) -> Option<Option<Self>> {
        let known = known.filter(|known| known.term >= self.term)?;
        Some((known != *self).then_some(known))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.term.to_be_bytes().to_vec();
        bytes.extend(self.names().as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (term, names) = bytes.split_first_chunk()?;
        Some(Self { term: u64::from_be_bytes(*term), primaries: named(names)? })
    }
}

fn named(lines: &[u8]) -> Option<Vec<String>> {
    Some(std::str::from_utf8(lines).ok()?.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_promoted_again_is_the_last_and_named_once() {
        let promotion = ["a", "b", "a"].into_iter().fold(None, |known: Option<Promotion>, name| {
            let term = known.as_ref().map_or(1, |known| known.term) + 1;
            Some(Promotion::after(known, term, name))
        });
        let primaries = vec!["b".to_owned(), "a".to_owned()];
        assert_eq!(promotion, Some(Promotion { term: 4, primaries }));
    }

    #[test]
    fn a_promotion_reads_back() {
        let one = Promotion::after(None, 7, "hcvault https://there/secret");
        let given = Promotion::after(Some(one.clone()), 8, "aws");
        for given in [&one, &given] {
            assert_eq!(Promotion::decode(&given.encode()).as_ref(), Some(given));
        }
        assert_eq!(one.names(), "hcvault https://there/secret");
        assert_eq!(Promotion::decode(&[1, 2]), None);
    }
}
