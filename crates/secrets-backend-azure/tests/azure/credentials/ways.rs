//! Each way to prove who one is, with what makes it fail.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use secrets_backend::ErrorKind;
use secrets_backend_azure::{
    AppService, AzureCli, ClientCertificate, ClientSecret, Credentials, DeveloperCli, IdentityId,
    ManagedIdentity, Pipelines, WorkloadIdentity,
};
use secrets_testkit::azure::{Call, ClientCertificate as KitCertificate};
use secrets_testkit::{KeyVault, KeyVaultAccess};
use tempfile::TempDir;

use super::closed;
use super::program::Program;
use crate::admin::VAULT;

/// What is wrong where something is.
pub(super) const WRONG: &str = "wr0ng-5ecret";

/// One credential.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) good: Credentials,
    pub(super) wrong: Credentials,
    pub(super) missing: Credentials,
    pub(super) if_missing: ErrorKind,
    pub(super) hanging: Credentials,
    /// How errors call it
    pub(super) says: &'static str,
    pub(super) is_program: bool,
    /// How many tokens it was given
    pub(super) tokens: Box<dyn Fn(&KeyVault) -> usize>,
    /// What somebody else does so that the next token is a good one
    pub(super) renew: Box<dyn Fn(&KeyVault)>,
    /// What must hold when it hung
    pub(super) after_hanging: Box<dyn Fn()>,
}

impl Way {
    fn new(name: &'static str, says: &'static str, [good, wrong, missing]: [Credentials; 3]) -> Self {
        Self {
            name,
            hanging: good.clone(),
            good,
            wrong,
            missing,
            if_missing: ErrorKind::Unauthenticated,
            says,
            is_program: false,
            tokens: Box::new(|server| {
                let endpoints = ["/oauth2/v2.0/token", "/metadata/identity/oauth2/token", "/msi/token"];
                let is_one = |call: &Call| endpoints.iter().any(|path| call.path.ends_with(path));
                server.calls().iter().filter(|call| is_one(call)).count()
            }),
            renew: Box::new(|_| {}),
            after_hanging: Box::new(|| {}),
        }
    }
}

/// All of them.
pub(super) fn ways(server: &KeyVault) -> Vec<Way> {
    let access = server.access(VAULT);
    vec![
        secret(&access),
        certificate(server, &access),
        workload(server, &access),
        pipelines(server, &access),
        metadata(server),
        app_service(server),
        azure_cli(server, &access),
        developer_cli(server, &access),
    ]
}

fn secret(access: &KeyVaultAccess) -> Way {
    let of = |client: &str, secret: &str| {
        Credentials::ClientSecret(ClientSecret::new(&*access.tenant_id, client, secret))
    };
    let all = [
        of(&access.client_id, &access.client_secret),
        of(&access.client_id, WRONG),
        of("nobody", &access.client_secret),
    ];
    Way::new("secret", "client secret: refused, AADSTS", all)
}

fn certificate(server: &KeyVault, access: &KeyVaultAccess) -> Way {
    let [registered, other] = ["registered", "other"].map(|name| KitCertificate::new(name).unwrap());
    server.register(access, &registered);
    let of = |pem: &str| {
        Credentials::ClientCertificate(ClientCertificate::new(&*access.tenant_id, &*access.client_id, pem))
    };
    let nowhere = ClientCertificate::in_file(&*access.tenant_id, &*access.client_id, "/nowhere/pem");
    let all = [of(&registered.pem), of(&other.pem), Credentials::ClientCertificate(nowhere)];
    Way::new("certificate", "certificate: ", all)
}

