//! What a backend is told when it is made: which vault of which cloud, and who asks.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;

use crate::credentials::Credentials;
use crate::wire::tls;

/// Which vault of which cloud, and who asks.
///
/// Nothing is read from the environment.
///
/// ```
/// use secrets_backend_azure::{AzureConfig, ClientSecret, Cloud, Credentials};
///
/// let secret = ClientSecret::new("4f6e…", "11111111-2222-3333-4444-555555555555", "s3cr3t");
/// let mut config = AzureConfig::new("https://shop.vault.azure.net", Credentials::ClientSecret(secret));
/// config.page_size = 10;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct AzureConfig {
    /// The vault: `https://NAME.vault.azure.net`, or what its cloud calls it.
    pub vault_url: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Which cloud it is. Default: the public one.
    pub cloud: Cloud,
    /// Where tokens come from, instead of the cloud's own authority: `https://login.example.org`.
    pub authority: Option<String>,
    /// For whom tokens are asked, instead of the cloud's Key Vault; then the vault can be at any host.
    pub resource: Option<String>,
    /// Hosts whose addresses are known here and asked of nobody, such as private endpoints.
    pub addresses: Vec<(String, SocketAddr)>,
    /// Certificates (PEM) of the authorities to trust, instead of those of the system.
    pub ca_pem: Option<String>,
    /// How long a connection may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a call may take, its connection and its token included. Default: 15 s.
    pub timeout: Duration,
    /// How long a deletion, a recovery or a removal may take until it shows. Default: 60 s.
    pub settle: Duration,
    /// How many calls of one batch run at once. Default: 32.
    pub concurrency: usize,
    /// How many secrets a page of a listing holds at most, 1 to 25. Default: 25.
    pub page_size: u8,
}

/// A cloud of Microsoft's, with hosts of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// The public one.
    #[default]
    Public,
    /// That of the government of the United States.
    Government,
    /// That of China, operated by 21Vianet.
    China,
}

/// Why a configuration cannot be used. It names the setting; nothing was contacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct InvalidConfig {
    setting: &'static str,
    problem: Cow<'static, str>,
}

impl AzureConfig {
    /// A vault of the public cloud.
    #[must_use]
    pub fn new(vault_url: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            vault_url: vault_url.into(),
            credentials,
            cloud: Cloud::Public,
            authority: None,
            resource: None,
            addresses: Vec::new(),
            ca_pem: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            settle: Duration::from_secs(60),
            concurrency: 32,
            page_size: 25,
        }
    }

    /// Checks what can be checked without asking anybody.
    ///
    /// # Errors
    /// [`InvalidConfig`], which names the setting.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let vault = self.vault()?;
        if self.resource.is_none() && !is_below(&vault, self.cloud.suffix()) {
            let suffix = self.cloud.suffix();
            let problem =
                format!("a vault of this cloud is at https://NAME.{suffix}; set `resource` for another");
            return Err(InvalidConfig::new("vault_url", problem));
        }
        self.authority()?;
        if let Some(resource) = &self.resource {
            origin("resource", resource)?;
        }
        self.credentials.check()?;
        if let Some(pem) = &self.ca_pem {
            tls::authorities(pem).ok_or_else(|| InvalidConfig::new("ca_pem", tls::PROBLEM))?;
        }
        if self.addresses.iter().any(|(host, _)| Url::parse(&format!("https://{host}/")).is_err()) {
            return Err(InvalidConfig::new("addresses", "one of the names is no host's"));
        }
        // REST reference, "Get Secrets": maxresults.
        if !(1..=25).contains(&self.page_size) {
            return Err(InvalidConfig::new("page_size", "it is 1 to 25"));
        }
        if self.concurrency == 0 {
            return Err(InvalidConfig::new("concurrency", "it is at least 1"));
        }
        Ok(())
    }

    /// The vault: scheme, host and port.
    pub(crate) fn vault(&self) -> Result<Url, InvalidConfig> {
        origin("vault_url", &self.vault_url)
    }

    /// The authority: scheme, host and port.
    pub(crate) fn authority(&self) -> Result<Url, InvalidConfig> {
        origin("authority", self.authority.as_deref().unwrap_or_else(|| self.cloud.authority()))
    }

    /// For whom tokens are asked, without `/` at its end.
    pub(crate) fn resource(&self) -> String {
        let of_cloud = || format!("https://{}", self.cloud.suffix());
        self.resource.as_ref().map_or_else(of_cloud, |text| text.trim_end_matches('/').to_owned())
    }
}

