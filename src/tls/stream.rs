//! TLS over a socket, as streams: for doors that do not need to see ciphertext.

use std::io;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::{ClientTls, PeerCertificate, ServerTls, server_name};

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for S {}

/// A client that agreed with one of several.
pub struct Accepted {
    pub stream: Box<dyn Duplex>,
    /// Which one.
    pub choice: usize,
    /// What the client showed.
    pub certificate: Option<PeerCertificate>,
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("choice", &self.choice).finish_non_exhaustive()
    }
}

/// Agrees with a client on TLS by the first of `choices` that speaks a protocol (ALPN) which the client names. The caller
/// bounds the wait.
///
/// # Errors
/// The socket's; `InvalidData` if the client speaks no TLS, names no protocol of any choice, or shows no certificate that
/// is taken where one is required.
pub async fn accept(stream: TcpStream, choices: &[&ServerTls]) -> io::Result<Accepted> {
    let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let hello = begun.client_hello();
    let wanted: Vec<Vec<u8>> = hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
    let choice = choices.iter().position(|choice| wanted.iter().any(|protocol| choice.speaks(protocol)));
    let Some(choice) = choice else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it names no protocol that is spoken here"));
    };
    let stream = begun.into_stream(choices[choice].config()).await?;
    let certificate = PeerCertificate::of(stream.get_ref().1);
    Ok(Accepted { stream: Box::new(stream), choice, certificate })
}

impl ClientTls {
    /// Agrees on TLS with whoever is at the other end of `stream`, which is expected to be `host`.
    ///
    /// # Errors
    /// The socket's; `InvalidData` if the other side is not who it should be, or takes this one for nobody.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> io::Result<Box<dyn Duplex>> {
        let name = server_name(host).map_err(io::Error::other)?;
        Ok(Box::new(self.connector().connect(name, stream).await?))
    }
}
