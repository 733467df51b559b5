//! Where a machine asks for the tokens of its own identity: the endpoint of an App Service, and the metadata service.
//! "How to use managed identities for App Service", "How to use managed identities on an Azure VM".

use std::collections::BTreeMap;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::directory::{AzureCloud, ManagedIdentity};
use super::fault::IssuerFault;
use super::issuer::issue;
use super::state::{Shared, State as Known};

/// The path of `IDENTITY_ENDPOINT`.
pub(super) const APP_SERVICE: &str = "/msi/token";
const METADATA: &str = "/metadata/identity/oauth2/token";
/// What an endpoint understands. How a request names an identity that was assigned: by client, object or resource.
struct Dialect {
    oldest: &'static str,
    ids: [&'static str; 3],
}

/// "How to use managed identities for App Service", REST endpoint reference.
const OF_APP_SERVICE: Dialect =
    Dialect { oldest: "2019-08-01", ids: ["client_id", "principal_id", "mi_res_id"] };
/// "How to use managed identities on an Azure VM", Get a token using HTTP.
const OF_METADATA: Dialect = Dialect { oldest: "2018-02-01", ids: ["client_id", "object_id", "msi_res_id"] };
/// Every name of an id at either: an endpoint that is asked by one that is not its own finds nobody.
const IDS: [&str; 5] = ["client_id", "object_id", "principal_id", "mi_res_id", "msi_res_id"];

type Asked = Query<BTreeMap<String, String>>;
type Refused = (StatusCode, Json<Value>);

/// Both endpoints, which speak plain HTTP.
pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route(APP_SERVICE, get(app_service))
        .route(METADATA, get(metadata))
        .layer(middleware::from_fn_with_state(shared.clone(), fault))
        .with_state(shared)
}

async fn fault(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let fault = shared.lock().identity_fault.clone();
    // However long a token takes, a request without its header is refused at once.
    let is_refused = request.uri().path() == METADATA && !request.headers().contains_key("metadata");
    if let Some(fault) = fault
        && !(is_refused && matches!(fault, IssuerFault::Slow(_)))
        && let Some(response) = fault.instead().await
    {
        return response;
    }
    next.run(request).await
}

async fn app_service(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Asked,
) -> Result<Json<Value>, Response> {
    let header = headers.get("x-identity-header").and_then(|value| value.to_str().ok());
    if header != Some(shared.identity_header()) {
        return Err(StatusCode::UNAUTHORIZED.into_response());
    }
    answer(&shared, &query, &OF_APP_SERVICE).map_err(IntoResponse::into_response)
}

async fn metadata(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Asked,
) -> Result<Json<Value>, Response> {
    // A request that was forwarded to this address is not the machine's own.
    let is_own = headers.get("metadata").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
        && !headers.contains_key("x-forwarded-for");
    if !is_own {
        return Err(refuse("Required metadata header not specified").into_response());
    }
    answer(&shared, &query, &OF_METADATA).map_err(IntoResponse::into_response)
}

fn answer(
    shared: &Shared,
    query: &BTreeMap<String, String>,
    dialect: &Dialect,
) -> Result<Json<Value>, Refused> {
    if query.get("api-version").is_none_or(|version| version.as_str() < dialect.oldest) {
        return Err(refuse("api-version is missing or not supported"));
    }
    let wanted = query.get("resource");
    let known = AzureCloud::ALL.map(AzureCloud::resource);
    let Some(resource) = known.into_iter().find(|known| wanted.is_some_and(|wanted| wanted == known)) else {
        return Err(refuse("resource is missing or not known"));
    };
    let mut state = shared.lock();
    let identity = identity(&state, query, dialect)?;
    let tenant = state.tenant("");
    let ids = [identity.client_id.as_str(), &identity.object_id];
    let (token, lifetime) = issue(shared, &mut state, &tenant, ids, resource);
    let now = state.now() / 1_000;
    Ok(Json(json!({
        "access_token": token,
        "client_id": identity.client_id,
        "expires_in": lifetime.to_string(),
        "expires_on": (now + lifetime).to_string(),
        "ext_expires_in": lifetime.to_string(),
        "not_before": now.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    })))
}

/// The identity that is asked for; without an id, the system's.
fn identity(
    state: &Known,
    query: &BTreeMap<String, String>,
    dialect: &Dialect,
) -> Result<ManagedIdentity, Refused> {
    if let Some(foreign) = IDS.iter().find(|id| query.contains_key(**id) && !dialect.ids.contains(id)) {
        return Err(refuse(&format!("{foreign} is no parameter of this endpoint")));
    }
    let is = |identity: &&ManagedIdentity| {
        let own = [&identity.client_id, &identity.object_id, &identity.resource_id];
        dialect.ids.iter().zip(own).all(|(name, id)| query.get(*name).is_none_or(|wanted| wanted == id))
    };
    state.identities.iter().find(is).cloned().ok_or_else(|| refuse("Identity not found"))
}

fn refuse(text: &str) -> Refused {
    let body = json!({ "error": "invalid_request", "error_description": text });
    (StatusCode::BAD_REQUEST, Json(body))
}
