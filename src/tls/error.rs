//! Why certificates, keys and names are not taken: which file, what is wrong, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::files::MAX_FILE_BYTES;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file: name a PEM file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} has more than {MAX_FILE_BYTES} bytes, which no file of certificates or keys needs", path.display())]
    TooBig { path: PathBuf },
    #[error("{} is empty: it may be in the middle of being replaced", path.display())]
    Empty { path: PathBuf },
    #[error(
        "{} is no PEM but looks like a keystore or DER: turn it into PEM with `openssl pkcs12` or `openssl x509`",
        path.display()
    )]
    Binary { path: PathBuf },
    #[error("{} is not well-formed PEM: {why}", path.display())]
    Pem { path: PathBuf, why: String },
    #[error("{} has no certificate: a section that begins with -----BEGIN CERTIFICATE----- is needed", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{} has no private key: a section PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY is needed", path.display())]
    NoKey { path: PathBuf },
    #[error("the key in {} is encrypted: decrypt it with `openssl pkey` and let the file's mode protect it", path.display())]
    EncryptedKey { path: PathBuf },
    /// `number` counts from 1.
    #[error("certificate {number} of {} cannot be used: {why}", path.display())]
    Certificate { path: PathBuf, number: usize, why: String },
    #[error(
        "the key in {} cannot be used ({why}): RSA of 2048 bits and more, EC P-256, EC P-384 and Ed25519 can",
        path.display()
    )]
    Key { path: PathBuf, why: String },
    #[error(
        "the key in {} does not belong to the first certificate of {}: name a pair, and put the leaf first",
        key.display(), certificate.display()
    )]
    KeyOfAnother { certificate: PathBuf, key: PathBuf },
    #[error("certificates of clients can only be asked for with a CA to check them by: name a CA file")]
    NoClientCa,
    #[error("the system has no usable CA certificates{why}: name a CA file")]
    NoSystemCa { why: String },
    #[error("a client's certificate and its key go together: {missing} is missing")]
    HalfAPair { missing: &'static str },
    #[error("'{host}' is neither a host name nor an IP address")]
    HostName { host: String },
    #[error("rustls refuses the configuration: {0}")]
    Refused(#[from] rustls::Error),
}

impl TlsError {
    pub(super) fn certificate(path: &Path, index: usize, why: &impl ToString) -> Self {
        Self::Certificate { path: path.to_owned(), number: index + 1, why: why.to_string() }
    }
}
