//! Several backends of one environment: what waits, how they are, what they lack of each other, who leads.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrets_audit::{Action, Outcome};
use secrets_backend::{Error as BackendError, ErrorKind, Operation, SecretPath, Stamp, VersionId, Written};
use secrets_multicloud::{
    Applied, ApplyConfig, Drained, FailoverBackend, Health, Plan, Scope, Step, apply, plan,
};

use super::Safe;
use crate::audited::Layer;
use crate::blocking::blocking;
use crate::recorder::Version;
use crate::replica::Replica;
use crate::seal::SealBackend;
use crate::term::Promotion;
use crate::{Error, Result};

/// One of several versions of a secret that were written without each other. Its value is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contender {
    /// Who has it: backends by name, or the journal of this machine.
    pub holders: Vec<String>,
    /// Its version.
    pub version: VersionId,
    /// Its authentic stamp.
    pub stamp: Stamp,
}

/// How a promotion is done.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PromoteConfig {
    /// Whether what other backends have and the new primary cannot be brought to is left to be resolved later.
    pub accept_behind: bool,
}

/// What a promotion came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promoted {
    /// The term that began with it.
    pub term: u64,
    /// Backends that could not be told; the next [`Safe::sync_apply`] that reaches them tells them.
    pub untold: BTreeSet<String>,
    /// Secrets of which another backend has what the new primary lacks.
    pub behind: BTreeSet<SecretPath>,
}

impl Safe {
    pub(super) fn sealed(&self) -> Result<&SealBackend> {
        match self.stack.layer() {
            Layer::Sealed(sealed) => Ok(sealed),
            Layer::Plain(_) => {
                Err(Error::InvalidInput("an environment of plain values has one backend".to_owned()))
            }
        }
    }

    fn members(&self) -> impl Iterator<Item = &Arc<Replica>> {
        std::iter::once(&self.replica).chain(&self.standbys)
    }

    /// The backends of sealed values.
    pub(super) fn group(&self) -> Result<&Arc<FailoverBackend>> {
        Ok(self.sealed()?.replicas())
    }

    /// The same, after a look at what other processes left in the state.
    async fn looked_up(&self) -> Result<&Arc<FailoverBackend>> {
        let group = self.group()?;
        let state = Arc::clone(&self.stack.recorder().state);
        blocking(move || state.load(&[])).await?;
        Ok(group)
    }

