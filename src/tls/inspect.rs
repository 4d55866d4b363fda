//! What is in a PEM file, for people who wonder.

use std::path::Path;

use rustls_pki_types::PrivateKeyDer;

use super::TlsError;
use super::certificate::Certificate;
use super::files::PemFile;
use super::identity::Identity;

/// The certificates of a file in its order, and how its private key is written, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub certificates: Vec<Certificate>,
    pub key: Option<&'static str>,
}

/// Reads a file of certificates, of a key, or of both. Nothing is verified.
///
/// # Errors
/// If it has neither, or one that cannot be read.
pub fn inspect(path: &Path) -> Result<Inspected, TlsError> {
    let file = PemFile::read(path)?;
    let key = if file.has_encrypted_key() {
        Some("encrypted")
    } else {
        match file.key() {
            Ok(PrivateKeyDer::Pkcs8(_)) => Some("PKCS#8"),
            Ok(PrivateKeyDer::Sec1(_)) => Some("SEC1"),
            Ok(PrivateKeyDer::Pkcs1(_)) => Some("PKCS#1"),
            Ok(_) | Err(TlsError::NoKey { .. }) => None,
            Err(error) => return Err(error),
        }
    };
    let found = match file.certificates() {
        Err(TlsError::NoCertificate { .. } | TlsError::Pem { .. }) if key.is_some() => Vec::new(),
        found => found?,
    };
    let certificates: Result<Vec<Certificate>, TlsError> = found
        .iter()
        .enumerate()
        .map(|(index, der)| Certificate::parse(der).map_err(|why| TlsError::certificate(path, index, &why)))
        .collect();
    Ok(Inspected { certificates: certificates?, key })
}

/// # Errors
/// If either file does not have what it should, or the key is not the first certificate's.
pub fn check_pair(certificate: &Path, key: &Path) -> Result<(), TlsError> {
    Identity::from(&PemFile::read(certificate)?, &PemFile::read(key)?).map(drop)
}
