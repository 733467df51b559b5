//! Every credential: that it works, that it fails as what it is, and that nobody waits for it for ever.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use secrets_backend::{ErrorKind, SecretBackend};
use secrets_backend_azure::{AzureConfig, Cloud, Credentials};
use secrets_testkit::azure::{AzureCloud, IssuerFault};
use secrets_testkit::{KeyVault, KeyVaultAccess};

use crate::admin::{VAULT, asked, backend, config, kind};

mod chain;
mod program;
mod ways;

use ways::{Way, ways};

/// The configuration of a test, with these credentials.
fn with(access: &KeyVaultAccess, credentials: Credentials) -> AzureConfig {
    let mut config = config(access);
    config.credentials = credentials;
    config
}

/// The address of a port where nobody listens.
fn closed() -> String {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

/// By the clock of this process, nobody rests any more.
async fn later() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
}

/// Does this for each credential, on a server of its own.
async fn for_each(test: impl AsyncFn(&KeyVault, &KeyVaultAccess, Way)) {
    let count = ways(&KeyVault::start().unwrap()).len();
    for index in 0..count {
        let server = KeyVault::start().unwrap();
        let way = ways(&server).remove(index);
        println!("{}", way.name);
        test(&server, &server.access(VAULT), way).await;
    }
}

