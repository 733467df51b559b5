//! Tests of environments with several backends.

use super::super::tests::Scratch;
use super::*;
use crate::args::Global;

/// Backends that are places of their own, and their names for `a`, `b`, `c`.
const BACKENDS: &str = "
    [backends.a]\ntype = \"aws\"\nregion = \"us-east-1\"\nprefix = \"app/\"
    [backends.b]\ntype = \"aws\"\nregion = \"eu-central-1\"\nprefix = \"app/\"
    [backends.c]\ntype = \"hcvault\"\naddress = \"https://vault.example.com:8200\"
    [backends.plain]\ntype = \"aws\"\nregion = \"us-west-2\"\nseal = false
    [backends.soon]\ntype = \"azure\"\nvault_url = \"https://x.vault.azure.net/\"\n";

fn settings(environments: &str, environment: &str) -> Settings {
    let scratch = Scratch::new();
    scratch.write("home/config/config.toml", &format!("{BACKENDS}{environments}"));
    let global = Global { environment: Some(environment.into()), ..Global::default() };
    scratch.load(&global, &[]).unwrap().settings
}

fn refused(environments: &str) -> String {
    Scratch::refused(&format!("{BACKENDS}{environments}"))
}

fn roles<'a>(topology: &Topology<'a>) -> Vec<(&'a str, Role, u32)> {
    topology.members().map(|member| (member.name, member.role, member.weight)).collect()
}

