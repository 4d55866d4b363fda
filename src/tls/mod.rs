//! TLS for every door: certificates and keys from PEM files, reloaded when their contents change; who the other side is; and what
//! Kafka calls it. Not here: sockets, timeouts, when to look at the files again, and what a name may do.
//!
//! The only room that names rustls, its friends and the parser of certificates. Synchronous: files are read where it is called,
//! at most [`MAX_FILE_BYTES`] of each; only `stream` waits. TLS 1.2 and 1.3, by ring, with the cipher suites that rustls takes by itself.

mod certificate;
mod chain_only;
mod client;
mod error;
mod files;
mod health;
mod identity;
mod inspect;
mod name;
mod peer_certificate;
mod principal_rules;
mod server;
mod session;
mod stream;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use certificate::Certificate;
pub use client::{ClientTls, server_name};
pub use error::TlsError;
pub use files::{ClientFiles, Files, MAX_FILE_BYTES};
pub use health::{Health, Validity};
pub use inspect::{Inspected, check_pair, inspect};
pub use peer_certificate::PeerCertificate;
pub use principal_rules::{PrincipalRules, PrincipalRulesError};
pub use server::{ClientAuth, ServerTls};
pub use session::ServerSession;
pub use stream::{Accepted, Duplex, accept};

/// What a look at the files brought.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The contents are those in use.
    Unchanged,
    /// New connections get the new ones; open connections keep what they began with.
    Changed,
}

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
