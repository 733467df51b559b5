//! What reading through the backend costs, beside the same requests sent bare.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use secrets_backend::{NewSecret, PutMode, SecretBackend, SecretPath};
use secrets_backend_hcvault::Engine;
use secrets_testkit::openbao;

use crate::admin::{Admin, admin_or_skip};

const CONCURRENCY: usize = 16;
const ROUNDS: usize = 9;

#[tokio::test]
async fn every_secret_of_a_large_batch_is_read_as_fast_as_by_a_bare_loop() {
    let admin = admin_or_skip!(openbao());
    let count = std::env::var("SECRETS_TEST_ROUNDS").map_or(30, |count| count.parse().unwrap());
    let mount = admin.mount(Engine::Kv2).await;
    let backend = admin.backend(&mount);
    let paths: Vec<SecretPath> = (0..count).map(|n| format!("cost/s{n}").parse().unwrap()).collect();
    for path in &paths {
        backend.put(path, &NewSecret::new(format!("value of {path}")), &PutMode::Create).await.unwrap();
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // In turns, so that what else the machine does falls on both.
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let answers = backend.get_many(&paths).await;
        ours.push(start.elapsed());
        for (path, answer) in paths.iter().zip(answers) {
            assert_eq!(answer.unwrap().value.expose(), format!("value of {path}").as_bytes());
        }
        let start = Instant::now();
        read_bare(&admin, &mount, &paths).await;
        bare.push(start.elapsed());
    }
    let (ours, bare) = (median(ours), median(bare));
    println!(
        "FIGURE: {count} secrets, {CONCURRENCY} at once: {} ms, bare requests {} ms, ratio {:.2}",
        ours.as_millis(),
        bare.as_millis(),
        ours.as_secs_f64() / bare.as_secs_f64()
    );
}

async fn read_bare(admin: &Admin, mount: &str, paths: &[SecretPath]) {
    let requests: Vec<_> = paths.iter().map(|path| admin.get_bytes(format!("{mount}/data/{path}"))).collect();
    let bodies: Vec<usize> = futures_util::stream::iter(requests).buffered(CONCURRENCY).collect().await;
    assert!(bodies.iter().all(|&len| len > 0));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
