//! The connections of a responder: TLS where it has a certificate, HTTP/1.1 within.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::body::Pieces;
use super::{Answer, Request, Script};
use crate::certificates::Certificates;

/// TLS with this certificate.
pub(crate) fn acceptor(certificates: &Certificates) -> io::Result<TlsAcceptor> {
    let chain =
        CertificateDer::from_pem_slice(certificates.certificate.as_bytes()).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).map_err(io::Error::other)?;
    // Named, since a default provider would be state of the whole process.
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![chain], key))
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves every connection until the runtime ends.
pub(super) async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, script: Arc<Script>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, script) = (tls.clone(), Arc::clone(&script));
        tokio::spawn(async move {
            match tls {
                None => talk(stream, script).await,
                // A client that does not trust the certificate ends here, as it should.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream, script).await;
                    }
                }
            }
        });
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, script: Arc<Script>) {
    let service = service_fn(move |request| {
        let script = Arc::clone(&script);
        async move { Ok::<_, Infallible>(respond(request, &script).await) }
    });
    // A connection that breaks is what a test may want; the client says what it saw of it.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: hyper::Request<Incoming>, script: &Script) -> hyper::Response<Pieces> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let answer = script.answer(Request {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: headers.collect(),
        body,
    });
    tokio::time::sleep(answer.delay).await;
    response(answer).unwrap_or_else(|error| {
        let text = format!("the prepared answer is no HTTP: {error}");
        let mut response = hyper::Response::new(Pieces::new(super::Body::Text(text)));
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn response(answer: Answer) -> Result<hyper::Response<Pieces>, hyper::http::Error> {
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Pieces::new(answer.body))
}
