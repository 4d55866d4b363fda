//! One raw TCP connection to a broker: frames out, frames in, nothing remembered but the correlation id.
//! It is not a client: no retries, no version negotiation, and it sends broken bytes when asked to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};

use crate::topic_ids;

/// A broker that says nothing for this long is recorded as silent.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// No answer of these scripts comes near this size; more means that the frame length is nonsense.
const LARGEST_ANSWER: usize = 64 << 20;

/// What came back for one request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// One frame, without its length, beginning with the correlation id.
    Frame(Bytes),
    /// The broker closed the connection.
    Closed,
    /// Nothing within [`ANSWER_DEADLINE`].
    Silent,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    correlation: i32,
}

impl Connection {
    pub(crate) fn open(broker: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { stream, correlation: 0 })
    }

    /// The correlation id of the request sent last.
    pub(crate) fn correlation(&self) -> i32 {
        self.correlation
    }

    pub(crate) fn send<R: Request + 'static>(&mut self, version: i16, request: &R) -> Result<(), String> {
        self.correlation += 1;
        let bytes = frame(version, self.correlation, request)?;
        // A broker may close while we still write: that shows when the answer is read.
        let _ = self.stream.write_all(&bytes);
        Ok(())
    }

    /// Sends `bytes` as they are, length included.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn receive(&mut self) -> Reply {
        self.read_frame().map_or_else(
            |error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Reply::Silent,
                _ => Reply::Closed,
            },
            Reply::Frame,
        )
    }

    fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if size > LARGEST_ANSWER {
            return Err(io::Error::other("an answer larger than any of these scripts asks for"));
        }
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body)?;
        Ok(body.into())
    }
}

/// The schema to encode `version` of an API with: the newest that the codec knows, if that is older.
///
/// So `ListOffsets` v11 has the layout of v10 (KIP-1023 gave it a new special timestamp only). `OffsetCommit` and
/// `OffsetFetch` v10 have one of their own, see `topic_ids.rs`.
fn schema<R: Request + 'static>(version: i16) -> i16 {
    version.min(R::VERSIONS.max)
}

fn answer_schema<R: Request + 'static>(version: i16) -> i16 {
    version.min(<R::Response as Message>::VERSIONS.max)
}

/// A whole request, its length first.
pub(crate) fn frame<R: Request + 'static>(
    version: i16,
    correlation: i32,
    request: &R,
) -> Result<Vec<u8>, String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("golden")));
    let mut body = BytesMut::new();
    header
        .encode(&mut body, R::header_version(schema::<R>(version)))
        .and_then(|()| match topic_ids::encode(request, version) {
            Some(bytes) => {
                body.extend_from_slice(&bytes);
                Ok(())
            }
            None => request.encode(&mut body, schema::<R>(version)),
        })
        .map_err(|error| format!("API {} v{version} cannot be encoded: {error}", R::KEY))?;
    Ok(framed(&body))
}

/// `body` with its length before it.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let size = i32::try_from(body.len()).unwrap_or(i32::MAX);
    [&size.to_be_bytes(), body].concat()
}

/// Decodes the answer to `R` at `version` and the number of bytes that no field claimed.
pub(crate) fn decode<R: Request + 'static>(
    frame: &mut Bytes,
    version: i16,
    correlation: i32,
) -> Result<(R::Response, usize), String> {
    let version = answer_schema::<R>(version);
    let header = ResponseHeader::decode(frame, R::Response::header_version(version))
        .map_err(|error| error.to_string())?;
    if header.correlation_id != correlation {
        return Err(format!("an answer to request {} instead of {correlation}", header.correlation_id));
    }
    let response = R::Response::decode(frame, version).map_err(|error| error.to_string())?;
    Ok((response, frame.remaining()))
}
