//! The command over several backends: OpenBao behind a proxy as the primary, AWS (moto) and this machine beside it.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secrets_testkit::{Fault, FaultProxy, Server, openbao, secrets_manager};
use serde_json::Value;

use crate::support::{Done, Machine, Scratch, feed, skip};

/// A scratch installation over three backends.
struct Three {
    scratch: Scratch,
    server: Server,
    proxy: FaultProxy,
    aws: String,
    prefix: String,
}

impl Three {
    /// None, after a loud skip, where a server is missing.
    fn new() -> Option<Self> {
        let (Some(server), Some(aws)) = (openbao(), secrets_manager()) else {
            skip("the servers of this test were not started");
            return None;
        };
        let scratch = Scratch::new();
        let upstream = server.address.strip_prefix("http://").unwrap().parse().unwrap();
        let proxy = FaultProxy::start(upstream).unwrap();
        let name = scratch.home().parent()?.file_name()?.to_str()?.replace('.', "x");
        let three = Self { scratch, server, proxy, aws, prefix: format!("several{name}/") };
        three.configure("primary = \"bao\"\nfailover = [\"east\"]\nbackup = [\"local\"]\n");
        Some(three)
    }

    /// Another machine with the same backends.
    fn beside(&self, environment: &str) -> Option<Self> {
        let other = Self::new()?;
        let other = Self { prefix: self.prefix.clone(), ..other };
        other.configure(environment);
        let fingerprint = self.done(&["key", "fingerprint"]);
        let own = other.scratch.key();
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::copy(self.scratch.key(), &own).unwrap();
        // A backend that stands by is enough to join.
        let stands_by = environment.contains("failover");
        other.proxy.set(if stands_by { Fault::Refuse } else { Fault::None });
        other.done(&["join", "--fingerprint", fingerprint.trim()]);
        other.proxy.set(Fault::None);
        Some(other)
    }

    fn configure(&self, environment: &str) {
        let directory = self.scratch.home().join("config");
        std::fs::create_dir_all(&directory).unwrap();
        let config = format!(
            "[backends.bao]\ntype = \"hcvault\"\naddress = \"http://{}\"\nprefix = \"{prefix}\"\n\
             auth = {{ method = \"token\", token = \"${{TOKEN}}\" }}\n\
             [backends.east]\ntype = \"aws\"\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\nprefix = \"{prefix}\"\n\
             [backends.clear]\ntype = \"hcvault\"\naddress = \"{}\"\nprefix = \"clear{prefix}\"\nseal = false\n\
             auth = {{ method = \"token\", token = \"${{TOKEN}}\" }}\n\
             [environments.default]\n{environment}\n",
            self.proxy.addr(),
            self.aws,
            self.server.address,
            prefix = self.prefix,
        );
        std::fs::write(directory.join("config.toml"), config).unwrap();
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.call(&[arguments, &["--json"]].concat());
        (done.code, serde_json::from_str(done.text()).unwrap_or_else(|_| panic!("{}", done.stderr)))
    }

    fn set(&self, path: &str, value: &str) -> Done {
        feed(self.prepared(&["set", path]), value.as_bytes())
    }

    /// As long as a breaker leaves a backend alone, since `began`.
    fn wait(began: Instant) {
        std::thread::sleep(Duration::from_millis(5_100).saturating_sub(began.elapsed()));
    }
}

impl Machine for Three {
    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(arguments);
        command.env("TOKEN", &self.server.root_token).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
        command
    }
}

#[test]
fn a_primary_that_is_gone_is_stepped_in_for_and_gets_what_it_missed() {
    let Some(three) = Three::new() else { return };
    assert_eq!(three.set("app/key", "one").code, 0);
    let (code, health) = three.json(&["health"]);
    assert_eq!((code, &health["healthy"]), (0, &Value::Bool(true)));
    let roles: Vec<&String> = health["replicas"].as_object().unwrap().keys().collect();
    assert_eq!(roles, ["backup_0", "failover", "primary"]);
    three.proxy.set(Fault::Refuse);
    let done = three.call(&["get", "app/key"]);
    assert_eq!((done.code, done.text()), (0, "one"));
    // Whoever stands in: on a busy machine the one that is asked next may be quicker than the first.
    assert!(done.stderr.contains("the primary did not answer"), "{}", done.stderr);
    let stood_in = ["east", "local"].map(|name| done.stderr.contains(&format!("; {name} gave 1 secret")));
    assert!(stood_in.contains(&true), "{}", done.stderr);
    let written = feed(three.prepared(&["set", "app/key", "--json"]), b"two");
    assert_eq!(written.code, 17, "{}", written.stderr);
    assert!(written.stderr.contains("it waits on this machine"), "{}", written.stderr);
    let told: Value = serde_json::from_str(written.text()).unwrap();
    assert_eq!(told["secrets"][0]["level"], "local", "{told}");
    let (_, got) = three.json(&["get", "app/key"]);
    assert_eq!((&got["value"], &got["served"]["degraded"]), (&"two".into(), &true.into()));
    let (code, health) = three.json(&["health"]);
    assert_eq!((code, &health["replicas"]["primary"]["waiting"]), (20, &1.into()));
    assert_eq!(health["replicas"]["primary"]["state"], "unavailable");
    three.call(&["get", "app/key", "--require-primary"]).refused(16, "unavailable");
    let broken = Instant::now();
    three.proxy.set(Fault::None);
    Three::wait(broken);
    assert_eq!(three.done(&["get", "app/key"]), "two");
    let (code, plan) = three.json(&["sync", "plan"]);
    assert_eq!((code, &plan["equal"], &plan["waiting"]), (0, &1.into(), &0.into()), "{plan}");
    assert_eq!(three.done(&["get", "app/key", "--require-primary"]), "two");
}

