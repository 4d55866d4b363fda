//! `Gate`: gossip's TCP connections, so many at a time and with frames of a bounded size. Not here: what frames say.
//!
//! memberlist's own TCP layer has neither bound. Its decoder reserves what the first bytes of a stranger announce, up to
//! 4 GiB and before any key is asked for; and while the header of a plain frame is incomplete it spins on a thread of
//! the runtime, for ever. The gate lets it see a frame only when its header is there and announces what is allowed.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;

use memberlist::agnostic::tokio::TokioRuntime;
use memberlist::net::stream_layer::{Listener, PromisedStream, StreamLayer};
use memberlist::proto::{ProtoReader, ProtoWriter};
use memberlist::transport::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The whole state of a cluster goes into one frame: about 300 bytes for each address that a node ever had.
const MAX_FRAME_BYTES: usize = 2 << 20;
/// Connections of others at a time. memberlist gives each two seconds; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 32;

/// The first byte of a frame, in memberlist's protocol.
const COMPOUND: u8 = 1;
const FIRST_PLAIN: u8 = 2;
const LAST_PLAIN: u8 = 11;
const ENCRYPTED: u8 = 15;
/// Kind, algorithm or count, and 4 bytes of length.
const FIXED_HEADER: usize = 6;
/// Kind, and a varint of at most 5 bytes.
const LONGEST_PLAIN_HEADER: usize = 6;

/// memberlist's stream layer. Its option: whether only encrypted frames are taken.
pub(super) struct Gate {
    sealed: bool,
}

impl StreamLayer for Gate {
    type Runtime = TokioRuntime;
    type Listener = GateListener;
    type Stream = GateStream;
    type Options = bool;

    async fn new(sealed: bool) -> Result<Gate> {
        Ok(Gate { sealed })
    }

    async fn connect(&self, address: SocketAddr) -> Result<GateStream> {
        GateStream::new(TcpStream::connect(address).await?, self.sealed, None)
    }

    async fn bind(&self, address: SocketAddr) -> Result<GateListener> {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Ok(GateListener { listener, local, room, sealed: self.sealed })
    }

    /// Whether the layer itself encrypts.
    fn is_secure() -> bool {
        false
    }
}

pub(super) struct GateListener {
    listener: TcpListener,
    local: SocketAddr,
    room: Arc<Semaphore>,
    sealed: bool,
}

impl Listener for GateListener {
    type Stream = GateStream;

    async fn accept(&self) -> Result<(GateStream, SocketAddr)> {
        let place = self.room.clone().acquire_owned().await.map_err(Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        Ok((GateStream::new(stream, self.sealed, Some(place))?, peer))
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }
}

pub(super) struct GateStream {
    reader: GateReader,
    writer: GateWriter,
    local: SocketAddr,
    peer: SocketAddr,
}

impl GateStream {
    fn new(stream: TcpStream, sealed: bool, place: Option<OwnedSemaphorePermit>) -> Result<GateStream> {
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let (reader, writer) = stream.into_split();
        let reader = GateReader { half: reader, seen: Vec::new(), admitted: false, sealed, _place: place };
        Ok(GateStream { reader, writer: GateWriter(writer), local, peer })
    }
}

impl PromisedStream for GateStream {
    type Instant = Instant;

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}

impl Connection for GateStream {
    type Reader = GateReader;
    type Writer = GateWriter;

    fn split(self) -> (GateReader, GateWriter) {
        (self.reader, self.writer)
    }

    async fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.reader.read(into).await
    }

    async fn read_exact(&mut self, into: &mut [u8]) -> Result<()> {
        self.reader.read_exact(into).await
    }

    async fn peek(&mut self, into: &mut [u8]) -> Result<usize> {
        self.reader.peek(into).await
    }

    async fn peek_exact(&mut self, into: &mut [u8]) -> Result<()> {
        self.reader.peek_exact(into).await
    }

    async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).await
    }

    async fn flush(&mut self) -> Result<()> {
        self.writer.flush().await
    }

    async fn close(&mut self) -> Result<()> {
        self.writer.close().await
    }
}

/// memberlist reads one frame of a connection, and peeks at no more than its header.
pub(super) struct GateReader {
    half: OwnedReadHalf,
    /// Received, and not read yet. At most a header, or what was peeked at.
    seen: Vec<u8>,
    /// The header was there and announced what is allowed.
    admitted: bool,
    sealed: bool,
    /// Among [`MAX_CONNECTIONS`], as long as the frame is read.
    _place: Option<OwnedSemaphorePermit>,
}

