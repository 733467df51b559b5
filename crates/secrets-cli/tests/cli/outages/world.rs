//! Four backends that can be broken, and a safe over them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use secrets_backend::{
    Capabilities, Error, ErrorKind, NewSecret, Operation, Page, PageToken, PrefixBackend, PutMode, Result,
    Secret, SecretBackend, SecretPath, VersionId, VersionMeta, Written, async_trait,
};
use secrets_backend_aws::{AwsBackend, AwsConfig, Credentials, Keys};
use secrets_backend_azure::{AzureBackend, AzureConfig, ClientSecret};
use secrets_backend_hcvault::{Auth, Credential, HcVaultBackend, HcVaultConfig};
use secrets_backend_local::{LocalBackend, LocalConfig};
use secrets_manager::{InitOptions, Options, Place, Places, Role, Safe, Standby, Unlock, init};
use secrets_testkit::{
    Answer, Body, Fault, FaultProxy, KeyVault, KeyVaultAccess, Product, Responder, Server, key_vault,
    secrets_manager,
};

use crate::support::skip;

/// What is done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    Killed,
    Hangs,
    Throttles,
}

pub(super) const OUTAGES: [Outage; 3] = [Outage::Killed, Outage::Hangs, Outage::Throttles];

/// A real server behind a relay that throttles and a proxy that breaks.
pub(super) struct Remote {
    proxy: FaultProxy,
    pub(super) relay: Responder,
    throttles: Arc<AtomicBool>,
    /// Where it can be killed in earnest; else its port refuses.
    mortal: Option<Mortal>,
}

/// A server that is killed while it works, and has all it answered for when it is started again.
struct Mortal {
    server: Arc<Mutex<Server>>,
    /// How many operations the outage has lasted; none while it is well.
    lasts: Mutex<Option<usize>>,
}

impl Mortal {
    fn suffers(&self, killed: bool) {
        let mut lasts = self.lasts.lock().unwrap();
        *lasts = match *lasts {
            None if !killed => None,
            // In the middle of the operation that comes now.
            None => {
                let server = Arc::clone(&self.server);
                thread::spawn(move || {
                    thread::sleep(IN_THE_MIDDLE);
                    server.lock().unwrap().stop();
                });
                Some(1)
            }
            Some(operations) if killed && operations < DEAD_FOR => Some(operations + 1),
            // The next operation finds it well, and the one after that kills it again if the outage goes on.
            Some(_) => {
                self.server.lock().unwrap().start_again();
                None
            }
        };
    }
}

impl Remote {
    fn of(url: String, refusal: Answer, mortal: Option<Server>) -> Self {
        let (relay, throttles) = (Responder::start().unwrap(), Arc::new(AtomicBool::new(false)));
        for method in ["GET", "POST", "PUT", "DELETE", "LIST", "PATCH"] {
            let (url, refusal, throttles) = (url.clone(), refusal.clone(), Arc::clone(&throttles));
            relay.on(method, "/", move |request| {
                if throttles.load(Ordering::SeqCst) {
                    refusal.clone()
                } else {
                    // Killed before it answered.
                    let broken = Body::Truncated { declared: 1, sent: Vec::new() };
                    request.forward(&url).unwrap_or_else(|_| Answer::new(200, broken))
                }
            });
        }
        let mortal =
            mortal.map(|server| Mortal { server: Arc::new(Mutex::new(server)), lasts: Mutex::default() });
        Self { proxy: FaultProxy::start(relay.addr()).unwrap(), relay, throttles, mortal }
    }

    fn url(&self) -> String {
        format!("http://{}", self.proxy.addr())
    }

    fn suffers(&self, outage: Option<Outage>) {
        self.throttles.store(outage == Some(Outage::Throttles), Ordering::SeqCst);
        if let Some(mortal) = &self.mortal {
            mortal.suffers(outage == Some(Outage::Killed));
        }
        self.proxy.set(match outage {
            Some(Outage::Killed) if self.mortal.is_none() => Fault::Refuse,
            Some(Outage::Hangs) => Fault::Hang,
            _ => Fault::None,
        });
    }
}

/// Azure Key Vault, whose server throttles by itself, behind a proxy that breaks: a relay could not keep its TLS.
pub(super) struct Vault {
    proxy: FaultProxy,
    server: Option<KeyVault>,
    access: KeyVaultAccess,
}

