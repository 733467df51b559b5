//! What stands for AWS as far as credentials go: their sources, and a service that says who signed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::{Answer, Request, Responder};

/// The token with which the endpoint of a container is asked.
const CONTAINER_TOKEN: &str = "container-token";
/// The token of a session with the instance's metadata.
const METADATA_TOKEN: &str = "metadata-token";
/// The token of a login to IAM Identity Center.
const SSO_TOKEN: &str = "sso-token";

/// Sources of AWS credentials on one loopback port, and AWS Secrets Manager with one secret.
///
/// STS, a container's endpoint (`/container`), an instance's metadata with tokens (IMDSv2) and the portal of IAM
/// Identity Center give the keys `ASIA1`, `ASIA2`, … in this order.
#[derive(Debug)]
pub struct AwsStandIn {
    responder: Responder,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    issued: u32,
    denies: bool,
    expired: Option<String>,
    calls: Vec<String>,
}

/// What is answered to a request, and what is remembered of it.
type Route = fn(&Request, &mut State) -> Answer;

impl AwsStandIn {
    /// Starts it. It needs no runtime of the caller's.
    ///
    /// # Errors
    /// When no loopback port or no thread is to be had.
    pub fn start() -> io::Result<Self> {
        let responder = Responder::start()?;
        let state = Arc::new(Mutex::new(State::default()));
        let routes: [(&str, &str, Route); 5] = [
            ("POST", "/", post),
            ("GET", "/container", container),
            ("PUT", "/latest/api/token", metadata_token),
            ("GET", "/latest/", metadata),
            ("GET", "/federation/credentials", sso),
        ];
        for (method, path, answer) in routes {
            let state = Arc::clone(&state);
            responder.on(method, path, move |request| answer(request, &mut lock(&state)));
        }
        Ok(Self { responder, state })
    }

    /// From now on, no source gives keys.
    pub fn deny(&self) {
        lock(&self.state).denies = true;
    }

    /// From now on, the service takes keys whose id begins so for expired.
    pub fn expire(&self, id: &str) {
        lock(&self.state).expired = Some(id.to_owned());
    }

    /// What was asked so far: `AssumeRole by AKIAUSER`, `GET /container`, `ListSecrets by ASIA1`, …
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).calls.clone()
    }

    /// What the calls of STS said under this name, one after the other.
    #[must_use]
    pub fn parameters(&self, name: &str) -> Vec<String> {
        let requests = self.responder.requests();
        requests.iter().filter_map(|request| parameter(request, name)).collect()
    }

    /// The responder that serves it, for its address and for answers that it does not give.
    #[must_use]
    pub const fn responder(&self) -> &Responder {
        &self.responder
    }

    /// The text of the file in which a login to IAM Identity Center is kept.
    #[must_use]
    pub fn sso_login(start_url: &str) -> String {
        json!({
            "accessToken": SSO_TOKEN,
            "expiresAt": "2999-01-01T00:00:00Z",
            "region": "us-east-1",
            "startUrl": start_url,
        })
        .to_string()
    }
}

impl State {
    fn asked(&mut self, call: impl Into<String>) {
        self.calls.push(call.into());
    }

    /// The next keys as this answer has them, or a refusal.
    fn issue(&mut self, answer: impl FnOnce(&str, &str) -> Answer) -> Answer {
        if self.denies {
            return Answer::text(403, "denied");
        }
        self.issued += 1;
        answer(&format!("ASIA{}", self.issued), &format!("session-{}", self.issued))
    }
}

fn post(request: &Request, state: &mut State) -> Answer {
    let signer = signer(request).unwrap_or("nobody");
    if let Some(action) = parameter(request, "Action") {
        state.asked(format!("{action} by {signer}"));
        return sts(&action, state);
    }
    let target = request.header("x-amz-target").unwrap_or_default();
    state.asked(format!("{} by {signer}", target.rsplit('.').next().unwrap_or_default()));
    if state.expired.as_ref().is_some_and(|start| signer.starts_with(start)) {
        return Answer::json(
            400,
            &json!({"__type": "ExpiredTokenException", "Message": "planted-5ecre7-value"}),
        );
    }
    let version = format!("1{}", "0".repeat(63));
    let secret = json!({"Name": "app/key", "VersionId": version, "SecretBinary": "eA==", "SecretList": []});
    Answer::json(200, &secret)
}

