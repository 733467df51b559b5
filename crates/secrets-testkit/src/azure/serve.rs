//! The connections: TLS for vaults and issuer, which are told apart by the host that a request names, and plain HTTP
//! for the identity endpoints.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::admit::Host;
use super::directory::AzureCloud;
use super::fault::NotSent;
use super::state::{Call, Shared};
use super::{identity, issuer, pipelines, vault};

/// What serves which host.
#[derive(Clone)]
pub(super) struct Sites {
    shared: Shared,
    vaults: Router,
    issuer: Router,
    identity: Router,
    pipelines: Router,
}

impl Sites {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            vaults: vault::router(shared.clone()),
            issuer: issuer::router(shared.clone()),
            identity: identity::router(shared.clone()),
            pipelines: pipelines::router(shared.clone()),
            shared,
        }
    }

    /// What serves this host. Without TLS, that is the identity endpoints, whatever they are called.
    fn of(&self, host: &str, tls: bool) -> Option<&Router> {
        if !tls {
            return Some(&self.identity);
        }
        if AzureCloud::ALL.iter().any(|cloud| cloud.authority() == host) {
            return Some(&self.issuer);
        }
        if host == pipelines::HOST {
            return Some(&self.pipelines);
        }
        self.shared.lock().vaults.contains_key(host).then_some(&self.vaults)
    }

    async fn answer(&self, mut request: hyper::Request<Incoming>, tls: bool) -> io::Result<Response> {
        let host =
            request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host = Host::read(host);
        let call = self.note(&request, &host.name);
        let response = match self.of(&host.name, tls) {
            Some(site) => {
                request.extensions_mut().insert(host);
                let served = TowerToHyperService::new(site.clone()).call(request.map(Body::new)).await;
                served.unwrap_or_else(|never: Infallible| match never {})
            }
            // In the world, the name of such a vault has no address.
            None => StatusCode::MISDIRECTED_REQUEST.into_response(),
        };
        if response.extensions().get::<NotSent>().is_some() {
            return Err(io::Error::other("the connection ends on purpose"));
        }
        self.shared.lock().calls[call].status = Some(response.status().as_u16());
        Ok(response)
    }

    fn note(&self, request: &hyper::Request<Incoming>, host: &str) -> usize {
        let mut state = self.shared.lock();
        state.calls.push(Call {
            method: request.method().to_string(),
            host: host.to_owned(),
            path: request.uri().path().to_owned(),
            with_token: request.headers().contains_key(header::AUTHORIZATION),
            status: None,
        });
        state.calls.len() - 1
    }
}

/// A listener on a free loopback port.
pub(super) fn listen() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves every connection until the runtime ends.
pub(super) async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, sites: Sites) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, sites) = (tls.clone(), sites.clone());
        tokio::spawn(async move {
            // Answers are small, and the next request waits for them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => talk(stream, sites, false).await,
                // A client that does not trust the certificate ends here, as it should.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream, sites, true).await;
                    }
                }
            }
        });
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, sites: Sites, tls: bool) {
    let service = service_fn(move |request| {
        let sites = sites.clone();
        async move { sites.answer(request, tls).await }
    });
    // A connection that breaks is what a test may want; the client says what it saw of it.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}
