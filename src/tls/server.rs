//! The server's side of TLS: a certificate, its key, and what is asked of clients. Present files replace past ones while it runs.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use tokio_rustls::TlsAcceptor;

use super::files::PemFile;
use super::health::{Health, Validity};
use super::identity::Identity;
use super::{Files, Reloaded, ServerSession, TlsError, VERSIONS, provider};

/// Kafka's `ssl.client.auth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Certificates of clients are not asked for.
    #[default]
    None,
    /// A client may show none; one that it shows has to be good.
    Requested,
    /// Without a good certificate there is no connection.
    Required,
}

/// One door's TLS. Any number of tasks may use it.
pub struct ServerTls {
    files: Files,
    client_auth: ClientAuth,
    alpn: Vec<Vec<u8>>,
    present: ArcSwap<Present>,
    /// One look at the files at a time, so that an older one never replaces a newer.
    reloading: Mutex<()>,
}

/// What new connections get. `config` was made of `contents`.
struct Present {
    contents: Contents,
    identity: Identity,
    config: Arc<ServerConfig>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: PemFile,
    key: PemFile,
    ca: Option<PemFile>,
}

impl ServerTls {
    /// Reads the files. `alpn` has the protocols that the door speaks, most wanted first; empty for Kafka's.
    ///
    /// A certificate that is not good today is taken all the same: see [`ServerTls::health`].
    ///
    /// # Errors
    /// If a file is not what it should be, the key is not the certificate's, or clients are to be asked and no CA is named.
    pub fn load(files: Files, client_auth: ClientAuth, alpn: &[&[u8]]) -> Result<Self, TlsError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let present = Present::of(Contents::read(&files)?, client_auth, &alpn)?;
        let present = ArcSwap::from_pointee(present);
        Ok(Self { files, client_auth, alpn, present, reloading: Mutex::new(()) })
    }

    /// For the next connection. Cheap, and not to be kept: it knows nothing of later files.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config())
    }

    /// As [`ServerTls::acceptor`], for those who bring their own.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.present.load().config)
    }

    /// Whether it was loaded with this protocol.
    pub(super) fn speaks(&self, protocol: &[u8]) -> bool {
        self.alpn.iter().any(|known| known == protocol)
    }

    /// A connection that has just been opened.
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn begin(&self) -> io::Result<ServerSession> {
        ServerSession::begin(self.config())
    }

    /// Looks at the files again. Blocks on the disk.
    ///
    /// # Errors
    /// As [`ServerTls::load`]; what was in use stays in use. Files replaced one after the other are such an error in between.
    pub fn reload(&self) -> Result<Reloaded, TlsError> {
        let _one_at_a_time = self.reloading.lock();
        let contents = Contents::read(&self.files)?;
        if contents == self.present.load().contents {
            return Ok(Reloaded::Unchanged);
        }
        let present = Present::of(contents, self.client_auth, &self.alpn)?;
        self.present.store(Arc::new(present));
        Ok(Reloaded::Changed)
    }

    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The end of the leaf in use, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.present.load().identity.leaf.not_after
    }

    /// While the whole chain in use is good; its end is the soonest of all its certificates.
    pub fn validity(&self) -> Validity {
        self.present.load().identity.chain
    }

    /// Of the whole chain in use, at `now`, in seconds since 1970.
    pub fn health(&self, now: i64) -> Health {
        self.validity().health(now)
    }

    /// Of the leaf in use, as Java writes it.
    pub fn subject(&self) -> String {
        self.present.load().identity.subject.clone()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("files", &self.files)
            .field("client_auth", &self.client_auth)
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

impl Contents {
    fn read(files: &Files) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: PemFile::read(&files.certificate)?,
            key: PemFile::read(&files.key)?,
            ca: files.ca.as_deref().map(PemFile::read).transpose()?,
        })
    }
}

impl Present {
    fn of(contents: Contents, client_auth: ClientAuth, alpn: &[Vec<u8>]) -> Result<Self, TlsError> {
        let identity = Identity::from(&contents.certificate, &contents.key)?;
        let verifier = client_verifier(contents.ca.as_ref(), client_auth)?;
        let asks_clients = client_auth != ClientAuth::None;
        let show = Arc::new(SingleCertAndKey::from(Arc::clone(&identity.certified)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(show);
        config.alpn_protocols = alpn.to_vec();
        if asks_clients {
            // A resumed session would not look at the client's certificate again, which may have ended since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self { contents, identity, config: Arc::new(config) })
    }
}

fn client_verifier(
    ca: Option<&PemFile>,
    client_auth: ClientAuth,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    // Read even if not needed: what is named should be there.
    let roots = ca.map(PemFile::roots).transpose()?;
    if client_auth == ClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let roots = Arc::new(roots.ok_or(TlsError::NoClientCa)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder =
        if client_auth == ClientAuth::Requested { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|why| TlsError::Refused(rustls::Error::General(why.to_string())))
}
