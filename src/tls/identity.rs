//! A certificate chain with its key: what one side of a connection shows of itself.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::files::PemFile;
use super::health::Validity;
use super::{TlsError, provider};

/// Invariant: the key is the first certificate's.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    /// The leaf's, as Java writes it.
    pub(super) subject: String,
    pub(super) leaf: Validity,
    /// While all certificates of the chain are good.
    pub(super) chain: Validity,
}

impl Identity {
    /// # Errors
    /// If either file does not have what it should, or the key is not the first certificate's.
    pub(super) fn from(chain: &PemFile, key: &PemFile) -> Result<Self, TlsError> {
        let certificates = chain.certificates()?;
        let facts: Result<Vec<Certificate>, TlsError> = certificates
            .iter()
            .enumerate()
            .map(|(index, der)| {
                Certificate::parse(der).map_err(|why| TlsError::certificate(chain.path(), index, &why))
            })
            .collect();
        let facts = facts?;
        let leaf = facts.first().ok_or_else(|| TlsError::NoCertificate { path: chain.path().to_owned() })?;
        let validity = facts.iter().fold(leaf.validity, |both, next| both.and(next.validity));
        let (subject, leaf) = (leaf.subject.clone(), leaf.validity);
        let signing = Self::signing_key(&provider(), key)?;
        let certified = CertifiedKey::new(certificates, signing);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                let (certificate, key) = (chain.path().to_owned(), key.path().to_owned());
                return Err(TlsError::KeyOfAnother { certificate, key });
            }
            Err(why) => return Err(TlsError::certificate(chain.path(), 0, &why)),
        }
        Ok(Self { certified: Arc::new(certified), subject, leaf, chain: validity })
    }

    fn signing_key(
        provider: &CryptoProvider,
        file: &PemFile,
    ) -> Result<Arc<dyn rustls::sign::SigningKey>, TlsError> {
        let key = file.key()?;
        provider
            .key_provider
            .load_private_key(key)
            .map_err(|why| TlsError::Key { path: file.path().to_owned(), why: why.to_string() })
    }
}
