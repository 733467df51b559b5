//! Each kind of answer of the responder, and what it notes.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use secrets_testkit::{Answer, Body, Responder};

use crate::client::{Client, get};

fn answering(body: Body) -> (Responder, Client) {
    let responder = Responder::start().unwrap();
    responder.always("GET", "/", Answer::new(200, body));
    let client = Client::connect(responder.addr()).unwrap();
    (responder, client)
}

#[test]
fn queued_answers_come_in_order_and_before_standing_ones() {
    let responder = Responder::start().unwrap();
    responder.always("GET", "/v1", Answer::text(200, "first standing"));
    responder.always("GET", "/v1", Answer::text(200, "later standing"));
    responder.answer("GET", "/v1/a", Answer::text(429, "one").with_header("retry-after", "7"));
    responder.answer("GET", "/v1", Answer::text(503, "two"));
    let mut client = Client::connect(responder.addr()).unwrap();
    let limited = client.get("/v1/a").unwrap();
    assert_eq!((limited.status, limited.text()), (429, "one"));
    assert!(limited.head.contains("retry-after: 7\r\n"), "{}", limited.head);
    assert_eq!(client.get("/v1/a").unwrap().status, 503);
    assert_eq!(client.get("/v1/a").unwrap().text(), "later standing");
    assert_eq!(client.get("/v2").unwrap().status, 500, "nothing was prepared");
}

#[test]
fn an_answer_may_depend_on_the_request() {
    let responder = Responder::start().unwrap();
    responder.on("LIST", "/", |request| {
        Answer::json(200, &serde_json::json!({ "token": request.header("X-TOKEN"), "sent": request.json() }))
    });
    let mut client = Client::connect(responder.addr()).unwrap();
    client.send("LIST", "/keys?after=3", b"[1]").unwrap();
    let answer = client.receive().unwrap();
    assert_eq!(answer.text(), r#"{"sent":[1],"token":"t-1"}"#);
    let requests = responder.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("LIST", "/keys?after=3"));
    assert_eq!(requests[0].body, b"[1]");
}

#[test]
fn a_forwarded_request_is_asked_and_answered_as_it_is() {
    let (upstream, front) = (Responder::start().unwrap(), Responder::start().unwrap());
    upstream.always("LIST", "/", Answer::new(418, Body::Bytes(vec![0, 0xff])).with_header("x-kind", "a: b"));
    let url = upstream.url();
    front.on("LIST", "/", move |request| request.forward(&url).unwrap());
    let mut client = Client::connect(front.addr()).unwrap();
    for _ in 0..2 {
        client.send("LIST", "/keys?after=3", b"[1]").unwrap();
        let answer = client.receive().unwrap();
        assert_eq!((answer.status, &*answer.body), (418, &[0, 0xff][..]));
        assert!(answer.head.contains("x-kind: a: b\r\n"), "{}", answer.head);
    }
    let asked = &upstream.requests()[1];
    assert_eq!(
        (asked.path.as_str(), &*asked.body, asked.header("x-token")),
        ("/keys?after=3", &b"[1]"[..], Some("t-1"))
    );
    assert_eq!(front.requests().len(), 2);
}

#[test]
fn bytes_come_as_they_are() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (_responder, mut client) = answering(Body::Bytes(bytes.clone()));
    assert_eq!(client.get("/").unwrap().body, bytes);
}

#[test]
fn an_endless_body_outlasts_any_cap() {
    let (_responder, mut client) = answering(Body::Endless);
    client.send("GET", "/", b"").unwrap();
    let much = client.bytes(20_000_000).unwrap();
    assert!(much.windows(9).any(|window| window == b"{\"data\":\""));
}

#[test]
fn a_truncated_body_ends_before_its_declared_length() {
    let (_responder, mut client) = answering(Body::Truncated { declared: 100, sent: b"0123456789".to_vec() });
    assert_eq!(client.get("/").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let (_responder, mut client) = answering(Body::Truncated { declared: 100, sent: b"0123456789".to_vec() });
    client.send("GET", "/", b"").unwrap();
    let rest = String::from_utf8(client.rest().unwrap()).unwrap();
    assert!(rest.contains("content-length: 100\r\n") && rest.ends_with("\r\n\r\n0123456789"), "{rest}");
}

#[test]
fn a_dripping_body_comes_in_pieces() {
    let every = Duration::from_millis(20);
    let (_responder, mut client) = answering(Body::Drip { bytes: b"0123456789".to_vec(), size: 2, every });
    let sent = Instant::now();
    assert_eq!(client.get("/").unwrap().text(), "0123456789");
    assert!(sent.elapsed() >= every * 5, "{:?}", sent.elapsed());
}

#[test]
fn a_delayed_answer_comes_after_its_delay() {
    let responder = Responder::start().unwrap();
    responder.always("GET", "/", Answer::text(200, "late").after(Duration::from_millis(100)));
    let sent = Instant::now();
    assert_eq!(get(responder.addr(), "/").unwrap().text(), "late");
    assert!(sent.elapsed() >= Duration::from_millis(100));
}

#[test]
fn an_answer_that_is_no_http_is_a_failure_that_says_so() {
    let responder = Responder::start().unwrap();
    responder.always("GET", "/", Answer::text(200, "").with_header("two\nlines", ""));
    let answer = get(responder.addr(), "/").unwrap();
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("no HTTP"), "{}", answer.text());
}
