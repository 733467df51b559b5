//! The client of the service, made once, when it is first needed.

use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use secrets_backend::ErrorKind;

use crate::config::AwsConfig;
use crate::failure::Failure;
use crate::wire;

/// Makes the client. It asks nobody but, where the configuration leaves it open, for the region.
pub(crate) async fn make(config: &AwsConfig) -> Result<Client, Failure> {
    let http = wire::client();
    let region = region(config, &http).await?;
    let provider_config = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_behavior_version(Some(version()))
        .with_use_fips(Some(config.use_fips))
        .with_use_dual_stack(Some(config.use_dual_stack))
        .with_http_client(http.clone())
        .with_timeout_config(timeouts(config));
    let sts = shared(config, region.clone(), http.clone(), config.sts_endpoint_url.as_deref());
    let credentials = config.credentials.provider(&provider_config, &sts).await;
    let shared = shared(config, region, http, config.endpoint_url.as_deref());
    Ok(Client::new(&shared.into_builder().credentials_provider(credentials).build()))
}

/// AWS's own order: environment, profile, instance. Its ready-made chain cannot be given our HTTP client.
async fn region(config: &AwsConfig, http: &SharedHttpClient) -> Result<Region, Failure> {
    if let Some(region) = &config.region {
        return Ok(Region::new(region.clone()));
    }
    let with = ProviderConfig::without_region().with_http_client(http.clone());
    let mut profile = ProfileFileRegionProvider::builder().configure(&with);
    if let Some(name) = config.credentials.profile() {
        profile = profile.profile_name(name);
    }
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(ImdsRegionProvider::builder().configure(&with).build());
    // The instance's own answer is the last that is waited for.
    let found = tokio::time::timeout(config.timeout, chain.region()).await;
    let none =
        || Failure::invalid("region: none is set, neither here nor in the environment nor in a profile");
    found.map_err(|_| Failure::new(ErrorKind::TimedOut, "the region was not told in time"))?.ok_or_else(none)
}

/// What all clients of a backend have in common. It is given whole: nothing of it comes from the environment.
fn shared(config: &AwsConfig, region: Region, http: SharedHttpClient, endpoint: Option<&str>) -> SdkConfig {
    let mut builder = SdkConfig::builder()
        .behavior_version(version())
        .region(region)
        .http_client(http)
        .use_fips(config.use_fips)
        .use_dual_stack(config.use_dual_stack)
        // Retries are the caller's, who knows what may be repeated.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(config))
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        // The timeout of a call holds for its body as well.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    builder.set_endpoint_url(endpoint.map(str::to_owned));
    builder.build()
}

fn version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn timeouts(config: &AwsConfig) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.timeout)
        .operation_timeout(config.timeout)
        .build()
}
