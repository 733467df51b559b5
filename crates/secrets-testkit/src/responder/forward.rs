//! A real server's answer, for a responder that stands before it and counts, loses or changes what passes.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::{Answer, Body, Request};

/// Of the connection, not of the request; the upstream's is another one.
const OF_THE_CONNECTION: [&str; 5] = ["connection", "content-length", "expect", "host", "transfer-encoding"];

impl Request {
    /// Asks the server at `url`, which is `http://HOST:PORT`, and takes its answer for one's own.
    ///
    /// It blocks, and so the responder answers one request after the other.
    ///
    /// # Errors
    /// When the server cannot be reached, or its answer is none of HTTP.
    pub fn forward(&self, url: &str) -> io::Result<Answer> {
        let Some(address) = url.strip_prefix("http://") else { return Err(no_http()) };
        let mut stream = TcpStream::connect(address)?;
        // In this version of HTTP, an answer ends with its connection.
        let mut head = format!("{} {} HTTP/1.0\r\nhost: {address}\r\n", self.method, self.path);
        for (name, value) in self.headers.iter().filter(|(name, _)| is_passed_on(name)) {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        stream.write_all(&[head.as_bytes(), &self.body].concat())?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        read(&reply).ok_or_else(no_http)
    }
}

fn is_passed_on(name: &str) -> bool {
    !OF_THE_CONNECTION.contains(&name)
}

fn read(reply: &[u8]) -> Option<Answer> {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&reply[..end]).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer::new(status, Body::Bytes(reply[end + 4..].to_vec()));
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if is_passed_on(&name.to_ascii_lowercase()) {
            answer = answer.with_header(name, value.trim());
        }
    }
    Some(answer)
}

fn no_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no plain HTTP")
}
