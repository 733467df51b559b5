//! Passing a request on to a real server, for a test that looks at requests, or changes an answer on its way.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::{Answer, Request};

/// Sends the request on to the server at `url`, `http://127.0.0.1:5000` say, and brings its answer back.
///
/// # Panics
/// When the server cannot be reached, or what it answers is no text over HTTP.
#[must_use]
pub fn relay(url: &str, request: &Request) -> Answer {
    let (status, kind, body) = send(url, request).expect("the server behind the relay answers");
    Answer::text(status, String::from_utf8(body).expect("a text")).with_header("content-type", &kind)
}

fn send(url: &str, request: &Request) -> io::Result<(u16, String, Vec<u8>)> {
    let address = url.strip_prefix("http://").ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(address)?;
    let Request { method, path, headers, body, .. } = request;
    // HTTP/1.0, so that the body ends with the connection.
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len())?;
    for (name, value) in headers {
        if !["host", "content-length", "connection", "expect"].contains(&name.as_str()) {
            write!(stream, "{name}: {value}\r\n")?;
        }
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let kind = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    Ok((status, kind.unwrap_or_default(), answer.split_off(end + 4)))
}
