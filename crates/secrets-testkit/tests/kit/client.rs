//! A client of a few lines, which shows exactly what came over the connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection that is kept open between requests.
pub(crate) struct Client(BufReader<TcpStream>);

/// An answer that was complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        // Long enough for a busy machine; a test that expects silence sets less.
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn patience(&self, time: Duration) {
        self.0.get_ref().set_read_timeout(Some(time)).unwrap();
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<()> {
        self.send_as("t-1", method, path, body)
    }

    /// Sends with a token, under a name that the servers do not know and under the one that they do.
    pub(crate) fn send_as(&mut self, token: &str, method: &str, path: &str, body: &[u8]) -> io::Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: kit\r\nX-Token: {token}\r\nX-Vault-Token: {token}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.0.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    }

    pub(crate) fn send_raw(&mut self, request: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(request)
    }

    /// Reads one answer whose length is declared.
    pub(crate) fn receive(&mut self) -> io::Result<Response> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1).unwrap_or("0").lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body)?;
        Ok(Response { status, head, body })
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send("GET", path, b"")?;
        self.receive()
    }

    /// Every byte until the end of the connection.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).map(|_| bytes)
    }

    /// The next `length` bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).map(|()| bytes)
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Response> {
    Client::connect(address)?.get(path)
}
