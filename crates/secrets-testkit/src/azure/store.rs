//! One vault: secrets, their versions, and the phases of deleting: "Soft-delete overview".

use std::collections::BTreeMap;

use super::refusal::{Answer, Refusal};
use super::rules::{Attributes, Parameters};

/// Milliseconds since 1970, by the server's own clock.
pub(super) type Time = u64;

const DAY: Time = 24 * 60 * 60 * 1_000;

/// How long what is asynchronous takes, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delays {
    pub(super) delete: Time,
    pub(super) recover: Time,
    /// How long a recovered secret can be read and not written, as the service was seen to do
    /// (azure-sdk-for-net, issue 31581).
    pub(super) settle: Time,
    /// How long a secret is shown as deleted after its purge was begun.
    pub(super) purge: Time,
    /// How long it is shown nowhere after that, and cannot be written yet.
    pub(super) hidden: Time,
}

/// The secrets of a vault. Names are case-insensitive, and keep the case in which they were first written.
pub(super) struct Vault {
    pub(super) tenant: String,
    /// What its tokens are for: `https://vault.azure.net`, or that of another cloud.
    pub(super) resource: &'static str,
    /// Where its tokens come from.
    pub(super) authority: &'static str,
    pub(super) purge_protection: bool,
    pub(super) recoverable_days: u64,
    secrets: BTreeMap<String, Secret>,
}

pub(super) struct Secret {
    pub(super) name: String,
    /// In the order in which they were written.
    pub(super) versions: Vec<Version>,
    phase: Phase,
}

#[derive(Clone)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) attributes: Attributes,
    pub(super) created: Time,
    pub(super) updated: Time,
}

#[derive(Clone, Copy)]
enum Phase {
    /// It can be read from `readable` on, and written from `writable` on: after a recovery, later than at once.
    Live { readable: Time, writable: Time },
    /// Deleted at `at`; it can be recovered from `complete` on.
    Deleted { at: Time, complete: Time },
    /// Purged: shown as deleted until `hidden`, then nowhere; its name is free from `gone` on, as the service was seen to
    /// do (azure-sdk-for-python, issue 19263).
    Purging { at: Time, hidden: Time, gone: Time },
}

impl Vault {
    pub(super) const fn new(tenant: String, resource: &'static str, authority: &'static str) -> Self {
        Self {
            tenant,
            resource,
            authority,
            purge_protection: false,
            recoverable_days: 90,
            secrets: BTreeMap::new(),
        }
    }

    /// What is over by now: purges, and the time for which deleted secrets are kept.
    pub(super) fn settle(&mut self, now: Time) {
        let kept = self.recoverable_days * DAY;
        self.secrets.retain(|_, secret| match secret.phase {
            Phase::Live { .. } => true,
            Phase::Deleted { at, .. } => now < at + kept,
            Phase::Purging { gone, .. } => now < gone,
        });
    }

    /// "Set Secret": a new version.
    pub(super) fn set(
        &mut self,
        name: &str,
        id: String,
        mut parameters: Parameters,
        now: Time,
    ) -> Answer<()> {
        let version = Version {
            id,
            value: parameters.required_value()?,
            content_type: parameters.content_type,
            tags: parameters.tags,
            attributes: parameters.attributes.unwrap_or_default(),
            created: now,
            updated: now,
        };
        let secret = self.secrets.entry(name.to_ascii_lowercase()).or_insert_with(|| Secret {
            name: name.to_owned(),
            versions: Vec::new(),
            phase: Phase::Live { readable: now, writable: now },
        });
        secret.writable(now)?;
        secret.versions.push(version);
        Ok(())
    }

    /// "Get Secret" and "Update Secret": the version that is named, or the current one.
    pub(super) fn version(
        &mut self,
        name: &str,
        version: Option<&str>,
        now: Time,
    ) -> Answer<(&str, &mut Version)> {
        let secret = self.live_mut(name, now)?;
        let wanted = match version {
            Some(id) => secret.versions.iter_mut().find(|known| known.id.eq_ignore_ascii_case(id)),
            None => secret.versions.last_mut(),
        };
        Ok((&secret.name, wanted.ok_or_else(|| Refusal::not_found(name))?))
    }

    /// "Delete Secret".
    pub(super) fn delete(&mut self, name: &str, delays: Delays, now: Time) -> Answer<()> {
        let secret = self.find(name)?;
        match secret.phase {
            Phase::Live { .. } => secret.writable(now)?,
            Phase::Deleted { complete, .. } if now < complete => return Err(secret.being_deleted()),
            Phase::Deleted { .. } | Phase::Purging { .. } => return Err(Refusal::not_found(name)),
        }
        secret.phase = Phase::Deleted { at: now, complete: now + delays.delete };
        Ok(())
    }

    /// "Recover Deleted Secret".
    pub(super) fn recover(&mut self, name: &str, delays: Delays, now: Time) -> Answer<()> {
        let secret = self.deleted_mut(name, now)?;
        let readable = now + delays.recover;
        secret.phase = Phase::Live { readable, writable: readable + delays.settle };
        Ok(())
    }

