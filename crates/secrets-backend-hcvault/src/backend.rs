//! The backend: the contract over one mount of one server.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PutMode, Result, Secret,
    SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait, get_each,
};
use tokio::sync::OnceCell;

use crate::api::Api;
use crate::config::{Engine, HcVaultConfig, InvalidConfig};
use crate::failure::{Effect, Failure};
use crate::kv1::Kv1;
use crate::kv2::Kv2;
use crate::session::Session;
use crate::store::Store;
use crate::wire::Wire;
use crate::{listing, mount, policy};

/// A KV engine of a HashiCorp Vault or OpenBao server.
///
/// Its versions are the server's numbers (KV version 2); with KV version 1 there is one, named anew by each process.
/// See the crate's documentation for how values, metadata and stamps are kept.
pub struct HcVaultBackend {
    name: String,
    config: HcVaultConfig,
    api: Arc<Api>,
    store: OnceCell<Box<dyn Store>>,
}

/// The largest value: as text, of an envelope, it stays under the 1 MiB that the server's own storage takes.
const MAX_VALUE: usize = 512 * 1024;

impl HcVaultBackend {
    /// The server and mount of `config`. Nothing is contacted; certificate files are read.
    ///
    /// # Errors
    /// [`InvalidConfig`], which names the setting.
    pub fn new(config: HcVaultConfig) -> std::result::Result<Self, InvalidConfig> {
        let mut config = config.checked()?;
        let wire = Arc::new(Wire::new(&config)?);
        let within =
            config.namespace.as_ref().map(|name| format!(" in namespace {name}")).unwrap_or_default();
        let name = format!("hcvault at {}/{}{within}", wire.address(), config.mount);
        let session = Session::new(Arc::clone(&wire), config.auth.clone(), config.cache.take());
        Ok(Self { name, config, api: Arc::new(Api { wire, session }), store: OnceCell::new() })
    }

    /// The least policy, in HCL, that a token needs for this configuration, over every name that starts with `prefix`.
    #[must_use]
    pub fn least_policy(&self, prefix: &str) -> String {
        policy::least(&self.config, prefix)
    }

    /// The engine of the mount, asked of the server before the first operation unless it was configured.
    async fn store(&self) -> std::result::Result<&dyn Store, Failure> {
        let store = self.store.get_or_try_init(|| async {
            let engine = match self.config.engine {
                Engine::Detect => self.detected().await?,
                engine => engine,
            };
            Ok(self.store_of(engine))
        });
        store.await.map(|store| &**store)
    }

    async fn detected(&self) -> std::result::Result<Engine, Failure> {
        let mount = &self.config.mount;
        let reply = self.api.call(&mount::question(mount)).await.map_err(|failure| match failure.kind {
            ErrorKind::PermissionDenied => Failure::new(
                ErrorKind::PermissionDenied,
                format!("mount: there is none at {mount}, or the token may not use it"),
            ),
            _ => failure,
        })?;
        match reply.status {
            200 => mount::engine(&reply, mount),
            400 | 404 if reply.is_json() => Err(mount::missing(mount)),
            _ => Err(Failure::of_status(&reply, Effect::None)),
        }
    }

    fn store_of(&self, engine: Engine) -> Box<dyn Store> {
        let (api, mount, concurrency) =
            (Arc::clone(&self.api), self.config.mount.clone(), self.config.concurrency);
        match engine {
            Engine::Kv1 => Box::new(Kv1 { api, mount, concurrency, names: RandomState::new() }),
            Engine::Kv2 | Engine::Detect => Box::new(Kv2 {
                api,
                mount,
                concurrency,
                max_versions: self.config.max_versions,
                no_copies: AtomicBool::new(false),
                no_details: AtomicBool::new(false),
            }),
        }
    }

    fn is_kv1(&self) -> bool {
        match self.store.get() {
            Some(store) => !store.has_versions(),
            None => self.config.engine == Engine::Kv1,
        }
    }

