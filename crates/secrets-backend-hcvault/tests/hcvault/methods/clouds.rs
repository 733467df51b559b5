//! Methods for which the server asks somebody else: Kubernetes, a directory, AWS.

use secrets_backend_hcvault::{Auth, AwsCredentials, AwsIam, Credential};
use secrets_testkit::{FaultProxy, TokenReviews, skip, slapd, sts};
use serde_json::json;

use super::set_up::tokens;
use super::{Ground, Life, Ready};

pub(super) async fn kubernetes(ground: &Ground, life: Life) -> Option<Ready> {
    let (mount, policy) = (ground.enabled("kubernetes").await, ground.policy().await);
    let cluster = TokenReviews::start().unwrap();
    let provider = FaultProxy::start(cluster.responder().addr()).unwrap();
    let settings = json!({"kubernetes_host": format!("https://{}", provider.addr()),
        "kubernetes_ca_cert": cluster.responder().authority(),
        "token_reviewer_jwt": cluster.token("kube-system", "reviewer"), "disable_local_ca_jwt": true});
    ground.admin.done("POST", &format!("auth/{mount}/config"), settings).await;
    let role = json!({"bound_service_account_names": "app", "bound_service_account_namespaces": "shop",
        "audience": "https://kubernetes.default.svc"});
    ground.admin.done("POST", &format!("auth/{mount}/role/app"), tokens(&policy, life, role)).await;
    let auths = ["app", "other"].map(|account| Auth::Kubernetes {
        mount: mount.clone(),
        role: "app".to_owned(),
        jwt: Credential::value(cluster.token("shop", account)),
    });
    Some(Ready::new(ground, &mount, "login", policy, auths).asking(provider, cluster))
}

pub(super) async fn ldap(ground: &Ground, life: Life) -> Option<Ready> {
    let Some(directory) = slapd() else {
        skip("the LDAP directory was not started");
        return None;
    };
    let (mount, policy) = (ground.enabled("ldap").await, ground.policy().await);
    let provider = FaultProxy::start(directory.url.trim_start_matches("ldap://").parse().unwrap()).unwrap();
    let settings = json!({"url": format!("ldap://{}", provider.addr()), "userdn": directory.people,
        "userattr": "cn", "groupdn": directory.groups, "groupattr": "cn",
        "groupfilter": "(&(objectClass=groupOfNames)(member={{.UserDN}}))",
        "token_ttl": life.ttl, "token_max_ttl": life.max});
    ground.admin.done("POST", &format!("auth/{mount}/config"), settings).await;
    ground.admin.done("POST", &format!("auth/{mount}/groups/engineers"), json!({ "policies": policy })).await;
    let auths = [directory.password, "wrong"].map(|password| Auth::Ldap {
        mount: mount.clone(),
        username: directory.user.to_owned(),
        password: Credential::value(password),
    });
    let login = format!("login/{}", directory.user);
    Some(Ready::new(ground, &mount, &login, policy, auths).asking(provider, ()))
}

pub(super) async fn aws(ground: &Ground, life: Life) -> Option<Ready> {
    let Some(sts) = sts() else {
        skip("the STS endpoint was not started");
        return None;
    };
    let (mount, policy) = (ground.enabled("aws").await, ground.policy().await);
    let provider = FaultProxy::start(sts.url.trim_start_matches("http://").parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", provider.addr());
    let settings = json!({"sts_endpoint": endpoint, "sts_region": "us-east-1", "access_key": &sts.access_key,
        "secret_key": &sts.secret_key, "iam_server_id_header_value": "vault.example.org", "max_retries": 0});
    ground.admin.done("POST", &format!("auth/{mount}/config/client"), settings).await;
    let role =
        json!({"auth_type": "iam", "bound_iam_principal_arn": [sts.arn], "resolve_aws_unique_ids": false});
    ground.admin.done("POST", &format!("auth/{mount}/role/app"), tokens(&policy, life, role)).await;
    let auths = [&*sts.secret_key, "wrong"].map(|secret_key| {
        let mut identity = AwsIam::new(AwsCredentials {
            access_key_id: sts.access_key.clone(),
            secret_access_key: Credential::value(secret_key),
            session_token: None,
        });
        identity.mount.clone_from(&mount);
        identity.role = Some("app".to_owned());
        identity.sts_endpoint.clone_from(&endpoint);
        identity.server_id = Some("vault.example.org".to_owned());
        Auth::AwsIam(identity)
    });
    Some(Ready::new(ground, &mount, "login", policy, auths).asking(provider, ()))
}