#[test]
fn a_primary_that_hangs_costs_the_hedge_and_then_nothing() {
    let Some(three) = Three::new() else { return };
    assert_eq!(three.set("app/key", "one").code, 0);
    three.proxy.set(Fault::Hang);
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(three.done(&["get", "app/key"]), "one");
        // The pause, not the 10 s of the backend's own patience.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let (code, drill) = three.json(&["failover", "drill", "--backend", "bao"]);
    assert_eq!((code, &drill["by"]["bao"], &drill["read"]), (0, &Value::Null, &1.into()), "{drill}");
    // What is asked of the others meanwhile does not wait for it at all.
    let (_, got) = three.json(&["get", "app/key"]);
    assert_ne!(got["served"]["by"], "bao");
}

#[test]
fn an_answer_counts_where_its_backend_was_in_step_lately_enough() {
    let Some(three) = Three::new() else { return };
    assert_eq!(three.set("app/key", "one").code, 0);
    three.proxy.set(Fault::Refuse);
    three.call(&["get", "app/key", "--max-staleness", "1h"]).refused(16, "unavailable");
    three.call(&["get", "app/key", "--max-staleness", "soon"]).refused(2, "a time such as");
    three.proxy.set(Fault::None);
    three.done(&["sync", "plan"]);
    three.proxy.set(Fault::Refuse);
    let (_, got) = three.json(&["get", "app/key", "--max-staleness", "1h"]);
    assert_eq!((&got["value"], &got["served"]["degraded"]), (&"one".into(), &true.into()));
    assert_ne!(got["served"]["by"], "bao");
    assert!(got["served"]["age_s"].as_u64().unwrap() < 60);
}

#[test]
fn a_conflict_is_said_with_every_read_until_it_is_resolved() {
    let Some(three) = Three::new() else { return };
    assert_eq!(three.set("app/key", "first").code, 0);
    let status = three.done(&["status"]);
    assert!(status.contains("failover") && status.contains("backup"), "{status}");
    let Some(other) = three.beside("primary = \"bao\"\nfailover = [\"east\"]\n") else { return };
    assert_eq!(other.done(&["get", "app/key"]), "first");
    three.proxy.set(Fault::Refuse);
    assert_eq!(three.set("app/key", "ours").code, 17);
    let broken = Instant::now();
    assert_eq!(other.set("app/key", "theirs").code, 0);
    three.proxy.set(Fault::None);
    Three::wait(broken);
    let (code, applied) = three.json(&["sync", "apply"]);
    let told = (code, &applied["conflicts"], &applied["in_step"], &applied["schema_version"]);
    assert_eq!(told, (20, &serde_json::json!(["app/key"]), &false.into(), &1.into()), "{applied}");
    for _ in 0..2 {
        let read = three.call(&["get", "app/key"]);
        assert_eq!(read.text(), "theirs", "{}", read.stderr);
        assert!(read.stderr.contains("app/key is in conflict"), "{}", read.stderr);
    }
    let (_, shown) = three.json(&["sync", "resolve", "app/key"]);
    let holders: Vec<&Value> =
        shown["versions"].as_array().unwrap().iter().map(|version| &version["holders"]).collect();
    assert!(holders.iter().any(|one| **one == serde_json::json!(["journal"])), "{shown}");
    three.call(&["sync", "resolve", "app/key", "--take", "nobody"]).refused(2, "no holder of this name");
    let (code, resolved) = three.json(&["sync", "resolve", "app/key", "--take", "journal"]);
    let expected = serde_json::json!([{ "path": "app/key", "version": 3, "level": "all" }]);
    assert_eq!((code, &resolved["secrets"]), (0, &expected), "{resolved}");
    assert_eq!(three.json(&["sync", "plan"]).0, 0);
    for machine in [&three, &other] {
        let read = machine.call(&["get", "app/key"]);
        assert_eq!((read.text(), read.stderr.contains("conflict")), ("ours", false), "{}", read.stderr);
    }
}

