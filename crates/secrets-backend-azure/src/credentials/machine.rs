//! The identity of the machine: "How to use managed identities on an Azure VM", "… for App Service".
//!
//! Microsoft's own credential for it reads variables by itself, asks for up to 72 s, takes no resource id in an App
//! Service, and puts what was answered into its error. It is one request.

use std::net::IpAddr;

use azure_core::credentials::{AccessToken, Secret};
use azure_core::http::headers::HeaderName;
use azure_core::http::{Method, Request};
use azure_core::time::OffsetDateTime;
use reqwest::Url;
use secrets_backend::ErrorKind;
use serde::Deserialize;

use crate::config::InvalidConfig;
use crate::credentials::no_token::NoToken;
use crate::credentials::{IdentityId, ManagedIdentity};
use crate::failure::find;
use crate::wire::{Fault, Peer, Trouble, Wire};

/// The metadata service of a virtual machine.
const METADATA: &str = "http://169.254.169.254";
const METADATA_PATH: &str = "/metadata/identity/oauth2/token";
/// Without it, the service gives no token.
const METADATA_HEADER: HeaderName = HeaderName::from_static("metadata");

/// What both endpoints answer; the times are texts, or numbers.
#[derive(Deserialize)]
struct Given {
    access_token: String,
    expires_on: serde_json::Value,
}

/// Whether there is such an endpoint. That of an App Service was told by variables; a metadata service is asked
/// without the header that it wants, as Microsoft's own clients do, and any answer at all is one.
pub(super) async fn is_there(given: &ManagedIdentity, wire: &Wire, resource: &str) -> Result<(), NoToken> {
    if given.app_service.is_some() {
        return Ok(());
    }
    let mut request = request(given, resource).map_err(|error| NoToken::refused(error.to_string()))?;
    request.headers_mut().remove(METADATA_HEADER);
    let line = wire.line(Peer::Source, vec![request.url().clone()], resource.to_owned());
    match line.execute_request(&request).await {
        Err(error) if !is_answer(&error) => Err(NoToken { is_absent: true, ..NoToken::of(&error) }),
        _ => Ok(()),
    }
}

/// A token of the machine's identity.
pub(super) async fn token(
    given: &ManagedIdentity,
    wire: &Wire,
    resource: &str,
) -> Result<AccessToken, NoToken> {
    let request = request(given, resource).map_err(|error| NoToken::refused(error.to_string()))?;
    let line = wire.line(Peer::Source, vec![request.url().clone()], resource.to_owned());
    let reply = line.execute_request(&request).await.map_err(|error| {
        let reason = NoToken::of(&error);
        // Nobody listens: this is no machine with an identity.
        let is_absent = reason.kind == ErrorKind::Unavailable && !is_answer(&error);
        NoToken { is_absent, ..reason }
    })?;
    match u16::from(reply.status()) {
        200 => {}
        400 => return Err(NoToken::refused("there is no such identity, status 400")),
        // "How to use managed identities on an Azure VM", error handling: it is being updated. Other services of other
        // clouds are at the same address, and answer 404 too.
        status @ (404 | 410) => {
            let reason = NoToken::new(ErrorKind::Unavailable, format!("not ready, status {status}"));
            return Err(NoToken { is_absent: status == 404, ..reason });
        }
        status => return Err(NoToken::refused(format!("refused, status {status}"))),
    }
    let none = || NoToken::refused("the answer is none");
    let body = reply.into_body().collect().await.map_err(|_| none())?;
    let Given { access_token, expires_on } = serde_json::from_slice(&body).map_err(|_| none())?;
    let expires = expires_on.as_i64().or_else(|| expires_on.as_str()?.parse().ok()).ok_or_else(none)?;
    let expires = OffsetDateTime::from_unix_timestamp(expires).map_err(|_| none())?;
    Ok(AccessToken::new(Secret::new(access_token), expires))
}

/// Whether somebody answered, if only to refuse.
fn is_answer(error: &azure_core::Error) -> bool {
    find::<Fault>(error).is_some_and(|fault| matches!(fault.trouble, Trouble::Refused { .. }))
}

fn request(given: &ManagedIdentity, resource: &str) -> Result<Request, InvalidConfig> {
    let (mut url, version) = match &given.app_service {
        Some(service) => (local("app_service", &service.endpoint)?, "2019-08-01"),
        None => {
            let mut url = local("metadata_url", given.metadata_url.as_deref().unwrap_or(METADATA))?;
            url.set_path(METADATA_PATH);
            (url, "2018-02-01")
        }
    };
    url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
    let id = match &given.id {
        IdentityId::System => None,
        IdentityId::Client(id) => Some(("client_id", id)),
        IdentityId::Object(id) if given.app_service.is_some() => Some(("principal_id", id)),
        IdentityId::Object(id) => Some(("object_id", id)),
        IdentityId::Resource(id) if given.app_service.is_some() => Some(("mi_res_id", id)),
        IdentityId::Resource(id) => Some(("msi_res_id", id)),
    };
    if let Some((name, id)) = id {
        url.query_pairs_mut().append_pair(name, id);
    }
    let mut request = Request::new(url, Method::Get);
    match &given.app_service {
        Some(service) => {
            let header = service.header.expose_str().unwrap_or_default().to_owned();
            request.insert_header(HeaderName::from_static("x-identity-header"), header);
        }
        None => request.insert_header(METADATA_HEADER, "true"),
    }
    Ok(request)
}

/// An address of this machine, or one linked to it: tokens come from there in plain HTTP.
pub(super) fn local(setting: &'static str, text: &str) -> Result<Url, InvalidConfig> {
    let wrong = || InvalidConfig::new(setting, "it is http:// and an address of this machine");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().unwrap_or_default();
    let is_local = match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => host == "localhost",
    };
    let is_plain = url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
    if is_local && is_plain { Ok(url) } else { Err(wrong()) }
}
