//! A client of a few lines, which sends exactly what a test says and shows exactly what came.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use secrets_testkit::{KeyVault, KeyVaultAccess};
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An answer that was complete.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Status, code, and the code within.
    pub(super) fn refusal(&self) -> (u16, &str, &str) {
        let error = &self.body["error"];
        (
            self.status,
            error["code"].as_str().unwrap_or_default(),
            error["innererror"]["code"].as_str().unwrap_or_default(),
        )
    }
}

/// One vault, with a token for it.
pub(super) struct Vault {
    pub(super) access: KeyVaultAccess,
    pub(super) token: String,
}

impl Vault {
    pub(super) fn of(server: &KeyVault) -> Self {
        Self::at(server, &server.access("kit"))
    }

    pub(super) fn at(server: &KeyVault, access: &KeyVaultAccess) -> Self {
        let token = server.token(access, "https://vault.azure.net");
        Self { access: access.clone(), token }
    }

    /// Sends a request for `/secrets/a?api-version=7.6`, say; with the version of the protocol where none is said.
    pub(super) fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let mark = if path.contains('?') { '&' } else { '?' };
        self.send_as_is(method, &format!("{path}{mark}api-version=7.6"), body)
    }

    pub(super) fn send_as_is(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        self.try_send(method, path, &[("authorization", &bearer)], body).unwrap()
    }

    pub(super) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Reply> {
        let (host, address) = &self.access.addresses[0];
        let kind = if body.is_empty() { None } else { Some(("content-type", "application/json")) };
        let headers: Vec<_> = headers.iter().copied().chain(kind).collect();
        send(&self.access, host, *address, (method, path), &headers, body)
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "")
    }

    /// Writes a secret, and answers the id of the version.
    pub(super) fn set(&self, name: &str, value: &str) -> String {
        let body = serde_json::json!({ "value": value }).to_string();
        let reply = self.send("PUT", &format!("/secrets/{name}"), &body);
        assert_eq!(reply.status, 200, "{name}");
        reply.body["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

/// Asks the issuer for a token with this form.
pub(super) fn ask_issuer(access: &KeyVaultAccess, tenant: &str, form: &[(&str, &str)]) -> Reply {
    let (host, address) = &access.addresses[1];
    let body = form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let path = format!("/{tenant}/oauth2/v2.0/token");
    send(access, host, *address, ("POST", &path), &headers, &body.join("&")).unwrap()
}

fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Sends one request over TLS to this host.
pub(super) fn send(
    access: &KeyVaultAccess,
    host: &str,
    address: SocketAddr,
    request: (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(access.ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    exchange(StreamOwned::new(connection, tcp), &format!("{host}:{}", address.port()), request, headers, body)
}

/// Sends one request over plain HTTP.
pub(super) fn send_plain(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Reply> {
    exchange(TcpStream::connect(address)?, &address.to_string(), ("GET", path), headers, "")
}

fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Reply> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    // The length is what the body says by itself where it comes in chunks.
    if headers.iter().all(|(name, _)| *name != "transfer-encoding") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    head += &format!("\r\n{body}");
    stream.write_all(head.as_bytes())?;
    let mut reply = Vec::new();
    // A server that closes without the last word of TLS has still answered, if it has.
    let ended = stream.read_to_end(&mut reply);
    let text = String::from_utf8_lossy(&reply).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Ok(Reply { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() })
}
