//! The login methods, each one request; and what their refusals mean.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrets_backend::ErrorKind;
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::auth::userpass::requests::LoginRequest;
use zeroize::{Zeroize, Zeroizing};

use crate::auth::{Auth, Credential};
use crate::failure::{Effect, Failure};
use crate::wire::{Ask, Reply, Token, Wire, Wrapped};

#[cfg(feature = "aws-iam")]
mod aws;

/// A login method, and what is left of it from one login to the next.
#[derive(Debug)]
pub(crate) struct Login {
    auth: Auth,
    /// The secret id that was wrapped: a wrapping token can be used once.
    unwrapped: OnceCell<Credential>,
    /// The last refusal, and since when.
    refused: Mutex<Option<(Instant, Failure)>>,
}

/// For how long a refused login is not sent again: sixteen readers of a batch with a wrong password would lock the
/// account.
const HELD: Duration = Duration::from_secs(1);

impl Login {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth, unwrapped: OnceCell::new(), refused: Mutex::new(None) }
    }

    /// Logs in, unless the server has refused it just now.
    pub(crate) async fn run(&self, wire: &Wire) -> Result<AuthInfo, Failure> {
        if let Some(refusal) = self.refused_just_now() {
            return Err(refusal);
        }
        let answer = self.attempt(wire).await;
        if let Err(failure) = &answer
            && failure.kind == ErrorKind::Unauthenticated
        {
            let refused = Some((Instant::now(), failure.again()));
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        }
        answer
    }

    fn refused_just_now(&self) -> Option<Failure> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().filter(|(since, _)| since.elapsed() < HELD).map(|(_, refusal)| refusal.again())
    }

    async fn attempt(&self, wire: &Wire) -> Result<AuthInfo, Failure> {
        let ask = self.request(wire).await?;
        let reply = wire.send(&ask, None).await?;
        if !reply.is_success() {
            return Err(refusal(&reply, self.auth.mount().unwrap_or_default()));
        }
        let wrapped: Wrapped<serde_json::Value> = reply.json(Effect::None)?;
        wrapped.auth.ok_or_else(|| Failure::damaged(Effect::None, "the login was answered without a token"))
    }

    async fn request(&self, wire: &Wire) -> Result<Ask, Failure> {
        // A login changes nothing that is ours: one whose answer is lost may be sent again.
        let effect = Effect::None;
        match &self.auth {
            Auth::Token(_) => {
                Err(Failure::new(ErrorKind::Unauthenticated, "auth.token: no method to log in with"))
            }
            Auth::AppRole { mount, role_id, secret_id } => app_role(mount, role_id, secret_id).await,
            Auth::AppRoleWrapped { mount, role_id, wrapping_token } => {
                let secret_id = self.unwrapped.get_or_try_init(|| unwrap(wire, wrapping_token)).await?;
                app_role(mount, role_id, secret_id).await
            }
            Auth::Kubernetes { mount, role, jwt } => {
                let mut request = LoginWithKubernetesRequest {
                    mount: mount.clone(),
                    role: role.clone(),
                    jwt: jwt.read("auth.jwt").await?.to_string(),
                };
                let ask = Ask::of(&request, effect);
                request.jwt.zeroize();
                Ok(ask)
            }
            Auth::Userpass { mount, username, password } => {
                let mut request = LoginRequest {
                    mount: mount.clone(),
                    username: username.clone(),
                    password: password.read("auth.password").await?.to_string(),
                };
                let ask = Ask::of(&request, effect);
                request.password.zeroize();
                Ok(ask)
            }
            Auth::Ldap { mount, username, password } => {
                let password = password.read("auth.password").await?;
                let body = json!({ "password": password.as_str() });
                Ok(Ask::post(format!("auth/{mount}/login/{username}"), &body, effect))
            }
            Auth::Jwt { mount, role, jwt } => {
                let mut request = JWTLoginRequest {
                    mount: mount.clone(),
                    jwt: jwt.read("auth.jwt").await?.to_string(),
                    role: role.clone(),
                };
                let ask = Ask::of(&request, effect);
                request.jwt.zeroize();
                Ok(ask)
            }
            Auth::Certificate { mount, role } => {
                let body = role.as_ref().map_or_else(|| json!({}), |role| json!({ "name": role }));
                Ok(Ask::post(format!("auth/{mount}/login"), &body, effect))
            }
            #[cfg(feature = "aws-iam")]
            Auth::AwsIam(identity) => aws::request(identity).await,
        }
    }
}