    /// Refuses what can never be stored, before anything is sent.
    fn check_new(&self, path: &SecretPath, secret: &NewSecret) -> std::result::Result<(), Failure> {
        let can = self.capabilities();
        if secret.value.len() > can.max_value {
            return Err(Failure::invalid(format!("a value has at most {} bytes here", can.max_value)));
        }
        if secret.metadata.encoded_len() > secrets_backend::Metadata::MAX_LEN {
            return Err(Failure::invalid("the metadata is too long"));
        }
        if path.as_str().len() > can.max_path {
            return Err(Failure::invalid(format!("a path has at most {} bytes here", can.max_path)));
        }
        Ok(())
    }

    async fn reached(&self) -> std::result::Result<(), Failure> {
        let lease = self.api.session.lease().await?;
        let reply = self.api.session.look_up(&lease).await?;
        match reply.status {
            200..=299 => {}
            403 => drop(self.api.session.replaced(&lease).await?),
            _ => return Err(Failure::of_status(&reply, Effect::None)),
        }
        match self.config.engine {
            Engine::Detect => self.store().await.map(drop),
            named => self.has_engine(named).await,
        }
    }

    /// Whether the mount has the engine that was named. A token may use a mount without being allowed to ask about it.
    async fn has_engine(&self, named: Engine) -> std::result::Result<(), Failure> {
        match self.detected().await {
            Ok(found) if found == named => Ok(()),
            Ok(_) => Err(mount::other_engine(&self.config.mount)),
            Err(failure) if failure.kind == ErrorKind::PermissionDenied => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn error(&self, operation: Operation, path: &SecretPath) -> impl FnOnce(Failure) -> Error {
        move |failure| failure.of(operation, &self.name, Some(path))
    }
}

#[async_trait]
impl SecretBackend for HcVaultBackend {
    /// Before the server was asked which engine the mount has, those of KV version 2.
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::all(MAX_VALUE, SecretPath::MAX_PREFIXED_LEN);
        if self.is_kv1() {
            can.atomic_create = false;
            can.atomic_replace = false;
            can.versions = false;
            can.recoverable_delete = false;
        }
        can
    }

    async fn check(&self) -> Result<()> {
        let Err(failure) = self.reached().await else { return Ok(()) };
        // The server's own words on its state say more than a refused call.
        let failure = match failure.kind {
            ErrorKind::Unavailable => mount::illness(&self.api.wire).await.unwrap_or(failure),
            _ => failure,
        };
        Err(failure.of(Operation::Check, &self.name, None))
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        let get = async { self.store().await?.get(path, at).await };
        get.await.map_err(self.error(Operation::Get, path))
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        get_each(self, paths, self.config.concurrency).await
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        let put = async {
            self.check_new(path, secret)?;
            self.store().await?.put(path, secret, mode).await
        };
        let version = put.await.map_err(self.error(Operation::Put, path))?;
        Ok(Written::version(version))
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        let delete = async { self.store().await?.delete(path).await };
        delete.await.map(|()| Written::default()).map_err(self.error(Operation::Delete, path))
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        let undelete = async { self.store().await?.undelete(path).await };
        undelete.await.map(|()| Written::default()).map_err(self.error(Operation::Undelete, path))
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        let purge = async { self.store().await?.purge(path).await };
        purge.await.map(|()| Written::default()).map_err(self.error(Operation::Purge, path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        let versions = async { self.store().await?.versions(path).await };
        versions.await.map_err(self.error(Operation::Versions, path))
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        let list = async {
            let store = self.store().await?;
            let limit = self.config.page_size;
            let names = listing::names(store, prefix, page, limit).await?;
            let next = names.last().filter(|_| names.len() == limit);
            let next = next.map(|last| PageToken::new(last.as_str()));
            let lines = store.lines(&names).await;
            let items: std::result::Result<Vec<_>, Failure> =
                lines.into_iter().filter_map(Result::transpose).collect();
            Ok(Page::new(items?, next))
        };
        list.await.map_err(|failure: Failure| failure.of(Operation::List, &self.name, prefix))
    }
}

impl fmt::Debug for HcVaultBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HcVaultBackend")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for HcVaultBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
