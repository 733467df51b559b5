//! Logins for which Vault asks a directory or AWS: what they name, and what is said when they cannot be reached.

use secrets_backend::ErrorKind;
use secrets_backend_hcvault::{Auth, AwsCredentials, AwsIam, Credential};
use secrets_testkit::{skip, slapd, sts, vault};
use serde_json::json;

use crate::admin::admin_or_skip;
use crate::logins::{Place, assert_reads, assert_refused, read};

#[tokio::test]
async fn ldap_works_refuses_and_says_when_the_directory_is_down() {
    let admin = admin_or_skip!(vault());
    let Some(directory) = slapd() else { return skip("the LDAP directory was not started") };
    let place = Place::of(&admin, "ldap").await;
    let at = |what: &str| format!("auth/{}/{what}", place.method);
    let settings = |url: &str| {
        json!({"url": url, "userdn": directory.people, "userattr": "cn", "groupdn": directory.groups,
            "groupfilter": "(&(objectClass=groupOfNames)(member={{.UserDN}}))", "groupattr": "cn"})
    };
    admin.done("POST", &at("config"), settings(&directory.url)).await;
    admin.done("POST", &at("groups/engineers"), json!({"policies": place.policy})).await;
    let auth = |password: &str| Auth::Ldap {
        mount: place.method.clone(),
        username: directory.user.to_owned(),
        password: Credential::value(password),
    };
    assert_reads(&admin, &place, auth(directory.password)).await;
    assert_refused(&admin, &place, auth("wrong")).await;
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    admin.done("POST", &at("config"), settings(&format!("ldap://{closed}"))).await;
    let down = read(&admin, &place, auth(directory.password)).await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Unavailable, "{down}");
}

#[tokio::test]
async fn an_aws_identity_works_and_says_when_sts_is_down() {
    let admin = admin_or_skip!(vault());
    let Some(sts) = sts() else { return skip("the STS endpoint was not started") };
    let place = Place::of(&admin, "aws").await;
    let at = |what: &str| format!("auth/{}/{what}", place.method);
    let settings = |endpoint: &str| {
        json!({"sts_endpoint": endpoint, "sts_region": "us-east-1", "access_key": &sts.access_key,
        "secret_key": &sts.secret_key, "iam_server_id_header_value": "vault.example.org"})
    };
    admin.done("POST", &at("config/client"), settings(&sts.url)).await;
    let role = json!({"auth_type": "iam", "bound_iam_principal_arn": [sts.arn], "resolve_aws_unique_ids": false,
        "token_policies": [place.policy]});
    admin.done("POST", &at("role/app"), role).await;
    let auth = |server_id: Option<&str>| {
        let mut identity = AwsIam::new(AwsCredentials {
            access_key_id: sts.access_key.clone(),
            secret_access_key: Credential::value(&*sts.secret_key),
            session_token: None,
        });
        identity.mount.clone_from(&place.method);
        identity.role = Some("app".to_owned());
        identity.sts_endpoint.clone_from(&sts.url);
        identity.server_id = server_id.map(str::to_owned);
        Auth::AwsIam(identity)
    };
    assert_reads(&admin, &place, auth(Some("vault.example.org"))).await;
    assert_refused(&admin, &place, auth(None)).await;
    assert_refused(&admin, &place, auth(Some("another.example.org"))).await;
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    admin.done("POST", &at("config/client"), settings(&format!("http://{closed}"))).await;
    let down = read(&admin, &place, auth(Some("vault.example.org"))).await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Unavailable, "{down}");
}
