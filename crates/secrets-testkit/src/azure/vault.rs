//! The operations of a vault, by path and method as the reference has them.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router, middleware};
use serde_json::Value;

use super::admit::{Host, admit};
use super::pages::Listing;
use super::random;
use super::refusal::{Answer, Refusal};
use super::rules::{Parameters, check_name, check_version};
use super::shown::Shown;
use super::state::Shared;
use super::store::{Time, Vault};

type Asked = Query<BTreeMap<String, String>>;

/// Everything that a vault serves.
pub(super) fn router(shared: Shared) -> Router {
    let one = || get(current).put(set).patch(update_current).delete(delete);
    let of_version: MethodRouter<Shared> = get(version).patch(update);
    Router::new()
        .route("/secrets", get(list))
        .route("/secrets/{name}", one())
        // Some clients ask for the current version by an empty one.
        .route("/secrets/{name}/", one())
        .route("/secrets/{name}/versions", get(versions))
        .route("/secrets/{name}/{version}", of_version)
        .route("/deletedsecrets", get(list_deleted))
        .route("/deletedsecrets/{name}", get(deleted).delete(purge))
        .route("/deletedsecrets/{name}/recover", post(recover))
        .fallback(|| async { Refusal::of_route(StatusCode::NOT_FOUND, "NotFound") })
        .method_not_allowed_fallback(|| async {
            Refusal::of_route(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")
        })
        .layer(middleware::from_fn_with_state(shared.clone(), admit))
        .with_state(shared)
}

/// "Set Secret".
async fn set(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    let parameters = parameters(&headers, &body)?;
    in_vault(&shared, &host, |vault, now, base| {
        vault.set(&name, random::hex(), parameters, now)?;
        let (name, version) = vault.version(&name, None, now)?;
        let (name, version) = (name.to_owned(), version.clone());
        Ok(Shown { base, vault }.with_value(&name, &version))
    })
    .map(Json)
}

/// "Get Secret".
async fn current(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    read(&shared, &host, &name, None)
}

/// "Get Secret", of a version.
async fn version(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    check_version(&version)?;
    read(&shared, &host, &name, Some(&version))
}

fn read(shared: &Shared, host: &Host, name: &str, version: Option<&str>) -> Answer<Json<Value>> {
    in_vault(shared, host, |vault, now, base| {
        let (name, version) = vault.version(name, version, now)?;
        // "About Azure Key Vault secrets", `enabled`. Before `nbf` and after `exp`, a secret can be read.
        if version.attributes.enabled == Some(false) {
            let message = "Operation get is not allowed on a disabled secret.";
            return Err(Refusal::forbidden(message, Some("SecretDisabled")));
        }
        let (name, version) = (name.to_owned(), version.clone());
        Ok(Shown { base, vault }.with_value(&name, &version))
    })
    .map(Json)
}

/// "Update Secret", whose version is optional.
async fn update_current(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    change(&shared, &host, &name, None, parameters(&headers, &body)?)
}

/// "Update Secret".
async fn update(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    check_version(&version)?;
    change(&shared, &host, &name, Some(&version), parameters(&headers, &body)?)
}

/// "Attributes that are not specified in the request are left unchanged."
fn change(
    shared: &Shared,
    host: &Host,
    name: &str,
    version: Option<&str>,
    to: Parameters,
) -> Answer<Json<Value>> {
    in_vault(shared, host, |vault, now, base| {
        let (name, version) = vault.version(name, version, now)?;
        version.content_type = to.content_type.or(version.content_type.take());
        version.tags = to.tags.or(version.tags.take());
        let (known, new) = (&mut version.attributes, to.attributes.unwrap_or_default());
        known.enabled = new.enabled.or(known.enabled);
        known.nbf = new.nbf.or(known.nbf);
        known.exp = new.exp.or(known.exp);
        version.updated = now;
        let (name, version) = (name.to_owned(), version.clone());
        Ok(Shown { base, vault }.version(&name, &version))
    })
    .map(Json)
}

/// "Delete Secret".
async fn delete(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    let delays = shared.lock().delays;
    in_vault(&shared, &host, |vault, now, base| {
        vault.delete(&name, delays, now)?;
        let secret = vault.any(&name)?;
        Shown { base, vault }.deleted(secret)
    })
    .map(Json)
}

/// "Get Deleted Secret".
async fn deleted(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    in_vault(&shared, &host, |vault, now, base| Shown { base, vault }.deleted(vault.deleted_one(&name, now)?))
        .map(Json)
}

/// "Recover Deleted Secret".
async fn recover(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    // It has no body, and must say so: RFC 9110, section 15.5.12.
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::of_route(StatusCode::LENGTH_REQUIRED, "LengthRequired"));
    }
    let delays = shared.lock().delays;
    in_vault(&shared, &host, |vault, now, base| {
        vault.recover(&name, delays, now)?;
        let secret = vault.any(&name)?;
        Ok(Shown { base, vault }.version(&secret.name, secret.current()?))
    })
    .map(Json)
}