#[test]
fn each_backend_has_its_role_its_share_and_its_routes() {
    let file =
        "[environments.production]\nprimary = \"a\"\nfailover = [\"b\"]\nbackup = [\"local\"]\nack = \"all\"
        when_primary_down = \"deny\"\nnext_on = [\"not-found\"]\nreads = { a = 3, b = 1 }
        [environments.production.routes.\"payments/cards.v2\"]\nprimary = \"c\"\nfailover = [\"a\"]\n";
    let settings = settings(file, "production");
    let own = [("a", Role::Primary, 3), ("b", Role::Failover, 1), ("local", Role::Backup, 0)];
    assert_eq!(roles(&settings.topology()), own);
    let environment = settings.in_force().unwrap();
    assert_eq!(environment.ack.map(Level::from), Some(Level::All));
    assert_eq!(environment.when_primary_down.map(WhenDown::from), Some(WhenDown::Deny));
    assert!(environment.next_on().not_found && !environment.next_on().permission_denied);
    let route = &environment.routes["payments/cards.v2"];
    assert_eq!(roles(&route.topology()), [("c", Role::Primary, 0), ("a", Role::Failover, 0)]);
}

#[test]
fn a_backend_that_is_chosen_past_the_environment_stands_alone() {
    let scratch = Scratch::new();
    let file = "[environments.default]\nprimary = \"a\"\nfailover = [\"b\"]\nack = \"all\"
        [environments.default.routes.x]\nprimary = \"c\"\n";
    scratch.write("home/config/config.toml", &format!("{BACKENDS}{file}"));
    let global = Global { backend: Some("b".into()), ..Global::default() };
    let settings = scratch.load(&global, &[]).unwrap().settings;
    assert_eq!(roles(&settings.topology()), [("b", Role::Primary, 0)]);
    assert!(settings.in_force().is_none(), "neither its routes nor its levels hold");
}

#[test]
fn what_nothing_defines_is_named_with_the_place_that_names_it() {
    for (file, words) in [
        ("[environments.p]\nprimary = \"aa\"", "environment `p` names the backend `aa`"),
        ("[environments.p]\nprimary = \"a\"\nfailover = [\"x\"]", "`x`, which nothing defines"),
        ("[environments.p]\nprimary = \"a\"\nbackup = [\"plane\"]", "did you mean `plain`?"),
        ("[environments.p.routes.\"x/y\"]\nprimary = \"zzz\"", "the route `x/y` of environment `p`"),
        ("[environments.p.routes.x]\nprimary = \"a\"\nfailover = [\"zzz\"]", "the route `x`"),
        ("[environments.p.routes.x]\nfailover = [\"a\"]", "primary"),
        ("[environments.p.routes.x]\nprimary = \"a\"\nack = \"all\"", "unknown setting `ack`"),
        ("[environments.p.routes.\"/x\"]\nprimary = \"a\"", "`environments.p.routes.\"/x\"`"),
        ("[environments.p.routes.\"_secrets\"]\nprimary = \"a\"", "`environments.p.routes.\"_secrets\"`"),
        ("[environments.p]\nack = \"most\"", "ack"),
        ("[environments.p]\nwhen_primary_down = \"promote\"", "when_primary_down"),
        ("[environments.p]\nnext_on = [\"tampered\"]", "next_on"),
    ] {
        let said = refused(file);
        assert!(said.contains(words), "{file}: {said}");
    }
}

#[test]
fn one_backend_in_two_roles_is_no_second_copy() {
    for topology in [
        "primary = \"a\"\nfailover = [\"a\"]",
        "primary = \"a\"\nbackup = [\"b\", \"b\"]",
        "primary = \"a\"\nfailover = [\"b\"]\nbackup = [\"b\"]",
        "failover = [\"local\"]",
    ] {
        let said = refused(&format!("[environments.p]\n{topology}"));
        assert!(said.contains("environment `p` names the backend") && said.contains("twice"), "{said}");
    }
    let said = refused("[environments.p.routes.x]\nprimary = \"a\"\nbackup = [\"a\"]");
    assert!(said.contains("the route `x`") && said.contains("twice"), "{said}");
}

#[test]
fn one_place_under_two_names_is_no_second_copy_either() {
    let again = "[backends.again]\ntype = \"aws\"\nregion = \"us-east-1\"\nprefix = \"app/deeper/\"
        [backends.mine]\ntype = \"local\"\n";
    for (environment, names) in [
        ("primary = \"a\"\nfailover = [\"again\"]", ["`a`", "`again`"]),
        ("primary = \"b\"\nfailover = [\"a\"]\nbackup = [\"again\"]", ["`a`", "`again`"]),
        ("primary = \"a\"\nbackup = [\"local\", \"mine\"]", ["`local`", "`mine`"]),
        ("primary = \"a\"\n[environments.p.routes.x]\nprimary = \"again\"", ["`a`", "`again`"]),
    ] {
        let said = refused(&format!("{again}[environments.p]\n{environment}"));
        assert!(said.contains("environment `p` names one place twice"), "{said}");
        assert!(names.iter().all(|name| said.contains(name)), "{said}");
    }
    let said =
        refused("[environments.p]\nprimary = \"a\"\n[environments.q]\nprimary = \"c\"\nbackup = [\"a\"]");
    assert!(said.contains("environments `p` and `q` share one place"), "{said}");
}

#[test]
fn routes_of_an_environment_may_share_a_backend_by_its_name() {
    let file = "[environments.p]\nprimary = \"a\"\nfailover = [\"b\"]
        [environments.p.routes.x]\nprimary = \"b\"\nfailover = [\"a\"]
        [environments.q]\nbackup = []\n";
    assert_eq!(settings(file, "p").environments.len(), 2);
}

#[test]
fn plain_values_have_one_backend_and_no_routes() {
    for environment in [
        "primary = \"plain\"\nfailover = [\"a\"]",
        "primary = \"a\"\nbackup = [\"plain\"]",
        "primary = \"plain\"\n[environments.p.routes.x]\nprimary = \"a\"",
        "primary = \"a\"\n[environments.p.routes.x]\nprimary = \"plain\"",
        "failover = [\"plain\"]",
    ] {
        let said = refused(&format!("[environments.p]\n{environment}"));
        assert!(said.contains("`plain` has `seal = false`") && said.contains("one backend"), "{said}");
    }
    assert!(!settings("[environments.p]\nprimary = \"plain\"", "p").seals("plain"));
}

#[test]
fn reads_are_spread_over_those_who_can_serve_them() {
    for (reads, words) in [
        ("{ a = 0, b = 0 }", "all weights are 0"),
        ("{ a = 1, c = 1 }", "`c` is neither the primary nor in `failover`"),
        ("{ local = 1 }", "neither the primary"),
        ("{ a = 1001 }", "the weight of `a` is more than 1000"),
        ("{ a = -1 }", "production.reads.a"),
        ("{ a = 1.5 }", "production.reads.a"),
        ("{ a = \"most\" }", "production.reads.a"),
        ("{ a = 99999999999 }", "production.reads.a"),
    ] {
        let environment =
            "[environments.production]\nprimary = \"a\"\nfailover = [\"b\"]\nbackup = [\"local\"]";
        let said = refused(&format!("{environment}\nreads = {reads}"));
        assert!(said.contains(words), "{reads}: {said}");
    }
    let file = "[environments.p]\nprimary = \"a\"\nfailover = [\"b\"]\nreads = { b = 1000 }";
    let settings = settings(file, "p");
    assert_eq!(roles(&settings.topology()), [("a", Role::Primary, 0), ("b", Role::Failover, 1000)]);
}

#[test]
fn an_environment_that_is_not_listed_is_an_error_where_others_are() {
    let listed = format!("{BACKENDS}[environments.production]\nprimary = \"a\"\n");
    let said = Scratch::refused(&format!("environment = \"prodution\"\n{listed}"));
    assert!(
        said.contains("no environment `prodution`") && said.contains("did you mean `production`?"),
        "{said}"
    );
    let said = Scratch::refused(&format!("environment = \"other\"\n{listed}"));
    assert!(said.contains("add [environments.other]"), "{said}");
    assert_eq!(settings(&listed[BACKENDS.len()..], "default").backend_name(), "local");
    assert_eq!(settings("", "anything").backend_name(), "local");
    assert_eq!(settings("[environments.empty]\n", "empty").backend_name(), "local");
}

#[test]
fn every_setting_of_an_environment_is_a_known_name() {
    let file = "[environments.p]\nprimary = \"a\"\nfailover = [\"b\"]\nbackup = [\"local\"]\nack = \"local\"
        when_primary_down = \"journal\"\nnext_on = [\"not-found\"]\nreads = { a = 1 }\n[environments.p.routes.x]\nprimary = \"c\"\n";
    let settings = settings(file, "p");
    let written = serde_json::to_value(&settings.environments["p"]).unwrap();
    let mut names: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known = crate::config::keys::ENVIRONMENT.to_vec();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}
