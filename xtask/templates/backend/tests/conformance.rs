//! The conformance suite: every sentence of the contract, one test each.

use secrets_backend::conformance::Target;
use secrets_backend___NAME__::{__Name__Backend, __Name__Config};

/// A backend on a test server, with pages small enough that a listing needs three of them.
async fn target() -> Target {
    let mut config = __Name__Config::default();
    config.page_size = 5;
    // `.with_credential("…")`: a text that nothing may show. `.keeping(server)`: alive until the case is over.
    Target::new(__Name__Backend::new(config)).with_page_size(5)
}

// Faults that the service can have are given as backends that already have them, for example
//
//     faults: {
//         bad_credentials: with_token("wrong").await,
//         denied: with_token("may-nothing").await,
//         denied_in_batch: target().await.with_refused_path(refused),
//         dead_endpoint: at("https://127.0.0.1:1"),
//         hanging_endpoint: at(a_socket_that_never_answers()),
//         throttled: at(a_server_that_says_429()),
//         oversized_reply: at(a_server_that_never_stops()),
//         malformed_reply: at(a_server_that_answers_html()),
//     }
secrets_backend::conformance_tests! {
    target: target().await,
}
