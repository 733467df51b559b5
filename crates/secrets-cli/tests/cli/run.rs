//! `run`: environment, files, signals, exit codes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Scratch, has, skip};

#[test]
fn the_programs_exit_code_is_ours_and_a_signal_is_128_and_its_number() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    for (script, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
    {
        assert_eq!(scratch.call(["run", "--", "sh", "-c", script]).code, code, "{script}");
    }
    scratch.call(["run", "--", "no-such-program"]).refused(127, "not found");
    scratch.write("plain", "x");
    scratch.call(["run", "--", "./plain"]).refused(126, "cannot be started");
}

#[test]
fn standard_input_and_output_are_the_programs_own() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let done = scratch.pipe(["run", "--", "cat"], b"one\0two\xff");
    assert_eq!(done.stdout, b"one\0two\xff");
}

#[test]
fn secrets_are_variables_by_the_rule_and_collisions_are_errors() {
    let scratch = Scratch::new();
    scratch.set("app/db-main/api.key", "1");
    scratch.set("web/token", "2");
    let done = scratch.call(["run", "--", "sh", "-c", "echo $API_KEY $TOKEN"]);
    assert_eq!(done.text(), "1 2\n");
    let done = scratch.call(["run", "--full-path", "--", "sh", "-c", "echo $APP_DB_MAIN_API_KEY $WEB_TOKEN"]);
    assert_eq!(done.text(), "1 2\n");
    scratch.set("app/token", "3");
    scratch.call(["run", "--", "true"]).refused(2, "`app/token` and `web/token` would both be TOKEN");
    assert_eq!(scratch.call(["run", "--prefix", "web", "--", "sh", "-c", "echo $TOKEN"]).text(), "2\n");
    assert_eq!(scratch.call(["exec", "--only", "app/token", "--", "sh", "-c", "echo $TOKEN"]).text(), "3\n");
}

#[test]
fn only_takes_paths_and_variables_and_leaves_the_rest_out() {
    let scratch = Scratch::new();
    for (path, value) in [("a/one", "1"), ("a/two", "2"), ("three", "3")] {
        scratch.set(path, value);
    }
    let echo = ["sh", "-c", "echo [$ONE$TWO$THREE]"];
    let with =
        |flags: &[&str]| scratch.call(["run"].iter().chain(flags).chain(&["--"]).chain(&echo).copied());
    assert_eq!(with(&["--only", "a/one"]).text(), "[1]\n");
    assert_eq!(with(&["--only", "TWO,THREE"]).text(), "[23]\n");
    assert_eq!(with(&["--only", "a/one", "--only", "THREE"]).text(), "[13]\n");
    with(&["--only", "a/none"]).refused(10, "a/none is missing (NONE)");
    with(&["--only", "NONE"]).refused(10, "no secret is called `NONE`");
    with(&["--prefix", "b"]).refused(10, "at or below b");
    let done = with(&["--only", "a/one,a/none", "--if-missing", "warn"]);
    assert_eq!(done.text(), "[1]\n");
    assert!(done.stderr.contains("a/none is missing"), "{}", done.stderr);
    let done = with(&["--only", "a/one,a/none", "--if-missing", "ignore"]);
    assert_eq!((done.text(), done.stderr.as_str()), ("[1]\n", ""));
}

#[test]
fn the_projects_list_names_variables_and_a_required_one_has_to_be_there() {
    let scratch = Scratch::new();
    scratch.set("db/url", "u");
    scratch.set("other", "o");
    scratch.write(
        "secrets.toml",
        "[secrets]\nDATABASE_URL = { path = \"db/url\" }\nEXTRA = { path = \"db/extra\", required = false }\n",
    );
    let echo = ["run", "--", "sh", "-c", "echo [$DATABASE_URL$EXTRA$OTHER]"];
    assert_eq!(scratch.call(echo).text(), "[u]\n");
    scratch.write("secrets.toml", "[secrets]\nDATABASE_URL = { path = \"db/none\" }\n");
    scratch.call(echo).refused(10, "db/none is missing (DATABASE_URL)");
    let before = scratch.entries();
    scratch.call(echo);
    assert_eq!(scratch.entries(), before + 1);
}

#[test]
fn pristine_hands_over_the_secrets_and_nothing_else() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let mut command = scratch.command(["run", "--pristine", "--", "env"]);
    command.env("LEAK", "1");
    assert_eq!(command.output().unwrap().stdout, b"A=x\n");
    let mut command = scratch.command(["run", "--", "sh", "-c", "echo $LEAK"]);
    command.env("LEAK", "1");
    assert_eq!(command.output().unwrap().stdout, b"1\n");
}

