//! The client of the service: its settings, those of the environment where the credentials are of the environment.

use std::path::Path;

use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{SdkConfig, identity::IdentityCache};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::tls::TrustStore;
use aws_types::origin::Origin;
use aws_types::service_config::ServiceConfigKey;

use crate::config::{self, AwsConfig};
use crate::failure::Failure;
use crate::trust;
use crate::wire::{self, Peer};

/// Makes the client. It asks nobody but, where nothing else says it, the instance for the region.
pub(crate) async fn make(config: &AwsConfig) -> Result<Client, Failure> {
    let found = if config.credentials.are_of_the_environment() {
        of_the_environment(config).await?
    } else {
        given(config)
    };
    let region = region(&found)?;
    let trust = trust(config, &found)?;
    let asks = wire::client(Peer::Source, trust.clone())?;
    let shared = ours(found, config, asks.clone());
    let sources = ProviderConfig::without_region()
        .with_region(Some(region))
        .with_behavior_version(Some(version()))
        .with_use_fips(shared.use_fips())
        .with_use_dual_stack(shared.use_dual_stack())
        .with_http_client(asks)
        .with_timeout_config(timeouts(config));
    let sts = at(&shared, config.sts_endpoint_url.as_deref());
    let credentials = config.credentials.provider(&sources, &sts).await;
    // The client itself looks for `secrets-manager` in a profile, which is not what AWS documents.
    let of_the_service = || setting(&shared, "AWS_ENDPOINT_URL", "endpoint_url");
    let endpoint = config.endpoint_url.clone().or_else(of_the_service);
    let service = at(&shared, endpoint.as_deref())
        .into_builder()
        .http_client(wire::client(Peer::Service, trust)?)
        .timeout_config(timeouts(config).to_builder().operation_timeout(config.timeout).build())
        .credentials_provider(credentials);
    Ok(Client::new(&service.build()))
}

/// What the variables and files of AWS's own tools say, except where the configuration says it.
async fn of_the_environment(config: &AwsConfig) -> Result<SdkConfig, Failure> {
    let mut loader = aws_config::defaults(version())
        .http_client(wire::client(Peer::Source, TrustStore::default())?)
        .timeout_config(timeouts(config))
        .no_credentials();
    if let Some(name) = config.credentials.profile() {
        loader = loader.profile_name(name);
    }
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(use_fips) = config.use_fips {
        loader = loader.use_fips(use_fips);
    }
    if let Some(use_dual_stack) = config.use_dual_stack {
        loader = loader.use_dual_stack(use_dual_stack);
    }
    Ok(loader.load().await)
}

/// What the configuration says, and nothing else: nothing of the environment goes with keys that are given.
fn given(config: &AwsConfig) -> SdkConfig {
    let mut builder = SdkConfig::builder().region(config.region.clone().map(Region::new));
    builder.set_use_fips(config.use_fips);
    builder.set_use_dual_stack(config.use_dual_stack);
    builder.build()
}

/// What no variable changes.
fn ours(found: SdkConfig, config: &AwsConfig, http: SharedHttpClient) -> SdkConfig {
    found
        .into_builder()
        .behavior_version(version())
        .http_client(http)
        // Retries are the caller's, who knows what may be repeated.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(config))
        // Not before the timeout of the call, which is known for what it is.
        .identity_cache(IdentityCache::lazy().load_timeout(config.timeout * 2).build())
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        // The timeout of a call holds for its body as well.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// The same at an address that the configuration names; without one, where the environment or AWS itself says.
fn at(shared: &SdkConfig, endpoint: Option<&str>) -> SdkConfig {
    let Some(url) = endpoint else { return shared.clone() };
    let mut builder = shared.to_builder().endpoint_url(url);
    // Else a variable for one service would win over it.
    builder.insert_origin("endpoint_url", Origin::shared_config());
    builder.build()
}

fn region(found: &SdkConfig) -> Result<Region, Failure> {
    let region = found.region().filter(|region| !region.as_ref().is_empty());
    let none = || Failure::invalid("region: none is set, neither here nor in AWS_REGION nor in the profile");
    let region = region.ok_or_else(none)?;
    if config::is_region(region.as_ref()) {
        Ok(region.clone())
    } else {
        Err(Failure::invalid("region: that of AWS_REGION or the profile is none"))
    }
}

/// Whom to trust on `https`: `ca_file`, what AWS's own tools call the CA bundle, or the system.
fn trust(config: &AwsConfig, found: &SdkConfig) -> Result<TrustStore, Failure> {
    if let Some(path) = &config.ca_file {
        return trust::only(path).ok_or_else(|| Failure::invalid(format!("ca_file: {}", trust::PROBLEM)));
    }
    match setting(found, "AWS_CA_BUNDLE", "ca_bundle") {
        Some(path) => trust::only(Path::new(&path))
            .ok_or_else(|| Failure::invalid(format!("AWS_CA_BUNDLE, or ca_bundle: {}", trust::PROBLEM))),
        None => Ok(TrustStore::default()),
    }
}

/// What the environment, or else the profile, says for this service or for all; none where nothing of them counts.
fn setting(found: &SdkConfig, variable: &str, in_profile: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("secrets_manager").env(variable).profile(in_profile);
    let value = found.service_config()?.load_config(key.build().ok()?)?;
    Some(value).filter(|value| !value.is_empty())
}

fn version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Those of single answers. A source of credentials is asked within a call of the service, and ends with its time.
fn timeouts(config: &AwsConfig) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(config.connect_timeout).read_timeout(config.timeout).build()
}