impl Vault {
    fn new() -> Self {
        let (access, server) = key_vault();
        let url = access.vault_url.trim_start_matches("https://");
        let host = url.split(['/', ':']).next().unwrap();
        let (_, there) = access.addresses.iter().find(|(name, _)| name == host).expect("the vault's address");
        Self { proxy: FaultProxy::start(*there).unwrap(), server, access }
    }

    /// As a backend whose calls take two seconds at most.
    fn backend(&self) -> AzureBackend {
        let access = &self.access;
        let secret = ClientSecret::new(
            access.tenant_id.as_str(),
            access.client_id.as_str(),
            access.client_secret.as_str(),
        );
        let credentials = secrets_backend_azure::Credentials::ClientSecret(secret);
        let mut config = AzureConfig::new(access.vault_url.as_str(), credentials);
        config.authority = Some(access.authority.clone());
        config.ca_pem = Some(access.ca_pem.clone());
        // The issuer of tokens is another service, and stays up.
        config.addresses = access.addresses.clone();
        let vault = access.vault_url.as_str();
        for (_, address) in config.addresses.iter_mut().filter(|(host, _)| vault.contains(host.as_str())) {
            *address = self.proxy.addr();
        }
        config.timeout = Duration::from_secs(2);
        AzureBackend::new(config).unwrap()
    }

    fn suffers(&self, outage: Option<Outage>) {
        let throttles = outage == Some(Outage::Throttles);
        if let Some(server) = &self.server {
            server.heal();
            if throttles {
                server.throttle(100_000, 0);
            }
        }
        self.proxy.set(match outage {
            Some(Outage::Hangs) => Fault::Hang,
            Some(Outage::Killed) => Fault::Refuse,
            // Another's server is not told to throttle.
            Some(Outage::Throttles) if self.server.is_none() => Fault::Refuse,
            _ => Fault::None,
        });
    }
}

/// The local store, which nothing but its own process can break: what its callers would see is made here.
#[derive(Debug)]
pub(super) struct Local {
    store: LocalBackend,
    outage: Mutex<Option<Outage>>,
}

