//! The responder's HTTPS: whom a client must trust, and what it must refuse.

use std::net::SocketAddr;
use std::sync::Arc;

use secrets_testkit::{Answer, Certificates, Fault, FaultProxy, Responder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

async fn connect(address: SocketAddr, authority: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn get(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: kit\r\n\r\n").await?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn responder() -> Responder {
    let responder = Responder::start_tls().unwrap();
    responder.always("GET", "/", Answer::text(200, "over TLS"));
    responder
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_gets_its_answer_and_another_does_not() {
    let responder = responder();
    assert!(responder.url().starts_with("https://127.0.0.1:"));
    let mut trusting = connect(responder.addr(), responder.authority().unwrap()).await.unwrap();
    assert!(get(&mut trusting).await.unwrap().contains("over TLS"));
    let foreign = Certificates::valid().unwrap();
    let error = connect(responder.addr(), &foreign.authority).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(responder.requests().len(), 1);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_as_expired() {
    let responder = Responder::start_tls_expired().unwrap();
    let error = connect(responder.addr(), responder.authority().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_garbled_on_its_way_cannot_be_opened() {
    let responder = responder();
    let proxy = FaultProxy::start(responder.addr()).unwrap();
    let mut stream = connect(proxy.addr(), responder.authority().unwrap()).await.unwrap();
    assert!(get(&mut stream).await.unwrap().contains("over TLS"));
    proxy.set(Fault::Garble);
    let error = get(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    assert_eq!(responder.requests().len(), 2, "the request took effect");
}

#[tokio::test]
async fn tls_passes_the_proxy_and_its_faults_reach_it() {
    let responder = responder();
    let proxy = FaultProxy::start(responder.addr()).unwrap();
    let mut stream = connect(proxy.addr(), responder.authority().unwrap()).await.unwrap();
    assert!(get(&mut stream).await.unwrap().contains("over TLS"));
    proxy.set(Fault::LoseResponse);
    let error = get(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(responder.requests().len(), 2, "the request took effect");
}
