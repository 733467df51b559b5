//! Each fault of the proxy, on a new connection and on one that was open before.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use secrets_testkit::{Answer, Fault, FaultProxy, Responder};

use crate::client::{Client, get};

pub(crate) fn upstream() -> (Responder, FaultProxy) {
    let responder = Responder::start().unwrap();
    responder.always("GET", "/", Answer::text(200, "a good answer"));
    responder.always("POST", "/", Answer::text(200, "stored"));
    let proxy = FaultProxy::start(responder.addr()).unwrap();
    (responder, proxy)
}

/// A connection that has carried an answer already.
pub(crate) fn warm(proxy: &FaultProxy) -> Client {
    let mut client = Client::connect(proxy.addr()).unwrap();
    assert_eq!(client.get("/warm").unwrap().text(), "a good answer");
    client
}

/// One connection that is new and one that is warm, under a fault that was set last.
fn under(proxy: &FaultProxy, fault: Fault) -> [Client; 2] {
    let warm = warm(proxy);
    proxy.set(fault);
    [Client::connect(proxy.addr()).unwrap(), warm]
}

#[test]
fn without_a_fault_everything_passes_and_connections_are_counted() {
    let (responder, proxy) = upstream();
    let mut client = warm(&proxy);
    client.send("POST", "/big", &vec![b'x'; 1_000_000]).unwrap();
    assert_eq!(client.receive().unwrap().text(), "stored");
    assert_eq!(responder.requests()[1].body.len(), 1_000_000);
    assert_eq!(proxy.connections(), 1);
    get(proxy.addr(), "/").unwrap();
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn a_refusing_proxy_resets_what_is_open_refuses_what_is_new_and_comes_back() {
    let (_responder, proxy) = upstream();
    let mut open = warm(&proxy);
    for _ in 0..3 {
        proxy.set(Fault::Refuse);
        let refused = Client::connect(proxy.addr()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.set(Fault::None);
        get(proxy.addr(), "/").unwrap();
    }
    let reset = open.get("/").unwrap_err();
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&reset.kind()), "{reset}");
}

#[test]
fn a_hanging_proxy_passes_nothing_on_until_the_fault_is_lifted() {
    let (responder, proxy) = upstream();
    let clients = under(&proxy, Fault::Hang);
    let before = responder.requests().len();
    let hanging = clients.map(|mut client| {
        client.send("GET", "/held", b"").unwrap();
        client.patience(Duration::from_millis(150));
        assert_eq!(client.receive().unwrap_err().kind(), ErrorKind::WouldBlock);
        client.patience(Duration::from_secs(20));
        client
    });
    assert_eq!(responder.requests().len(), before, "the upstream heard something");
    proxy.set(Fault::None);
    for mut client in hanging {
        assert_eq!(client.receive().unwrap().text(), "a good answer");
    }
}

#[test]
fn latency_holds_back_the_beginning_of_each_answer() {
    let (_responder, proxy) = upstream();
    for mut client in under(&proxy, Fault::Latency(Duration::from_millis(120))) {
        for _ in 0..2 {
            let sent = Instant::now();
            client.get("/").unwrap();
            assert!(sent.elapsed() >= Duration::from_millis(120), "{:?}", sent.elapsed());
        }
    }
}

#[test]
fn a_reset_request_never_reaches_the_upstream() {
    let (responder, proxy) = upstream();
    for mut client in under(&proxy, Fault::Reset) {
        let error = client.get("/reset").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert!(responder.requests().iter().all(|request| request.path != "/reset"));
}

#[test]
fn a_truncated_answer_has_exactly_the_bytes_it_was_given_and_then_ends() {
    let (_responder, proxy) = upstream();
    for length in [0, 1, 40] {
        for mut client in under(&proxy, Fault::TruncateAfter(length)) {
            client.send("GET", "/", b"").unwrap();
            let rest = client.rest().unwrap();
            assert_eq!(rest.len(), length);
            assert!(b"HTTP/1.1 200 OK\r\n".starts_with(&rest[..length.min(17)]));
        }
        proxy.set(Fault::None);
    }
}

#[test]
fn a_dripping_answer_comes_whole_and_slowly() {
    let (_responder, proxy) = upstream();
    let every = Duration::from_millis(5);
    for mut client in under(&proxy, Fault::Drip { bytes: 10, every }) {
        let sent = Instant::now();
        let answer = client.get("/").unwrap();
        assert_eq!(answer.text(), "a good answer");
        let pieces = (answer.head.len() + answer.body.len()).div_ceil(10);
        assert!(sent.elapsed() >= every * u32::try_from(pieces).unwrap(), "{:?}", sent.elapsed());
    }
}

#[test]
fn the_next_faults_are_for_one_connection_each_in_order() {
    let (_responder, proxy) = upstream();
    let mut open = warm(&proxy);
    proxy.next(Fault::Refuse);
    proxy.next(Fault::Reset);
    proxy.next(Fault::TruncateAfter(3));
    for kind in [ErrorKind::ConnectionReset, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof] {
        let error = get(proxy.addr(), "/").unwrap_err();
        assert_eq!(error.kind(), kind);
        open.get("/").unwrap();
    }
    get(proxy.addr(), "/").unwrap();
}

#[test]
fn an_upstream_that_is_gone_looks_like_a_dead_one() {
    let (responder, proxy) = upstream();
    drop(responder);
    assert_eq!(get(proxy.addr(), "/").unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_dropped_proxy_leaves_no_connection_and_no_port() {
    let (_responder, proxy) = upstream();
    let mut open = warm(&proxy);
    let address = proxy.addr();
    drop(proxy);
    assert!(open.get("/").is_err());
    assert_eq!(get(address, "/").unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
