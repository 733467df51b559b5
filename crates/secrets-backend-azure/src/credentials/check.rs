//! What can be said of credentials before anybody is asked.

use reqwest::Url;
use secrets_backend::SecretBytes;

use crate::config::InvalidConfig;
use crate::credentials::given::{Application, Pem};
use crate::credentials::{
    AzureCli, Credentials, DefaultChain, IdentityId, ManagedIdentity, Pipelines, certificate, machine,
};

impl Credentials {
    /// Checks what can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        match self {
            Self::Default(chain) => chain.check(),
            Self::ClientSecret(given) => {
                given.application.check()?;
                text("client_secret", &given.secret)
            }
            Self::ClientCertificate(given) => {
                given.application.check()?;
                match &given.pem {
                    Pem::Text(pem) => certificate::Certificate::read(pem).map(drop),
                    Pem::File(_) => Ok(()),
                }
            }
            Self::WorkloadIdentity(given) => given.application.check(),
            Self::ManagedIdentity(given) => given.check(),
            Self::AzureCli(given) => given.check(),
            Self::DeveloperCli(given) => given.tenant_id.iter().try_for_each(|id| name("tenant_id", id)),
            Self::Pipelines(given) => given.check(),
        }
    }
}

impl Application {
    fn check(&self) -> Result<(), InvalidConfig> {
        name("tenant_id", &self.tenant_id)?;
        name("client_id", &self.client_id)
    }
}

impl DefaultChain {
    fn check(&self) -> Result<(), InvalidConfig> {
        self.managed_identity.check()?;
        self.azure_cli.check()?;
        match self.environment.as_deref() {
            Some(Credentials::Default(_)) => {
                Err(InvalidConfig::new("environment", "it is one credential, not a chain of them"))
            }
            Some(other) => other.check(),
            None => Ok(()),
        }
    }
}

impl ManagedIdentity {
    fn check(&self) -> Result<(), InvalidConfig> {
        match &self.id {
            IdentityId::System => {}
            IdentityId::Client(id) => name("client_id", id)?,
            IdentityId::Object(id) => name("object_id", id)?,
            IdentityId::Resource(id) => {
                // "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/…"
                if !id.starts_with('/') || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(InvalidConfig::new("resource_id", "it reads like /subscriptions/…"));
                }
            }
        }
        if let Some(given) = &self.app_service {
            machine::local("app_service", &given.endpoint)?;
            text("app_service", &given.header)?;
        }
        self.metadata_url.iter().try_for_each(|url| machine::local("metadata_url", url).map(drop))
    }
}

impl AzureCli {
    fn check(&self) -> Result<(), InvalidConfig> {
        self.tenant_id.iter().try_for_each(|id| name("tenant_id", id))?;
        // "az account get-access-token": "Please specify only one of subscription and tenant, not both".
        if self.tenant_id.is_some() && self.subscription.is_some() {
            let problem = "it names a login, and so its tenant: `az` takes no `tenant_id` beside it";
            return Err(InvalidConfig::new("subscription", problem));
        }
        // It becomes a part of a command line.
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
        let good = |text: &String| !text.is_empty() && text.bytes().all(is_one);
        if self.subscription.as_ref().is_none_or(good) {
            return Ok(());
        }
        Err(InvalidConfig::new("subscription", "it has letters, digits, spaces, `.`, `_` and `-`"))
    }
}

impl Pipelines {
    fn check(&self) -> Result<(), InvalidConfig> {
        self.application.check()?;
        name("service_connection", &self.service_connection)?;
        text("access_token", &self.access_token)?;
        let url = Url::parse(&self.request_uri).ok();
        if url.is_some_and(|url| url.scheme() == "https" && url.has_host()) {
            return Ok(());
        }
        Err(InvalidConfig::new("request_uri", "it starts with https:// and names a host"))
    }
}

/// A part of a URL or a name: letters, digits, `.`, `_` and `-`.
fn name(setting: &'static str, text: &str) -> Result<(), InvalidConfig> {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_one) && !text.starts_with('.') {
        return Ok(());
    }
    Err(InvalidConfig::new(setting, "it has letters, digits, `.`, `_` and `-`"))
}

