//! The closed lists of the schema: what was done, and how it ended.

/// Declares an enum whose variants have one name each in an entry.
macro_rules! names {
    ($(#[$about:meta])* $enum:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $enum { $($(#[$doc])* $variant,)* }

        impl $enum {
            /// Every one of them, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in an entry.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The one with this name in an entry; `None` for a name outside the schema.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names! {
    /// What was done, or tried. The list is closed: a verifier refuses any other name.
    Action {
        /// A safe was made.
        SafeInit = "safe.init",
        /// An installation joined a safe.
        SafeJoin = "safe.join",
        /// A slot was tried against the safe's header.
        SafeUnlock = "safe.unlock",
        /// A safe that was kept open was locked.
        SafeLock = "safe.lock",
        /// The safe's header was changed otherwise.
        SafeChange = "safe.change",
        /// Values were read.
        SecretRead = "secret.read",
        /// Values were written.
        SecretWrite = "secret.write",
        /// Secrets were deleted, recoverably.
        SecretDelete = "secret.delete",
        /// Deleted secrets were recovered.
        SecretUndelete = "secret.undelete",
        /// Secrets were destroyed with their history.
        SecretPurge = "secret.purge",
        /// An old value was written as a new version.
        SecretRollback = "secret.rollback",
        /// A value was replaced by a generated one.
        SecretRotate = "secret.rotate",
        /// Names were listed.
        SecretList = "secret.list",
        /// The versions of secrets were listed.
        SecretHistory = "secret.history",
        /// Metadata was read.
        SecretDescribe = "secret.describe",
        /// Metadata was changed.
        SecretTag = "secret.tag",
        /// Secrets were taken in from a file.
        SecretImport = "secret.import",
        /// Secrets were given out in a file format.
        SecretExport = "secret.export",
        /// Secrets were given to a program that was started.
        SecretRun = "secret.run",
        /// A keyslot was added.
        KeyAdd = "key.add",
        /// A keyslot was removed.
        KeyRemove = "key.remove",
        /// A keyslot was changed.
        KeyChange = "key.change",
        /// An epoch key or the root key was replaced.
        KeyRotate = "key.rotate",
        /// An epoch key was destroyed.
        KeyDestroy = "key.destroy",
        /// A tenant was made.
        TenantCreate = "tenant.create",
        /// A tenant was changed.
        TenantChange = "tenant.change",
        /// A tenant's keys were destroyed.
        TenantDestroy = "tenant.destroy",
        /// A policy was changed.
        PolicyChange = "policy.change",
        /// A project's configuration was trusted, or that trust was withdrawn.
        ConfigTrust = "config.trust",
        /// Replicas were compared and brought together.
        SyncApply = "sync.apply",
        /// A conflict was resolved by a person.
        SyncResolve = "sync.resolve",
        /// A replica was made the primary.
        FailoverPromote = "failover.promote",
        /// A backup was made.
        BackupCreate = "backup.create",
        /// A backup was restored.
        BackupRestore = "backup.restore",
        /// An agent was started.
        AgentStart = "agent.start",
        /// An agent was stopped.
        AgentStop = "agent.stop",
        /// A checkpoint was signed.
        AuditCheckpoint = "audit.checkpoint",
        /// The log was given out.
        AuditExport = "audit.export",
        /// Old entries were reduced to their hashes.
        AuditPrune = "audit.prune",
    }
}

names! {
    /// How it ended.
    Outcome {
        /// It is about to be done; an entry with the same operation says how it ended.
        Intent = "intent",
        /// It was done.
        Ok = "ok",
        /// It was refused by policy or for want of a valid key.
        Denied = "denied",
        /// It failed.
        Error = "error",
        /// It was found not to have taken effect.
        Aborted = "aborted",
        /// Whether it took effect could not be found out.
        Unknown = "unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_leads_back_to_its_action_and_needs_no_escape() {
        let names: HashSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len(), "two actions share a name");
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.name()), Some(*action));
            assert!(action.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'.'), "{action}");
        }
        assert_eq!(Action::from_name("secret.peek"), None);
    }

    #[test]
    fn every_name_leads_back_to_its_outcome() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(*outcome));
        }
        assert_eq!(Outcome::from_name("fine"), None);
    }
}
