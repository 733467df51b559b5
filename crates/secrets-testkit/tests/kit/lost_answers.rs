//! The fault that no other proxy can make: the request took effect, and its answer is lost.

use std::io::ErrorKind;
use std::time::Duration;

use secrets_testkit::{Answer, Body, Fault, FaultProxy, Responder};

use crate::client::Client;
use crate::faults::{upstream, warm};

/// Sends a write whose answer gets lost, and returns how often the upstream saw it.
fn lose(responder: &Responder, client: &mut Client) -> usize {
    client.send("POST", "/lost", &vec![b'x'; 200_000]).unwrap();
    let error = client.receive().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let whole = |body: &[u8]| body.len() == 200_000;
    responder.requests().iter().filter(|request| request.path == "/lost" && whole(&request.body)).count()
}

#[test]
fn a_lost_answer_leaves_one_whole_request_and_a_reset() {
    let (responder, proxy) = upstream();
    let mut open = warm(&proxy);
    proxy.set(Fault::LoseResponse);
    let mut new = Client::connect(proxy.addr()).unwrap();
    assert_eq!(lose(&responder, &mut new), 1);
    assert_eq!(lose(&responder, &mut open), 2);
    proxy.set(Fault::None);
    warm(&proxy);
}

#[test]
fn only_the_next_connection_loses_its_answer() {
    let (responder, proxy) = upstream();
    proxy.next(Fault::LoseResponse);
    assert_eq!(lose(&responder, &mut Client::connect(proxy.addr()).unwrap()), 1);
    warm(&proxy);
}

#[test]
fn a_long_and_slow_answer_is_lost_whole() {
    let responder = Responder::start().unwrap();
    let drip = Body::Drip { bytes: vec![b'y'; 300], size: 100, every: Duration::from_millis(10) };
    responder.always("POST", "/", Answer::new(200, drip).after(Duration::from_millis(120)));
    let proxy = FaultProxy::start(responder.addr()).unwrap();
    proxy.set(Fault::LoseResponse);
    assert_eq!(lose(&responder, &mut Client::connect(proxy.addr()).unwrap()), 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_lost_too() {
    let responder = Responder::start().unwrap();
    let body = Body::Truncated { declared: 100, sent: b"some".to_vec() };
    responder.always("POST", "/", Answer::new(200, body));
    let proxy = FaultProxy::start(responder.addr()).unwrap();
    proxy.set(Fault::LoseResponse);
    assert_eq!(lose(&responder, &mut Client::connect(proxy.addr()).unwrap()), 1);
}