#[test]
fn a_promoted_backend_takes_writes_and_the_old_one_catches_up() {
    let Some(three) = Three::new() else { return };
    assert_eq!(three.set("app/key", "one").code, 0);
    three.proxy.set(Fault::Refuse);
    three.call(&["failover", "promote", "east"]).refused(2, "--yes");
    three.call(&["failover", "promote", "local", "--yes"]).refused(2, "this machine alone");
    three.call(&["failover", "promote", "nowhere", "--yes"]).refused(2, "no backend of this name");
    let promoted = three.call(&["failover", "promote", "east", "--yes"]);
    assert_eq!(promoted.code, 0, "{}", promoted.stderr);
    assert!(promoted.stderr.contains("east is the primary now (term 2)"), "{}", promoted.stderr);
    let written = three.set("app/key", "two");
    assert_eq!(written.code, 0, "{}", written.stderr);
    let broken = Instant::now();
    three.proxy.set(Fault::None);
    Three::wait(broken);
    let applied = three.call(&["sync", "apply"]);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    let (_, health) = three.json(&["health"]);
    assert_eq!(health["replicas"]["primary"]["backend"], "east");
    assert_eq!(three.json(&["sync", "plan", "--verify"]).0, 0);
    three.configure("primary = \"bao\"\n");
    three.call(&["get", "app/key"]).refused(2, "which the configuration does not name");
}