    /// Whether the environment has more than one backend.
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.group().is_ok_and(|group| group.has_several())
    }

    /// The backend that takes writes, by its own name; none where values are plain.
    #[must_use]
    pub fn primary(&self) -> Option<String> {
        self.group().ok().map(|group| group.primary().name().to_owned())
    }

    /// Whether something waits here for a backend, as far as the last call saw.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.has_several() && self.stack.recorder().state.has_outgoing()
    }

    /// Brings what waits in the journal to the backends that lack it. With one backend nothing ever waits.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where the journal cannot be read.
    pub async fn drain(&self) -> Result<Drained> {
        if !self.has_several() {
            return Ok(Drained::default());
        }
        Ok(self.looked_up().await?.drain().await?)
    }

    /// How each backend of the environment is now.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where the journal cannot be read;
    /// [`InvalidInput`](crate::Error::InvalidInput) where values are plain.
    pub async fn health(&self) -> Result<Vec<Health>> {
        Ok(self.looked_up().await?.health().await?)
    }

    /// What the backends lack of each other. Without [`Scope::verify`] no value is read.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where one of them cannot be listed.
    pub async fn sync_plan(
        &self,
        scope: &Scope,
        progress: &(dyn Fn(&str, usize) + Send + Sync),
    ) -> Result<Plan> {
        let group = self.looked_up().await?;
        self.learn_promotions().await;
        Ok(plan(group, scope, progress).await?)
    }

    /// Brings the backends what they lack; tells of each step as it ends.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where the journal or the audit log cannot be used.
    pub async fn sync_apply(
        &self,
        plan: &Plan,
        config: &ApplyConfig,
        progress: &mut (dyn FnMut(&Step, &Applied) + Send),
    ) -> Result<Drained> {
        let group = self.looked_up().await?;
        let recorder = self.stack.recorder();
        let paths: BTreeSet<&SecretPath> = plan.steps.iter().map(|step| &step.path).collect();
        let paths: Vec<SecretPath> = paths.into_iter().cloned().collect();
        let call = recorder.call(Action::SyncApply)?;
        recorder.intent(call, &paths).await?;
        self.tell_promotion().await;
        let mut is_whole = true;
        let mut told = |step: &Step, applied: &Applied| {
            is_whole &= matches!(applied, Applied::Done);
            progress(step, applied);
        };
        let applied = apply(group, plan, config, &mut told).await;
        let versions = vec![Version::default(); paths.len()];
        match &applied {
            Ok(_) if !is_whole => {
                recorder.end(call, &paths, &versions, Outcome::Error, Some("in-part")).await?
            }
            answer => recorder.outcome(call, &paths, &versions, answer.as_ref().err()).await?,
        }
        Ok(applied?)
    }

    /// The versions of a secret that were written without each other; one alone where there is no conflict.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend) where a backend cannot answer.
    pub async fn contenders(&self, path: &SecretPath) -> Result<Vec<Contender>> {
        let rivals = self.looked_up().await?.rivals(path).await?;
        let shown = rivals.into_iter().map(|rival| Contender {
            holders: rival.holders,
            version: VersionId::from_number(rival.stamp.version),
            stamp: rival.stamp,
        });
        Ok(shown.collect())
    }

    /// Ends a conflict: what `holder` has becomes a new version everywhere. The others stay in the histories.
    ///
    /// # Errors
    /// [`Backend`](crate::Error::Backend): `NotFound` where the holder has none, those of a backend that cannot answer:
    /// all have to be there.
    pub async fn resolve(&self, path: &SecretPath, holder: &str) -> Result<Written> {
        let sealed = self.sealed()?;
        Ok(self.stack.write(Action::SyncResolve, path, sealed.resolve(path, holder)).await?)
    }

    /// Makes a backend the primary of the environment, for every installation that can see it. Whoever was the primary
    /// is a replica when it returns. Nobody does that by himself: it takes a person to know that the old one is gone.
    ///
    /// First the new primary gets what the others that can be reached have.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::Error::InvalidInput) for a backend that is none of the environment's, or is the primary;
    /// [`Backend`](crate::Error::Backend): `Conflict` where others have what it cannot be brought to, and that is not
    /// accepted, or another was promoted at the same moment; those of the new primary.
    pub async fn promote(&self, name: &str, config: &PromoteConfig) -> Result<Promoted> {
        let group = self.looked_up().await?;
        if group.replicas().iter().all(|replica| replica.name() != name) {
            return Err(Error::InvalidInput(format!("{name} is no backend of this environment")));
        }
        if group.leads(name) {
            return Err(Error::InvalidInput(format!("{name} is the primary")));
        }
        let is_own = |replica: &&Arc<Replica>| replica.shared.is_none();
        if self.members().any(|replica| replica.name() == name && is_own(&replica))
            && !self.members().all(|replica| is_own(&replica))
        {
            let why = format!("{name} is seen by this machine alone, and others use the environment as well");
            return Err(Error::InvalidInput(why));
        }
        let recorder = self.stack.recorder();
        let call = recorder.call(Action::FailoverPromote)?;
        recorder.intent(call, &[]).await?;
        let promoted = self.promoted(group, name, config).await;
        match &promoted {
            Ok(_) => recorder.outcome(call, &[], &[], None).await?,
            Err(Error::Backend(error)) => recorder.outcome(call, &[], &[], Some(error)).await?,
            Err(_) => recorder.end(call, &[], &[], Outcome::Error, Some("promote")).await?,
        }
        promoted
    }

    async fn promoted(
        &self,
        group: &FailoverBackend,
        name: &str,
        config: &PromoteConfig,
    ) -> Result<Promoted> {
        let refused = |kind, why: String| {
            Error::Backend(BackendError::new(kind, Operation::Check, name.to_owned()).with_detail(why))
        };
        self.learn_promotions().await;
        let behind = self.catch_up(group, name).await?;
        if !behind.is_empty() && !config.accept_behind {
            let why = format!("others have versions of {} secrets that it lacks", behind.len());
            return Err(refused(ErrorKind::Conflict, why));
        }
        let (tenant, state) = (&self.stack.recorder().tenant, Arc::clone(&self.stack.recorder().state));
        let known = self.promotion().await?;
        let promotion = Promotion::after(known, tenant.term() + 1, name);
        let mut untold = BTreeSet::new();
        // The new primary first: what is not there did not happen.
        let mut replicas: Vec<&Arc<Replica>> = self.members().collect();
        replicas.sort_by_key(|replica| replica.name() != name);
        for replica in replicas {
            let Some(shared) = &replica.shared else { continue };
            let told = match replica.writable().await {
                Ok(()) => promotion.write(&shared.control, tenant).await,
                Err(error) => Err(error),
            };
            match told {
                Ok(None) => {}
                Ok(Some(other)) if replica.name() == name || other.term > promotion.term => {
                    let why = format!("{} was promoted meanwhile", other.last());
                    return Err(refused(ErrorKind::Conflict, why));
                }
                Ok(Some(_)) => drop(untold.insert(replica.name().to_owned())),
                Err(error) if replica.name() == name => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(replica = replica.name(), %error, "a backend was not told who is the primary");
                    untold.insert(replica.name().to_owned());
                }
            }
        }
        let (environment, kept) = (tenant.environment().to_owned(), promotion.clone());
        blocking(move || state.record_promotion(&environment, &kept)).await?;
        tenant.raise_term(promotion.term);
        promotion.lead(group);
        Ok(Promoted { term: promotion.term, untold, behind })
    }

    /// Brings a backend what those that can be reached have; answers what it still lacks.
    async fn catch_up(&self, group: &FailoverBackend, name: &str) -> Result<BTreeSet<SecretPath>> {
        let mut behind = BTreeSet::new();
        for health in group.health().await?.into_iter().filter(|health| health.name != name) {
            if health.failure.is_some() {
                tracing::warn!(replica = health.name, "what it alone has is not known");
                continue;
            }
            let mut scope = Scope::default();
            scope.replicas = [name.to_owned(), health.name].into();
            let mut plan = plan(group, &scope, &|_, _| {}).await?;
            plan.steps.retain(|step| step.to == name);
            behind.extend(plan.diverged.iter().cloned());
            let mut left = BTreeSet::new();
            apply(group, &plan, &ApplyConfig::default(), &mut |step, applied| {
                if !matches!(applied, Applied::Done) {
                    left.insert(step.path.clone());
                }
            })
            .await?;
            behind.extend(left);
        }
        Ok(behind)
    }

    /// The newest promotion that is known here.
    async fn promotion(&self) -> Result<Option<Promotion>> {
        let recorder = self.stack.recorder();
        let (state, environment) = (Arc::clone(&recorder.state), recorder.tenant.environment().to_owned());
        Ok(blocking(move || state.promotion(&environment)).await?)
    }

    /// Tells those backends of the newest promotion that were away when it was made: an installation that sees one of
    /// them alone learns of it there.
    async fn tell_promotion(&self) {
        let promotion = match self.promotion().await {
            Ok(Some(promotion)) => promotion,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "who is the primary could not be read"),
        };
        let tenant = &self.stack.recorder().tenant;
        for replica in self.members() {
            let Some(shared) = &replica.shared else { continue };
            let told = match replica.writable().await {
                Ok(()) => promotion.write(&shared.control, tenant).await,
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                tracing::debug!(replica = replica.name(), %error, "not told who is the primary");
            }
        }
    }

    /// Looks at each backend for a promotion that is not known here; one that cannot answer tells nothing.
    pub(crate) async fn learn_promotions(&self) {
        let recorder = self.stack.recorder();
        let tenant = &recorder.tenant;
        for replica in self.members() {
            let Some(shared) = &replica.shared else { continue };
            let found = match Promotion::read(&shared.control, tenant).await {
                Ok(Some(found)) if found.term > tenant.term() => found,
                Ok(_) => continue,
                Err(error) => {
                    tracing::debug!(replica = replica.name(), %error, "no word of a promotion");
                    continue;
                }
            };
            let (state, environment, kept) =
                (Arc::clone(&recorder.state), tenant.environment().to_owned(), found.clone());
            if let Err(error) = blocking(move || state.record_promotion(&environment, &kept)).await {
                tracing::warn!(%error, "a promotion could not be noted");
            }
            if self.group().is_ok_and(|group| found.lead(group)) {
                tenant.raise_term(found.term);
            } else {
                tracing::warn!(
                    primary = found.last(),
                    "a backend was promoted that this configuration does not name"
                );
            }
        }
    }
}
