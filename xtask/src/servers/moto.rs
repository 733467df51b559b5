//! moto, which stands for AWS STS behind Vault's AWS login: with one user, whose signatures and policy it checks, and
//! who may make other users.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Place, Server, python, vault};

pub(super) const SERVER: Server = Server {
    name: "moto",
    about: "the STS endpoint behind Vault's AWS login",
    at_hand: vault::is_built,
    program: |shell| Ok(python::environment(shell, "moto")?.join("bin/moto_server")),
    command: |place| {
        let mut command = Command::new(&place.program);
        command.args(["-H", "127.0.0.1", "-p", &place.port.to_string()]);
        // Without this it accepts every signature; with it, only so many requests that are not signed well.
        command.env("INITIAL_NO_AUTH_ACTION_COUNT", SET_UP.len().to_string());
        Ok(command)
    },
    ready: Place::listens,
    settings: |place| {
        let answers = SET_UP.map(|action| ask(place, action));
        let [_, _, key] = answers;
        let key = key?;
        Ok(vec![
            ("SECRETS_TEST_STS_URL", format!("http://{}", place.address())),
            ("SECRETS_TEST_STS_ACCESS_KEY", element(&key, "AccessKeyId")?),
            ("SECRETS_TEST_STS_SECRET_KEY", element(&key, "SecretAccessKey")?),
        ])
    },
};

/// The requests that make the user; the last one answers with the key.
const SET_UP: [&str; 3] = [
    "Action=CreateUser&UserName=tester",
    "Action=PutUserPolicy&UserName=tester&PolicyName=ask&PolicyDocument=\
     %7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C\
     %22Action%22%3A%5B%22sts%3A%2A%22%2C%22iam%3A%2A%22%5D%2C%22Resource%22%3A%22%2A%22%7D%5D%7D",
    "Action=CreateAccessKey&UserName=tester",
];

fn ask(place: &Place, action: &str) -> Result<String> {
    let body = format!("{action}&Version=2010-05-08");
    let mut stream = TcpStream::connect(("127.0.0.1", place.port))?;
    // It finds the service by the scope of the credential.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=none/20200101/us-east-1/iam/aws4_request, \
         SignedHeaders=host, Signature=none\r\n\r\n{body}",
        place.address(),
        body.len(),
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{action}: {answer}");
    Ok(answer)
}

fn element(xml: &str, name: &str) -> Result<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>")).context("no such element")?;
    Ok(rest.split('<').next().unwrap_or_default().to_owned())
}
