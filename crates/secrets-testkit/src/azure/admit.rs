//! What stands before every operation of a vault: the token, the protocol's version, the role, and the faults that a
//! test asked for.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;

use super::fault::VaultFault;
use super::refusal::{Answer, Refusal};
use super::rules::check_api_version;
use super::state::{Operation, Shared, State as Known};
use super::tokens::Token;

/// The host that is asked, as the client named it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    /// `:PORT`; nothing where the client said none
    pub(super) port: String,
}

impl Host {
    /// Reads the header `Host`.
    pub(super) fn read(header: &str) -> Self {
        let (name, port) = header.find(':').map_or((header, ""), |at| header.split_at(at));
        Self { name: name.to_ascii_lowercase(), port: port.to_owned() }
    }

    /// The address of a host of this server's, with the port that this client uses.
    pub(super) fn url(&self, name: &str) -> String {
        format!("https://{name}{}", self.port)
    }

    /// The address that was asked.
    pub(super) fn own_url(&self) -> String {
        self.url(&self.name)
    }
}

/// Lets a request pass to its operation, or answers instead.
pub(super) async fn admit(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Refusal::bad_parameter("The body of the request is not whole.").into_response();
    };
    let latency = shared.lock().latency;
    tokio::time::sleep(latency).await;
    let fault = match check(&shared, &head, &body) {
        Ok(fault) => fault,
        Err(refusal) => return refusal.into_response(),
    };
    if let Some(fault) = &fault
        && let Some(response) = fault.instead(&body).await
    {
        return response;
    }
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    match fault {
        Some(fault) => fault.after(response).await,
        None => response,
    }
}

/// Refuses, or says which fault a test asked for.
fn check(shared: &Shared, head: &axum::http::request::Parts, body: &Bytes) -> Answer<Option<VaultFault>> {
    let mut state = shared.lock();
    let Some(host) = head.extensions.get::<Host>() else { return Err(Refusal::not_found("")) };
    let bearer = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    authenticate(shared, &state, host, bearer)?;
    let query = Query::<BTreeMap<String, String>>::try_from_uri(&head.uri).unwrap_or_default();
    check_api_version(query.get("api-version").map(String::as_str))?;
    // "Request body": "GET operations must NOT have a request body".
    if head.method == Method::GET && !body.is_empty() {
        return Err(Refusal::bad_parameter("A GET request must not have a body."));
    }
    let Some((operation, name)) = operation(&head.method, head.uri.path()) else { return Ok(None) };
    if state.is_denied(operation, name) {
        let message = format!(
            "Caller is not authorized to perform action on resource.\r\n\
             If role assignments, deny assignments or role definitions were changed recently, please observe \
             propagation time.\r\nAction: '{}'",
            action(operation)
        );
        return Err(Refusal::forbidden(message, Some("ForbiddenByRbac")));
    }
    Ok(state.next_fault(operation))
}

/// "Authentication, requests and responses", section "Authentication"; "REST API error codes", HTTP 401.
fn authenticate(shared: &Shared, state: &Known, host: &Host, bearer: Option<&str>) -> Answer<()> {
    let vault = state.vaults.get(&host.name).ok_or_else(|| Refusal::not_found(&host.name))?;
    let authority = format!("{}/{}", host.url(vault.authority), vault.tenant);
    let refuse = |message: &str| Err(Refusal::unauthorized(message, &authority, vault.resource));
    let Some(bearer) = bearer.and_then(|value| value.strip_prefix("Bearer ")) else {
        return refuse("AKV10000: Request is missing a Bearer or PoP token.");
    };
    let token = Token::read(bearer).filter(|token| shared.issuer().verify(token).is_some());
    let Some(token) = token else {
        return refuse("AKV10046: Unable to resolve the key used for signature validation.");
    };
    let claims = &token.claims;
    if claims["iss"] != format!("https://sts.windows.net/{}/", vault.tenant) {
        return refuse("AKV10032: Invalid issuer.");
    }
    if claims["aud"] != vault.resource {
        return refuse("AKV10022: Invalid audience.");
    }
    if !token.is_in_time(state.now() / 1_000) {
        return refuse("[TokenExpired] Error validating token.");
    }
    if claims["uti"].as_u64().is_none_or(|id| id <= state.revoked) {
        return refuse("Error validating token: it was revoked.");
    }
    Ok(())
}

/// What is asked for and of which secret; none where there is nothing at this path.
fn operation<'a>(method: &Method, path: &'a str) -> Option<(Operation, Option<&'a str>)> {
    let parts: Vec<&str> = path.split('/').skip(1).filter(|part| !part.is_empty()).collect();
    let (operation, name) = match (method.as_str(), parts[..].split_first()?) {
        ("GET", (&("secrets" | "deletedsecrets"), [])) => (Operation::List, None),
        ("GET", (&"secrets", [name, "versions"])) => (Operation::List, Some(*name)),
        ("GET", (&"secrets", [name] | [name, _])) => (Operation::Get, Some(*name)),
        ("PUT", (&"secrets", [name])) => (Operation::Set, Some(*name)),
        ("PATCH", (&"secrets", [name] | [name, _])) => (Operation::Set, Some(*name)),
        ("DELETE", (&"secrets", [name])) => (Operation::Delete, Some(*name)),
        ("GET", (&"deletedsecrets", [name])) => (Operation::Get, Some(*name)),
        ("DELETE", (&"deletedsecrets", [name])) => (Operation::Purge, Some(*name)),
        ("POST", (&"deletedsecrets", [name, "recover"])) => (Operation::Recover, Some(*name)),
        _ => return None,
    };
    Some((operation, name))
}

/// "Azure built-in roles for Key Vault data plane operations".
const fn action(operation: Operation) -> &'static str {
    match operation {
        Operation::Get => "Microsoft.KeyVault/vaults/secrets/getSecret/action",
        Operation::Set => "Microsoft.KeyVault/vaults/secrets/setSecret/action",
        Operation::List => "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        Operation::Delete => "Microsoft.KeyVault/vaults/secrets/delete",
        Operation::Recover => "Microsoft.KeyVault/vaults/secrets/recover/action",
        Operation::Purge => "Microsoft.KeyVault/vaults/secrets/purge/action",
    }
}
