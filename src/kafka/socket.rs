//! One client's socket: reads into a buffer, writes bytes, sends file ranges. Every write has a bound.
//!
//! Not here: what the bytes mean (`connection.rs`).

mod plain;
mod secure;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use bytes::BufMut;
use tokio::net::TcpStream;

use crate::tls::{PeerCertificate, ServerTls};
use plain::Plain;
use secure::Secure;

#[derive(Debug)]
pub(super) enum Socket {
    Plain(Plain),
    Secure(Box<Secure>),
}

impl Socket {
    /// `stall_max`: how long a write may go without progress.
    pub(super) fn plain(stream: TcpStream, stall_max: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Plain(Plain::new(stream, stall_max)))
    }

    /// Waits until both sides agree on keys; the caller bounds the wait.
    ///
    /// # Errors
    /// If the client speaks no TLS, or shows no certificate that is taken where one is required.
    pub(super) async fn secure(stream: TcpStream, stall_max: Duration, tls: &ServerTls) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let secure = Secure::begin(stream, stall_max, tls.begin()?).await?;
        Ok(Self::Secure(Box::new(secure)))
    }

    /// Who showed a certificate.
    pub(super) fn peer_certificate(&self) -> Option<PeerCertificate> {
        match self {
            Self::Plain(_) => None,
            Self::Secure(secure) => secure.peer_certificate(),
        }
    }

    /// Waits until there is something to read, or the peer is gone. Cancel safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.readable().await,
            Self::Secure(secure) => secure.readable().await,
        }
    }

    /// Reads what is there into `buffer`'s spare room; `None`: nothing was, after all. 0: the peer has closed.
    pub(super) fn try_read(&self, buffer: &mut impl BufMut) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(plain) => plain.try_read(buffer),
            Self::Secure(secure) => secure.try_read(buffer),
        }
    }

    /// Takes what there is room for at once of `bytes`: how many. [`Socket::is_sent`] says whether they are on their way.
    pub(super) fn try_write(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.try_write(bytes, more),
            Self::Secure(secure) => secure.try_write(bytes),
        }
    }

    /// Whether nothing that was taken waits here for the system.
    pub(super) fn is_sent(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Secure(secure) => secure.is_sent(),
        }
    }

    /// How long a write may go without progress.
    pub(super) fn stall_max(&self) -> Duration {
        match self {
            Self::Plain(plain) => plain.stall_max(),
            Self::Secure(secure) => secure.stall_max(),
        }
    }

    /// Waits until more can be written, or `pause` is over.
    pub(super) async fn writable_within(&self, pause: Duration) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.writable_within(pause).await,
            Self::Secure(secure) => secure.writable_within(pause).await,
        }
    }

    /// Writes all of `bytes`. With `more` the kernel may hold them back for what follows at once.
    pub(super) async fn write_all(&self, bytes: &[u8], more: bool) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.write_all(bytes, more).await,
            Self::Secure(secure) => secure.write_all(bytes).await,
        }
    }

    /// Sends `length` bytes of `file` from `position`; on a plain socket without copying them through this process.
    pub(super) async fn send_file(
        &self,
        file: BorrowedFd<'_>,
        position: u64,
        length: usize,
    ) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.send_file(file, position, length).await,
            Self::Secure(secure) => secure.send_file(file, position, length).await,
        }
    }
}
