//! No value and no credential in errors, `Debug` or traces, whatever the server says.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use secrets_backend::{NewSecret, PutMode, SecretBackend};
use secrets_testkit::azure::VaultFault;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::admin::{VAULT, hasty, hasty_kit, path};

const PLANTED: &str = "planted-5ecre7-value";

/// Everything that any crate traces, at every level.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<String>>);

impl Traces {
    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }
}

impl Visit for Traces {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(&format!("{field}={value:?}\n"));
    }
}

impl Subscriber for Traces {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.add(span.metadata().target());
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.add(event.metadata().target());
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Text with every way in which a planted one may show.
fn shows(text: &str, planted: &str) -> bool {
    let bytes = planted.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let hex: String = planted.bytes().map(|byte| format!("{byte:02x}")).collect();
    text.contains(planted) || text.contains(&bytes) || text.to_lowercase().contains(&hex)
}

#[tokio::test]
async fn neither_errors_nor_traces_show_what_the_server_echoes() {
    let (server, backend) = hasty_kit();
    let access = server.access(VAULT);
    let token = server.token(&access, "https://vault.azure.net");
    let (traces, path) = (Traces::default(), path("app/key"));
    let mut shown = format!("{backend:?} {backend:#?} {backend} {:?}", hasty(&access));
    let said = async {
        backend.put(&path, &NewSecret::new(PLANTED), &PutMode::Upsert).await.unwrap();
        for fault in [
            VaultFault::Echo,
            VaultFault::BrokenJson,
            VaultFault::LostAnswer,
            VaultFault::Endless,
            VaultFault::Status(200, format!("{{\"value\": \"{PLANTED}")),
            VaultFault::Status(200, format!("\"{PLANTED}\"")),
            VaultFault::Status(400, PLANTED.to_owned()),
            VaultFault::Status(
                403,
                format!("{{\"error\":{{\"code\":\"{PLANTED}\",\"message\":\"{PLANTED}\"}}}}"),
            ),
            VaultFault::Status(401, PLANTED.to_owned()),
            VaultFault::Status(500, format!("{{\"error\":{{\"code\":\"x\",\"message\":\"{PLANTED}\"}}}}")),
            VaultFault::Redirect(format!("https://{PLANTED}.example/")),
            VaultFault::NextLink(format!("https://{PLANTED}.example/")),
        ] {
            let mut answers = Vec::new();
            server.fault(2, &fault);
            answers.push(backend.put(&path, &NewSecret::new(PLANTED), &PutMode::Upsert).await.map(drop));
            server.heal();
            server.fault(2, &fault);
            answers.push(
                backend.get(&path, None).await.map(|read| assert!(!shows(&format!("{read:?}"), PLANTED))),
            );
            server.heal();
            server.fault(2, &fault);
            answers.push(backend.versions(&path).await.map(drop));
            server.heal();
            for error in answers.into_iter().filter_map(Result::err) {
                shown.push_str(&format!("{error} {error:?} {error:#?}"));
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    shown.push_str(&format!("{error} {error:?}"));
                    cause = error.source();
                }
            }
        }
        shown
    };
    let said = said.with_subscriber(traces.clone()).await;
    let traced = traces.text();
    assert!(said.contains("app/key") && traced.contains("azure"), "something was said, and traced");
    for planted in [PLANTED, &access.client_secret, &token, "eyJ"] {
        assert!(!shows(&said, planted), "an error or `Debug` shows it");
        let at = traced.find(planted).map(|at| traced.split_at(at).0.len());
        assert!(!shows(&traced, planted), "a trace shows it at {at:?}");
    }
}
