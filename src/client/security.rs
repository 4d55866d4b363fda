//! How connections are secured: TLS or not, and who the client says it is. Also what to guess when a broker hangs up.
//!
//! Not here: where certificates and passwords come from, and the exchange of a login (`sasl`).

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls::{ClientTls, TlsError, server_name};

use super::sasl::Login;

pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub(super) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// The same for all connections of a cluster. The default is neither TLS nor a login.
#[derive(Clone, Debug, Default)]
pub struct Security {
    pub tls: Option<Arc<ClientTls>>,
    pub login: Option<Login>,
}

/// What is known of a connection when it ends, for a guess at why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Whether nothing of the cluster is known yet: later, a broker that hangs up is more likely to restart.
    pub(super) is_first: bool,
    pub(super) has_tls: bool,
    pub(super) has_login: bool,
}

impl Security {
    pub(super) fn circumstances(&self, is_first: bool) -> Circumstances {
        Circumstances { is_first, has_tls: self.tls.is_some(), has_login: self.login.is_some() }
    }

    /// The two directions of `stream`, after the handshake if there is to be one with `address`, HOST:PORT.
    ///
    /// # Errors
    /// The handshake's: `InvalidData` if the other side is not who it should be, or speaks no TLS.
    pub(super) async fn secure(&self, stream: TcpStream, address: &str) -> io::Result<(Reader, Writer)> {
        let Some(tls) = &self.tls else {
            let (read, write) = stream.into_split();
            return Ok((Box::new(read), Box::new(write)));
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = server_name(host).map_err(no_name)?;
        let stream = tls.connector().connect(name, stream).await?;
        let (read, write) = tokio::io::split(stream);
        Ok((Box::new(read), Box::new(write)))
    }
}

fn no_name(error: TlsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

impl Circumstances {
    /// What may help after a handshake that failed with `error`.
    pub(super) fn of_handshake(self, error: &io::Error) -> Option<&'static str> {
        let said = error.to_string();
        if said.contains("UnknownIssuer") {
            return Some("name the CA of its certificate with --tls-ca");
        }
        if said.contains("NotValidForName") || said.contains("not valid for name") {
            return Some(
                "use the name that is in its certificate, or --tls-no-hostname-check if any of that CA will do",
            );
        }
        if ["HandshakeFailure", "CertificateRequired", "BadCertificate"]
            .iter()
            .any(|alert| said.contains(alert))
        {
            return Some("it may want a certificate: give --tls-cert and --tls-key");
        }
        let is_other = said.contains("InvalidContentType") || said.contains("corrupt message");
        let hung_up = self.is_first && hung_up(error);
        (is_other || hung_up).then_some("is it a listener with TLS? if not, leave the --tls flags away")
    }

    /// What may help when the connection ended with `error` after so many `answers`, of which the first is to `ApiVersions`.
    pub(super) fn of_end(self, error: &io::Error, answers: u64) -> Option<&'static str> {
        // Java says the second if none is shown.
        let said = error.to_string();
        if self.has_tls && (said.contains("CertificateRequired") || said.contains("BadCertificate")) {
            return Some("it wants a certificate of a CA that it trusts: give --tls-cert and --tls-key");
        }
        if !self.is_first || !hung_up(error) {
            return None;
        }
        match (answers, self.has_tls, self.has_login) {
            (0, false, _) => Some("it may be a listener with TLS: try --tls"),
            (1, _, false) => Some("it may want a login: try --user, with --password-file"),
            _ => None,
        }
    }
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Whether the first bytes of an answer are the head of a record of TLS: an alert or a handshake, of SSL 3 to TLS 1.3.
pub(super) fn looks_like_tls(head: i32) -> bool {
    matches!(head.to_be_bytes(), [0x15 | 0x16, 3, 0..=4, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Circumstances = Circumstances { is_first: true, has_tls: false, has_login: false };

    #[test]
    fn an_alert_of_tls_is_told_from_a_size() {
        assert!(looks_like_tls(i32::from_be_bytes([0x15, 3, 3, 0])));
        for size in [4, 1000, 64 << 20, -1] {
            assert!(!looks_like_tls(size));
        }
    }

    #[test]
    fn who_is_hung_up_on_at_first_is_told_what_may_be_missing_and_later_it_is_a_restart() {
        let end = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(PLAIN.of_end(&end, 0).unwrap().contains("--tls"));
        assert!(PLAIN.of_end(&end, 1).unwrap().contains("--user"));
        assert_eq!(PLAIN.of_end(&end, 2), None);
        assert_eq!(Circumstances { is_first: false, ..PLAIN }.of_end(&end, 0), None);
        assert_eq!(Circumstances { has_login: true, ..PLAIN }.of_end(&end, 1), None);
        assert_eq!(PLAIN.of_end(&io::ErrorKind::TimedOut.into(), 0), None);
    }
}
