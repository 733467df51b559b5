//! A fault proxy as a program, for timing whole processes: `latency HOST:PORT MILLISECONDS`.
//!
//! It prints the address at which it listens, and runs until its standard input ends.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use secrets_testkit::{Fault, FaultProxy};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [upstream, milliseconds] = arguments.as_slice() else { return Err("HOST:PORT MILLISECONDS".into()) };
    let proxy = FaultProxy::start(upstream.parse()?)?;
    proxy.set(Fault::Latency(Duration::from_millis(milliseconds.parse()?)));
    println!("{}", proxy.addr());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
