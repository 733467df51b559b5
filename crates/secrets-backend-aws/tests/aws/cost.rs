//! What reading many sealed secrets costs behind 50 ms of latency: in requests, and in time beside programs that do
//! the same with AWS's own SDKs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use secrets_backend::{NewSecret, PutMode, SecretBackend, SecretPath, StampKind};
use secrets_testkit::{Answer, Fault, FaultProxy, Request, Responder};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::admin::{backend, config, fresh, sealed, service_or_skip};
use crate::boto3::Boto3;

const LATENCY: Duration = Duration::from_millis(50);
/// API reference, `BatchGetSecretValue`: SecretIdList.
const BATCH: usize = 20;
/// Of each side, in turns.
const ROUNDS: usize = 5;
/// One test measures at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Sealed secrets, and what they hold.
struct Secrets {
    paths: Vec<SecretPath>,
}

impl Secrets {
    fn new() -> Self {
        let count = std::env::var("SECRETS_TEST_ROUNDS").map_or(40, |count| count.parse().unwrap());
        let under = fresh("cost");
        Self { paths: (0..count).map(|number| format!("{under}/s{number}").parse().unwrap()).collect() }
    }

    /// A value that is told from its neighbours.
    fn secret(number: usize) -> NewSecret {
        sealed(StampKind::Secret, 1, u8::try_from(number % 251).unwrap())
    }

    fn batches(&self) -> usize {
        self.paths.len().div_ceil(BATCH)
    }

    /// What the concurrency makes of the latency alone.
    fn ideal(&self, concurrency: usize) -> Duration {
        LATENCY * u32::try_from(self.batches().div_ceil(concurrency)).unwrap()
    }
}

/// A server that counts requests, behind the latency.
struct Far {
    counting: Responder,
    proxy: FaultProxy,
}

impl Far {
    fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let counting = Responder::start().unwrap();
        counting.on("POST", "/", answer);
        let proxy = FaultProxy::start(counting.addr()).unwrap();
        proxy.set(Fault::Latency(LATENCY));
        Self { counting, proxy }
    }

    fn url(&self) -> String {
        let address: SocketAddr = self.proxy.addr();
        format!("http://{address}")
    }

    fn requests(&self) -> usize {
        self.counting.requests().len()
    }
}

#[tokio::test]
async fn many_secrets_are_read_twenty_a_request() {
    let _alone = ALONE.lock().await;
    let secrets = Arc::new(Secrets::new());
    let known = Arc::clone(&secrets);
    let far = Far::new(move |request| at_once(&known, request));
    println!("FIGURE: {}", compare("answered at once", &secrets, &far).await);
}

#[tokio::test]
async fn many_secrets_are_read_twenty_a_request_of_moto() {
    let url = service_or_skip!();
    let _alone = ALONE.lock().await;
    let secrets = Secrets::new();
    let near = backend(config(&url));
    for (number, path) in secrets.paths.iter().enumerate() {
        near.put(path, &Secrets::secret(number), &PutMode::Create).await.unwrap();
    }
    let far = Far::new(move |request| request.forward(&url).unwrap());
    println!("FIGURE: {}", compare("on moto", &secrets, &far).await);
}

/// What was measured, as a line of words.
async fn compare(place: &str, secrets: &Secrets, far: &Far) -> String {
    let config = config(&far.url());
    let concurrency = config.concurrency;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // In turns, so that what else the machine does falls on both; each with connections of its own.
    for _ in 0..ROUNDS {
        let backend = backend(config.clone());
        let before = far.requests();
        let start = Instant::now();
        let answers = backend.get_many(&secrets.paths).await;
        ours.push(start.elapsed());
        assert_eq!(far.requests() - before, secrets.batches());
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().value.expose(), Secrets::secret(number).value.expose());
        }
        let client = client(&far.url());
        let start = Instant::now();
        read_bare(&client, &secrets.paths, concurrency).await;
        bare.push(start.elapsed());
    }
    let (ours, bare) = (median(ours), median(bare));
    format!(
        "{} sealed secrets {place} behind {} ms: {} requests, {concurrency} at once: {} ms, bare SDK {} ms, \
         ratio {:.2}; by the latency alone {} ms; {}",
        secrets.paths.len(),
        LATENCY.as_millis(),
        secrets.batches(),
        ours.as_millis(),
        bare.as_millis(),
        ours.as_secs_f64() / bare.as_secs_f64(),
        secrets.ideal(concurrency).as_millis(),
        naive(secrets, far),
    )
}

