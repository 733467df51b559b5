//! Which backend is the primary, where somebody promoted another than the configuration names.
//!
//! Promotions of an environment are counted by its term, which is sealed into every version. The newest is kept here and,
//! as an envelope whose version is the term, at each backend: so an installation that was not there learns of it.

use secrets_backend::{ErrorKind, Metadata, Result, SecretPath, StampKind};

use crate::control::{Control, Object, Stored};
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

    fn open(tenant: &Tenant, stored: &Stored) -> Option<Self> {
        let opened = tenant.open(&Self::path(), None, stored.bytes.expose()).ok()?;
        let primary = String::from_utf8(opened.value.expose().to_vec()).ok()?;
        Some(Self { term: opened.stamp.version, primary })
    }

    /// What a backend knows; none where it knows of no promotion.
    pub(crate) async fn read(control: &Control, tenant: &Tenant) -> Result<Option<Self>> {
        let Some(stored) = control.read(Self::object(tenant)).await? else { return Ok(None) };
        let tampered =
            || control.error(ErrorKind::Tampered).with_detail("its record of the primary does not open");
        Self::open(tenant, &stored).map(Some).ok_or_else(tampered)
    }

    /// Writes it where an older one or none is; answers a newer one that is there.
    pub(crate) async fn write(&self, control: &Control, tenant: &Tenant) -> Result<Option<Self>> {
        let object = Self::object(tenant);
        let stored = control.read(object).await?;
        let known = stored.as_ref().and_then(|stored| Self::open(tenant, stored));
        match known {
            Some(known) if known.term > self.term => return Ok(Some(known)),
            Some(known) if known == *self => return Ok(None),
            // Two were promoted at once: who was there first stays.
            Some(known) if known.term == self.term => return Ok(Some(known)),
            // One that does not open is no reason to follow it.
            _ => {}
        }
        let sealed = self.seal(tenant).ok_or_else(|| control.error(ErrorKind::Unexpected))?;
        control.write(object, &sealed, stored.as_ref()).await.map(|()| None)
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
