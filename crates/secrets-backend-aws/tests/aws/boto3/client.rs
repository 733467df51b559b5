//! boto3 in processes of its own, by `client.py`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use secrets_testkit::skip;
use serde_json::{Value, json};

/// A Python that has boto3, and the service that it talks to.
pub(crate) struct Boto3 {
    python: PathBuf,
    url: String,
    service: &'static str,
    keys: [String; 2],
}

impl Boto3 {
    /// A client of Secrets Manager; none, after a loud skip, where it is not installed.
    pub(crate) fn at(url: &str) -> Option<Self> {
        Self::of("secretsmanager", url, ["AKIAEXAMPLE", "5ecret-of-the-key"])
    }

    /// The same of another service, with these keys.
    pub(crate) fn of(service: &'static str, url: &str, keys: [&str; 2]) -> Option<Self> {
        let python = secrets_testkit::boto3();
        if python.is_none() {
            skip("there is no Python with boto3");
        }
        Some(Self { python: python?, url: url.to_owned(), service, keys: keys.map(str::to_owned) })
    }

    /// Calls methods one after the other with one client; their answers, and how long the calls took together.
    pub(crate) fn calls(&self, calls: &[(&str, Value)]) -> (Vec<Value>, Duration) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/boto3/client.py");
        let mut child = Command::new(&self.python)
            .arg(script)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let request = json!({"url": self.url, "service": self.service, "keys": self.keys, "calls": calls});
        child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "boto3 failed");
        let mut said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let seconds = Duration::from_secs_f64(said["seconds"].as_f64().unwrap());
        (serde_json::from_value(said["answers"].take()).unwrap(), seconds)
    }

    /// The same of calls that must succeed.
    pub(crate) fn done(&self, calls: &[(&str, Value)]) -> Vec<Value> {
        let (answers, _) = self.calls(calls);
        for ((method, _), answer) in calls.iter().zip(&answers) {
            assert_eq!(answer["refused"], Value::Null, "{method}");
        }
        answers
    }
}