/// The same calls with nothing around them.
async fn read_bare(client: &Client, paths: &[SecretPath], concurrency: usize) {
    let calls: Vec<_> = paths
        .chunks(BATCH)
        .map(|paths| {
            let ids = paths.iter().map(ToString::to_string).collect();
            client.batch_get_secret_value().set_secret_id_list(Some(ids)).send()
        })
        .collect();
    let replies: Vec<_> = futures_util::stream::iter(calls).buffered(concurrency).collect().await;
    let count: usize = replies.into_iter().map(|reply| reply.unwrap().secret_values().len()).sum();
    assert_eq!(count, paths.len());
}

fn client(url: &str) -> Client {
    let provider = Provider::Rustls(CryptoMode::Ring);
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIAEXAMPLE", "5ecret-of-the-key", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(provider).build_https())
        .endpoint_url(url);
    Client::from_conf(config.build())
}

/// boto3 as it is used without a thought: one secret a call, one call after the other.
fn naive(secrets: &Secrets, far: &Far) -> String {
    let Some(boto3) = Boto3::at(&far.url()) else { return "boto3 is not here".to_owned() };
    let before = far.requests();
    let get = |path: &SecretPath| ("get_secret_value", json!({"SecretId": path.as_str()}));
    let calls: Vec<_> = secrets.paths.iter().map(get).collect();
    let (answers, took) = boto3.calls(&calls);
    assert_eq!(far.requests() - before, secrets.paths.len());
    for (number, answer) in answers.iter().enumerate() {
        let value = STANDARD.encode(Secrets::secret(number).value.expose());
        assert_eq!(answer["SecretBinary"], json!({"base64": value}));
    }
    format!("boto3 one by one {} ms", took.as_millis())
}

/// A service without a time of its own, for these secrets alone; anything but a read that it documents is refused.
fn at_once(secrets: &Secrets, request: &Request) -> Answer {
    let body = request.json();
    let target = request.header("x-amz-target").unwrap_or_default();
    let ids = match target.strip_prefix("secretsmanager.") {
        Some("GetSecretValue") => vec![body["SecretId"].clone()],
        Some("BatchGetSecretValue") => body["SecretIdList"].as_array().cloned().unwrap_or_default(),
        _ => Vec::new(),
    };
    let values: Option<Vec<Value>> = ids.iter().map(|id| value(secrets, id)).collect();
    match values {
        Some(values) if (2..=BATCH).contains(&values.len()) => {
            Answer::json(200, &json!({"SecretValues": values, "Errors": []}))
        }
        Some(values) if values.len() == 1 => Answer::json(200, &values[0]),
        _ => Answer::json(400, &json!({"__type": "InvalidParameterException"})),
    }
}

fn value(secrets: &Secrets, id: &Value) -> Option<Value> {
    let path: SecretPath = id.as_str()?.parse().ok()?;
    let number = secrets.paths.iter().position(|known| *known == path)?;
    let bytes = STANDARD.encode(Secrets::secret(number).value.expose());
    Some(json!({
        "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{path}-abcdef"),
        "Name": path.as_str(),
        "VersionId": format!("1{:015x}{:08x}{}", 1, 7, format!("{:02x}", number % 251).repeat(20)),
        "VersionStages": ["AWSCURRENT"], "SecretBinary": bytes, "CreatedDate": 1_767_225_600,
    }))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