fn sts(action: &str, state: &mut State) -> Answer {
    if state.denies {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
            <Message>planted-5ecre7-value</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        return Answer::text(403, error);
    }
    state.issue(|id, token| {
        let keys = format!(
            "<{action}Response><{action}Result><AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>\
             <Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>5ecret-of-the-key</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>\
             </Credentials></{action}Result></{action}Response>"
        );
        Answer::text(200, keys).with_header("content-type", "text/xml")
    })
}

fn container(request: &Request, state: &mut State) -> Answer {
    state.asked("GET /container");
    if request.header("authorization") != Some(CONTAINER_TOKEN) {
        return Answer::text(401, "no token");
    }
    state.issue(|id, token| Answer::json(200, &keys(id, token)))
}

fn metadata_token(request: &Request, state: &mut State) -> Answer {
    state.asked("PUT /latest/api/token");
    let Some(ttl) = request.header("x-aws-ec2-metadata-token-ttl-seconds") else {
        return Answer::text(400, "no lifetime");
    };
    Answer::text(200, METADATA_TOKEN).with_header("x-aws-ec2-metadata-token-ttl-seconds", ttl)
}

fn metadata(request: &Request, state: &mut State) -> Answer {
    state.asked(format!("GET {}", request.path));
    if request.header("x-aws-ec2-metadata-token") != Some(METADATA_TOKEN) {
        return Answer::text(401, "version 1 is off");
    }
    match request.path.as_str() {
        "/latest/meta-data/placement/region" => Answer::text(200, "us-east-1"),
        "/latest/meta-data/iam/security-credentials/" => Answer::text(200, "machine"),
        "/latest/meta-data/iam/security-credentials/machine" => {
            state.issue(|id, token| Answer::json(200, &keys(id, token)))
        }
        _ => Answer::text(404, "no such thing"),
    }
}

fn sso(request: &Request, state: &mut State) -> Answer {
    state.asked("GET /federation/credentials");
    if request.header("x-amz-sso_bearer_token") != Some(SSO_TOKEN) {
        return Answer::json(401, &json!({"message": "no token"}));
    }
    state.issue(|id, token| {
        let keys = json!({
            "accessKeyId": id,
            "secretAccessKey": "5ecret-of-the-key",
            "sessionToken": token,
            "expiration": 32_472_144_000_000_u64,
        });
        Answer::json(200, &json!({ "roleCredentials": keys }))
    })
}

/// Keys as a container's endpoint and an instance give them.
fn keys(id: &str, token: &str) -> Value {
    json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "AccessKeyId": id,
        "SecretAccessKey": "5ecret-of-the-key",
        "Token": token,
        "Expiration": "2999-01-01T00:00:00Z",
    })
}

/// The id of the key that a request was signed with.
fn signer(request: &Request) -> Option<&str> {
    let (_, credential) = request.header("authorization")?.split_once("Credential=")?;
    credential.split('/').next()
}

/// A field of a form; none where the body is no form.
fn parameter(request: &Request, name: &str) -> Option<String> {
    request.header("content-type").filter(|kind| kind.starts_with("application/x-www-form-urlencoded"))?;
    let body = std::str::from_utf8(&request.body).ok()?;
    let mut fields = body.split('&').filter_map(|field| field.split_once('='));
    fields.find(|(known, _)| *known == name).map(|(_, value)| decoded(value))
}

/// The characters of a form's field, as far as tests send them.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(code.map_or('%', char::from));
        plain.push_str(part.get(2..).unwrap_or_default());
    }
    plain
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
