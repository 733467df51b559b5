//! By what an application proves that it is itself.
//! "Microsoft identity platform application authentication certificate credentials", "Workload identity federation".

use serde_json::Value;

use super::directory::Application;
use super::issuer::Refused;
use super::tokens::{Signer, Token, canonical};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Who issues the federated tokens of the kit.
pub(super) const FEDERATED_ISSUER: &str = "https://oidc.kit.example";
/// "Workload identity federation": what federated tokens are for.
pub(super) const FEDERATED_AUDIENCE: &str = "api://AzureADTokenExchange";
/// How far a clock may be off.
const SKEW: u64 = 5 * 60;

/// What a request for a token brings.
pub(super) struct Grant<'a> {
    pub(super) client: &'a str,
    /// What an assertion of the client's own may be for
    pub(super) audiences: [String; 2],
    pub(super) secret: Option<&'a str>,
    pub(super) assertion: Option<&'a str>,
    pub(super) assertion_type: Option<&'a str>,
    pub(super) now: u64,
}

/// Refuses whoever is not this application.
pub(super) fn prove(grant: &Grant<'_>, application: &Application, federated: &Signer) -> Result<(), Refused> {
    match (grant.secret, grant.assertion) {
        (Some(secret), None) if secret == application.secret => Ok(()),
        (Some(_), None) => Err(refuse(7_000_215, "Invalid client secret provided.")),
        (None, Some(text)) => by_assertion(grant, text, application, federated),
        _ => Err(refuse(7_000_218, "The body must contain 'client_assertion' or 'client_secret'.")),
    }
}

fn by_assertion(
    grant: &Grant<'_>,
    text: &str,
    application: &Application,
    federated: &Signer,
) -> Result<(), Refused> {
    let malformed = || refuse(50_027, "The token is malformed.");
    if grant.assertion_type != Some(ASSERTION) {
        return Err(refuse(700_033, "The client assertion type is not supported."));
    }
    let token = Token::read(text).ok_or_else(malformed)?;
    if token.claims["exp"].is_null() {
        return Err(malformed());
    }
    if ![grant.now - SKEW, grant.now, grant.now + SKEW].into_iter().any(|now| token.is_in_time(now)) {
        return Err(refuse(700_024, "The client assertion is not within its valid time range."));
    }
    if token.claims["iss"] == FEDERATED_ISSUER {
        by_federation(&token, application, federated)
    } else {
        by_certificate(grant, &token, application)
    }
}

/// The assertion format of certificate credentials.
fn by_certificate(grant: &Grant<'_>, token: &Token<'_>, application: &Application) -> Result<(), Refused> {
    let claims = &token.claims;
    if claims["iss"] != grant.client || claims["sub"] != grant.client {
        return Err(refuse(700_021, "The client assertion's issuer or subject is not the application."));
    }
    if !grant.audiences.iter().any(|audience| claims["aud"] == *audience) {
        return Err(refuse(700_023, "The client assertion's audience does not match the realm issuer."));
    }
    if claims["jti"].as_str().is_none_or(str::is_empty) {
        return Err(refuse(50_027, "The token is malformed."));
    }
    let thumbprint = |name: &str| token.header[name].as_str().map(canonical);
    let [sha1, sha256] = [thumbprint("x5t"), thumbprint("x5t#S256")];
    let registered = application.certificates.iter().find(|known| {
        sha1.as_ref() == Some(&known.thumbprints[0]) || sha256.as_ref() == Some(&known.thumbprints[1])
    });
    let proven = registered.and_then(|known| token.verify(&known.public_key));
    proven.map(drop).ok_or_else(|| {
        refuse(700_027, "The certificate with which the client assertion is signed is not registered.")
    })
}

fn by_federation(token: &Token<'_>, application: &Application, issuer: &Signer) -> Result<(), Refused> {
    let claims: Value = issuer
        .verify(token)
        .ok_or_else(|| refuse(70_021, "The federated token's signature is not valid."))?;
    if claims["aud"] != FEDERATED_AUDIENCE {
        return Err(refuse(700_212, "No matching federated identity record found for the audience."));
    }
    if !application.subjects.iter().any(|subject| claims["sub"] == **subject) {
        return Err(refuse(700_213, "No matching federated identity record found for the subject."));
    }
    Ok(())
}

const fn refuse(number: u32, text: &'static str) -> Refused {
    Refused(401, "invalid_client", number, text)
}
