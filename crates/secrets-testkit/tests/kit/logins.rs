//! What stands behind the logins of real servers, shown by such logins: TokenReview, a directory, STS.

use secrets_testkit::{Server, TokenReviews, openbao, skip, slapd, sts, vault};
use serde_json::{Value, json};

use crate::client::{Client, Response};
use crate::servers::address;

fn post(server: &Server, path: &str, body: &Value) -> Response {
    let mut client = Client::connect(address(server)).unwrap();
    client.send_as(&server.root_token, "POST", path, body.to_string().as_bytes()).unwrap();
    client.receive().unwrap()
}

fn must(server: &Server, path: &str, body: &Value) {
    let answer = post(server, path, body);
    assert!(answer.status < 300, "{path}: {}", answer.text());
}

/// The status of a login by each token: a good one, one of another account, one that was revoked.
fn kubernetes(server: &Server) -> [u16; 3] {
    let reviews = TokenReviews::start().unwrap();
    must(server, "/v1/sys/auth/kit-kubernetes", &json!({ "type": "kubernetes" }));
    let reviewer = reviews.token("kube-system", "reviewer");
    let config = json!({
        "kubernetes_host": reviews.responder().url(),
        "kubernetes_ca_cert": reviews.responder().authority(),
        "token_reviewer_jwt": reviewer,
        "disable_local_ca_jwt": true,
    });
    must(server, "/v1/auth/kit-kubernetes/config", &config);
    let role = json!({
        "bound_service_account_names": "app",
        "bound_service_account_namespaces": "default",
        "audience": "https://kubernetes.default.svc",
    });
    must(server, "/v1/auth/kit-kubernetes/role/app", &role);
    let [good, other, revoked] = ["app", "other", "app"].map(|account| reviews.token("default", account));
    reviews.revoke(&revoked);
    let statuses = [good, other, revoked].map(|token| {
        let answer = post(server, "/v1/auth/kit-kubernetes/login", &json!({ "role": "app", "jwt": token }));
        println!("a login was answered {}", answer.text());
        answer.status
    });
    let asked = reviews.responder().requests();
    let bearer = format!("Bearer {reviewer}");
    assert!(
        !asked.is_empty() && asked.iter().all(|request| request.header("authorization") == Some(&bearer))
    );
    statuses
}

#[test]
fn openbao_takes_the_word_of_the_token_reviews() {
    let Some(server) = openbao() else { return skip("OpenBao was not started by `cargo xtask test`") };
    assert_eq!(kubernetes(&server), [200, 403, 403]);
}

#[test]
fn vault_takes_the_word_of_the_token_reviews() {
    let Some(server) = vault() else { return skip("Vault was not built by `cargo xtask ci`") };
    assert_eq!(kubernetes(&server), [200, 403, 403]);
}

#[test]
fn vault_takes_the_word_of_the_directory() {
    let (Some(server), Some(directory)) = (vault(), slapd()) else {
        return skip("Vault and slapd were not started by `cargo xtask test`");
    };
    must(&server, "/v1/sys/auth/kit-ldap", &json!({ "type": "ldap" }));
    let config = json!({
        "url": directory.url,
        "userdn": directory.people,
        "userattr": "cn",
        "groupdn": directory.groups,
        "groupfilter": "(&(objectClass=groupOfNames)(member={{.UserDN}}))",
        "groupattr": "cn",
    });
    must(&server, "/v1/auth/kit-ldap/config", &config);
    must(&server, "/v1/auth/kit-ldap/groups/engineers", &json!({ "policies": "engineering" }));
    let login = |password: &str| {
        let path = format!("/v1/auth/kit-ldap/login/{}", directory.user);
        post(&server, &path, &json!({ "password": password }))
    };
    let good = login(directory.password);
    assert_eq!(good.status, 200, "{}", good.text());
    assert!(good.text().contains("engineering"), "{}", good.text());
    assert_eq!(login("wrong").status, 400);
}

#[test]
fn the_sts_endpoint_refuses_a_forged_signature() {
    let Some(sts) = sts() else { return skip("moto was not started by `cargo xtask test`") };
    let mut client = Client::connect(sts.url.trim_start_matches("http://").parse().unwrap()).unwrap();
    let request = format!(
        "GET /?Action=GetCallerIdentity&Version=2011-06-15 HTTP/1.1\r\nHost: kit\r\n\
         X-Amz-Date: 20200101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={}/20200101/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\r\n\r\n",
        sts.access_key
    );
    client.send_raw(request.as_bytes()).unwrap();
    let answer = client.receive().unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("SignatureDoesNotMatch"), "{}", answer.text());
}
