//! Where the command finds AWS credentials: each source on loopback, right, expired, denied, down and babbling.
//!
//! Every call starts with an empty environment, and no call ever asks the address of a real machine's metadata.

use std::process::Command;
use std::time::{Duration, Instant};

use secrets_testkit::{Answer, AwsStandIn, Responder};
use serde_json::{Value, json};

use crate::support::{Done, Scratch};

const KEYS: &str = "aws_access_key_id = AKIAUSER\naws_secret_access_key = 5ecret-of-the-key\n";
const ROLE: &str = "role_arn = arn:aws:iam::123456789012:role/";
const START: &str = "https://portal.example/start";

/// An installation whose backend is AWS with these fields, in an environment of its own.
pub(crate) struct Cloud {
    pub(crate) scratch: Scratch,
}

/// A source of credentials: the variables and the configuration file that name it.
struct Source {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    config: String,
    /// What it is asked for one set of keys, where it is a server; `#` is the number of the keys before.
    calls: Vec<&'static str>,
    /// The one key that it has, where it is none.
    key: &'static str,
}

impl Cloud {
    pub(crate) fn new(fields: &str) -> Self {
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.home().join("config")).unwrap();
        let config = format!(
            "[backends.cloud]\ntype = \"aws\"\ntimeout = 3\n{fields}\n[environments.default]\nprimary = \"cloud\"\n"
        );
        std::fs::write(scratch.home().join("config/config.toml"), config).unwrap();
        Self { scratch }
    }

    /// The command with these variables and AWS's own files in the working directory, whether they are there or not.
    pub(crate) fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let work = self.scratch.work();
        let mut command = self.scratch.command(arguments);
        command.env("HOME", &work).env("AWS_CONFIG_FILE", work.join("config"));
        command.env("AWS_SHARED_CREDENTIALS_FILE", work.join("credentials"));
        match variables.iter().find(|(name, _)| *name == "AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            Some((_, url)) => assert!(url.starts_with("http://127.0.0.1:"), "{url}"),
            None => drop(command.env("AWS_EC2_METADATA_DISABLED", "true")),
        }
        command.envs(variables.iter().copied());
        command
    }

    /// Whether the service answers: its state, and what is said of it. Never longer than the deadline and a little.
    pub(crate) fn health(&self, variables: &[(&str, &str)]) -> (String, String) {
        let started = Instant::now();
        let mut command = self.command(&["health", "--json"], variables);
        // The libraries of AWS log what they send and get; nothing of it may be shown.
        let done = Done::of(command.env("SECRETS_LOG", "trace").output().unwrap());
        assert!(started.elapsed() < Duration::from_secs(10), "{}", done.stderr);
        for planted in ["planted-5ecre7-value", "5ecret-of-the-key"] {
            assert!(!done.stderr.contains(planted) && !done.text().contains(planted), "{}", done.stderr);
        }
        let health: Value = serde_json::from_slice(&done.stdout).unwrap();
        let primary = &health["replicas"]["primary"];
        let problem = primary["problem"].as_str().unwrap_or_default();
        (primary["state"].as_str().unwrap().to_owned(), problem.to_owned())
    }
}

impl Source {
    fn holding(name: &'static str, key: &'static str) -> Self {
        Self { name, variables: Vec::new(), config: String::new(), calls: Vec::new(), key }
    }

    fn asked(name: &'static str, calls: &[&'static str]) -> Self {
        Self { calls: calls.to_vec(), ..Self::holding(name, "") }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn configured(mut self, config: impl Into<String>) -> Self {
        self.config = config.into();
        self
    }

    /// Whether keys that have expired are followed by others.
    fn is_server(&self) -> bool {
        !self.calls.is_empty()
    }

    /// How many keys it takes to get those that sign: one for each role.
    fn steps(&self) -> u32 {
        u32::try_from(self.calls.iter().filter(|call| call.contains("Role")).count()).unwrap().max(1)
    }

    /// Who signs when the keys were asked for so many times before.
    fn signer(&self, before: u32) -> String {
        if self.is_server() { format!("ASIA{}", (before + 1) * self.steps()) } else { self.key.to_owned() }
    }

    /// What is asked for a call of the service, and that call.
    fn all(&self, before: u32) -> Vec<String> {
        let last = (before * self.steps() + 1).to_string();
        let mut calls: Vec<String> = self.calls.iter().map(|call| call.replace('#', &last)).collect();
        calls.push(format!("ListSecrets by {}", self.signer(before)));
        calls
    }

    /// The state of a service at `service`, with the sources at the address that they were made for.
    fn health(&self, cloud: &Cloud, service: &str) -> (String, String) {
        cloud.scratch.write("config", &self.config);
        let common = [("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", service)];
        let own = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        cloud.health(&common.into_iter().chain(own).collect::<Vec<_>>())
    }
}

