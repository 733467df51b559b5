//! A certificate authority of a test's own, and the server certificate it issued for loopback.

use std::io;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority and a server certificate, for `localhost` and 127.0.0.1 where nothing else is said, as PEM.
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
        Self::make(2999, &LOOPBACK).map_err(io::Error::other)
    }

    /// A valid certificate for another host alone.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn for_another_host() -> io::Result<Self> {
        Self::make(2999, &["elsewhere.example"]).map_err(io::Error::other)
    }

    /// A certificate that expired years ago, from an authority that is valid.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn expired() -> io::Result<Self> {
        Self::make(2001, &LOOPBACK).map_err(io::Error::other)
    }

    /// A valid certificate for these hosts.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn of(hosts: &[&str]) -> io::Result<Self> {
        Self::make(2999, hosts).map_err(io::Error::other)
    }

    fn make(year: i32, hosts: &[&str]) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "authority of a test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut server =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
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