#[test]
fn replace_becomes_the_program_under_the_same_process_id() {
    let scratch = Scratch::new();
    scratch.set("a", "x");
    let child = scratch
        .command(["run", "--replace", "--", "sh", "-c", "echo $$ $A"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), format!("{id} x\n"));
    assert_eq!(scratch.call(["run", "--replace", "--file", "A=a", "--", "true"]).code, 2);
}

#[test]
fn a_file_is_private_while_the_program_runs_and_gone_afterwards() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(12 * 1024).collect();
    scratch.set("tls/key", &bytes);
    scratch.set("b", "y");
    let script = "stat -c %a \"$KEY\" >&2; echo \"$KEY\" >&2; echo \"$B\" >&2; cat \"$KEY\"";
    let done = scratch.call(["run", "--file", "KEY=tls/key", "--", "sh", "-c", script]);
    assert_eq!(done.stdout, bytes);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!((lines[0], lines[2]), ("600", "y"));
    assert!(!std::path::Path::new(lines[1]).exists());
    scratch.call(["run", "--file", "KEY=tls/none", "--", "true"]).refused(10, "tls/none is missing");
    for wrong in ["KEY", "=a", "K-Y=a", "KEY=../a"] {
        scratch.call(["run", "--file", wrong, "--", "true"]).refused(2, "secrets:");
    }
}

#[test]
fn what_cannot_be_a_variable_is_refused_clearly() {
    let scratch = Scratch::new();
    scratch.set("large", vec![b'x'; 128 * 1024]);
    scratch.call(["run", "--", "true"]).refused(2, "LARGE is over 128 KiB");
    scratch.set("large", b"x\0y");
    let done = scratch.call(["run", "--", "true"]);
    done.refused(2, "LARGE holds a NUL byte");
    assert!(done.stderr.contains("--file LARGE=PATH"), "{}", done.stderr);
}

const COUNTER: &str = r#"
import signal, sys, time
count = 0
def caught(*_):
    global count
    count += 1
signal.signal(signal.SIGTERM, caught)
print("ready", flush=True)
end = time.monotonic() + 20
while count == 0 and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.3)
print(count, flush=True)
sys.exit(9)
"#;

#[test]
fn a_signal_reaches_the_program_once_and_files_are_gone_after_it() {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let scratch = Scratch::new();
    scratch.set("a", "x");
    scratch.write("counter.py", COUNTER);
    let mut child = scratch
        .command(["run", "--file", "KEY=a", "--", "sh", "-c", "echo $KEY; exec python3 counter.py"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let file = lines.next().unwrap();
    assert!(fs::metadata(&file).is_ok());
    assert_eq!(lines.next().unwrap(), "ready");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(lines.next().unwrap(), "1");
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert!(fs::metadata(&file).is_err());
}

#[test]
fn a_real_program_reads_the_environment_that_it_was_given() {
    if !has("python3") {
        return skip("python3 is not installed");
    }
    let scratch = Scratch::new();
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIE+/='\"$x\\n\n-----END PRIVATE KEY-----\n";
    scratch.set("tls/private-key", pem);
    scratch.set("gcp/sa.json", "{\"type\": \"service_account\", \"private_key\": \"a\\nb\"}\n");
    scratch.set("latin", b"caf\xe9");
    let program = "import os, sys; sys.stdout.buffer.write(b'|'.join(os.environb[n] for n in (b'PRIVATE_KEY', b'SA_JSON', b'LATIN')))";
    let done = scratch.call(["run", "--", "python3", "-c", program]);
    let expected =
        [pem.as_bytes(), b"{\"type\": \"service_account\", \"private_key\": \"a\\nb\"}\n", b"caf\xe9"]
            .join(&b'|');
    assert_eq!(done.stdout, expected);
}

#[test]
fn the_value_is_in_no_argument_list_while_the_program_runs() {
    let scratch = Scratch::new();
    scratch.set("a", "hunter2-in-no-list");
    let start = Instant::now();
    let mut child = scratch
        .command(["run", "--", "sh", "-c", "echo ready; sleep 1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&arguments).contains("hunter2-in-no-list"));
    }
    assert!(child.wait().unwrap().success() && start.elapsed() < Duration::from_secs(20));
}