/// Every source, those that are servers at this address.
fn sources(cloud: &Cloud, url: &str) -> Vec<Source> {
    let file = |name: &str, text: &str| cloud.scratch.write(name, text).display().to_string();
    let process = json!({"Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": "5ecret-of-the-key",
        "SessionToken": "s", "Expiration": "2999-01-01T00:00:00Z"});
    let process = file("process.json", &process.to_string());
    let identity = file("identity", "web-identity-token");
    let container = file("container", "container-token");
    let cache = cloud.scratch.work().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    // Named after the hash (SHA-1) of the address.
    let login = cache.join("5863e3e4b5a9564b6e829cf4aa6724bdbf9788a5.json");
    std::fs::write(login, AwsStandIn::sso_login(START)).unwrap();
    let base = format!("[profile base]\n{KEYS}");
    let with_token = "AssumeRoleWithWebIdentity by nobody";
    vec![
        Source::holding("environment", "AKIAUSER")
            .with("AWS_ACCESS_KEY_ID", "AKIAUSER")
            .with("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-key"),
        Source::holding("profile", "AKIAUSER").configured(format!("[default]\n{KEYS}")),
        Source::holding("named profile", "AKIAUSER").configured(base.clone()).with("AWS_PROFILE", "base"),
        Source::holding("program", "ASIAPROCESS")
            .configured(format!("[default]\ncredential_process = cat {process}\n")),
        Source::asked("role of a profile", &["AssumeRole by AKIAUSER"])
            .configured(format!("{base}[default]\n{ROLE}one\nsource_profile = base\nexternal_id = 7of9\n"))
            .with("AWS_ENDPOINT_URL_STS", url),
        Source::asked("chained roles", &["AssumeRole by AKIAUSER", "AssumeRole by ASIA#"])
            .configured(format!(
                "{base}[profile first]\n{ROLE}one\nsource_profile = base\n[default]\n{ROLE}two\nsource_profile = first\n"
            ))
            .with("AWS_ENDPOINT_URL_STS", url),
        Source::asked("web identity of a profile", &[with_token])
            .configured(format!("[default]\n{ROLE}one\nweb_identity_token_file = {identity}\n"))
            .with("AWS_ENDPOINT_URL_STS", url),
        Source::asked("web identity", &[with_token])
            .with("AWS_WEB_IDENTITY_TOKEN_FILE", identity)
            .with("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/one")
            .with("AWS_ENDPOINT_URL_STS", url),
        Source::asked("container", &["GET /container"])
            .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/container"))
            .with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", container),
        Source::asked(
            "instance",
            &[
                "PUT /latest/api/token",
                "GET /latest/meta-data/iam/security-credentials/",
                "GET /latest/meta-data/iam/security-credentials/machine",
            ],
        )
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", url),
        Source::asked("single sign-on", &["GET /federation/credentials"])
            .configured(format!(
                "[default]\nsso_start_url = {START}\nsso_region = us-east-1\nsso_account_id = 123456789012\n\
                 sso_role_name = reader\n"
            ))
            .with("AWS_ENDPOINT_URL_SSO", url),
    ]
}

/// Each source with a stand-in of its own.
fn each(test: impl Fn(&Source, &Cloud, &AwsStandIn)) {
    let cloud = Cloud::new("");
    let count = sources(&cloud, "").len();
    for number in 0..count {
        let stand_in = AwsStandIn::start().unwrap();
        let source = &sources(&cloud, &stand_in.responder().url())[number];
        test(source, &cloud, &stand_in);
    }
}

