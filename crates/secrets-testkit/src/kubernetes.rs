//! The part of a Kubernetes API server that a login needs: it says whose a service account's token is.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::{Answer, Request, Responder};

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const AUDIENCE: &str = "https://kubernetes.default.svc";

/// A TokenReview endpoint over HTTPS, which knows the tokens that it made.
#[derive(Debug)]
pub struct TokenReviews {
    responder: Responder,
    users: Arc<Mutex<Users>>,
}

/// What the endpoint says of the owner of each token.
type Users = BTreeMap<String, Value>;

impl TokenReviews {
    /// Starts the endpoint. It needs no runtime of the caller's.
    ///
    /// # Errors
    /// When no loopback port, thread or key is to be had.
    pub fn start() -> io::Result<Self> {
        let responder = Responder::start_tls()?;
        let users = Arc::new(Mutex::new(Users::new()));
        {
            let users = Arc::clone(&users);
            responder.on("POST", PATH, move |request| review(request, &lock(&users)));
        }
        Ok(Self { responder, users })
    }

    /// Makes a token of a service account, which is accepted until it is revoked.
    ///
    /// It is a JWT whose claims say the same, since servers look into it.
    /// Nobody signed it, since the endpoint decides.
    #[must_use]
    pub fn token(&self, namespace: &str, account: &str) -> String {
        let mut users = lock(&self.users);
        let uid = format!("uid-{}", users.len());
        let name = format!("system:serviceaccount:{namespace}:{account}");
        let claims = json!({
            "iss": AUDIENCE,
            "sub": name,
            "aud": [AUDIENCE],
            "iat": 946_684_800,
            "nbf": 946_684_800,
            "exp": 32_503_680_000_u64,
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": account, "uid": uid } },
        });
        let groups = ["system:serviceaccounts", "system:authenticated"];
        let token = jwt(&claims);
        users.insert(token.clone(), json!({ "username": name, "uid": uid, "groups": groups }));
        token
    }

    /// From now on, the token is nobody's.
    pub fn revoke(&self, token: &str) {
        lock(&self.users).remove(token);
    }

    /// The responder that serves it, for its address, its authority and what it was asked.
    #[must_use]
    pub const fn responder(&self) -> &Responder {
        &self.responder
    }
}

fn review(request: &Request, users: &Users) -> Answer {
    let mut review = request.json();
    let user = review["spec"]["token"].as_str().and_then(|token| users.get(token));
    let audiences = review["spec"]["audiences"].as_array();
    let is_meant = audiences.is_none_or(|audiences| audiences.iter().any(|audience| audience == AUDIENCE));
    review["status"] = match user.filter(|_| is_meant) {
        Some(user) => json!({ "authenticated": true, "user": user, "audiences": [AUDIENCE] }),
        None => json!({ "authenticated": false, "error": "invalid bearer token" }),
    };
    Answer::json(201, &review)
}

fn jwt(claims: &Value) -> String {
    let header = json!({ "alg": "RS256", "kid": "kit", "typ": "JWT" });
    [header.to_string(), claims.to_string(), "no signature".to_owned()]
        .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part))
        .join(".")
}

fn lock(users: &Mutex<Users>) -> MutexGuard<'_, Users> {
    users.lock().unwrap_or_else(PoisonError::into_inner)
}
