//! Every login method as a row of one table, and the servers on which the rows are tried.

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::future::join_all;
use secrets_backend::{Error, ErrorKind, NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_hcvault::{Auth, Credential, Engine, HcVaultBackend, HcVaultConfig};
use secrets_testkit::{FaultProxy, Product};
use serde_json::{Value, json};

use crate::admin::{Admin, everything, fresh};

mod clouds;
pub(crate) mod set_up;

/// How long the tokens of a login live, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) ttl: u32,
    pub(crate) max: u32,
}

/// A row: a method, where it is tried, and how it is set up there.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    product: Product,
    /// Whether it can get another token. A token that was given is all that there is.
    pub(crate) logs_in: bool,
    /// What a login is when the server cannot ask its identity provider. The server says of Kubernetes what it says of
    /// an account that is not accepted.
    pub(crate) unasked: ErrorKind,
    set_up: for<'a> fn(&'a Ground, Life) -> SetUp<'a>,
}

/// None, after a loud skip, where what stands behind the method is not there.
type SetUp<'a> = Pin<Box<dyn Future<Output = Option<Ready>> + 'a>>;

macro_rules! method {
    ($name:literal, $product:ident, $logs_in:literal, $unasked:ident, $set_up:path) => {
        Method {
            name: $name,
            product: Product::$product,
            logs_in: $logs_in,
            unasked: ErrorKind::$unasked,
            set_up: |ground, life| Box::pin($set_up(ground, life)),
        }
    };
}

/// Vault has no TLS and neither JWT nor certificates here, OpenBao neither LDAP nor AWS.
const METHODS: [Method; 9] = [
    method!("token", OpenBao, false, Unavailable, set_up::token),
    method!("AppRole", OpenBao, true, Unavailable, set_up::app_role),
    method!("wrapped AppRole", OpenBao, true, Unavailable, set_up::wrapped),
    method!("userpass", OpenBao, true, Unavailable, set_up::userpass),
    method!("JWT", OpenBao, true, Unavailable, set_up::jwt),
    method!("Kubernetes", OpenBao, true, Unauthenticated, clouds::kubernetes),
    method!("certificate", OpenBaoTls, true, Unavailable, set_up::certificate),
    method!("LDAP", Vault, true, Unavailable, clouds::ldap),
    method!("AWS", Vault, true, Unavailable, clouds::aws),
];

/// A method that is set up.
pub(crate) struct Ready {
    right: HcVaultConfig,
    wrong: HcVaultConfig,
    /// The path of its login, and of the request with which a wrong one ends, as the audit log has them.
    login: String,
    refused: String,
    /// The one policy of its tokens.
    policy: String,
    /// The call of root that ends its tokens.
    revoke: (String, Value),
    /// The way from the server to whom it asks.
    pub(crate) provider: Option<FaultProxy>,
    /// Files and servers that live as long.
    _kept: Box<dyn Any>,
}

/// A server of a test's own, which logs each request, with a mount.
pub(crate) struct Ground {
    pub(crate) admin: Admin,
    pub(crate) mount: String,
    directory: tempfile::TempDir,
    ca_file: Option<PathBuf>,
}

/// One method on its ground.
pub(crate) struct Case {
    pub(crate) method: &'static Method,
    pub(crate) ready: Ready,
    pub(crate) ground: Rc<Ground>,
}

/// Each method, set up with tokens of this life, on servers that nothing else uses.
pub(crate) async fn cases(life: Life) -> Vec<Case> {
    let starts = [Product::OpenBao, Product::OpenBaoTls, Product::Vault].map(Ground::start);
    let grounds: Vec<_> = join_all(starts).await.into_iter().flatten().collect();
    let cases = METHODS.iter().filter_map(|method| {
        let (_, ground) = grounds.iter().find(|(product, _)| *product == method.product)?;
        Some(Case::of(method, Rc::clone(ground), life))
    });
    join_all(cases).await.into_iter().flatten().collect()
}

impl Ground {
    async fn start(product: Product) -> Option<(Product, Rc<Self>)> {
        let admin = Admin::own(product).await?;
        let directory = tempfile::tempdir().unwrap();
        let ca_file = admin.server.authority.as_ref().map(|authority| {
            let file = directory.path().join("ca.pem");
            std::fs::write(&file, authority).unwrap();
            file
        });
        let mount = admin.mount(Engine::Kv2).await;
        Some((product, Rc::new(Self { admin, mount, directory, ca_file })))
    }

    fn config(&self, auth: Auth) -> HcVaultConfig {
        let mut config = self.admin.config_with(&self.mount, auth);
        config.tls.ca_file.clone_from(&self.ca_file);
        // So that each read is one request.
        config.engine = Engine::Kv2;
        config
    }