impl GateReader {
    /// Reads until `count` bytes are seen.
    async fn see(&mut self, count: usize) -> Result<()> {
        while self.seen.len() < count {
            let missing = count - self.seen.len();
            let received = (&mut self.half).take(missing as u64).read_buf(&mut self.seen).await?;
            if received == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn admit(&mut self) -> Result<()> {
        if self.admitted {
            return Ok(());
        }
        self.see(1).await?;
        let announced = match self.seen[0] {
            ENCRYPTED => self.fixed_length().await?,
            COMPOUND if !self.sealed => self.fixed_length().await?,
            FIRST_PLAIN..=LAST_PLAIN if !self.sealed => self.varint_length().await?,
            kind => return Err(refused(format!("a gossip frame of kind {kind} is not taken"))),
        };
        if announced > MAX_FRAME_BYTES {
            return Err(refused(format!(
                "a gossip frame announces {announced} bytes, above {MAX_FRAME_BYTES}"
            )));
        }
        self.admitted = true;
        Ok(())
    }

    async fn fixed_length(&mut self) -> Result<usize> {
        self.see(FIXED_HEADER).await?;
        let length = &self.seen[2..FIXED_HEADER];
        Ok(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    async fn varint_length(&mut self) -> Result<usize> {
        let mut length = 0;
        for place in 1..LONGEST_PLAIN_HEADER {
            self.see(place + 1).await?;
            let byte = self.seen[place];
            length |= usize::from(byte & 0x7f) << (7 * (place - 1));
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(refused("a gossip frame announces no length".to_owned()))
    }
}

fn refused(reason: String) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

impl ProtoReader for GateReader {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.admit().await?;
        if self.seen.is_empty() {
            return self.half.read(into).await;
        }
        let count = into.len().min(self.seen.len());
        into[..count].copy_from_slice(&self.seen[..count]);
        self.seen.drain(..count);
        Ok(count)
    }

    async fn read_exact(&mut self, into: &mut [u8]) -> Result<()> {
        self.admit().await?;
        let count = into.len().min(self.seen.len());
        into[..count].copy_from_slice(&self.seen[..count]);
        self.seen.drain(..count);
        self.half.read_exact(&mut into[count..]).await.map(drop)
    }

    async fn peek(&mut self, into: &mut [u8]) -> Result<usize> {
        self.admit().await?;
        let count = into.len().min(self.seen.len());
        into[..count].copy_from_slice(&self.seen[..count]);
        Ok(count)
    }

    async fn peek_exact(&mut self, into: &mut [u8]) -> Result<()> {
        self.admit().await?;
        self.see(into.len()).await?;
        into.copy_from_slice(&self.seen[..into.len()]);
        Ok(())
    }
}

pub(super) struct GateWriter(OwnedWriteHalf);

impl ProtoWriter for GateWriter {
    async fn close(&mut self) -> Result<()> {
        self.0.shutdown().await
    }

    async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).await
    }

    async fn flush(&mut self) -> Result<()> {
        self.0.flush().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What the reader of a connection makes of `bytes` and the end of the stream.
    async fn peeked(sealed: bool, bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let gate = Gate::new(sealed).await.unwrap();
        let listener = gate.bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        sender.write_all(bytes).await.unwrap();
        drop(sender);
        let mut header = [0; LONGEST_PLAIN_HEADER];
        let count = stream.peek(&mut header).await.map_err(|error| error.to_string())?;
        Ok(header[..count].to_vec())
    }

    #[tokio::test]
    async fn a_frame_is_seen_when_its_whole_header_is_there() {
        for header in [&[4, 3][..], &[8, 0x80, 0x01], &[1, 2, 0, 0, 0, 9], &[15, 0, 0, 0x20, 0, 0]] {
            for cut in 1..header.len() {
                let refusal = peeked(false, &header[..cut]).await.unwrap_err();
                assert_eq!(refusal, "unexpected end of file", "{header:?} up to {cut}");
            }
            assert_eq!(peeked(false, header).await, Ok(header.to_vec()));
        }
    }

    #[tokio::test]
    async fn a_frame_that_announces_too_much_is_not_seen() {
        let too_much =
            [&[8, 0x81, 0x80, 0x80, 0x01][..], &[1, 1, 0xff, 0xff, 0xff, 0xff], &[15, 0, 0, 0x20, 0, 1]];
        for header in too_much {
            let refusal = peeked(false, header).await.unwrap_err();
            assert!(refusal.contains("above 2097152"), "{header:?}: {refusal}");
        }
        let endless = peeked(false, &[8, 0xff, 0xff, 0xff, 0xff, 0xff]).await.unwrap_err();
        assert!(endless.ends_with("no length"), "{endless}");
    }

    #[tokio::test]
    async fn a_sealed_gate_takes_only_encrypted_frames_and_none_takes_what_hides_its_length() {
        for (sealed, kind) in
            [(true, 1), (true, 8), (true, 11), (false, 0), (false, 12), (false, 13), (false, 14), (false, 16)]
        {
            let refusal = peeked(sealed, &[kind, 0, 0, 0, 0, 0]).await.unwrap_err();
            assert!(refusal.ends_with("is not taken"), "{kind}: {refusal}");
        }
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_for_another_to_end() {
        let gate = Gate::new(false).await.unwrap();
        let listener = gate.bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut accepted = Vec::new();
        let mut connected = Vec::new();
        for _ in 0..=MAX_CONNECTIONS {
            connected.push(TcpStream::connect(listener.local_addr()).await.unwrap());
        }
        for _ in 0..MAX_CONNECTIONS {
            accepted.push(listener.accept().await.unwrap());
        }
        let one_more = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(one_more.is_err());
        accepted.pop();
        listener.accept().await.unwrap();
    }
}