#[tokio::test]
async fn each_credential_gets_a_token_once_for_many_calls() {
    for_each(async |server, access, way| {
        let backend = backend(with(access, way.good.clone()));
        assert!(server.calls().is_empty(), "making it contacts nobody");
        for _ in 0..3 {
            backend.check().await.unwrap();
        }
        assert_eq!((way.tokens)(server), 1, "{}", way.name);
        assert_eq!(asked(server).len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_or_missing_is_refused_without_asking_the_vault() {
    for_each(async |server, access, way| {
        for (credentials, expected) in
            [(&way.wrong, ErrorKind::Unauthenticated), (&way.missing, way.if_missing)]
        {
            let backend = backend(with(access, credentials.clone()));
            let error = backend.check().await.unwrap_err();
            assert_eq!(error.kind(), expected, "{}: {error}", way.name);
            let shown = format!("{error} {error:?} {backend:?}");
            assert!(shown.contains(way.says), "{}: {shown}", way.name);
            let secrets = [&*access.client_secret, ways::WRONG, "eyJ", "PRIVATE KEY"];
            assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
        }
        assert!(asked(server).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_token_that_expires_in_between_is_replaced_by_each_credential() {
    for_each(async |server, access, way| {
        server.token_lifetime(Duration::from_secs(400));
        (way.renew)(server);
        let backend = backend(with(access, way.good.clone()));
        backend.check().await.unwrap();
        backend.check().await.unwrap();
        assert_eq!((way.tokens)(server), 1, "{}", way.name);
        server.forward(Duration::from_secs(401));
        (way.renew)(server);
        backend.check().await.unwrap();
        backend.check().await.unwrap();
        assert_eq!((way.tokens)(server), 2, "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_longer_than_was_said_for_a_source_that_hangs() {
    for_each(async |server, access, way| {
        server.issuer_fault(Some(IssuerFault::Hang));
        server.identity_fault(Some(IssuerFault::Hang));
        let mut config = with(access, way.hanging.clone());
        config.timeout = Duration::from_millis(700);
        let backend = backend(config);
        let started = Instant::now();
        assert_eq!(kind(backend.check().await), ErrorKind::TimedOut, "{}", way.name);
        assert!(started.elapsed() < Duration::from_secs(3), "{}: {:?}", way.name, started.elapsed());
        (way.after_hanging)();
    })
    .await;
}

#[tokio::test]
async fn a_source_that_is_down_is_unavailable_and_asked_again_later() {
    for_each(async |server, access, way| {
        if way.is_program {
            return;
        }
        for (status, expected) in [(500, ErrorKind::Unavailable), (429, ErrorKind::RateLimited)] {
            let fault = IssuerFault::Status(status, "{\"error\":\"pl4nted\"}".to_owned());
            server.issuer_fault(Some(fault.clone()));
            server.identity_fault(Some(fault));
            let backend = backend(with(access, way.good.clone()));
            let error = backend.check().await.unwrap_err();
            assert_eq!(error.kind(), expected, "{}: {error}", way.name);
            assert!(!format!("{error:?}").contains("pl4nted"));
            server.issuer_fault(None);
            server.identity_fault(None);
            backend.check().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let server = KeyVault::start().unwrap();
    let access = server.access(VAULT);
    for (lifetime, expected) in [(400, 1), (240, 2)] {
        server.token_lifetime(Duration::from_secs(lifetime));
        let before = server.issued();
        let backend = backend(config(&access));
        for _ in 0..3 {
            backend.check().await.unwrap();
        }
        assert_eq!(server.issued() - before, 1, "{lifetime} s: nobody has a better one at once");
        later().await;
        backend.check().await.unwrap();
        assert_eq!(server.issued() - before, expected, "{lifetime} s");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_replaced_yet_serves_for_as_long_as_it_is_good() {
    for fault in [IssuerFault::Status(503, String::new()), IssuerFault::Hang] {
        let server = KeyVault::start().unwrap();
        server.token_lifetime(Duration::from_secs(240));
        let mut config = config(&server.access(VAULT));
        config.timeout = Duration::from_secs(4);
        let backend = backend(config);
        backend.check().await.unwrap();
        later().await;
        server.issuer_fault(Some(fault));
        server.forget_calls();
        let started = Instant::now();
        for _ in 0..10 {
            backend.check().await.unwrap();
        }
        assert!(started.elapsed() < Duration::from_secs(4), "one caller waited: {:?}", started.elapsed());
        let requests = server.calls().len() - asked(&server).len();
        assert_eq!(requests, 1, "nobody asks again for a while");
        // A token that the vault refuses serves nobody.
        server.revoke_tokens();
        assert!(backend.check().await.is_err());
    }
}

#[tokio::test]
async fn an_issuer_says_why_in_numbers_and_nothing_else_of_it_is_kept() {
    let server = KeyVault::start().unwrap();
    let access = server.access(VAULT);
    let body = |codes: &str| {
        format!("{{\"error\":\"invalid_client\",\"error_description\":\"pl4nted\",\"error_codes\":{codes}}}")
    };
    for (codes, expected) in
        [("[7000215]", "refused, AADSTS7000215"), ("[1,2]", "AADSTS1, AADSTS2"), ("[]", "refused, or")]
    {
        server.issuer_fault(Some(IssuerFault::Status(401, body(codes))));
        let error = backend(config(&access)).check().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("pl4nted"));
    }
}

#[tokio::test]
async fn two_tenants_side_by_side_have_tokens_of_their_own() {
    let server = KeyVault::start().unwrap();
    let [one, other] = ["one", "other"].map(|name| server.access_in(name, name, AzureCloud::Public));
    assert_ne!(one.tenant_id, other.tenant_id);
    let backends = [&one, &other].map(|access| backend(config(access)));
    let path = crate::admin::path("app/key");
    for (backend, value) in backends.iter().zip(["1", "2"]) {
        crate::admin::put(backend, &path, value).await;
    }
    for (backend, value) in backends.iter().zip(["1", "2"]) {
        assert_eq!(crate::admin::value(backend, &path).await, value);
    }
    assert_eq!(server.issued(), 2);
    // An application of one tenant is nobody in the vault of the other.
    let mut stranger = config(&other);
    stranger.credentials = config(&one).credentials;
    assert_eq!(kind(backend(stranger).check().await), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn each_cloud_has_hosts_and_tokens_of_its_own() {
    let server = KeyVault::start().unwrap();
    for (cloud, theirs) in [(Cloud::Government, AzureCloud::Government), (Cloud::China, AzureCloud::China)] {
        let access = server.access_in("cloud", "", theirs);
        let mut config = config(&access);
        (config.cloud, config.resource) = (cloud, None);
        backend(config).check().await.unwrap();
    }
}
