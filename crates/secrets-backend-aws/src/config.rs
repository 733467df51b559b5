//! What a backend is told when it is made: which service, and who asks.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::trust;

/// Which service, and who asks.
///
/// What is not said here is said by the variables and files of AWS's own tools, where the credentials are theirs.
///
/// ```
/// use secrets_backend_aws::{AwsConfig, Credentials};
///
/// let mut config = AwsConfig::new();
/// config.region = Some("eu-central-1".to_owned());
/// config.credentials = Credentials::Profile("payments".to_owned());
/// config.recovery_window_days = 7;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AwsConfig {
    /// `eu-central-1`, say. Keys that are given need one.
    pub region: Option<String>,
    /// Where credentials come from.
    pub credentials: Credentials,
    /// Another address of the service: of an interface endpoint, of a server for tests.
    pub endpoint_url: Option<String>,
    /// Another address of STS, where [`Role`](crate::Role) is assumed.
    pub sts_endpoint_url: Option<String>,
    /// Whether to use the endpoints that are validated for FIPS 140. Default: no.
    pub use_fips: Option<bool>,
    /// Whether to use the endpoints that have IPv6 as well. Default: no.
    pub use_dual_stack: Option<bool>,
    /// Certificates (PEM) of the authorities to trust, instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The key that new secrets are encrypted with by the service. Default: the account's own.
    pub kms_key_id: Option<String>,
    /// How long a deleted secret can be brought back, 7 to 30 days. Default: 30.
    pub recovery_window_days: u8,
    /// How long a connection may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a call may take, its connection included. Default: 15 s.
    pub timeout: Duration,
    /// How many calls of one batch run at once. Default: 8.
    pub concurrency: usize,
    /// How many secrets a page of a listing holds at most, 1 to 100. Default: 100.
    pub page_size: u8,
    /// How long a read waits for the service to show what was just written here. Default: 5 s.
    pub settle: Duration,
}

/// Why a configuration cannot be used. It names the setting; nothing was contacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct InvalidConfig {
    setting: &'static str,
    problem: Cow<'static, str>,
}

impl InvalidConfig {
    /// The setting that is wrong, such as `region`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl AwsConfig {
    /// The service of the region, and with the credentials, that AWS's own tools would use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            region: None,
            credentials: Credentials::Default,
            endpoint_url: None,
            sts_endpoint_url: None,
            use_fips: None,
            use_dual_stack: None,
            ca_file: None,
            kms_key_id: None,
            recovery_window_days: 30,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            concurrency: 8,
            page_size: 100,
            settle: Duration::from_secs(5),
        }
    }

    /// Checks what can be checked without asking anyone.
    ///
    /// # Errors
    /// [`InvalidConfig`], which names the setting.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let wrong = |setting, problem: &'static str| Err(InvalidConfig { setting, problem: problem.into() });
        match &self.region {
            Some(region) if !is_region(region) => return wrong("region", "a region reads like eu-central-1"),
            None if !self.credentials.are_of_the_environment() => {
                return wrong("region", "keys that are given need a region");
            }
            _ => {}
        }
        for (setting, url) in
            [("endpoint_url", &self.endpoint_url), ("sts_endpoint_url", &self.sts_endpoint_url)]
        {
            if url.as_ref().is_some_and(|url| !is_url(url)) {
                return wrong(setting, "it starts with https:// or http:// and names a host");
            }
        }
        if !self.credentials.roles_are_named() {
            return wrong("role_arn", "a role reads like arn:aws:iam::123456789012:role/reader");
        }
        if let Some(path) = self.ca_file.as_ref().filter(|path| trust::only(path).is_none()) {
            let problem = format!("{} {}", path.display(), trust::PROBLEM).into();
            return Err(InvalidConfig { setting: "ca_file", problem });
        }
        // API reference, `DeleteSecret`: RecoveryWindowInDays; `ListSecrets`: MaxResults.
        if !(7..=30).contains(&self.recovery_window_days) {
            return wrong("recovery_window_days", "it is 7 to 30");
        }
        if !(1..=100).contains(&self.page_size) {
            return wrong("page_size", "it is 1 to 100");
        }
        if self.concurrency == 0 {
            return wrong("concurrency", "it is at least 1");
        }
        Ok(())
    }
}

/// It becomes part of a host name: letters, digits and hyphens.
pub(crate) fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Keys, Role};

    fn wrong(change: impl FnOnce(&mut AwsConfig)) -> &'static str {
        let mut config = AwsConfig::new();
        config.region = Some("us-east-1".to_owned());
        config.check().unwrap();
        change(&mut config);
        config.check().unwrap_err().setting()
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for region in ["", "US-EAST-1", "us-east-1.evil.example", "a/b", "a@b", "-x", "us east"] {
            assert_eq!(wrong(|config| config.region = Some(region.to_owned())), "region", "{region:?}");
        }
        for url in ["", "ftp://x", "https://", "https:///x", "http://user@host", "http://a b"] {
            assert_eq!(wrong(|config| config.endpoint_url = Some(url.to_owned())), "endpoint_url", "{url:?}");
        }
        assert_eq!(wrong(|config| config.sts_endpoint_url = Some("x".to_owned())), "sts_endpoint_url");
        for arn in ["", "reader", "arn:aws:iam::123456789012:user/reader", "arn:aws:iam::1:role/a b"] {
            let role = Role::new(arn, Credentials::Default);
            let chained = Role::new("arn:aws:iam::123456789012:role/r", Credentials::Role(Box::new(role)));
            assert_eq!(
                wrong(|config| config.credentials = Credentials::Role(Box::new(chained))),
                "role_arn",
                "{arn:?}"
            );
        }
        assert_eq!(wrong(|config| config.ca_file = Some("/dev/null".into())), "ca_file");
        assert_eq!(wrong(|config| config.recovery_window_days = 6), "recovery_window_days");
        assert_eq!(wrong(|config| config.recovery_window_days = 31), "recovery_window_days");
        assert_eq!(wrong(|config| config.page_size = 0), "page_size");
        assert_eq!(wrong(|config| config.page_size = 101), "page_size");
        assert_eq!(wrong(|config| config.concurrency = 0), "concurrency");
        assert_eq!(
            wrong(|config| {
                config.region = None;
                config.credentials = Credentials::Keys(Keys::new("a", "b"));
            }),
            "region"
        );
    }
}
