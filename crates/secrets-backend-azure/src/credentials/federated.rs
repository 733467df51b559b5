//! Applications for which another issuer speaks: "Workload identity federation".

use std::path::{Path, PathBuf};

use azure_core::http::headers::{AUTHORIZATION, CONTENT_LENGTH, HeaderName};
use azure_core::http::{ClientMethodOptions, Method, Request};
use azure_identity::ClientAssertion;
use reqwest::Url;
use serde::Deserialize;

use crate::credentials::Pipelines;
use crate::credentials::no_token::NoToken;
use crate::wire::{Peer, Wire};

/// A token in a file, read anew each time: whoever writes it renews it.
#[derive(Debug)]
pub(super) struct OfFile(PathBuf);

impl OfFile {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

#[async_trait::async_trait]
impl ClientAssertion for OfFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let unreadable = || NoToken::refused(format!("{} cannot be read", self.0.display()));
        let token = tokio::fs::read_to_string(&self.0).await.map_err(|_| unreadable())?;
        Ok(token.trim().to_owned())
    }
}

/// A token that a job of Azure Pipelines is given for a service connection: REST reference of Azure DevOps,
/// "Oidctoken - Create".
#[derive(Debug)]
pub(super) struct OfJob {
    given: Pipelines,
    wire: Wire,
}

#[derive(Deserialize)]
struct Given {
    #[serde(rename = "oidcToken")]
    token: String,
}

impl OfJob {
    pub(super) fn new(given: &Pipelines, wire: &Wire) -> Self {
        Self { given: given.clone(), wire: wire.clone() }
    }

    async fn ask(&self) -> Result<String, NoToken> {
        let none = || NoToken::refused("the answer of Azure DevOps is none");
        let mut url = Url::parse(&self.given.request_uri).map_err(|_| none())?;
        let connection = self.given.service_connection.as_str();
        url.query_pairs_mut()
            .append_pair("api-version", "7.1")
            .append_pair("serviceConnectionId", connection);
        let line = self.wire.line(Peer::Source, vec![url.clone()], String::new());
        let mut request = Request::new(url, Method::Post);
        let bearer = format!("Bearer {}", self.given.access_token.expose_str().unwrap_or_default());
        request.insert_header(AUTHORIZATION, bearer);
        request.insert_header(CONTENT_LENGTH, "0");
        // An answer, not the page of a login.
        request.insert_header(HeaderName::from_static("x-tfs-fedauthredirect"), "Suppress");
        let reply = line.execute_request(&request).await.map_err(|error| NoToken::of(&error))?;
        let status = u16::from(reply.status());
        if status != 200 {
            return Err(NoToken::refused(format!("Azure DevOps refused, status {status}")));
        }
        let body = reply.into_body().collect().await.map_err(|_| none())?;
        let Given { token } = serde_json::from_slice(&body).map_err(|_| none())?;
        Ok(token)
    }
}

#[async_trait::async_trait]
impl ClientAssertion for OfJob {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.ask().await?)
    }
}
