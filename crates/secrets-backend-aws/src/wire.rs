//! HTTP for the client of the service: TLS by rustls on ring, no proxy, no redirects, replies with a cap.

use std::error::Error as StdError;

use aws_sdk_secretsmanager::config::SharedHttpClient;
use aws_sdk_secretsmanager::config::http::HttpRequest;
use aws_sdk_secretsmanager::config::{HttpClient, RuntimeComponents};
use aws_sdk_secretsmanager::error::ConnectorError;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// The most bytes of a reply. The largest is a batch: 20 values of 65,536 bytes, in base64 or with escapes of JSON.
const MAX_REPLY: usize = 16 * 1024 * 1024;

/// A client whose replies have a cap.
pub(crate) fn client() -> SharedHttpClient {
    let provider = Provider::Rustls(CryptoMode::Ring);
    SharedHttpClient::new(Capped(aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()))
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
struct Capped<T>(T);

impl HttpClient for Capped<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Capped(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Capped<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
            let body = Limited::new(body, MAX_REPLY).collect().await;
            let bytes = body.map_err(|error| ConnectorError::other(error, None))?.to_bytes();
            *answer.body_mut() = SdkBody::from(bytes);
            Ok(answer)
        })
    }
}
