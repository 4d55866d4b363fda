//! The files a node or a client gets its certificates and keys from, read whole and compared by contents.
//!
//! Contents and not times: Kubernetes swaps a symbolic link, and files may be replaced by older ones.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// How much of one file is read; bundles of all public CAs have a quarter of it.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// What a server shows, and whom it trusts to vouch for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key in PEM: PKCS#8, SEC1 or PKCS#1, not encrypted. May be the same file.
    pub key: PathBuf,
    /// The CAs of clients' certificates, in PEM.
    pub ca: Option<PathBuf>,
}

/// Whom a client trusts, and what it shows if asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The CAs of servers, in PEM; without it those of the system.
    pub ca: Option<PathBuf>,
    /// The chain in PEM, leaf first; goes together with the key.
    pub certificate: Option<PathBuf>,
    /// The leaf's key, as in [`Files`].
    pub key: Option<PathBuf>,
}

/// A file as it was at one moment.
#[derive(PartialEq, Eq)]
pub(super) struct PemFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PemFile {
    /// # Errors
    /// If it cannot be read, is no regular file (which could block), is empty or bigger than [`MAX_FILE_BYTES`].
    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        let path = path.to_owned();
        let read = |source| TlsError::Read { path: path.clone(), source };
        if !std::fs::metadata(&path).map_err(read)?.is_file() {
            return Err(TlsError::NotAFile { path });
        }
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(read)?;
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(TlsError::TooBig { path });
        }
        if bytes.is_empty() {
            return Err(TlsError::Empty { path });
        }
        Ok(Self { path, bytes })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All certificates in the order of the file, at least one. Other sections, and text around them, do not matter.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let certificates = found.map_err(|error| self.malformed(&error))?;
        if certificates.is_empty() {
            let path = self.path.clone();
            return Err(if self.is_binary() {
                TlsError::Binary { path }
            } else {
                TlsError::NoCertificate { path }
            });
        }
        Ok(certificates)
    }

    /// The first private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let path = || self.path.clone();
        if self.has_encrypted_key() {
            return Err(TlsError::EncryptedKey { path: path() });
        }
        match PrivateKeyDer::from_pem_slice(&self.bytes) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) if self.is_binary() => Err(TlsError::Binary { path: path() }),
            Err(pem::Error::NoItemsFound) => Err(TlsError::NoKey { path: path() }),
            Err(error) => Err(self.malformed(&error)),
        }
    }

    pub(super) fn has_encrypted_key(&self) -> bool {
        self.has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || self.has(b"Proc-Type: 4,ENCRYPTED")
    }

    /// All certificates as roots of trust.
    pub(super) fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in self.certificates()?.into_iter().enumerate() {
            roots.add(certificate).map_err(|why| TlsError::certificate(&self.path, index, &why))?;
        }
        Ok(roots)
    }

    fn has(&self, marker: &[u8]) -> bool {
        self.bytes.windows(marker.len()).any(|window| window == marker)
    }

    /// By the magic number of JKS, and by the long SEQUENCE that PKCS#12, certificates and keys are.
    fn is_binary(&self) -> bool {
        self.bytes.starts_with(&[0xFE, 0xED, 0xFE, 0xED]) || self.bytes.starts_with(&[0x30, 0x82])
    }

    fn malformed(&self, error: &pem::Error) -> TlsError {
        let why = match error {
            pem::Error::MissingSectionEnd { .. } => "its last section has no end".to_owned(),
            // rustls-pki-types shows the line, which may be a piece of a key.
            pem::Error::IllegalSectionStart { .. } => "a BEGIN line does not end with five dashes".to_owned(),
            pem::Error::Base64Decode(_) => "what is between BEGIN and END is not base64".to_owned(),
            pem::Error::SectionTooLarge | pem::Error::Io(_) | pem::Error::NoItemsFound | _ => {
                "it cannot be decoded".to_owned()
            }
        };
        TlsError::Pem { path: self.path.clone(), why }
    }
}

/// Contents may be a key.
impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemFile").field("path", &self.path).field("len", &self.bytes.len()).finish()
    }
}
