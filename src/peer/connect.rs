//! Where streams come from: TCP in a node, pipes in a simulation.

use std::io;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What a connection runs over.
pub trait AsyncReadWrite: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncReadWrite for S {}

pub type BoxedStream = Box<dyn AsyncReadWrite>;

/// Opens streams.
pub trait Connect: Send + Sync + 'static {
    /// `address` is host:port, to be resolved at each try. The wait is bounded by the caller.
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<BoxedStream>>;
}

/// Plain TCP, without Nagle's wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnect;

impl Connect for TcpConnect {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<BoxedStream>> {
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        }
        .boxed()
    }
}

/// A stream that somebody else opened.
pub(super) enum Incoming {
    Stream(BoxedStream),
    Tcp(TcpStream),
}

impl Incoming {
    /// Makes the stream one of the runtime that this is called on: a socket's readiness is otherwise reported by the
    /// runtime that accepted it, and would wait for that one's load.
    pub(super) fn settle(self) -> io::Result<BoxedStream> {
        match self {
            Self::Stream(stream) => Ok(stream),
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                Ok(Box::new(TcpStream::from_std(stream.into_std()?)?))
            }
        }
    }

    pub(super) fn stream(&mut self) -> &mut dyn AsyncReadWrite {
        match self {
            Self::Stream(stream) => stream,
            Self::Tcp(stream) => stream,
        }
    }
}
