//! A certificate of an application: it signs who the application is, as RS256.
//!
//! Sources: "Microsoft identity platform application authentication certificate credentials" and RFC 7515. Microsoft's
//! own crate does this with OpenSSL alone.

use azure_core::Uuid;
use azure_core::http::ClientMethodOptions;
use azure_core::time::{Duration, OffsetDateTime};
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrets_backend::SecretBytes;
use serde_json::{Value, json};

use crate::config::InvalidConfig;
use crate::credentials::ClientCertificate;
use crate::credentials::given::Pem;
use crate::credentials::no_token::NoToken;

/// How long an assertion is good; Microsoft asks for five to ten minutes at most.
const LIFETIME: Duration = Duration::minutes(5);

/// A certificate's thumbprint, and its key.
pub(super) struct Certificate {
    thumbprint: String,
    key: KeyPair,
}

impl Certificate {
    /// The first certificate and the first key of a PEM text.
    pub(super) fn read(pem: &SecretBytes) -> Result<Self, InvalidConfig> {
        let wrong = |problem: &'static str| InvalidConfig::new("certificate", problem);
        let certificate = CertificateDer::from_pem_slice(pem.expose())
            .map_err(|_| wrong("there is no certificate in it; it is PEM"))?;
        let key = PrivateKeyDer::from_pem_slice(pem.expose())
            .map_err(|_| wrong("there is no private key in it, or one that is encrypted"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong("its key is none of RSA")),
        };
        let key = key.map_err(|_| wrong("its key is none of RSA, or has less than 2048 bits"))?;
        Ok(Self { thumbprint: encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate).as_ref()), key })
    }

    fn sign(&self, claims: &Value) -> Result<String, NoToken> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "x5t": self.thumbprint });
        let signed = [&header, claims].map(|part| encode(part.to_string().as_bytes())).join(".");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| NoToken::refused("its key does not sign"))?;
        Ok(format!("{signed}.{}", encode(&signature)))
    }
}

/// What an application says of itself, signed by its certificate.
#[derive(Debug)]
pub(super) struct Signed {
    given: ClientCertificate,
    audience: String,
}

impl Signed {
    pub(super) fn new(given: &ClientCertificate, authority: &Url) -> Self {
        let audience = format!("{authority}{}/oauth2/v2.0/token", given.application.tenant_id);
        Self { given: given.clone(), audience }
    }

    async fn certificate(&self) -> Result<Certificate, NoToken> {
        let read =
            |pem: &SecretBytes| Certificate::read(pem).map_err(|error| NoToken::refused(error.to_string()));
        match &self.given.pem {
            Pem::Text(pem) => read(pem),
            Pem::File(path) => match tokio::fs::read(path).await {
                Ok(bytes) => read(&SecretBytes::from(bytes)),
                Err(_) => Err(NoToken::refused(format!("{} cannot be read", path.display()))),
            },
        }
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Signed {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let now = OffsetDateTime::now_utc();
        let client = &self.given.application.client_id;
        let claims = json!({
            "aud": self.audience,
            "exp": (now + LIFETIME).unix_timestamp(),
            "iss": client,
            "jti": Uuid::new_v4().to_string(),
            "nbf": now.unix_timestamp(),
            "sub": client,
        });
        Ok(self.certificate().await?.sign(&claims)?)
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