#[test]
fn a_backend_that_was_added_gets_everything_and_loses_what_is_extra_only_where_that_is_asked_for() {
    let Some(three) = Three::new() else { return };
    three.configure("primary = \"bao\"\n");
    for path in ["a", "b/c"] {
        assert_eq!(three.set(path, "value").code, 0);
    }
    assert_eq!(three.set("a", "newer").code, 0);
    three.configure("primary = \"bao\"\nfailover = [\"east\"]\n");
    let (code, plan) = three.json(&["sync", "plan"]);
    assert_eq!((code, plan["steps"].as_array().unwrap().len()), (20, 2), "{plan}");
    let dry = three.call(&["sync", "apply", "-n"]);
    assert_eq!((dry.code, three.json(&["sync", "plan"]).0), (0, 20));
    let (code, applied) = three.json(&["sync", "apply"]);
    let told = (code, &applied["done"], &applied["failed"], &applied["waiting"], &applied["in_step"]);
    assert_eq!(told, (0, &2.into(), &serde_json::json!([]), &0.into(), &true.into()), "{applied}");
    assert_eq!(three.json(&["sync", "plan", "--verify"]).1["equal"], 2);
    // Something that the primary never had, and that this machine does not know.
    let Some(other) = three.beside("primary = \"east\"\n") else { return };
    assert_eq!(other.set("extra", "value").code, 0);
    three.call(&["sync", "plan", "--delete-extra"]).refused(2, "only where the primary decides");
    // It is not done while something is left that the direction forbids to take.
    for command in ["plan", "apply"] {
        let (code, told) = three.json(&["sync", command, "--direction", "push"]);
        assert_eq!((code, &told["newer_elsewhere"]), (20, &serde_json::json!(["extra"])), "{told}");
    }
    let push = three.call(&["sync", "apply", "--direction", "push"]);
    assert!(push.code == 20 && push.stderr.contains("extra is newer elsewhere"), "{}", push.stderr);
    let delete = ["sync", "apply", "--direction", "push", "--delete-extra"];
    three.call(&delete).refused(2, "--yes");
    let done = three.call(&[&delete[..], &["--yes"]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(three.json(&["sync", "plan"]).1["equal"], 2);
}

#[test]
fn plain_secrets_are_sealed_into_an_environment_and_written_out_again() {
    let Some(three) = Three::new() else { return };
    fn clear<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [&["--backend", "clear"], arguments].concat()
    }
    assert_eq!(three.set("here", "already").code, 0);
    for (path, value) in [("app/key", "plain"), ("here", "another")] {
        let done = feed(three.prepared(&clear(&["set", path])), value.as_bytes());
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    three.call(&["sync", "import", "east"]).refused(2, "seal = false");
    let imported = three.call(&["sync", "import", "clear"]);
    assert_eq!(imported.code, 15, "{}", imported.stderr);
    assert!(imported.stderr.contains("here is here with another value"), "{}", imported.stderr);
    assert_eq!(three.done(&["get", "app/key"]), "plain");
    assert_eq!(three.done(&["get", "here"]), "already");
    three.done(&["sync", "import", "clear", "--overwrite"]);
    assert_eq!(three.done(&["get", "here"]), "another");
    assert_eq!(three.json(&["sync", "plan"]).0, 0, "they are on every backend");
    assert_eq!(three.set("new", "sealed").code, 0);
    three.call(&["sync", "export", "clear"]).refused(2, "--yes");
    let exported = three.call(&["sync", "export", "clear", "--yes"]);
    assert!(
        exported.stderr.contains("wrote 1 secret to clear in the clear; 2 were there"),
        "{}",
        exported.stderr
    );
    assert_eq!(three.done(&clear(&["get", "new"])), "sealed");
}

#[test]
fn of_two_machines_that_write_one_version_one_is_told_of_the_other_and_nothing_is_lost() {
    for primary in ["bao", "east"] {
        let Some(three) = Three::new() else { return };
        let environment = format!("primary = \"{primary}\"\n");
        three.configure(&environment);
        assert_eq!(three.set("app/key", "first").code, 0);
        let Some(other) = three.beside(&environment) else { return };
        race(|number, if_version| {
            let one = if number == 0 { &three } else { &other };
            let mut command = one.prepared(&["set", "app/key"]);
            command.args(if_version);
            command
        });
    }
}

#[test]
fn of_two_processes_that_write_one_version_here_one_is_told_of_the_other_and_nothing_is_lost() {
    let scratch = Scratch::new();
    scratch.set("app/key", "first");
    race(|_, if_version| {
        let mut command = scratch.command(["set", "app/key"]);
        command.args(if_version);
        command
    });
}

/// Two writers of the second version: one wins. Then two without a condition: both are there.
fn race(command: impl Fn(usize, &[&str]) -> Command) {
    let mut codes = both(&command, &["--if-version", "1"]);
    codes.sort_unstable();
    assert_eq!(codes, [0, 15]);
    assert_eq!(both(&command, &[]), [0, 0]);
    let last = feed(command(0, &["--if-version", "4"]), b"fifth");
    assert_eq!(last.code, 0, "versions 3 and 4 are there: {}", last.stderr);
}

fn both(command: &impl Fn(usize, &[&str]) -> Command, if_version: &[&str]) -> [i32; 2] {
    let mut children: Vec<Child> = (0..2)
        .map(|number| {
            let mut command = command(number, if_version);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            child.unwrap()
        })
        .collect();
    // Both wait for their values, so that they begin together.
    for (number, child) in children.iter_mut().enumerate() {
        child.stdin.take().unwrap().write_all(format!("writer {number}").as_bytes()).unwrap();
    }
    let codes: Vec<i32> = children.iter_mut().map(|child| child.wait().unwrap().code().unwrap()).collect();
    [codes[0], codes[1]]
}

#[test]
fn where_the_journal_cannot_be_kept_nothing_is_acknowledged_and_no_backend_gets_anything() {
    let Some(three) = Three::new() else { return };
    assert_eq!(three.set("app/key", "one").code, 0);
    let script = r#"
        data="$SECRETS_HOME/data"
        cp -a "$data" "$SECRETS_HOME/aside"
        mount -t tmpfs -o size=12m,mode=700 tmpfs "$data" || exit 77
        cp -a "$SECRETS_HOME/aside/." "$data/"
        dd if=/dev/zero of="$data/filler" bs=4k 2> /dev/null
        last=0
        for n in $(seq 1 99); do
            head -c 60000 /dev/zero | tr '\0' x | "$0" set "full/n$n" - --raw 2> /dev/null || break
            last=$n
        done
        head -c 60000 /dev/zero | tr '\0' x | "$0" set app/key - --raw 2> /dev/null; echo "full: $?"
        rm "$data/filler"
        mount -o remount,ro "$data" || exit 77
        echo two | "$0" set app/key 2> /dev/null; echo "read-only: $?"
        echo "get: $("$0" get app/key)"
        mount -o remount,rw "$data"
        rm -rf "$SECRETS_HOME/aside"
        for n in $(seq 1 $last); do
            [ "$("$0" get "full/n$n" | wc -c)" = 60000 ] || echo "lost full/n$n"
        done
        "$0" sync apply 2> /dev/null; echo "apply: $?"
        "$0" sync plan --verify 2> /dev/null; echo "plan: $?"
        echo "get: $("$0" get app/key --require-primary)"
    "#;
    let variables = [
        ("TOKEN", three.server.root_token.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
    ];
    let variables = variables.map(|(name, value)| (name, std::path::Path::new(value)));
    let Some(done) = three.scratch.with_mounts(script, &variables) else {
        return skip("a small file system cannot be mounted here");
    };
    let expected = ["full: 16", "read-only: 16", "get: one", "apply: 0", "plan: 0", "get: one"];
    assert_eq!(done.text().lines().collect::<Vec<_>>(), expected, "{}", done.stderr);
}
