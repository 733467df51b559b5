//! HTTP for the client of the service: TLS by rustls on ring, no proxy, no redirects, replies with a cap.

use std::error::Error as StdError;

use aws_sdk_secretsmanager::config::SharedHttpClient;
use aws_sdk_secretsmanager::config::http::HttpRequest;
use aws_sdk_secretsmanager::config::{HttpClient, RuntimeComponents};
use aws_sdk_secretsmanager::error::ConnectorError;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::failure::Failure;

/// The most bytes of a reply. The largest is a batch: 20 values of 65,536 bytes, in base64 or with escapes of JSON.
const MAX_REPLY: usize = 16 * 1024 * 1024;

/// Whom a client talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Service,
    /// A source of credentials. When it cannot answer now, that is no refusal; its own client would tell us too late.
    Source,
}

/// A client with this trust, whose replies have a cap.
pub(crate) fn client(peer: Peer, trust: TrustStore) -> Result<SharedHttpClient, Failure> {
    let tls = TlsContext::builder().with_trust_store(trust).build();
    let tls = tls.map_err(|_| Failure::invalid("ca_file: the authorities cannot be used"))?;
    let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(SharedHttpClient::new(Capped(peer, builder.tls_context(tls).build_https())))
}

/// Whether a reply was given up because of its length.
pub(crate) fn is_too_long(error: &(dyn StdError + 'static)) -> bool {
    find::<LengthLimitError>(error).is_some()
}

/// Whether nothing was sent, because there was nobody to send it to.
pub(crate) fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    find::<hyper_util::client::legacy::Error>(error)
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// The first cause of this type.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[derive(Debug)]
struct Capped<T>(Peer, T);

impl HttpClient for Capped<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Capped(self.0, self.1.http_connector(settings, components)))
    }
}

impl HttpConnector for Capped<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (peer, answer) = (self.0, self.1.call(request));
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if peer == Peer::Source && answer.status().is_server_error() {
                return Err(ConnectorError::io("a source of credentials that cannot answer now".into()));
            }
            let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
            let body = Limited::new(body, MAX_REPLY).collect().await;
            let bytes = body.map_err(|error| ConnectorError::other(error, None))?.to_bytes();
            *answer.body_mut() = SdkBody::from(bytes);
            Ok(answer)
        })
    }
}