/// A secret that travels as text.
fn text(setting: &'static str, secret: &SecretBytes) -> Result<(), InvalidConfig> {
    let is_one = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    if secret.expose_str().is_some_and(is_one) {
        return Ok(());
    }
    Err(InvalidConfig::new(setting, "it is a text of one line"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{AppService, ClientCertificate, ClientSecret, DeveloperCli, WorkloadIdentity};

    fn wrong(credentials: &Credentials) -> &'static str {
        credentials.check().unwrap_err().setting()
    }

    fn secret(tenant: &str, client: &str, secret: &str) -> Credentials {
        Credentials::ClientSecret(ClientSecret::new(tenant, client, secret))
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for hostile in ["", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "é", "a;b", "$(a)", "`a`"] {
            assert_eq!(wrong(&secret(hostile, "client", "s")), "tenant_id", "{hostile:?}");
            assert_eq!(wrong(&secret("tenant", hostile, "s")), "client_id", "{hostile:?}");
            let file = WorkloadIdentity::new(hostile, "client", "file");
            assert_eq!(wrong(&Credentials::WorkloadIdentity(file)), "tenant_id", "{hostile:?}");
            let tenant_id = Some(hostile.to_owned());
            let az = AzureCli { tenant_id: tenant_id.clone(), ..AzureCli::default() };
            assert_eq!(wrong(&Credentials::AzureCli(az)), "tenant_id", "{hostile:?}");
            let azd = DeveloperCli { tenant_id, ..DeveloperCli::default() };
            assert_eq!(wrong(&Credentials::DeveloperCli(azd)), "tenant_id", "{hostile:?}");
            let machine =
                ManagedIdentity { id: IdentityId::Client(hostile.to_owned()), ..Default::default() };
            assert_eq!(wrong(&Credentials::ManagedIdentity(machine)), "client_id", "{hostile:?}");
        }
        for hostile in ["", "a\"b", "a;b", "$(a)", "a\nb", "é"] {
            let az = AzureCli { subscription: Some(hostile.to_owned()), ..AzureCli::default() };
            assert_eq!(wrong(&Credentials::AzureCli(az)), "subscription", "{hostile:?}");
        }
    }

    #[test]
    fn az_is_told_a_tenant_or_a_subscription_and_never_both() {
        let [tenant_id, subscription] = ["tenant", "Shop - test"].map(|text| Some(text.to_owned()));
        let tenant = AzureCli { tenant_id: tenant_id.clone(), ..AzureCli::default() };
        let login = AzureCli { subscription: subscription.clone(), ..AzureCli::default() };
        assert!(tenant.check().is_ok() && login.check().is_ok());
        let both = AzureCli { tenant_id, subscription, ..AzureCli::default() };
        assert_eq!(wrong(&Credentials::AzureCli(both.clone())), "subscription");
        let chain = DefaultChain { azure_cli: both, ..DefaultChain::default() };
        assert_eq!(wrong(&Credentials::Default(chain)), "subscription");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for bad in ["", "a\nb", "a\0b"] {
            assert_eq!(wrong(&secret("tenant", "client", bad)), "client_secret", "{bad:?}");
        }
        let certificate = ClientCertificate::new("tenant", "client", "no certificate");
        assert_eq!(wrong(&Credentials::ClientCertificate(certificate)), "certificate");
        let pipelines = |uri: &str, token: &str| {
            Credentials::Pipelines(Pipelines::new("tenant", "client", "connection", uri, token))
        };
        assert_eq!(wrong(&pipelines("http://dev.azure.com/x", "token")), "request_uri");
        assert_eq!(wrong(&pipelines("https://dev.azure.com/x", "")), "access_token");
        let chain = DefaultChain {
            environment: Some(Box::new(Credentials::Default(DefaultChain::default()))),
            ..DefaultChain::default()
        };
        assert_eq!(wrong(&Credentials::Default(chain)), "environment");
    }

    #[test]
    fn the_machine_is_asked_on_this_machine_alone() {
        for (url, good) in [
            ("http://169.254.169.254", true),
            ("http://127.0.0.1:41741/msi/token/", true),
            ("http://localhost:42356/msi/token", true),
            ("http://[::1]:80/", true),
            ("https://127.0.0.1/", false),
            ("http://10.0.0.1/", false),
            ("http://169.254.169.254.example.org/", false),
            ("http://localhost.example.org/", false),
            ("http://user@127.0.0.1/", false),
            ("file:///etc", false),
            ("", false),
        ] {
            let app_service = Some(AppService::new(url, "header"));
            let machine = ManagedIdentity { app_service, ..ManagedIdentity::default() };
            assert_eq!(machine.check().is_ok(), good, "{url}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let pem = "pl4nted";
        let all = [
            secret("tenant", "client", "pl4nted"),
            Credentials::ClientCertificate(ClientCertificate::new("tenant", "client", pem)),
            Credentials::Pipelines(Pipelines::new("tenant", "client", "c", "https://x", "pl4nted")),
            Credentials::ManagedIdentity(ManagedIdentity {
                app_service: Some(AppService::new("http://127.0.0.1/", "pl4nted")),
                ..ManagedIdentity::default()
            }),
        ];
        for given in all {
            let chain =
                DefaultChain { environment: Some(Box::new(given.clone())), ..DefaultChain::default() };
            let shown = format!("{given:?} {given:#?} {chain:?} {} {:?}", given.who(), given.check());
            assert!(!shown.contains("pl4nted"), "{shown}");
        }
    }
}
