//! What is shown of secrets: `SecretBundle`, `SecretItem`, `DeletedSecretBundle` and `DeletedSecretItem` of the
//! reference.

use serde_json::{Value, json};

use super::refusal::Answer;
use super::store::{Secret, Time, Vault, Version};

/// How the secrets of one vault are shown.
pub(super) struct Shown<'a> {
    /// `https://NAME.vault.azure.net:PORT`
    pub(super) base: &'a str,
    pub(super) vault: &'a Vault,
}

impl Shown<'_> {
    /// A version with its value, as "Set Secret" and "Get Secret" answer it.
    pub(super) fn with_value(&self, name: &str, version: &Version) -> Value {
        let mut shown = self.version(name, version);
        shown["value"] = json!(version.value);
        shown
    }

    /// A version without its value, as "Get Secret Versions" and "Update Secret" answer it.
    pub(super) fn version(&self, name: &str, version: &Version) -> Value {
        self.properties(&format!("{}/secrets/{name}/{}", self.base, version.id), version)
    }

    /// A secret, as "Get Secrets" lists it: its id without a version, the properties of the current one.
    pub(super) fn item(&self, secret: &Secret) -> Answer<Value> {
        let id = format!("{}/secrets/{}", self.base, secret.name);
        Ok(self.properties(&id, secret.current()?))
    }

    /// A deleted secret, as "Delete Secret" and "Get Deleted Secret" answer it.
    pub(super) fn deleted(&self, secret: &Secret) -> Answer<Value> {
        Ok(self.as_deleted(self.version(&secret.name, secret.current()?), secret))
    }

    /// A deleted secret, as "Get Deleted Secrets" lists it.
    pub(super) fn deleted_item(&self, secret: &Secret) -> Answer<Value> {
        Ok(self.as_deleted(self.item(secret)?, secret))
    }

    fn as_deleted(&self, mut shown: Value, secret: &Secret) -> Value {
        let deleted = seconds(secret.deleted_at());
        shown["recoveryId"] = json!(format!("{}/deletedsecrets/{}", self.base, secret.name));
        shown["deletedDate"] = json!(deleted);
        shown["scheduledPurgeDate"] = json!(deleted + self.vault.recoverable_days * 24 * 60 * 60);
        shown
    }

    fn properties(&self, id: &str, version: &Version) -> Value {
        let mut attributes = json!({
            "enabled": version.attributes.enabled.unwrap_or(true),
            "created": seconds(version.created),
            "updated": seconds(version.updated),
            "recoveryLevel": self.recovery_level(),
            "recoverableDays": self.vault.recoverable_days,
        });
        for (name, time) in [("nbf", version.attributes.nbf), ("exp", version.attributes.exp)] {
            if let Some(time) = time {
                attributes[name] = json!(time);
            }
        }
        let mut shown = json!({ "id": id, "attributes": attributes });
        if let Some(kind) = &version.content_type {
            shown["contentType"] = json!(kind);
        }
        if let Some(tags) = &version.tags {
            shown["tags"] = json!(tags);
        }
        shown
    }

    /// `DeletionRecoveryLevel`.
    const fn recovery_level(&self) -> &'static str {
        match (self.vault.purge_protection, self.vault.recoverable_days) {
            (false, 90) => "Recoverable+Purgeable",
            (true, 90) => "Recoverable",
            (false, _) => "CustomizedRecoverable+Purgeable",
            (true, _) => "CustomizedRecoverable",
        }
    }
}

/// Times of the service are whole seconds.
const fn seconds(time: Time) -> u64 {
    time / 1_000
}