fn workload(server: &KeyVault, access: &KeyVaultAccess) -> Way {
    server.federate(access, "reader");
    let directory = Rc::new(TempDir::new().unwrap());
    for (file, subject) in [("good", "reader"), ("wrong", "writer")] {
        // With the end of line that files have.
        let token = server.federated_token(subject, Duration::from_secs(600)) + "\n";
        fs::write(directory.path().join(file), token).unwrap();
    }
    let of = |file: &str| {
        let file = directory.path().join(file);
        Credentials::WorkloadIdentity(WorkloadIdentity::new(&*access.tenant_id, &*access.client_id, file))
    };
    let way = Way::new("workload", "workload identity: ", [of("good"), of("wrong"), of("missing")]);
    // Whoever projects the token renews it.
    let renew = move |server: &KeyVault| {
        let token = server.federated_token("reader", Duration::from_secs(600));
        fs::write(directory.path().join("good"), token).unwrap();
    };
    Way { renew: Box::new(renew), ..way }
}

fn pipelines(server: &KeyVault, access: &KeyVaultAccess) -> Way {
    let job = server.pipelines("connection");
    server.federate(access, &job.subject);
    let of = |connection: &str, token: &str| {
        let ids = [&*access.tenant_id, &*access.client_id];
        Credentials::Pipelines(Pipelines::new(ids[0], ids[1], connection, &*job.request_uri, token))
    };
    let all = [of("connection", &job.access_token), of("connection", WRONG), of("other", &job.access_token)];
    Way::new("pipelines", "Azure Pipelines: ", all)
}

fn metadata(server: &KeyVault) -> Way {
    let of = |url: String, id: IdentityId| {
        let mut given = ManagedIdentity::default();
        (given.metadata_url, given.id) = (Some(url), id);
        Credentials::ManagedIdentity(given)
    };
    let url = format!("http://{}", server.identity_addr());
    let all = [
        of(url.clone(), IdentityId::System),
        of(url, IdentityId::Client("nobody".to_owned())),
        of(closed(), IdentityId::System),
    ];
    let way = Way::new("metadata", "managed identity: ", all);
    Way { if_missing: ErrorKind::Unavailable, ..way }
}

fn app_service(server: &KeyVault) -> Way {
    let [(_, endpoint), (_, header)] = server.app_service();
    let of = |endpoint: &str, header: &str| {
        let mut given = ManagedIdentity::default();
        given.app_service = Some(AppService::new(endpoint, header));
        Credentials::ManagedIdentity(given)
    };
    let all = [of(&endpoint, &header), of(&endpoint, WRONG), of(&closed(), &header)];
    let way = Way::new("app service", "managed identity: ", all);
    Way { if_missing: ErrorKind::Unavailable, ..way }
}

fn azure_cli(server: &KeyVault, access: &KeyVaultAccess) -> Way {
    let of = |program: &Program| {
        let mut given = AzureCli::default();
        given.path = program.path();
        Credentials::AzureCli(given)
    };
    by_program("az", "Azure CLI: ", server, access, &of)
}

fn developer_cli(server: &KeyVault, access: &KeyVaultAccess) -> Way {
    let of = |program: &Program| {
        let mut given = DeveloperCli::default();
        given.path = program.path();
        Credentials::DeveloperCli(given)
    };
    by_program("azd", "Azure Developer CLI: ", server, access, &of)
}

fn by_program(
    name: &'static str,
    says: &'static str,
    server: &KeyVault,
    access: &KeyVaultAccess,
    of: &dyn Fn(&Program) -> Credentials,
) -> Way {
    let program = Rc::new(Program::printing(name));
    program.login(server, access);
    let without_login = Rc::new(Program::new(name, &format!("echo {WRONG}; echo {WRONG} >&2; exit 1")));
    let other = Rc::new(Program::new("other", ""));
    let hanging = Rc::new(Program::hanging(name));
    let way = Way::new(name, says, [of(&program), of(&without_login), of(&other)]);
    let (printing, access) = (Rc::clone(&program), access.clone());
    Way {
        hanging: of(&hanging),
        is_program: true,
        tokens: Box::new(move |_| program.asked().len()),
        renew: Box::new(move |server| printing.login(server, &access)),
        // The others live as long.
        after_hanging: Box::new(move || {
            hanging.is_gone();
            let _ = (&without_login, &other);
        }),
        ..way
    }
}