#[test]
fn every_source_gives_the_keys_that_sign() {
    each(|source, cloud, stand_in| {
        let (state, problem) = source.health(cloud, &stand_in.responder().url());
        assert_eq!((state.as_str(), problem.as_str()), ("ok", ""), "{}", source.name);
        assert_eq!(stand_in.calls(), source.all(0), "{}", source.name);
        let external = stand_in.parameters("ExternalId");
        assert_eq!(external == ["7of9"], source.name == "role of a profile", "{external:?}");
        let token = stand_in.parameters("WebIdentityToken");
        assert_eq!(token == ["web-identity-token"], source.name.starts_with("web identity"), "{token:?}");
    });
}

#[test]
fn keys_that_have_expired_are_asked_for_once_more_and_then_refused() {
    each(|source, cloud, stand_in| {
        let url = stand_in.responder().url();
        stand_in.expire(&source.signer(0));
        let (state, problem) = source.health(cloud, &url);
        let expected = if source.is_server() { "ok" } else { "credentials refused" };
        assert_eq!(state, expected, "{}: {problem}", source.name);
        assert_eq!(stand_in.calls(), [source.all(0), source.all(1)].concat(), "{}", source.name);
        stand_in.expire("A");
        let (state, problem) = source.health(cloud, &url);
        assert_eq!(state, "credentials refused", "{}: {problem}", source.name);
        assert!(problem.contains("ExpiredTokenException"), "{}: {problem}", source.name);
        let calls = stand_in.calls();
        assert_eq!(calls.iter().filter(|call| call.starts_with("ListSecrets")).count(), 4, "{calls:?}");
    });
}

#[test]
fn a_source_that_refuses_ends_it_and_nothing_is_asked_of_the_service() {
    each(|source, cloud, stand_in| {
        if source.is_server() {
            stand_in.deny();
            let (state, problem) = source.health(cloud, &stand_in.responder().url());
            assert_eq!(state, "credentials refused", "{}: {problem}", source.name);
            let calls = stand_in.calls();
            assert!(!calls.iter().any(|call| call.starts_with("ListSecrets")), "{calls:?}");
        }
    });
}

#[test]
fn a_source_that_is_down_hangs_or_babbles_is_told_apart_and_never_waited_for() {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let never = Answer::text(200, "").after(Duration::from_secs(60));
    let page = || Answer::text(200, "<html>planted-5ecre7-value</html>");
    for (answer, states) in [
        (None, &["unavailable"][..]),
        (Some(Answer::text(503, "<html>come back</html>")), &["unavailable", "timed out"]),
        (Some(never), &["timed out", "unavailable"]),
        (Some(page()), &["credentials refused"]),
    ] {
        let responder = Responder::start().unwrap();
        for method in ["GET", "POST", "PUT"] {
            answer.iter().for_each(|answer| responder.always(method, "/", answer.clone()));
        }
        let url = answer.as_ref().map_or_else(|| format!("http://{closed}"), |_| responder.url());
        let cloud = Cloud::new("");
        let service = AwsStandIn::start().unwrap();
        for source in sources(&cloud, &url).iter().filter(|source| source.is_server()) {
            let (state, problem) = source.health(&cloud, &service.responder().url());
            // A machine whose metadata cannot be reached is taken for no instance: it has no credentials.
            let no_instance = source.name == "instance" && problem.contains("no credentials");
            let expected =
                states.contains(&state.as_str()) || (states.contains(&"unavailable") && no_instance);
            assert!(expected, "{}, {answer:?}: {state}, {problem}", source.name);
        }
        assert!(service.calls().is_empty(), "{:?}", service.calls());
    }
}

#[test]
fn a_program_that_fails_hangs_or_babbles_gives_no_keys() {
    let cloud = Cloud::new("");
    let stand_in = AwsStandIn::start().unwrap();
    for (program, expected) in [
        ("sh -c 'echo planted-5ecre7-value >&2; exit 3'", "credentials refused"),
        ("echo planted-5ecre7-value", "credentials refused"),
        ("sleep 4", "timed out"),
        ("/nonexistent/program", "credentials refused"),
    ] {
        let source =
            Source::holding("program", "").configured(format!("[default]\ncredential_process = {program}\n"));
        let (state, problem) = source.health(&cloud, &stand_in.responder().url());
        assert_eq!(state, expected, "{program}: {problem}");
    }
    assert!(stand_in.calls().is_empty());
}
