//! TLS by rustls on ring, from the configuration alone: no variable of the environment changes whom we trust.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::{InvalidConfig, Tls};

/// Where systems keep the authorities that they trust, as one file. The first that exists counts.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",   // older ones
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine, macOS
];

/// The TLS side of a client. The system's authorities are read only where something will ask for them.
pub(super) fn client(tls: &Tls, https: bool) -> Result<ClientConfig, InvalidConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| InvalidConfig::new("tls", "the protocol versions do not fit together"))?
        .with_root_certificates(roots(tls, https)?);
    match (&tls.client_certificate, &tls.client_key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(
                certificates("tls.client_certificate", certificate)?,
                PrivateKeyDer::from_pem_file(key).map_err(|_| unreadable("tls.client_key", key, "key"))?,
            )
            .map_err(|_| InvalidConfig::new("tls.client_key", "certificate and key do not belong together")),
        (Some(_), None) => Err(InvalidConfig::new("tls.client_key", "missing: a certificate needs its key")),
        (None, Some(_)) => Err(InvalidConfig::new("tls.client_certificate", "missing: a key is not enough")),
    }
}

fn roots(tls: &Tls, https: bool) -> Result<RootCertStore, InvalidConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca_file {
        for certificate in certificates("tls.ca_file", path)? {
            roots.add(certificate).map_err(|_| {
                InvalidConfig::new("tls.ca_file", "holds a certificate that no authority has")
            })?;
        }
    } else if let Some(bundle) = SYSTEM_BUNDLES.map(Path::new).iter().find(|path| https && path.exists()) {
        // A system's bundle may hold one that is too old for us: the others count.
        roots.add_parsable_certificates(certificates("tls.ca_file", bundle)?);
    }
    Ok(roots)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidConfig> {
    let invalid = || unreadable(setting, path, "certificate");
    let pem = fs::read(path).map_err(|_| invalid())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(invalid)
}

fn unreadable(setting: &'static str, path: &Path, what: &str) -> InvalidConfig {
    InvalidConfig::new(setting, format!("{} cannot be read, or holds no {what} in PEM form", path.display()))
}
