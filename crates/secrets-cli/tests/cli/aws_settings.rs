//! What the variables and files of AWS's own tools say beside credentials, and what is said when they say nothing.

use secrets_testkit::{Answer, AwsStandIn, Certificates, Responder};
use serde_json::json;

use crate::aws_credentials::Cloud;
use crate::support::{Done, feed};

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAUSER"), ("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-key")];
const REGION: (&str, &str) = ("AWS_REGION", "us-east-1");

/// Keys, and these variables.
fn keyed<'a>(variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    KEYS.into_iter().chain(variables.iter().copied()).collect()
}

fn region_of(stand_in: &AwsStandIn) -> String {
    let requests = stand_in.responder().requests();
    requests.last().unwrap().header("authorization").unwrap().split('/').nth(2).unwrap().to_owned()
}

#[test]
fn without_any_source_it_says_where_it_looked_and_what_to_do() {
    let stand_in = AwsStandIn::start().unwrap();
    let cloud = Cloud::new(&format!("endpoint_url = \"{}\"", stand_in.responder().url()));
    let (state, problem) = cloud.health(&[REGION]);
    assert_eq!(state, "credentials refused");
    for looked in ["environment", "profile", "web identity", "container", "instance"] {
        assert!(problem.contains(looked), "{problem}");
    }
    let set = feed(cloud.command(&["set", "app/key"], &[REGION]), b"hunter2");
    set.refused(13, "no credentials");
    assert!(set.stderr.contains("aws sso login") && set.stderr.contains("AWS_PROFILE"), "{}", set.stderr);
    assert!(stand_in.calls().is_empty());
}

#[test]
fn a_profile_that_is_named_and_gives_nothing_is_not_replaced_by_keys_of_the_environment() {
    let stand_in = AwsStandIn::start().unwrap();
    let cloud = Cloud::new(&format!("endpoint_url = \"{}\"\nprofile = \"work\"", stand_in.responder().url()));
    let role = "role_arn = arn:aws:iam::123456789012:role/r\n";
    for config in ["[default]\n", &format!("[profile work]\n{role}source_profile = absent\n")] {
        cloud.scratch.write("config", config);
        // Keys of the environment are not those of the profile that is named.
        let (state, problem) = cloud.health(&keyed(&[REGION]));
        assert!(
            ["invalid input", "credentials refused"].contains(&state.as_str()),
            "{config}: {state}, {problem}"
        );
    }
    assert!(stand_in.calls().is_empty());
}

#[test]
fn the_region_is_that_of_the_configuration_the_environment_the_profile_or_the_instance() {
    let stand_in = AwsStandIn::start().unwrap();
    let url = stand_in.responder().url();
    let endpoint = ("AWS_ENDPOINT_URL", url.as_str());
    let open = Cloud::new("");
    let (state, problem) = open.health(&keyed(&[endpoint]));
    assert_eq!(state, "invalid input");
    assert!(problem.contains("region") && problem.contains("AWS_REGION"), "{problem}");
    for wrong in ["us-east-1.evil.example", "us east", "-x"] {
        let (state, problem) = open.health(&keyed(&[("AWS_REGION", wrong), endpoint]));
        assert_eq!(state, "invalid input");
        assert!(problem.contains("region") && !problem.contains(wrong), "{problem}");
    }
    assert!(stand_in.calls().is_empty());
    let metadata = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str());
    assert_eq!(open.health(&keyed(&[endpoint, metadata])).0, "ok");
    assert_eq!(region_of(&stand_in), "us-east-1");
    open.scratch.write("config", "[default]\nregion = eu-west-1\n");
    assert_eq!(open.health(&keyed(&[endpoint])).0, "ok");
    assert_eq!(region_of(&stand_in), "eu-west-1");
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        assert_eq!(open.health(&keyed(&[(variable, "eu-west-2"), endpoint])).0, "ok");
        assert_eq!(region_of(&stand_in), "eu-west-2", "{variable}");
    }
    let fixed = Cloud::new("region = \"eu-west-3\"");
    assert_eq!(fixed.health(&keyed(&[REGION, endpoint])).0, "ok");
    assert_eq!(region_of(&stand_in), "eu-west-3");
}

#[test]
fn the_address_is_that_of_the_configuration_the_service_or_all_services() {
    let [all, own, fixed] = [(); 3].map(|()| AwsStandIn::start().unwrap());
    let [to_all, to_own, to_fixed] = [&all, &own, &fixed].map(|stand_in| stand_in.responder().url());
    let global = ("AWS_ENDPOINT_URL", to_all.as_str());
    let of_the_service = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", to_own.as_str());
    let open = Cloud::new("");
    let count = |stand_in: &AwsStandIn| stand_in.calls().len();
    assert_eq!(open.health(&keyed(&[REGION, global])).0, "ok");
    assert_eq!((count(&all), count(&own)), (1, 0));
    assert_eq!(open.health(&keyed(&[REGION, global, of_the_service])).0, "ok");
    assert_eq!((count(&all), count(&own)), (1, 1));
    let configured = Cloud::new(&format!("endpoint_url = \"{to_fixed}\""));
    assert_eq!(configured.health(&keyed(&[REGION, global, of_the_service])).0, "ok");
    assert_eq!((count(&all), count(&own), count(&fixed)), (1, 1, 1));
    let services =
        format!("services = here\n[services here]\nsecrets_manager =\n  endpoint_url = {to_own}\n");
    for (lines, expected) in [(format!("endpoint_url = {to_all}\n"), (2, 1)), (services, (2, 2))] {
        open.scratch.write("config", format!("[default]\n{lines}"));
        assert_eq!(open.health(&keyed(&[REGION])).0, "ok", "{lines}");
        assert_eq!((count(&all), count(&own)), expected, "{lines}");
    }
}