/// "Purge Deleted Secret".
async fn purge(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
) -> Answer<Response> {
    check_name(&name)?;
    let delays = shared.lock().delays;
    in_vault(&shared, &host, |vault, now, _| vault.purge(&name, delays, now))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// "Get Secrets".
async fn list(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Query(query): Asked,
) -> Answer<Json<Value>> {
    let sparse = shared.lock().sparse_pages;
    in_vault(&shared, &host, |vault, now, base| {
        let shown = Shown { base, vault };
        let entries = vault.live(now).map(|secret| Ok((secret.key(), shown.item(secret)?)));
        let url = format!("{base}/secrets");
        Listing { url, query: &query, sparse }.page(entries.collect::<Answer<_>>()?)
    })
    .map(Json)
}

/// "Get Secret Versions", in an order that says nothing. Of a name that there is not, it is an empty one, as
/// Microsoft's own tests of their clients have it (azure-sdk-for-net, `GetSecretVersionsNonExisting`).
async fn versions(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Path(name): Path<String>,
    Query(query): Asked,
) -> Answer<Json<Value>> {
    check_name(&name)?;
    let sparse = shared.lock().sparse_pages;
    in_vault(&shared, &host, |vault, now, base| {
        let shown = Shown { base, vault };
        let history = vault.history(&name, now).into_iter();
        let entries = history.flat_map(|secret| {
            secret.versions.iter().map(|version| (version.id.clone(), shown.version(&secret.name, version)))
        });
        let url = format!("{base}/secrets/{name}/versions");
        Listing { url, query: &query, sparse }.page(entries.collect())
    })
    .map(Json)
}

/// "Get Deleted Secrets".
async fn list_deleted(
    State(shared): State<Shared>,
    Extension(host): Extension<Host>,
    Query(query): Asked,
) -> Answer<Json<Value>> {
    let sparse = shared.lock().sparse_pages;
    in_vault(&shared, &host, |vault, now, base| {
        let shown = Shown { base, vault };
        let entries = vault.deleted(now).map(|secret| Ok((secret.key(), shown.deleted_item(secret)?)));
        let url = format!("{base}/deletedsecrets");
        Listing { url, query: &query, sparse }.page(entries.collect::<Answer<_>>()?)
    })
    .map(Json)
}

/// Does this with the vault of the request, its clock and its address.
fn in_vault<T>(
    shared: &Shared,
    host: &Host,
    work: impl FnOnce(&mut Vault, Time, &str) -> Answer<T>,
) -> Answer<T> {
    let mut state = shared.lock();
    let now = state.now();
    let vault = state.vaults.get_mut(&host.name).ok_or_else(|| Refusal::not_found(&host.name))?;
    vault.settle(now);
    work(vault, now, &host.own_url())
}

fn parameters(headers: &HeaderMap, body: &[u8]) -> Answer<Parameters> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    Parameters::read(content_type, body)
}
