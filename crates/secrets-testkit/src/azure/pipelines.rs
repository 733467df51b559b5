//! Azure DevOps, as far as a job asks it for the token of a service connection: REST reference of Azure DevOps,
//! "Oidctoken - Create".

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::state::Shared;

/// Where a job asks.
pub(super) const HOST: &str = "dev.azure.com";
pub(super) const PATH: &str = "/kit/project/_apis/distributedtask/hubs/build/plans/1/jobs/1/oidctoken";

/// The one path that it has here.
pub(super) fn router(shared: Shared) -> Router {
    Router::new().route(PATH, post(token)).with_state(shared)
}

/// The subject of a service connection's tokens.
pub(super) fn subject(connection: &str) -> String {
    format!("sc://kit/project/{connection}")
}

async fn token(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::AUTHORIZATION.as_str()) != Some(&format!("Bearer {}", shared.job_token())) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let Some(connection) = query.get("serviceConnectionId").filter(|_| query.contains_key("api-version"))
    else {
        return Err(StatusCode::BAD_REQUEST);
    };
    Ok(Json(json!({ "oidcToken": shared.federated_token(&subject(connection), Duration::from_secs(600)) })))
}