#[test]
fn a_role_of_the_configuration_is_assumed_at_the_address_for_it_and_for_no_other_service() {
    let [service, sts, other] = [(); 3].map(|()| AwsStandIn::start().unwrap());
    let [to_service, to_sts, to_other] = [&service, &sts, &other].map(|stand_in| stand_in.responder().url());
    let role = format!(
        "endpoint_url = \"{to_service}\"\nrole_arn = \"arn:aws:iam::123456789012:role/reader\"\nexternal_id = \"7of9\"\n"
    );
    let by_variable = Cloud::new(&role);
    assert_eq!(by_variable.health(&keyed(&[REGION, ("AWS_ENDPOINT_URL_STS", &to_sts)])).0, "ok");
    let by_field = Cloud::new(&format!("{role}sts_endpoint_url = \"{to_sts}\""));
    assert_eq!(by_field.health(&keyed(&[REGION, ("AWS_ENDPOINT_URL_STS", &to_other)])).0, "ok");
    assert_eq!(sts.calls(), ["AssumeRole by AKIAUSER", "AssumeRole by AKIAUSER"]);
    assert_eq!(sts.parameters("ExternalId"), ["7of9", "7of9"]);
    assert_eq!(service.calls(), ["ListSecrets by ASIA1", "ListSecrets by ASIA2"]);
    assert!(other.calls().is_empty());
    let (state, problem) = by_field.health(&[REGION]);
    assert_eq!(state, "credentials refused");
    assert!(problem.contains("no credentials"), "{problem}");
    assert_eq!((sts.calls().len(), service.calls().len()), (2, 2));
}

/// No such address goes with another one that is named, so its effect is seen without leaving the machine.
#[test]
fn fips_and_dual_stack_are_as_the_configuration_or_the_environment_says() {
    let stand_in = AwsStandIn::start().unwrap();
    let url = stand_in.responder().url();
    for (variable, field) in
        [("AWS_USE_FIPS_ENDPOINT", "use_fips"), ("AWS_USE_DUALSTACK_ENDPOINT", "use_dual_stack")]
    {
        let fields = format!("endpoint_url = \"{url}\"");
        let variables = keyed(&[REGION, (variable, "true")]);
        assert_eq!(Cloud::new(&fields).health(&variables).0, "invalid input", "{variable}");
        let off = Cloud::new(&format!("{fields}\n{field} = false"));
        assert_eq!(off.health(&variables).0, "ok", "{field}");
        let on = Cloud::new(&format!("{fields}\n{field} = true"));
        assert_eq!(on.health(&keyed(&[REGION])).0, "invalid input", "{field}");
    }
}

#[test]
fn authorities_are_those_of_the_configuration_the_environment_or_the_profile() {
    let responder = Responder::start_tls().unwrap();
    responder.always("POST", "/", Answer::json(200, &json!({"SecretList": []})));
    let fields = format!("endpoint_url = \"{}\"", responder.url());
    let open = Cloud::new(&fields);
    let file = |name: &str, text: &str| open.scratch.write(name, text).display().to_string();
    let right = file("right.pem", responder.authority().unwrap());
    let wrong = file("wrong.pem", &Certificates::valid().unwrap().authority);
    let bundle = |path: &'static str| ("AWS_CA_BUNDLE", path);
    assert_eq!(open.health(&keyed(&[REGION])).0, "unavailable");
    assert_eq!(open.health(&keyed(&[REGION, ("AWS_CA_BUNDLE", &wrong)])).0, "unavailable");
    let (state, problem) = open.health(&keyed(&[REGION, bundle("/nonexistent")]));
    assert_eq!(state, "invalid input");
    assert!(problem.contains("AWS_CA_BUNDLE"), "{problem}");
    assert!(responder.requests().is_empty());
    assert_eq!(open.health(&keyed(&[REGION, ("AWS_CA_BUNDLE", &right)])).0, "ok");
    open.scratch.write("config", format!("[default]\nca_bundle = {right}\n"));
    assert_eq!(open.health(&keyed(&[REGION])).0, "ok");
    let fixed = Cloud::new(&format!("{fields}\nca_file = \"{right}\""));
    assert_eq!(fixed.health(&keyed(&[REGION, ("AWS_CA_BUNDLE", &wrong)])).0, "ok");
    let missing = Cloud::new(&format!("{fields}\nca_file = \"missing.pem\""));
    Done::of(missing.command(&["status"], &[]).output().unwrap()).refused(3, "ca_file");
}
