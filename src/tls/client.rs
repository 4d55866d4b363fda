//! The client's side of TLS: whom it trusts, and what it shows if asked. For nodes among themselves and for the command line.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::chain_only::ChainOnly;
use super::files::PemFile;
use super::health::{Health, Validity};
use super::identity::Identity;
use super::{ClientFiles, Reloaded, TlsError, VERSIONS, provider};

/// Any number of tasks may use it.
pub struct ClientTls {
    files: ClientFiles,
    verify_hostname: bool,
    alpn: Vec<Vec<u8>>,
    present: ArcSwap<Present>,
    /// One look at the files at a time, so that an older one never replaces a newer.
    reloading: Mutex<()>,
}

/// What new connections get. `config` was made of `contents`.
struct Present {
    contents: Contents,
    identity: Option<Identity>,
    config: Arc<ClientConfig>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    ca: Option<PemFile>,
    pair: Option<(PemFile, PemFile)>,
}

impl ClientTls {
    /// Reads the files. Without a CA of its own it trusts the system's, as they are now: [`ClientTls::reload`] looks at files only.
    ///
    /// With `verify_hostname` false any certificate of the CA will do, whatever its names. `alpn` as of a server.
    ///
    /// # Errors
    /// If a file is not what it should be, the key is not the certificate's, or there is nobody to trust.
    pub fn load(files: ClientFiles, verify_hostname: bool, alpn: &[&[u8]]) -> Result<Self, TlsError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let present = Present::of(Contents::read(&files)?, verify_hostname, &alpn)?;
        let present = ArcSwap::from_pointee(present);
        Ok(Self { files, verify_hostname, alpn, present, reloading: Mutex::new(()) })
    }

    /// For the next connection, together with [`server_name`]. Cheap, and not to be kept: it knows nothing of later files.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.config())
    }

    /// As [`ClientTls::connector`], for those who bring their own.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.present.load().config)
    }

    /// Looks at the files again. Blocks on the disk.
    ///
    /// # Errors
    /// As [`ClientTls::load`]; what was in use stays in use.
    pub fn reload(&self) -> Result<Reloaded, TlsError> {
        let _one_at_a_time = self.reloading.lock();
        let contents = Contents::read(&self.files)?;
        if contents == self.present.load().contents {
            return Ok(Reloaded::Unchanged);
        }
        let present = Present::of(contents, self.verify_hostname, &self.alpn)?;
        self.present.store(Arc::new(present));
        Ok(Reloaded::Changed)
    }

    pub fn files(&self) -> &ClientFiles {
        &self.files
    }

    /// While the whole chain that it shows is good; `None` if it shows nothing.
    pub fn validity(&self) -> Option<Validity> {
        self.present.load().identity.as_ref().map(|identity| identity.chain)
    }

    /// At `now`, in seconds since 1970. Who shows nothing is well.
    pub fn health(&self, now: i64) -> Health {
        self.validity().map_or(Health::Good, |validity| validity.health(now))
    }

    /// Of the leaf that it shows, as Java writes it.
    pub fn subject(&self) -> Option<String> {
        self.present.load().identity.as_ref().map(|identity| identity.subject.clone())
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("files", &self.files)
            .field("verify_hostname", &self.verify_hostname)
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

/// What a certificate is checked against: a host name, or an IP address with or without brackets. No port.
///
/// # Errors
/// If `host` is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::HostName { host: host.to_owned() })
}

impl Contents {
    fn read(files: &ClientFiles) -> Result<Self, TlsError> {
        let pair = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Some((PemFile::read(certificate)?, PemFile::read(key)?)),
            (None, None) => None,
            (Some(_), None) => return Err(TlsError::HalfAPair { missing: "the key" }),
            (None, Some(_)) => return Err(TlsError::HalfAPair { missing: "the certificate" }),
        };
        Ok(Self { ca: files.ca.as_deref().map(PemFile::read).transpose()?, pair })
    }
}

impl Present {
    fn of(contents: Contents, verify_hostname: bool, alpn: &[Vec<u8>]) -> Result<Self, TlsError> {
        let roots = match &contents.ca {
            Some(ca) => ca.roots()?,
            None => system_roots()?,
        };
        let identity = contents.pair.as_ref().map(|(chain, key)| Identity::from(chain, key)).transpose()?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)?
            .dangerous()
            .with_custom_certificate_verifier(server_verifier(roots, verify_hostname)?);
        let mut config = match &identity {
            Some(identity) => {
                let show = SingleCertAndKey::from(Arc::clone(&identity.certified));
                builder.with_client_cert_resolver(Arc::new(show))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.to_vec();
        Ok(Self { contents, identity, config: Arc::new(config) })
    }
}

fn server_verifier(
    roots: RootCertStore,
    verify_hostname: bool,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let (roots, provider) = (Arc::new(roots), provider());
    let all = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let all = all.build().map_err(|why| TlsError::Refused(rustls::Error::General(why.to_string())))?;
    Ok(if verify_hostname { all } else { Arc::new(ChainOnly::new(all, roots, &provider)) })
}

/// Those that can be read; systems carry some that cannot.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(TlsError::NoSystemCa { why });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_host_or_address_and_not_by_port() {
        for good in ["localhost", "a.example.com", "127.0.0.1", "::1", "[::1]", "node_1"] {
            assert!(server_name(good).is_ok(), "{good}");
        }
        for bad in
            ["", "localhost:9092", "a b", "[a.example.com]", "http://x", "*.example.com", &"a".repeat(300)]
        {
            assert!(matches!(server_name(bad), Err(TlsError::HostName { .. })), "{bad}");
        }
    }
}
