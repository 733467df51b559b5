//! Authorities that are trusted instead of those of the system.

use std::fs;
use std::path::Path;

use aws_smithy_http_client::tls::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(crate) const PROBLEM: &str = "cannot be read, or holds no certificate of an authority in PEM form";

/// Trust in the authorities of this file and no others.
///
/// Each is tried here: the client would panic at one that it cannot use.
pub(crate) fn only(path: &Path) -> Option<TrustStore> {
    let pem = fs::read(path).ok()?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then(|| TrustStore::empty().with_pem_certificate(pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_authority_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for text in ["", "no PEM", &pem("AAAA"), &pem("!"), &pem(""), "-----BEGIN CERTIFICATE-----\nAAAA"] {
            let file = directory.path().join("ca.pem");
            fs::write(&file, text).unwrap();
            assert!(only(&file).is_none(), "{text:?}");
        }
        assert!(only(directory.path()).is_none() && only(&directory.path().join("none")).is_none());
        let file = directory.path().join("ca.pem");
        let certificates = secrets_testkit::Certificates::valid().unwrap();
        fs::write(&file, &certificates.authority).unwrap();
        assert!(only(&file).is_some());
        fs::write(&file, certificates.authority + &pem("AAAA")).unwrap();
        assert!(only(&file).is_none(), "one of several");
    }
}
