//! Who is at the other end, by the certificate that it showed. The handshake has verified it; here is only what it says.

use rustls::CommonState;
use rustls_pki_types::CertificateDer;

use super::certificate::Certificate;
use super::health::Validity;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    facts: Certificate,
}

impl PeerCertificate {
    /// Of a connection whose handshake is done, a server's or a client's. `None` if the other side showed nothing; and if what it
    /// showed passed the handshake but its names cannot be read, which leaves it as anonymous as nothing.
    pub fn of(connection: &CommonState) -> Option<Self> {
        Self::of_chain(connection.peer_certificates()?)
    }

    /// For those who have only the chain, leaf first. It must come from a handshake that verified it.
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        Some(Self { facts: Certificate::parse(chain.first()?).ok()? })
    }

    /// The subject's CN: the book's name of a client.
    pub fn common_name(&self) -> Option<&str> {
        self.facts.common_name.as_deref()
    }

    /// The whole subject as Java's `X500Principal.getName()` has it: Kafka's name of a client, before
    /// [`PrincipalRules`](super::PrincipalRules).
    pub fn distinguished_name(&self) -> &str {
        &self.facts.subject
    }

    /// A connection may outlive it.
    pub fn validity(&self) -> Validity {
        self.facts.validity
    }

    pub fn facts(&self) -> &Certificate {
        &self.facts
    }
}
