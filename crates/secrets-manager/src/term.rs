//! Which backend is the primary, where somebody promoted another than the configuration names.
//!
//! Promotions of an environment are counted by its term, which is sealed into every version. The newest is kept here and,
//! as an envelope whose version is the term, at each backend: so an installation that was not there learns of it.

use secrets_backend::{ErrorKind, Metadata, Result, SecretBytes, SecretPath, StampKind};

use crate::control::{Control, Object, Stored};
use crate::seal::someone_else_wrote;
use crate::tenant::{Draft, Tenant};

/// The newest promotion of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promotion {
    pub(crate) term: u64,
    /// The backend that is the primary, by its own name.
    pub(crate) primary: String,
}

impl Promotion {
    fn path() -> SecretPath {
        SecretPath::control("_secrets/term").expect("an object's name is a path")
    }

    /// Where it is kept at a backend: under the environment's object id, which does not show its name.
    fn object(tenant: &Tenant) -> Object {
        Object::Term(tenant.object(&Self::path()))
    }

    fn seal(&self, tenant: &Tenant) -> Option<Vec<u8>> {
        let draft = Draft {
            kind: StampKind::Secret,
            version: self.term,
            parent: None,
            metadata: &Metadata::default(),
            value: self.primary.as_bytes(),
        };
        tenant.seal(&Self::path(), &draft).ok().map(|(envelope, _)| envelope)
    }

    fn open(tenant: &Tenant, stored: &SecretBytes) -> Option<Self> {
        let opened = tenant.open(&Self::path(), None, stored.expose()).ok()?;
        let primary = String::from_utf8(opened.value.expose().to_vec()).ok()?;
        Some(Self { term: opened.stamp.version, primary })
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
        bytes.extend(self.primary.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (term, primary) = bytes.split_first_chunk()?;
        Some(Self { term: u64::from_be_bytes(*term), primary: String::from_utf8(primary.to_vec()).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_reads_back() {
        let given = Promotion { term: 7, primary: "hcvault https://there/secret".to_owned() };
        assert_eq!(Promotion::decode(&given.encode()), Some(given));
        assert_eq!(Promotion::decode(&[1, 2]), None);
    }
}
