//! The token issuer: discovery, keys, and the token endpoint of each tenant.
//! "Microsoft identity platform and the OAuth 2.0 client credentials flow".

use std::collections::BTreeMap;

use axum::extract::{Extension, Form, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::admit::Host;
use super::directory::AzureCloud;
use super::grants::{Grant, prove};
use super::random;
use super::state::{Shared, State as Known};

const LIFETIME: u64 = 3_599;

/// A refusal of the issuer: status, error of OAuth, Microsoft's own number, text.
pub(super) struct Refused(pub(super) u16, pub(super) &'static str, pub(super) u32, pub(super) &'static str);

/// Everything that the issuer serves.
pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/common/discovery/instance", get(instance))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(configuration))
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .layer(middleware::from_fn_with_state(shared.clone(), fault))
        .with_state(shared)
}

async fn fault(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let fault = shared.lock().issuer_fault.clone();
    if let Some(fault) = fault
        && let Some(response) = fault.instead().await
    {
        return response;
    }
    next.run(request).await
}

async fn instance(
    Extension(host): Extension<Host>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    // `https://HOST/TENANT/oauth2/v2.0/authorize`
    let tenant = query.get("authorization_endpoint").and_then(|url| url.split('/').nth(3));
    let authority = format!("{}/{}", host.own_url(), tenant.unwrap_or("common"));
    let names = AzureCloud::ALL.map(AzureCloud::authority);
    let metadata =
        names.map(|name| json!({ "preferred_network": name, "preferred_cache": name, "aliases": [name] }));
    Json(json!({
        "tenant_discovery_endpoint": format!("{authority}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": metadata,
    }))
}

/// OpenID Connect Discovery 1.0.
async fn configuration(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Refused> {
    known(&shared.lock(), &tenant)?;
    let base = format!("{}/{tenant}", host.own_url());
    Ok(Json(json!({
        "issuer": format!("{base}/v2.0"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })))
}

async fn keys(State(shared): State<Shared>, Path(tenant): Path<String>) -> Result<Json<Value>, Refused> {
    known(&shared.lock(), &tenant)?;
    Ok(Json(shared.issuer().published()))
}

/// The client credentials grant, by a secret, a certificate, or a federated credential.
async fn token(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(tenant): Path<String>,
    Form(form): Form<BTreeMap<String, String>>,
) -> Result<Json<Value>, Refused> {
    let mut state = shared.lock();
    known(&state, &tenant)?;
    let field = |name: &str| form.get(name).map(String::as_str);
    if field("grant_type") != Some("client_credentials") {
        return Err(Refused(400, "unsupported_grant_type", 70_003, "The grant type is not supported."));
    }
    let Some(client) = field("client_id") else {
        return Err(Refused(400, "invalid_request", 900_144, "The body must contain 'client_id'."));
    };
    let applications = &state.tenants[&tenant].applications;
    let Some(application) = applications.get(client) else {
        return Err(Refused(400, "unauthorized_client", 700_016, "The application was not found."));
    };
    let resource = resource(field("scope"))?;
    let base = format!("{}/{tenant}", host.own_url());
    let grant = Grant {
        client,
        audiences: [format!("{base}/oauth2/v2.0/token"), format!("{base}/v2.0")],
        secret: field("client_secret"),
        assertion: field("client_assertion"),
        assertion_type: field("client_assertion_type"),
        now: state.now() / 1_000,
    };
    prove(&grant, application, shared.client())?;
    let object = application.object_id.clone();
    let (token, lifetime) = issue(&shared, &mut state, &tenant, [client, &object], resource);
    Ok(Json(json!({
        "token_type": "Bearer",
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": token,
    })))
}

/// A token of this tenant for the identity with this client id and object id, and how many seconds it is good for.
pub(super) fn issue(
    shared: &Shared,
    state: &mut Known,
    tenant: &str,
    [client, object]: [&str; 2],
    resource: &str,
) -> (String, u64) {
    state.issued += 1;
    let lifetime = state.token_lifetime.map_or(LIFETIME, |lifetime| lifetime.as_secs());
    let now = state.now() / 1_000;
    let claims = json!({
        "aud": resource,
        "iss": format!("https://sts.windows.net/{tenant}/"),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "appid": client,
        "oid": object,
        "sub": object,
        "tid": tenant,
        "uti": state.issued,
        "ver": "1.0",
    });
    (shared.issuer().sign(&json!({}), &claims), lifetime)
}

fn known(state: &Known, tenant: &str) -> Result<(), Refused> {
    if state.tenants.contains_key(tenant) {
        return Ok(());
    }
    Err(Refused(400, "invalid_request", 90_002, "The tenant was not found."))
}

/// The resource of a scope: "the value passed for the scope parameter should be the resource identifier … with the
/// `.default` suffix".
fn resource(scope: Option<&str>) -> Result<&'static str, Refused> {
    let Some(resource) = scope.and_then(|scope| scope.strip_suffix("/.default")) else {
        return Err(Refused(400, "invalid_scope", 70_011, "The provided value for scope is not valid."));
    };
    let known = AzureCloud::ALL.map(AzureCloud::resource).into_iter().find(|known| *known == resource);
    known.ok_or(Refused(400, "invalid_resource", 500_011, "The resource was not found in the tenant."))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, error, number, text) = self;
        let trace = random::guid();
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {trace} Timestamp: 2026-01-01 00:00:00Z"
            ),
            "error_codes": [number],
            "timestamp": "2026-01-01 00:00:00Z",
            "trace_id": trace,
            "correlation_id": trace,
        });
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(body)).into_response()
    }
}
