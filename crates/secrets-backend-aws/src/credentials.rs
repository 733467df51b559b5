//! Where credentials come from, and what it means when there are none.

use std::error::Error as StdError;
use std::fmt;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials as SdkCredentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::ConnectorError;
use secrets_backend::ErrorKind;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::wire::find;

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Where AWS's own tools look, when they are first needed: the environment, the profile, a web identity, the
    /// container's endpoint, the instance's.
    #[default]
    Default,
    /// A profile of the shared files of AWS's own tools.
    Profile(String),
    /// These keys.
    Keys(Keys),
    /// A role, assumed with other credentials; those may be of a role again.
    Role(Box<Role>),
}

/// Keys of an AWS identity. They are wiped when they are dropped, and `Debug` shows none of them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Keys {
    id: String,
    secret: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
}

/// A role to assume.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Role {
    /// `arn:aws:iam::123456789012:role/reader`, say.
    pub arn: String,
    /// What the role's owner asks for, where it is someone else's.
    pub external_id: Option<String>,
    /// The name of the session in the service's logs. Default: `secrets`.
    pub session_name: String,
    /// Who assumes it.
    pub source: Credentials,
}

impl Keys {
    /// Keys that last.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: Zeroizing::new(secret.into()), session_token: None }
    }

    /// The same with the token of a session.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(Zeroizing::new(token.into()));
        self
    }

    fn given(&self) -> SdkCredentials {
        let token = self.session_token.as_ref().map(|token| token.to_string());
        SdkCredentials::new(&self.id, &*self.secret, token, None, "secrets")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Role {
    /// A role that `source` may assume.
    #[must_use]
    pub fn new(arn: impl Into<String>, source: Credentials) -> Self {
        Self { arn: arn.into(), external_id: None, session_name: "secrets".to_owned(), source }
    }
}

impl Credentials {
    /// The profile whose settings count, where one is named.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Role(role) => role.source.profile(),
            Self::Default | Self::Keys(_) => None,
        }
    }

    /// Whether each role reads like one: IAM user guide, "IAM ARNs".
    pub(crate) fn roles_are_named(&self) -> bool {
        let Self::Role(role) = self else { return true };
        let parts: Vec<&str> = role.arn.splitn(6, ':').collect();
        let is_role = matches!(parts[..], ["arn", _, "iam", "", account, name] if !account.is_empty()
            && name.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
        is_role && role.arn.bytes().all(|byte| byte.is_ascii_graphic()) && role.source.roles_are_named()
    }

    /// Who they are of, as far as that is known before anyone is asked.
    pub(crate) fn who(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            Self::Role(role) => Some(&role.arn),
            Self::Default | Self::Keys(_) => None,
        }
    }

    /// Whether the settings of AWS's own tools may say what the configuration does not.
    pub(crate) fn are_of_the_environment(&self) -> bool {
        match self {
            Self::Default | Self::Profile(_) => true,
            Self::Role(role) => role.source.are_of_the_environment(),
            Self::Keys(_) => false,
        }
    }

    /// Whether their source may have others later.
    pub(crate) const fn can_be_renewed(&self) -> bool {
        !matches!(self, Self::Keys(_))
    }

    /// A provider of them. `sts` is how roles are assumed, without credentials.
    pub(crate) async fn provider(
        &self,
        config: &ProviderConfig,
        sts: &aws_config::SdkConfig,
    ) -> SharedCredentialsProvider {
        match self {
            Self::Default => {
                let chain = DefaultCredentialsChain::builder().configure(config.clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
            Self::Profile(name) => {
                let builder = ProfileFileCredentialsProvider::builder().configure(config);
                SharedCredentialsProvider::new(builder.profile_name(name).build())
            }
            Self::Keys(keys) => SharedCredentialsProvider::new(keys.given()),
            Self::Role(role) => {
                let source = Box::pin(role.source.provider(config, sts)).await;
                let mut builder =
                    AssumeRoleProvider::builder(&role.arn).session_name(&role.session_name).configure(sts);
                if let Some(id) = &role.external_id {
                    builder = builder.external_id(id);
                }
                SharedCredentialsProvider::new(builder.build_from_provider(source).await)
            }
        }
    }
}

/// Where was looked, in this order.
const NONE: &str =
    "no credentials: none in the environment, the profile, a web identity, the container or the instance";

/// What a failed search for credentials means; none where the failure is of another kind.
pub(crate) fn failure(error: &(dyn StdError + 'static)) -> Option<Failure> {
    let mut found = find::<CredentialsError>(error)?;
    // Of chained roles the innermost failed: to the one around it, that is a call that could not be made.
    while let Some(inner) = found.source().and_then(find) {
        found = inner;
    }
    let kind = match found {
        CredentialsError::ProviderTimedOut(_) => ErrorKind::TimedOut,
        CredentialsError::InvalidConfiguration(_) => ErrorKind::InvalidInput,
        // Nobody to ask is another thing than a refusal.
        failed => match find::<ConnectorError>(failed) {
            Some(broken) if broken.is_timeout() => ErrorKind::TimedOut,
            Some(_) => ErrorKind::Unavailable,
            None => ErrorKind::Unauthenticated,
        },
    };
    let detail = match (kind, found) {
        (ErrorKind::Unauthenticated, CredentialsError::CredentialsNotLoaded(_)) => NONE,
        (ErrorKind::Unauthenticated, _) => "the source of the credentials refused, or its answer is none",
        (ErrorKind::InvalidInput, _) => {
            "the profile, or what else names the source of the credentials, is wrong"
        }
        (ErrorKind::TimedOut, _) => "the source of the credentials gave no answer in time",
        _ => "the source of the credentials cannot be reached, or cannot answer now",
    };
    Some(Failure::new(kind, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_shown() {
        let keys = Keys::new("AKIAEXAMPLE", "5ecret").with_session_token("70ken");
        let role = Role::new("arn:aws:iam::123456789012:role/reader", Credentials::Keys(keys));
        let shown = format!("{:?}", Credentials::Role(Box::new(role)));
        assert!(
            shown.contains("Keys(..)") && !shown.contains("5ecret") && !shown.contains("70ken"),
            "{shown}"
        );
    }

    #[test]
    fn a_role_has_the_profile_of_its_source() {
        let role = Role::new("r", Credentials::Profile("dev".to_owned()));
        assert_eq!(Credentials::Role(Box::new(role)).profile(), Some("dev"));
        let keys = Role::new("r", Credentials::Keys(Keys::new("a", "b")));
        assert!(!Credentials::Role(Box::new(keys)).are_of_the_environment());
    }
}
