//! How a connection begins: who the two sides are, what the connection is for, and whether they speak.
//!
//! Opening: [`FIRST_BYTE`], magic, purpose (1 byte), the node that is looked for (4 bytes; zero if a purpose looks for
//! none), length (2 bytes), hello. Reply: verdict (1 byte), length (2 bytes),
//! then a hello or the text of a refusal. A hello: version (2), flags (1: cluster id known, 2: node id known),
//! cluster id (16), directory id (16), start id (8), node id (4), and whatever a later version appends. All big-endian.

use bytes::{Buf, BufMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;

use super::Lane;
use super::ended::Ended;

/// Tells peers from gRPC and TLS, which share the port and begin otherwise.
pub const FIRST_BYTE: u8 = 0x01;
/// What this binary speaks.
pub const VERSION: u16 = 1;
/// The oldest version that this binary still speaks.
pub const VERSION_MIN: u16 = 1;

const MAGIC: &[u8; 6] = b"bateau";
const PURPOSE_BYTES: usize = 1 + 4;
/// Without what later versions append.
const HELLO_BYTES: usize = 2 + 1 + 16 + 16 + 8 + 4;
/// Of a hello or of the text of a refusal.
const BODY_BYTES_MAX: usize = 1024;
const CLUSTER_KNOWN: u8 = 1;
const NODE_KNOWN: u8 = 2;
const ADMITTED: u8 = 0;
const REFUSED: u8 = 1;

/// Who a node says it is when a connection opens; both sides send one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// None: no cluster was formed or joined yet.
    pub cluster_id: Option<Uuid>,
    pub node_id: Option<i32>,
    pub directory_id: Uuid,
    /// New at every start of the process.
    pub start_id: u64,
    /// The highest that the node speaks; of a peer's hello, once admitted: what both speak.
    pub version: u16,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests of a lane, to this node and to no other that may have its address now.
    Lane(Lane, i32),
    /// A request from a node that does not know whom it asks.
    Once,
}

impl Purpose {
    fn put(self, out: &mut Vec<u8>) {
        let (byte, wanted) = match self {
            Self::Lane(Lane::Control, wanted) => (0, wanted),
            Self::Lane(Lane::Data, wanted) => (1, wanted),
            Self::Once => (2, 0),
        };
        out.put_u8(byte);
        out.put_i32(wanted);
    }

    fn take(mut body: &[u8]) -> Result<Self, Ended> {
        let (byte, wanted) = (body.get_u8(), body.get_i32());
        match byte {
            0 => Ok(Self::Lane(Lane::Control, wanted)),
            1 => Ok(Self::Lane(Lane::Data, wanted)),
            2 => Ok(Self::Once),
            other => Err(Ended::Garbage { what: "purpose", found: u64::from(other) }),
        }
    }

    /// Whether `hello` is of the node that is looked for.
    pub(super) fn looks_for(self, hello: &Hello) -> Result<(), String> {
        match (self, hello.node_id) {
            (Self::Once, _) => Ok(()),
            (Self::Lane(_, wanted), Some(found)) if wanted == found => Ok(()),
            (Self::Lane(_, wanted), Some(found)) => {
                Err(format!("node {wanted} was looked for where node {found} is"))
            }
            (Self::Lane(_, wanted), None) => {
                Err(format!("node {wanted} was looked for where a node without an id is"))
            }
        }
    }
}

impl Hello {
    fn put(&self, out: &mut Vec<u8>) {
        let cluster = if self.cluster_id.is_some() { CLUSTER_KNOWN } else { 0 };
        let node = if self.node_id.is_some() { NODE_KNOWN } else { 0 };
        out.put_u16(HELLO_BYTES as u16);
        out.put_u16(self.version);
        out.put_u8(cluster | node);
        out.put_slice(self.cluster_id.unwrap_or_default().as_bytes());
        out.put_slice(self.directory_id.as_bytes());
        out.put_u64(self.start_id);
        out.put_i32(self.node_id.unwrap_or_default());
    }