async fn app_role(mount: &str, role_id: &str, secret_id: &Credential) -> Result<Ask, Failure> {
    let mut request = LoginWithApproleRequest {
        mount: mount.to_owned(),
        role_id: role_id.to_owned(),
        secret_id: secret_id.read("auth.secret_id").await?.to_string(),
    };
    let ask = Ask::of(&request, Effect::None);
    request.secret_id.zeroize();
    Ok(ask)
}

/// The secret id behind a wrapping token. Whoever else unwrapped it before us has it: that is worth an alarm.
async fn unwrap(wire: &Wire, wrapping_token: &Credential) -> Result<Credential, Failure> {
    let text = wrapping_token.read("auth.wrapping_token").await?;
    let token = Token::new(&text, "auth.wrapping_token")?;
    // Whether a lost answer used the token up is unknown, so it is not repeated.
    let ask = Ask::post("sys/wrapping/unwrap", &json!({}), Effect::Write);
    let reply = wire.send(&ask, Some(&token)).await?;
    if matches!(reply.status, 400 | 403) {
        return Err(Failure::new(
            ErrorKind::Unauthenticated,
            "auth.wrapping_token: it has ended or was used before; if not by you, someone else has the secret id",
        ));
    }
    if !reply.is_success() {
        return Err(Failure::of_status(&reply, Effect::Write));
    }
    let wrapped: Wrapped<serde_json::Value> = reply.json(Effect::Write)?;
    match wrapped.data.as_ref().and_then(|data| data.get("secret_id")).and_then(serde_json::Value::as_str) {
        Some(secret_id) => Ok(Credential::value(secret_id)),
        None => Err(Failure::invalid("auth.wrapping_token: what it wraps is no secret id")),
    }
}

/// What the refusal of a login means.
///
/// The server answers 400 for a wrong password and for an identity provider that it cannot reach, and only its text
/// tells them apart. The phrases below are those of its source; they are looked for and never shown. Of Kubernetes it
/// says nothing: a service account that is not reviewed and one that is not accepted are both 403.
fn refusal(reply: &Reply, mount: &str) -> Failure {
    const PROVIDER_DOWN: [&str; 4] = [
        "error connecting to host",
        "LDAP Result Code 200",
        "error making upstream request: error making request",
        "fetching keys oidc: get keys failed",
    ];
    if matches!(reply.status, 400 | 500) && PROVIDER_DOWN.iter().any(|phrase| reply.contains(phrase)) {
        return Failure::new(ErrorKind::Unavailable, "the server cannot reach its identity provider");
    }
    let refused =
        || Failure::new(ErrorKind::Unauthenticated, format!("the login at auth/{mount} was refused"));
    match reply.status {
        404 => Failure::invalid(format!("auth.mount: the server has no login method at auth/{mount}")),
        400 if !reply.is_json() => Failure::of_status(reply, Effect::None),
        400 | 401 | 403 => refused(),
        500 if reply.is_empty() => refused(),
        _ => Failure::of_status(reply, Effect::None),
    }
}

/// Wipes what a login answered, once the token was taken from it.
pub(crate) fn wiped(mut info: AuthInfo) -> Zeroizing<String> {
    info.accessor.zeroize();
    Zeroizing::new(std::mem::take(&mut info.client_token))
}