/// Certificates, which are public and long, are left out.
impl fmt::Debug for AzureConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureConfig")
            .field("vault_url", &self.vault_url)
            .field("credentials", &self.credentials)
            .field("cloud", &self.cloud)
            .field("authority", &self.authority)
            .field("resource", &self.resource)
            .field("addresses", &self.addresses)
            .field("has_ca_pem", &self.ca_pem.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("settle", &self.settle)
            .field("concurrency", &self.concurrency)
            .field("page_size", &self.page_size)
            .finish()
    }
}

impl Cloud {
    /// What the hosts of its vaults end in: "About keys, secrets, and certificates", DNS suffixes.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Public => "vault.azure.net",
            Self::Government => "vault.usgovcloudapi.net",
            Self::China => "vault.azure.cn",
        }
    }

    /// Where its tokens come from: "National clouds", Microsoft Entra authentication endpoints.
    const fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::Government => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }
}

impl InvalidConfig {
    pub(crate) fn new(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { setting, problem: problem.into() }
    }

    /// The setting that is wrong, such as `vault_url`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

/// Whether the host has a name of its own below a suffix.
pub(crate) fn is_below(url: &Url, suffix: &str) -> bool {
    let name = url.host_str().and_then(|host| host.strip_suffix(suffix)?.strip_suffix('.'));
    name.is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// An address of nothing but scheme, host and port. Tokens and secrets travel to it, so the scheme is `https`.
fn origin(setting: &'static str, text: &str) -> Result<Url, InvalidConfig> {
    let wrong = |problem: &'static str| InvalidConfig::new(setting, problem);
    let url = Url::parse(text).map_err(|_| wrong("no URL: it reads like https://host, maybe with a port"))?;
    if url.scheme() != "https" || !url.has_host() {
        return Err(wrong("it starts with https:// and names a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a name or a password; those belong into `credentials`"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it ends with the host, or its port"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::ClientSecret;

    fn config() -> AzureConfig {
        let secret = ClientSecret::new("tenant", "client", "s3cr3t");
        AzureConfig::new("https://shop.vault.azure.net:8443", Credentials::ClientSecret(secret))
    }

    fn wrong(change: impl FnOnce(&mut AzureConfig)) -> &'static str {
        let mut config = config();
        config.check().unwrap();
        change(&mut config);
        config.check().unwrap_err().setting()
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for url in [
            "",
            "shop",
            "http://shop.vault.azure.net",
            "https://vault.azure.net",
            "https://.vault.azure.net",
            "https://a.b.vault.azure.net",
            "https://shopvault.azure.net",
            "https://shop.vault.azure.net.evil.example",
            "https://shop.vault.azure.net@evil.example",
            "https://user:pass@shop.vault.azure.net",
            "https://shop.vault.azure.net/secrets",
            "https://shop.vault.azure.net?x",
            "https://shop.vault.azure.net#x",
            "https://shop.vault.azure.cn",
        ] {
            assert_eq!(wrong(|config| config.vault_url = url.to_owned()), "vault_url", "{url:?}");
        }
        for url in ["http://login.example.org", "login.example.org", "https://login.example.org/tenant"] {
            assert_eq!(wrong(|config| config.authority = Some(url.to_owned())), "authority", "{url:?}");
        }
        assert_eq!(wrong(|config| config.resource = Some("vault".to_owned())), "resource");
        assert_eq!(wrong(|config| config.ca_pem = Some("none".to_owned())), "ca_pem");
        assert_eq!(wrong(|config| config.page_size = 26), "page_size");
        assert_eq!(wrong(|config| config.page_size = 0), "page_size");
        assert_eq!(wrong(|config| config.concurrency = 0), "concurrency");
        let address = "127.0.0.1:1".parse().unwrap();
        assert_eq!(wrong(|config| config.addresses = vec![("a b".to_owned(), address)]), "addresses");
    }

    #[test]
    fn each_cloud_has_hosts_of_its_own() {
        for (cloud, url, authority) in [
            (Cloud::Public, "https://shop.vault.azure.net", "https://login.microsoftonline.com/"),
            (Cloud::Government, "https://shop.vault.usgovcloudapi.net", "https://login.microsoftonline.us/"),
            (Cloud::China, "https://shop.vault.azure.cn", "https://login.chinacloudapi.cn/"),
        ] {
            let mut config = config();
            (config.cloud, config.vault_url) = (cloud, url.to_owned());
            config.check().unwrap();
            assert_eq!(config.authority().unwrap().as_str(), authority);
            assert!(url.ends_with(config.resource().strip_prefix("https://").unwrap()));
        }
    }

    #[test]
    fn with_a_resource_of_its_own_the_vault_can_be_anywhere() {
        let mut config = config();
        config.vault_url = "https://vault.example.org".to_owned();
        assert!(config.check().is_err());
        config.resource = Some("https://vault.example.org/".to_owned());
        config.check().unwrap();
        assert_eq!(config.resource(), "https://vault.example.org");
    }
}
