//! Prints one secret by AWS's own SDK and nothing else: what `cargo xtask proof cold-get` measures `secrets get` by.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a program of its own")]

use std::io::Write;

use aws_sdk_secretsmanager::Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Keys, region and endpoint are the environment's; the one argument is the secret's name.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("the name of a secret is missing")?;
    let provider = Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(provider).build_https();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).load().await;
    let reply = Client::new(&config).get_secret_value().secret_id(name).send().await?;
    let value = reply.secret_binary().map(AsRef::as_ref).or(reply.secret_string().map(str::as_bytes));
    std::io::stdout().write_all(value.unwrap_or_default())?;
    Ok(())
}
