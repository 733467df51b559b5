//! Login with an AWS identity: a signed request to the security token service, which the server sends on.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_backend::Timestamp;
use serde_json::{Map, Value, json};

use crate::auth::AwsIam;
use crate::failure::{Effect, Failure};
use crate::wire::Ask;

/// What the server sends on: it asks AWS who signed this.
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

pub(super) async fn request(identity: &AwsIam) -> Result<Ask, Failure> {
    let headers = signed_headers(identity).await?;
    let mut body = json!({
        "iam_http_request_method": "POST",
        "iam_request_url": STANDARD.encode(&identity.sts_endpoint),
        "iam_request_body": STANDARD.encode(BODY),
        "iam_request_headers": STANDARD.encode(Value::Object(headers).to_string()),
    });
    if let Some(role) = &identity.role {
        body["role"] = json!(role);
    }
    Ok(Ask::post(format!("auth/{}/login", identity.mount), &body, Effect::None))
}

/// The headers of the request, signature included.
async fn signed_headers(identity: &AwsIam) -> Result<Map<String, Value>, Failure> {
    let unusable = |_| Failure::invalid("auth.sts_endpoint: no request can be made to it");
    let host = host(&identity.sts_endpoint)?;
    let mut headers = vec![("content-type".to_owned(), CONTENT_TYPE.to_owned()), ("host".to_owned(), host)];
    if let Some(id) = &identity.server_id {
        headers.push(("x-vault-aws-iam-server-id".to_owned(), id.clone()));
    }
    let signer = signer(identity).await?;
    let parameters = v4::SigningParams::builder()
        .identity(&signer)
        .region(&identity.region)
        .name("sts")
        .time(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(Timestamp::now().as_millis()))
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| Failure::invalid("auth: the AWS identity is not complete"))?;
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request =
        SignableRequest::new("POST", &identity.sts_endpoint, named, SignableBody::Bytes(BODY.as_bytes()))
            .map_err(unusable)?;
    let (instructions, _) = sign(request, &parameters.into()).map_err(unusable)?.into_parts();
    let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(headers.into_iter().chain(signed).map(|(name, value)| (name, json!([value]))).collect())
}

async fn signer(identity: &AwsIam) -> Result<Identity, Failure> {
    let keys = &identity.credentials;
    let secret = keys.secret_access_key.read("auth.secret_access_key").await?;
    let session = match &keys.session_token {
        Some(token) => Some(token.read("auth.session_token").await?.to_string()),
        None => None,
    };
    Ok(Credentials::new(&keys.access_key_id, secret.as_str(), session, None, "secrets").into())
}

/// Host and port of an address, as the `Host` header has them.
fn host(endpoint: &str) -> Result<String, Failure> {
    let url = reqwest::Url::parse(endpoint).ok();
    let named = url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    named.ok_or_else(|| Failure::invalid("auth.sts_endpoint: no URL"))
}
