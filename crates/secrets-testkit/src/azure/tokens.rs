//! RS256: JSON web tokens that are signed, and checked, with the committed keys of `keys/`.

use std::io;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// A key, and the name under which its public half is published.
pub(super) struct Signer {
    key: RsaKeyPair,
    id: String,
}

impl Signer {
    pub(super) fn from_pem(pem: &str) -> io::Result<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
        let key =
            RsaKeyPair::from_pkcs8(der.secret_der()).map_err(|error| io::Error::other(error.to_string()))?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.public_key().as_ref()));
        Ok(Self { key, id })
    }

    /// A token with these claims; its header has the id of the key and these fields.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut head = json!({ "typ": "JWT", "alg": "RS256", "kid": self.id });
        for (name, value) in header.as_object().into_iter().flatten() {
            head[name] = value.clone();
        }
        let signed = [head, claims.clone()].map(|part| encode(part.to_string().as_bytes())).join(".");
        let mut signature = vec![0; self.key.public().modulus_len()];
        let done = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        done.expect("the buffer has the length of the key");
        format!("{signed}.{}", encode(&signature))
    }

    /// The claims of a token that this key signed.
    pub(super) fn verify(&self, token: &Token<'_>) -> Option<Value> {
        (token.header["kid"] == self.id).then_some(())?;
        token.verify(self.key.public_key().as_ref())
    }

    pub(super) fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The set of keys that the issuer publishes: RFC 7517.
    pub(super) fn published(&self) -> Value {
        let parts = PublicKeyComponents::<Vec<u8>>::from(self.key.public_key());
        let key = json!({
            "kty": "RSA", "use": "sig", "kid": self.id, "x5t": self.id,
            "n": encode(&parts.n), "e": encode(&parts.e),
        });
        json!({ "keys": [key] })
    }
}

/// A token in its parts, not checked yet.
pub(super) struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    pub(super) header: Value,
    /// What it says before anyone has checked it
    pub(super) claims: Value,
}

impl<'a> Token<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| serde_json::from_slice(&decode(part)?).ok();
        let (header, claims): (Value, Value) = (json(header)?, json(claims)?);
        (header["alg"] == "RS256").then_some(Self { signed, signature: decode(signature)?, header, claims })
    }

    /// The claims, where this key signed them.
    pub(super) fn verify(&self, public_key: &[u8]) -> Option<Value> {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key);
        key.verify(self.signed.as_bytes(), &self.signature).ok()?;
        Some(self.claims.clone())
    }

    /// Is it valid at this second of Unix?
    pub(super) fn is_in_time(&self, now: u64) -> bool {
        // RFC 7519, "NumericDate": fractions are allowed.
        let now = now as f64;
        let time = |name: &str| self.claims[name].as_f64();
        time("exp").is_some_and(|end| now < end) && time("nbf").is_none_or(|begin| begin <= now)
    }
}

/// The thumbprints of a certificate: `x5t` and `x5t#S256` of RFC 7515.
pub(super) fn thumbprints(certificate: &[u8]) -> [String; 2] {
    [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256].map(|algorithm| encode(digest(algorithm, certificate).as_ref()))
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Some clients pad, and some write a thumbprint in the other alphabet.
pub(super) fn canonical(thumbprint: &str) -> String {
    let plain = BASE64_STANDARD.decode(thumbprint).ok();
    plain.map_or_else(|| thumbprint.trim_end_matches('=').to_owned(), |bytes| encode(&bytes))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
