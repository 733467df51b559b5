//! A certificate authority of a test's own, and the server certificate it issued for loopback.

use std::io;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority and a server certificate for `localhost` and 127.0.0.1, as PEM.
#[derive(Clone)]
pub struct Certificates {
    /// The authority, for a client to trust
    pub authority: String,
    /// The server's certificate
    pub certificate: String,
    /// The server's private key
    pub key: String,
}

impl Certificates {
    /// A certificate that is valid now.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn valid() -> io::Result<Self> {
        Self::until(2999)
    }

    /// A certificate that expired years ago, from an authority that is valid.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn expired() -> io::Result<Self> {
        Self::until(2001)
    }

    fn until(year: i32) -> io::Result<Self> {
        Self::make(year).map_err(io::Error::other)
    }

    fn make(year: i32) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "authority of a test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "server of a test");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.not_before = date_time_ymd(2000, 1, 1);
        server.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?;
        Ok(Self { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("authority", &self.authority).finish_non_exhaustive()
    }
}
