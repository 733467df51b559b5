//! What reading many secrets costs behind 50 ms of latency: in requests, and in time.

use std::time::{Duration, Instant};

use secrets_backend::{PutMode, SecretBackend, SecretPath};
use secrets_testkit::KeyVault;

use crate::admin::{asked, kit, path, sealed};

const LATENCY: Duration = Duration::from_millis(50);
/// What `AzureConfig` says by itself.
const CONCURRENCY: usize = 32;
const ROUNDS: usize = 3;
/// A whole proof reads so many.
const ENOUGH: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn many_secrets_are_read_as_fast_as_the_latency_lets() {
    let count = std::env::var("SECRETS_TEST_ROUNDS").map_or(64, |count| count.parse().unwrap());
    let (server, backend) = kit();
    let paths: Vec<SecretPath> = (0..count).map(|number| path(&format!("cost/s{number}"))).collect();
    let content = |number: usize| u8::try_from(number % 251).unwrap();
    for (number, path) in paths.iter().enumerate() {
        backend.put(path, &sealed(1, content(number)), &PutMode::Upsert).await.unwrap();
    }
    server.delay(LATENCY);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        server.forget_calls();
        let start = Instant::now();
        let (answers, at_once) = watched(&server, backend.get_many(&paths)).await;
        times.push(start.elapsed());
        assert_eq!(at_once, CONCURRENCY.min(count), "as many at once as are promised, and no more");
        assert_eq!(asked(&server).len(), paths.len());
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().value.expose(), [content(number); 40]);
        }
    }
    times.sort();
    let ideal = LATENCY * u32::try_from(paths.len().div_ceil(CONCURRENCY)).unwrap();
    let ratio = times[ROUNDS / 2].as_secs_f64() / ideal.as_secs_f64();
    println!(
        "FIGURE: {count} sealed secrets behind {} ms, {CONCURRENCY} at once: {} ms, by latency alone {} ms, \
         ratio {ratio:.2}",
        LATENCY.as_millis(),
        times[ROUNDS / 2].as_millis(),
        ideal.as_millis(),
    );
    // With few, a machine that does other things decides; one call after the other would be 32.
    let most = if paths.len() >= ENOUGH { 1.2 } else { 4.0 };
    assert!(ratio <= most, "{ratio:.2}, at most {most}");
}

/// What a future gives, and how many calls were under way at once meanwhile.
async fn watched<T>(server: &KeyVault, future: impl Future<Output = T>) -> (T, usize) {
    tokio::pin!(future);
    let mut most = 0;
    loop {
        tokio::select! {
            answer = &mut future => return (answer, most),
            () = tokio::time::sleep(LATENCY / 10) => {
                let open = server.calls().iter().filter(|call| call.status.is_none()).count();
                most = most.max(open);
            }
        }
    }
}