impl Local {
    async fn up(&self, operation: Operation) -> Result<&LocalBackend> {
        let outage = *self.outage.lock().unwrap();
        let refuse = |kind| Err(Error::new(kind, operation, self.store.to_string()));
        match outage {
            None => Ok(&self.store),
            Some(Outage::Killed) => refuse(ErrorKind::Unavailable),
            Some(Outage::Throttles) => refuse(ErrorKind::RateLimited),
            Some(Outage::Hangs) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl SecretBackend for Local {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.up(Operation::Check).await?.check().await
    }

    async fn get(&self, path: &SecretPath, at: Option<&VersionId>) -> Result<Secret> {
        self.up(Operation::Get).await?.get(path, at).await
    }

    async fn get_many(&self, paths: &[SecretPath]) -> Vec<Result<Secret>> {
        match self.up(Operation::Get).await {
            Ok(store) => store.get_many(paths).await,
            Err(error) => {
                paths.iter().map(|_| Err(Error::new(error.kind(), Operation::Get, "local"))).collect()
            }
        }
    }

    async fn put(&self, path: &SecretPath, secret: &NewSecret, mode: &PutMode) -> Result<Written> {
        self.up(Operation::Put).await?.put(path, secret, mode).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<Written> {
        self.up(Operation::Delete).await?.delete(path).await
    }

    async fn undelete(&self, path: &SecretPath) -> Result<Written> {
        self.up(Operation::Undelete).await?.undelete(path).await
    }

    async fn purge(&self, path: &SecretPath) -> Result<Written> {
        self.up(Operation::Purge).await?.purge(path).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionMeta>> {
        self.up(Operation::Versions).await?.versions(path).await
    }

    async fn list(&self, prefix: Option<&SecretPath>, page: Option<&PageToken>) -> Result<Page> {
        self.up(Operation::List).await?.list(prefix, page).await
    }
}

impl std::fmt::Display for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

/// A safe over four backends, each of which can be broken.
pub(super) struct World {
    _directory: tempfile::TempDir,
    places: Places,
    pub(super) clouds: [Remote; 2],
    vault: Vault,
    local: Arc<Local>,
    pub(super) backends: [Arc<dyn SecretBackend>; BACKENDS],
}

pub(super) const BACKENDS: usize = 4;
/// The one on this machine.
pub(super) const LOCAL: usize = 3;

impl World {
    /// None, after a loud skip, where a server is missing.
    pub(super) async fn new() -> Option<Self> {
        let (Some(bao), Some(aws)) = (Server::own(Product::OpenBaoOnDisk), secrets_manager()) else {
            skip("the servers of this test were not started");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let prefix = format!("outages{}", root.file_name()?.to_str()?.replace('.', "x"));
        let places = Places::new(root.join("config/key"), root.join("data"), root.join("state"));
        init(&places, InitOptions::with_key_file(&places)).await.unwrap();
        let throttled = Answer::text(429, "{\"errors\":[]}").with_header("Retry-After", "0");
        let slow = Answer::text(400, "{\"__type\":\"ThrottlingException\",\"message\":\"slow\"}");
        let token = Credential::value(bao.root_token.as_str());
        let clouds = [Remote::of(bao.address.clone(), throttled, Some(bao)), Remote::of(aws, slow, None)];
        let mut config = HcVaultConfig::new(clouds[0].url(), Auth::Token(token));
        config.timeout = Duration::from_secs(2);
        let bao = HcVaultBackend::new(config).unwrap();
        let mut config = AwsConfig::new();
        config.region = Some("us-east-1".to_owned());
        config.endpoint_url = Some(clouds[1].url());
        config.credentials = Credentials::Keys(Keys::new("testing", "testing"));
        config.timeout = Duration::from_secs(2);
        let aws = AwsBackend::new(config).unwrap();
        let store = LocalBackend::new(LocalConfig::new(places.store())).unwrap();
        let local = Arc::new(Local { store, outage: Mutex::default() });
        let vault = Vault::new();
        let backends: [Arc<dyn SecretBackend>; BACKENDS] = [
            Arc::new(PrefixBackend::new(bao, format!("{prefix}/")).unwrap()),
            Arc::new(PrefixBackend::new(aws, format!("{prefix}/")).unwrap()),
            Arc::new(PrefixBackend::new(vault.backend(), format!("{prefix}/")).unwrap()),
            Arc::clone(&local) as _,
        ];
        Some(Self { _directory: directory, places, clouds, vault, local, backends })
    }

    fn options(&self) -> Options {
        let mut options = Options::new(Arc::clone(&self.backends[0]));
        let mut local = Standby::new(Arc::clone(&self.backends[LOCAL]));
        (local.place, local.role) = (Place::Own, Role::Failover);
        let clouds = self.backends[1..LOCAL].iter().map(|backend| Standby::new(Arc::clone(backend)));
        options.standbys = clouds.chain([local]).collect();
        options.deadline = Duration::from_secs(2);
        options.failover.hedge_after = Duration::from_millis(100);
        options.failover.hedge_batch_after = Duration::from_millis(300);
        options.failover.deadline = Duration::from_secs(3);
        options.failover.breaker.open_for = OPEN_FOR;
        options
    }

    pub(super) async fn open(&self) -> Safe {
        let key = Unlock::KeyFile(self.places.key_file.clone());
        Safe::open(&self.places, self.options(), key).await.unwrap()
    }

    /// The same safe over one of the backends alone.
    pub(super) async fn open_over(&self, at: usize) -> Safe {
        let mut options = Options::new(Arc::clone(&self.backends[at]));
        options.place = if at == LOCAL { Place::Own } else { Place::Shared };
        let key = Unlock::KeyFile(self.places.key_file.clone());
        Safe::open(&self.places, options, key).await.unwrap()
    }

    /// Breaks one, and mends the others.
    pub(super) fn breaks(&self, broken: Option<(usize, Outage)>) {
        let of = |at: usize| broken.filter(|(victim, _)| *victim == at).map(|(_, outage)| outage);
        self.clouds[0].suffers(of(0));
        self.clouds[1].suffers(of(1));
        self.vault.suffers(of(2));
        *self.local.outage.lock().unwrap() = of(LOCAL);
    }
}

/// When in an operation a server is killed: most of them take longer.
const IN_THE_MIDDLE: Duration = Duration::from_millis(4);
/// How many operations it is dead.
const DEAD_FOR: usize = 5;
pub(super) const OPEN_FOR: Duration = Duration::from_millis(500);
