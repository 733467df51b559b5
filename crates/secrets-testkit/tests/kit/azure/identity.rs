//! The endpoints at which a machine asks for tokens of its own identity.

use secrets_testkit::KeyVault;
use secrets_testkit::azure::IssuerFault;

use super::client::{Reply, Vault, send, send_plain};

const RESOURCE: &str = "resource=https%3A%2F%2Fvault.azure.net";

fn metadata(server: &KeyVault, query: &str, headers: &[(&str, &str)]) -> Reply {
    send_plain(server.identity_addr(), &format!("/metadata/identity/oauth2/token?{query}"), headers).unwrap()
}

fn app_service(server: &KeyVault, query: &str, header: &str) -> Reply {
    send_plain(server.identity_addr(), &format!("/msi/token?{query}"), &[("x-identity-header", header)])
        .unwrap()
}

#[test]
fn the_metadata_service_answers_the_machine_alone() {
    let server = KeyVault::start().unwrap();
    let query = format!("api-version=2018-02-01&{RESOURCE}");
    let own = [("Metadata", "true")];
    let reply = metadata(&server, &query, &own);
    assert_eq!(reply.status, 200);
    assert!(reply.body["expires_on"].as_str().unwrap().parse::<u64>().is_ok());
    let token = reply.body["access_token"].as_str().unwrap().to_owned();
    let vault = Vault { access: server.access("kit"), token };
    assert_eq!(vault.get("/secrets/a").status, 404, "its token is good");
    for (query, headers) in [
        (query.as_str(), &[][..]),
        (&query, &[("Metadata", "true"), ("X-Forwarded-For", "10.0.0.1")]),
        (RESOURCE, &own),
        ("api-version=2018-02-01", &own),
        ("api-version=2018-02-01&resource=https%3A%2F%2Felsewhere.example", &own),
    ] {
        assert_eq!(metadata(&server, query, headers).status, 400, "{query} {headers:?}");
    }
}

#[test]
fn an_app_service_answers_whoever_has_its_header() {
    let server = KeyVault::start().unwrap();
    let [(_, endpoint), (_, header)] = server.app_service();
    assert_eq!(endpoint, format!("http://{}/msi/token", server.identity_addr()));
    let query = format!("api-version=2019-08-01&{RESOURCE}");
    assert_eq!(app_service(&server, &query, &header).status, 200);
    assert_eq!(app_service(&server, &query, "wrong").status, 401);
    assert_eq!(app_service(&server, &format!("api-version=2017-09-01&{RESOURCE}"), &header).status, 400);
}

#[test]
fn an_identity_is_found_by_client_object_and_resource() {
    let server = KeyVault::start().unwrap();
    let [system, assigned] = server.identities();
    let ask = |query: &str| {
        let query = format!("api-version=2018-02-01&{RESOURCE}&{query}");
        metadata(&server, &query, &[("Metadata", "true")])
    };
    assert_eq!(ask("").body["client_id"], system.client_id.as_str());
    for query in [
        format!("client_id={}", assigned.client_id),
        format!("object_id={}", assigned.object_id),
        format!("msi_res_id={}", assigned.resource_id),
    ] {
        assert_eq!(ask(&query).body["client_id"], assigned.client_id.as_str(), "{query}");
    }
    assert_eq!(ask("client_id=nobody").status, 400);
    for foreign in [
        format!("principal_id={}", assigned.object_id),
        format!("mi_res_id={}", assigned.resource_id),
        format!("client_id={}", assigned.object_id),
    ] {
        assert_eq!(ask(&foreign).status, 400, "{foreign}");
    }
    let [_, (_, header)] = server.app_service();
    let ask_service =
        |query: &str| app_service(&server, &format!("api-version=2019-08-01&{RESOURCE}&{query}"), &header);
    for (name, id) in [
        ("client_id", &assigned.client_id),
        ("principal_id", &assigned.object_id),
        ("mi_res_id", &assigned.resource_id),
    ] {
        let query = format!("{name}={id}");
        assert_eq!(ask_service(&query).body["client_id"], assigned.client_id.as_str(), "{query}");
    }
    for foreign in
        [format!("object_id={}", assigned.object_id), format!("msi_res_id={}", assigned.resource_id)]
    {
        assert_eq!(ask_service(&foreign).status, 400, "{foreign}");
    }
    server.identity_fault(Some(IssuerFault::Status(500, "down".to_owned())));
    assert_eq!(ask("").status, 500);
}

#[test]
fn a_job_of_azure_pipelines_is_given_a_federated_token() {
    let server = KeyVault::start().unwrap();
    let access = server.access("kit");
    let job = server.pipelines("connection");
    let (host, address) = access.addresses[2].clone();
    let path = job.request_uri.split_once(&format!("{host}:{}", address.port())).unwrap().1;
    let ask = |query: &str, token: &str| {
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        send(&access, &host, address, ("POST", &format!("{path}?{query}")), &headers, "").unwrap()
    };
    let given = ask("api-version=7.1&serviceConnectionId=connection", &job.access_token);
    assert!(given.status == 200 && given.body["oidcToken"].as_str().unwrap().split('.').count() == 3);
    assert_eq!(ask("api-version=7.1&serviceConnectionId=connection", "wrong").status, 401);
    assert_eq!(ask("api-version=7.1", &job.access_token).status, 400);
}
