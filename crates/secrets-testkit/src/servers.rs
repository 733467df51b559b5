//! How tests find real servers: by variables that `cargo xtask test` sets for those it started, and by programs
//! from which a test starts a server of its own.

use std::env;
use std::fmt;
use std::path::PathBuf;

mod own;

use own::Own;
pub use own::Product;

/// Says loudly that a test cannot run here; the test returns after it.
///
/// # Panics
/// When `CI=true` or `SECRETS_TEST_REQUIRE=1`: there, a test that cannot run has failed.
#[track_caller]
pub fn skip(reason: &str) {
    let required = is("CI", "true") || is("SECRETS_TEST_REQUIRE", "1");
    assert!(!required, "would skip: {reason}");
    println!("SKIP: {reason}");
}

fn is(variable: &str, value: &str) -> bool {
    env::var(variable).is_ok_and(|found| found == value)
}

/// A server that speaks Vault's protocol.
///
/// One that all tests share is changed by them all: a test mounts what it needs under a name of its own.
/// One of a test's own ends with this value.
pub struct Server {
    /// `http://127.0.0.1:8200`, say
    pub address: String,
    /// May do everything
    pub root_token: String,
    /// The one share that unseals, where it is known
    pub unseal_key: Option<String>,
    /// The PEM of the authority that a client must trust, where the server speaks TLS
    pub authority: Option<String>,
    own: Option<Own>,
}

/// The OpenBao server that all tests share.
#[must_use]
pub fn openbao() -> Option<Server> {
    shared("OPENBAO")
}

/// The Vault server that all tests share.
#[must_use]
pub fn vault() -> Option<Server> {
    shared("VAULT")
}

fn shared(name: &str) -> Option<Server> {
    let setting = |what: &str| env::var(format!("SECRETS_TEST_{name}_{what}")).ok();
    Some(Server {
        address: setting("ADDR")?,
        root_token: setting("TOKEN")?,
        unseal_key: setting("UNSEAL_KEY"),
        authority: None,
        own: None,
    })
}

impl Server {
    /// Starts a server for one test alone, which may seal and stop it; nothing when its program is not here.
    ///
    /// # Panics
    /// When the program is here and does not start.
    #[must_use]
    pub fn own(product: Product) -> Option<Self> {
        let program = env::var_os(product.variable())?;
        Some(Self::of(Own::start(product, program.into())))
    }

    /// Where a server of a test's own logs every request, a line of JSON each: OpenBao from its start, Vault once the
    /// test enables an audit device for this file.
    ///
    /// # Panics
    /// When the server is shared with other tests.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.own.as_ref().expect("a server that all tests share keeps no log").audit_log()
    }

    /// Kills a server of a test's own. Its port refuses from now on.
    ///
    /// # Panics
    /// When the server is shared with other tests.
    pub fn stop(&mut self) {
        self.mine().stop();
    }

    /// Starts a server that was stopped again, at the same address. But for [`Product::OpenBaoOnDisk`], which is as it
    /// was, it has nothing of what it held before, and its root token and unseal key may be others.
    ///
    /// # Panics
    /// When the server is shared with other tests, or does not start.
    pub fn start_again(&mut self) {
        self.mine().start_again();
        if let Some(own) = self.own.take() {
            *self = Self::of(own);
        }
    }

    fn of(own: Own) -> Self {
        let serves = own.serves().clone();
        Self {
            address: serves.address,
            root_token: serves.root_token,
            unseal_key: Some(serves.unseal_key),
            authority: serves.authority,
            own: Some(own),
        }
    }

    fn mine(&mut self) -> &mut Own {
        self.own.as_mut().expect("a server that all tests share is not stopped")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The LDAP directory that all tests share, which they only read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Directory {
    /// `ldap://127.0.0.1:389`, say
    pub url: String,
    /// The entry above all people, whose names are their `cn`
    pub people: &'static str,
    /// The entry above all groups, of `groupOfNames`
    pub groups: &'static str,
    /// The one person, member of the group `engineers`
    pub user: &'static str,
    /// That person's password
    pub password: &'static str,
}

/// The directory, with the one person and the one group that `xtask/servers/slapd/` puts into it.
#[must_use]
pub fn slapd() -> Option<Directory> {
    Some(Directory {
        url: env::var("SECRETS_TEST_LDAP_URL").ok()?,
        people: "ou=people,dc=example,dc=org",
        groups: "ou=groups,dc=example,dc=org",
        user: "alice",
        password: "alice's password",
    })
}

/// An endpoint that stands for AWS STS, which all tests share, and one user whose signatures it checks.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sts {
    /// `http://127.0.0.1:5000`, say
    pub url: String,
    /// The user's key
    pub access_key: String,
    /// What the user signs with
    pub secret_key: String,
    /// The user, as STS names it, who may make other users
    pub arn: &'static str,
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sts").field("url", &self.url).field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// The STS endpoint.
#[must_use]
pub fn sts() -> Option<Sts> {
    Some(Sts {
        url: env::var("SECRETS_TEST_STS_URL").ok()?,
        access_key: env::var("SECRETS_TEST_STS_ACCESS_KEY").ok()?,
        secret_key: env::var("SECRETS_TEST_STS_SECRET_KEY").ok()?,
        arn: "arn:aws:iam::123456789012:user/tester",
    })
}

/// The address of an endpoint that stands for AWS Secrets Manager, which all tests share: it takes any keys.
/// One that takes only its user's is [`sts`]'s, where that user may not read secrets.
#[must_use]
pub fn secrets_manager() -> Option<String> {
    env::var("SECRETS_TEST_SECRETS_MANAGER_URL").ok()
}

/// A Python that has boto3, AWS's own SDK for it.
#[must_use]
pub fn boto3() -> Option<PathBuf> {
    env::var_os("SECRETS_TEST_BOTO3_PYTHON").map(PathBuf::from)
}

/// A Python that has Microsoft's own SDK for Key Vault.
#[must_use]
pub fn azure_sdk() -> Option<PathBuf> {
    env::var_os("SECRETS_TEST_AZURE_SDK_PYTHON").map(PathBuf::from)
}
