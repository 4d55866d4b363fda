//! A client's connection, as the HTTP/2 server reads and writes it: it holds its place, and can be cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::transport::server::Connected;

use super::admission::Place;
use super::caller::Caller;

/// What bytes come and go over: TCP, or TLS over it.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that was accepted and speaks HTTP/2.
pub struct Incoming {
    pub stream: Box<dyn Duplex>,
    pub caller: Caller,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Incoming {
    /// In plain text.
    ///
    /// # Errors
    /// If the other end is gone already.
    pub fn plain(stream: TcpStream) -> io::Result<Self> {
        let peer = stream.peer_addr()?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream), caller: Caller::anonymous(peer) })
    }
}

/// See the module.
pub(super) struct Connection {
    stream: Box<dyn Duplex>,
    caller: Caller,
    /// Resolves when it has to end.
    cut: BoxFuture<'static, ()>,
    is_cut: bool,
    _place: Place,
}

impl Connection {
    /// Ends, as if the client had gone, once `cut` is true or its sender is dropped.
    pub(super) fn new(incoming: Incoming, place: Place, mut cut: watch::Receiver<bool>) -> Self {
        let Incoming { stream, caller } = incoming;
        let cut = async move { drop(cut.wait_for(|cut| *cut).await) }.boxed();
        Self { stream, caller, cut, is_cut: false, _place: place }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        Pin::new(&mut *self.get_mut().stream)
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_cut = self.is_cut || self.cut.poll_unpin(cx).is_ready();
        if self.is_cut {
            return Poll::Ready(Ok(()));
        }
        self.inner().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