    /// Takes a hello that may be longer than ours.
    fn take(mut body: &[u8]) -> Result<Self, Ended> {
        if body.len() < HELLO_BYTES {
            return Err(Ended::Garbage { what: "length of a hello", found: body.len() as u64 });
        }
        let version = body.get_u16();
        let flags = body.get_u8();
        let cluster_id = Uuid::from_u128(body.get_u128());
        let directory_id = Uuid::from_u128(body.get_u128());
        let start_id = body.get_u64();
        let node_id = body.get_i32();
        Ok(Self {
            cluster_id: (flags & CLUSTER_KNOWN != 0).then_some(cluster_id),
            node_id: (flags & NODE_KNOWN != 0).then_some(node_id),
            directory_id,
            start_id,
            version,
        })
    }

    /// `peer` with the version that both sides speak.
    pub(super) fn negotiated(&self, mut peer: Self) -> Result<Self, String> {
        let both = self.version.min(peer.version);
        if both < VERSION_MIN {
            let (theirs, ours) = (peer.version, self.version);
            return Err(format!("versions {theirs} and {ours} have none in common from {VERSION_MIN} on"));
        }
        peer.version = both;
        Ok(peer)
    }
}

/// Says who we are.
pub(super) async fn send_opening<S>(stream: &mut S, purpose: Purpose, hello: &Hello) -> Result<(), Ended>
where
    S: AsyncWrite + Unpin + ?Sized,
{
    let mut out = Vec::with_capacity(64);
    out.put_u8(FIRST_BYTE);
    out.put_slice(MAGIC);
    purpose.put(&mut out);
    hello.put(&mut out);
    send(stream, &out).await
}

/// Reads who opened a connection and what for; not a byte more.
pub(super) async fn read_opening<S>(stream: &mut S) -> Result<(Purpose, Hello), Ended>
where
    S: AsyncRead + Unpin + ?Sized,
{
    let mut head = [0; 1 + MAGIC.len() + PURPOSE_BYTES];
    stream.read_exact(&mut head).await?;
    if head[0] != FIRST_BYTE || head[1..=MAGIC.len()] != *MAGIC {
        return Err(Ended::Garbage { what: "opening", found: u64::from(head[0]) });
    }
    let body = read_body(stream).await?;
    Ok((Purpose::take(&head[1 + MAGIC.len()..])?, Hello::take(&body)?))
}

/// Answers an opening with our hello, or a refusal.
pub(super) async fn send_verdict<S>(stream: &mut S, verdict: Result<&Hello, &str>) -> Result<(), Ended>
where
    S: AsyncWrite + Unpin + ?Sized,
{
    let mut out = Vec::with_capacity(64);
    match verdict {
        Ok(hello) => {
            out.put_u8(ADMITTED);
            hello.put(&mut out);
        }
        Err(text) => {
            let text = cut(text, BODY_BYTES_MAX);
            out.put_u8(REFUSED);
            out.put_u16(text.len() as u16);
            out.put_slice(text.as_bytes());
        }
    }
    send(stream, &out).await
}

/// Reads the reply to an opening: the other side's hello, or [`Ended::Refused`].
pub(super) async fn read_verdict<S>(stream: &mut S) -> Result<Hello, Ended>
where
    S: AsyncRead + Unpin + ?Sized,
{
    let verdict = stream.read_u8().await?;
    if verdict > REFUSED {
        return Err(Ended::Garbage { what: "verdict", found: u64::from(verdict) });
    }
    let body = read_body(stream).await?;
    if verdict == ADMITTED {
        return Hello::take(&body);
    }
    Err(Ended::Refused(printable(&body, BODY_BYTES_MAX)))
}

async fn read_body<S: AsyncRead + Unpin + ?Sized>(stream: &mut S) -> Result<Vec<u8>, Ended> {
    let length = usize::from(stream.read_u16().await?);
    if length > BODY_BYTES_MAX {
        return Err(Ended::Garbage { what: "length of a hello", found: length as u64 });
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn send<S: AsyncWrite + Unpin + ?Sized>(stream: &mut S, bytes: &[u8]) -> Result<(), Ended> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// At most `max` bytes of `text`, whole characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// A peer's text as one line for a log: at most `max` bytes of it, control characters replaced.
pub(super) fn printable(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(max)]);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
