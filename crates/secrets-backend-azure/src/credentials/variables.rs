//! What the variables of Microsoft's own tools name: "Environment variables" of the Azure Identity libraries.

use crate::credentials::{
    AppService, ClientCertificate, ClientSecret, Credentials, DefaultChain, IdentityId, WorkloadIdentity,
};

impl DefaultChain {
    /// The chain as Microsoft's variables set it, by whoever reads them.
    ///
    /// `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are those of an App Service; `AZURE_CLIENT_ID` chooses the identity of
    /// the machine, and `AZURE_POD_IDENTITY_AUTHORITY_HOST` is where its metadata service is. With `AZURE_TENANT_ID`
    /// and `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, `AZURE_CLIENT_CERTIFICATE_PATH` or `AZURE_FEDERATED_TOKEN_FILE`
    /// make the credential of the environment, the first of them that is set.
    ///
    /// ```
    /// use secrets_backend_azure::{Credentials, DefaultChain};
    ///
    /// let set = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "s3cr3t")];
    /// let read = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
    /// let chain = DefaultChain::of_variables(read);
    /// assert!(matches!(chain.environment.as_deref(), Some(Credentials::ClientSecret(_))));
    /// ```
    #[must_use]
    pub fn of_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| read(name).filter(|value| !value.is_empty());
        let mut chain = Self::default();
        if let (Some(endpoint), Some(header)) = (set("IDENTITY_ENDPOINT"), set("IDENTITY_HEADER")) {
            chain.managed_identity.app_service = Some(AppService::new(endpoint, header));
        }
        chain.managed_identity.metadata_url = set("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        if let Some(client) = set("AZURE_CLIENT_ID") {
            chain.managed_identity.id = IdentityId::Client(client);
        }
        chain.environment = environment(set).map(Box::new);
        chain
    }
}

fn environment(set: impl Fn(&str) -> Option<String>) -> Option<Credentials> {
    let (tenant, client) = (set("AZURE_TENANT_ID")?, set("AZURE_CLIENT_ID")?);
    if let Some(secret) = set("AZURE_CLIENT_SECRET") {
        return Some(Credentials::ClientSecret(ClientSecret::new(tenant, client, secret)));
    }
    if let Some(file) = set("AZURE_CLIENT_CERTIFICATE_PATH") {
        return Some(Credentials::ClientCertificate(ClientCertificate::in_file(tenant, client, file)));
    }
    let file = set("AZURE_FEDERATED_TOKEN_FILE")?;
    Some(Credentials::WorkloadIdentity(WorkloadIdentity::new(tenant, client, file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(set: &[(&str, &str)]) -> DefaultChain {
        DefaultChain::of_variables(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_first_of_secret_certificate_and_token_counts() {
        let application = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        let token = ("AZURE_FEDERATED_TOKEN_FILE", "/token");
        let certificate = ("AZURE_CLIENT_CERTIFICATE_PATH", "/pem");
        let secret = ("AZURE_CLIENT_SECRET", "s");
        let kind = |more: &[(&str, &str)]| chain(&[&application[..], more].concat()).environment;
        assert!(kind(&[]).is_none());
        let expected =
            |kind: Option<Box<Credentials>>| kind.map(|kind| format!("{kind:?}")).unwrap_or_default();
        assert!(expected(kind(&[token])).starts_with("WorkloadIdentity"));
        assert!(expected(kind(&[token, certificate])).starts_with("ClientCertificate"));
        assert!(expected(kind(&[token, certificate, secret])).starts_with("ClientSecret"));
        assert!(chain(&[secret, application[0]]).environment.is_none(), "without a client");
        assert!(kind(&[("AZURE_CLIENT_SECRET", "")]).is_none(), "an empty one is not set");
    }

    #[test]
    fn an_app_service_names_its_endpoint_and_a_client_id_its_identity() {
        let plain = chain(&[]);
        assert!(
            plain.managed_identity.app_service.is_none() && plain.managed_identity.id == IdentityId::System
        );
        let set =
            [("IDENTITY_ENDPOINT", "http://127.0.0.1/x"), ("IDENTITY_HEADER", "h"), ("AZURE_CLIENT_ID", "c")];
        let found = chain(&set).managed_identity;
        let elsewhere =
            chain(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]).managed_identity;
        assert_eq!(elsewhere.metadata_url.as_deref(), Some("http://127.0.0.1:1"));
        assert!(found.app_service.is_some() && found.id == IdentityId::Client("c".to_owned()));
    }
}