    /// A policy over the mount, of which nobody else has tokens.
    async fn policy(&self) -> String {
        let name = fresh("policy");
        let policy = json!({"policy": everything(&self.mount)});
        self.admin.done("POST", &format!("sys/policies/acl/{name}"), policy).await;
        name
    }

    /// A method of this type, enabled at a fresh place.
    async fn enabled(&self, kind: &str) -> String {
        let place = fresh(kind);
        self.admin.done("POST", &format!("sys/auth/{place}"), json!({ "type": kind })).await;
        place
    }
}

impl Case {
    async fn of(method: &'static Method, ground: Rc<Ground>, life: Life) -> Option<Self> {
        let ready = (method.set_up)(&ground, life).await?;
        let case = Self { method, ready, ground };
        let root = case.ground.config(Auth::Token(Credential::value(&*case.ground.admin.server.root_token)));
        let root = case.expect(HcVaultBackend::new(root));
        case.expect(root.put(&case.path(), &NewSecret::new("found"), &PutMode::Create).await);
        Some(case)
    }

    /// The same method, set up once more.
    pub(crate) async fn another(&self, life: Life) -> Option<Self> {
        Self::of(self.method, Rc::clone(&self.ground), life).await
    }

    pub(crate) fn backend(&self) -> HcVaultBackend {
        self.expect(HcVaultBackend::new(self.ready.right.clone()))
    }

    pub(crate) fn wrong(&self) -> HcVaultBackend {
        self.expect(HcVaultBackend::new(self.ready.wrong.clone()))
    }

    /// The secret that only this method's tokens read.
    pub(crate) fn path(&self) -> SecretPath {
        self.ready.policy.parse().unwrap()
    }

    pub(crate) async fn read(&self, backend: &HcVaultBackend) -> Result<(), Error> {
        let secret = backend.get(&self.path(), None).await?;
        assert_eq!(secret.value.expose(), b"found", "{}", self.method.name);
        Ok(())
    }

    /// A read that must work.
    pub(crate) async fn reads(&self, backend: &HcVaultBackend, when: &str) {
        let answer = self.read(backend).await;
        answer.unwrap_or_else(|error| panic!("{}, {when}: {error}", self.method.name));
    }

    /// Many reads at once that must work.
    pub(crate) async fn reads_at_once(&self, backend: &HcVaultBackend, when: &str) {
        join_all((0..AT_ONCE).map(|_| self.reads(backend, when))).await;
    }

    /// A read that must fail in this way.
    pub(crate) async fn fails(&self, backend: &HcVaultBackend, kind: ErrorKind, when: &str) {
        let name = self.method.name;
        match self.read(backend).await {
            Ok(()) => panic!("{name}, {when}: it was read"),
            Err(error) => assert_eq!(error.kind(), kind, "{name}, {when}: {error}"),
        }
    }

    /// Many reads at once that must fail in this way.
    pub(crate) async fn fail_at_once(&self, backend: &HcVaultBackend, kind: ErrorKind, when: &str) {
        join_all((0..AT_ONCE).map(|_| self.fails(backend, kind, when))).await;
    }

    /// Ends its tokens, on the server.
    pub(crate) async fn revoke(&self) {
        let (path, body) = &self.ready.revoke;
        self.ground.admin.done("POST", path, body.clone()).await;
    }

    /// How many requests asked for a token.
    pub(crate) fn logins(&self) -> usize {
        self.ground.admin.logged(&self.ready.login)
    }

    /// How many requests there were of the kind with which a wrong credential ends.
    pub(crate) fn refusals(&self) -> usize {
        self.ground.admin.logged(&self.ready.refused)
    }

    /// How many requests read its secret, refused ones included.
    pub(crate) fn requests(&self) -> usize {
        let data = format!("{}/data/{}", self.ground.mount, self.path());
        // Root wrote it.
        self.ground.admin.logged(&data) - 1
    }

    /// How many of its tokens' leases were prolonged.
    pub(crate) fn renewals(&self) -> usize {
        self.ground.admin.requests(|entry| {
            let policies = entry["auth"]["policies"].as_array();
            entry["request"]["path"] == "auth/token/renew-self"
                && policies.is_some_and(|policies| policies.iter().any(|name| *name == *self.ready.policy))
        })
    }

    fn expect<T, E: Display>(&self, result: Result<T, E>) -> T {
        result.unwrap_or_else(|error| panic!("{}: {error}", self.method.name))
    }
}

/// How many calls there are where calls are made side by side: more than a locked account takes wrong passwords.
const AT_ONCE: usize = 16;