    /// "Purge Deleted Secret".
    pub(super) fn purge(&mut self, name: &str, delays: Delays, now: Time) -> Answer<()> {
        let protected = self.purge_protection;
        let secret = self.deleted_mut(name, now)?;
        if protected {
            let message =
                "Operation \"purge\" is not allowed because purge protection is enabled for this vault.";
            return Err(Refusal::forbidden(message, None));
        }
        if let Phase::Deleted { at, .. } = secret.phase {
            let hidden = now + delays.purge;
            secret.phase = Phase::Purging { at, hidden, gone: hidden + delays.hidden };
        }
        self.settle(now);
        Ok(())
    }

    /// "Get Secrets": what is live, by name.
    pub(super) fn live(&self, now: Time) -> impl Iterator<Item = &Secret> {
        self.secrets.values().filter(move |secret| secret.is_readable(now))
    }

    /// "Get Secret Versions": the secret, where it is live.
    pub(super) fn history(&self, name: &str, now: Time) -> Option<&Secret> {
        self.secrets.get(&name.to_ascii_lowercase()).filter(|secret| secret.is_readable(now))
    }

    /// "Get Deleted Secrets": what is deleted, and shown as that.
    pub(super) fn deleted(&self, now: Time) -> impl Iterator<Item = &Secret> {
        self.secrets.values().filter(move |secret| secret.is_shown_as_deleted(now))
    }

    /// "Get Deleted Secret".
    pub(super) fn deleted_one(&self, name: &str, now: Time) -> Answer<&Secret> {
        let secret = self.secrets.get(&name.to_ascii_lowercase());
        secret.filter(|secret| secret.is_shown_as_deleted(now)).ok_or_else(|| Refusal::not_found(name))
    }

    /// A secret in any phase.
    pub(super) fn any(&self, name: &str) -> Answer<&Secret> {
        self.secrets.get(&name.to_ascii_lowercase()).ok_or_else(|| Refusal::not_found(name))
    }

    fn find(&mut self, name: &str) -> Answer<&mut Secret> {
        self.secrets.get_mut(&name.to_ascii_lowercase()).ok_or_else(|| Refusal::not_found(name))
    }

    fn live_mut(&mut self, name: &str, now: Time) -> Answer<&mut Secret> {
        let secret = self.find(name)?;
        if secret.is_readable(now) { Ok(secret) } else { Err(Refusal::not_found(name)) }
    }

    /// A secret whose deletion is complete.
    fn deleted_mut(&mut self, name: &str, now: Time) -> Answer<&mut Secret> {
        let secret = self.find(name)?;
        match secret.phase {
            Phase::Deleted { complete, .. } if now >= complete => Ok(secret),
            Phase::Deleted { .. } | Phase::Purging { .. } => Err(secret.being_deleted()),
            Phase::Live { readable, .. } if now < readable => Err(secret.being_recovered()),
            Phase::Live { .. } => Err(Refusal::not_found(name)),
        }
    }
}

impl Secret {
    /// Its name, as listings are ordered by it.
    pub(super) fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The version that was written last.
    pub(super) fn current(&self) -> Answer<&Version> {
        self.versions.last().ok_or_else(|| Refusal::not_found(&self.name))
    }

    /// When it was deleted.
    pub(super) const fn deleted_at(&self) -> Time {
        match self.phase {
            Phase::Deleted { at, .. } | Phase::Purging { at, .. } => at,
            Phase::Live { .. } => 0,
        }
    }

    const fn is_readable(&self, now: Time) -> bool {
        matches!(self.phase, Phase::Live { readable, .. } if now >= readable)
    }

    const fn is_shown_as_deleted(&self, now: Time) -> bool {
        match self.phase {
            Phase::Live { .. } => false,
            Phase::Deleted { complete, .. } => now >= complete,
            Phase::Purging { hidden, .. } => now < hidden,
        }
    }

    /// Refuses where an operation before is not over, or was a deletion.
    fn writable(&self, now: Time) -> Answer<()> {
        match self.phase {
            Phase::Live { writable, .. } if now >= writable => Ok(()),
            Phase::Live { .. } => Err(self.being_recovered()),
            Phase::Deleted { complete, .. } if now >= complete => {
                let message = format!(
                    "Secret {} is currently in a deleted but recoverable state, and its name cannot be reused; \
                     in this state, the secret can only be recovered or purged.",
                    self.name
                );
                Err(Refusal::conflict(message, "ObjectIsDeletedButRecoverable"))
            }
            Phase::Deleted { .. } | Phase::Purging { .. } => Err(self.being_deleted()),
        }
    }

    fn being_deleted(&self) -> Refusal {
        let message = format!("Secret {} is currently being deleted; retry later.", self.name);
        Refusal::conflict(message, "ObjectIsBeingDeleted")
    }

    fn being_recovered(&self) -> Refusal {
        let message = format!(
            "Secret {} is currently being recovered and cannot be re-created; retry later.",
            self.name
        );
        Refusal::conflict(message, "ObjectIsBeingRecovered")
    }
}
