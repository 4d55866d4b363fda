//! One response as it goes out: size, header and body in one buffer, with lent records in between.
//!
//! Generic over the lent records `R`, so that this room needs no storage.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use super::header::RequestHeader;

/// Room for a small response at once.
const FIRST_ROOM: usize = 256;

/// Records that are lent, not copied.
pub trait Lent {
    /// Bytes that will go out for it.
    fn size(&self) -> usize;
}

/// A piece of a response, in order.
#[derive(Debug)]
pub enum Chunk<R> {
    Bytes(Bytes),
    Lent(R),
}

/// A message that its version cannot carry: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the response cannot be encoded as version {version}")]
pub struct EncodeError {
    pub version: i16,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A response under construction. Its size field is right once [`ResponseFrame::finish`] has run.
#[derive(Debug)]
pub struct ResponseFrame<R> {
    /// Size, header and body up to the first lent records.
    head: BytesMut,
    /// What follows, in order.
    tail: Vec<Chunk<R>>,
    tail_len: usize,
}

/// Where a response goes: what it must repeat of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    pub correlation_id: i32,
    /// API version, in which the body is encoded.
    pub version: i16,
    pub header_version: i16,
}

impl From<&RequestHeader> for ReplyTo {
    fn from(header: &RequestHeader) -> Self {
        Self {
            correlation_id: header.correlation_id,
            version: header.version,
            header_version: header.response_header_version(),
        }
    }
}

impl<R: Lent> ResponseFrame<R> {
    /// A frame with its header, ready for the body.
    pub fn new(to: ReplyTo) -> Self {
        let mut head = BytesMut::with_capacity(FIRST_ROOM);
        head.put_i32(0);
        head.put_i32(to.correlation_id);
        if to.header_version >= 1 {
            head.put_u8(0); // no tagged fields
        }
        Self { head, tail: Vec::new(), tail_len: 0 }
    }

    /// A token of SASL as it is, behind its size: what follows `SaslHandshake` v0.
    pub fn bare(token: &[u8]) -> Self {
        let mut head = BytesMut::with_capacity(4 + token.len());
        head.put_i32(0);
        head.put_slice(token);
        Self { head, tail: Vec::new(), tail_len: 0 }.finish()
    }

    /// A whole response around `message`.
    ///
    /// # Errors
    /// If a field is set that the version lacks.
    pub fn around(to: ReplyTo, message: &impl Encodable) -> Result<Self, EncodeError> {
        let mut frame = Self::new(to);
        match message.encode(&mut frame.head, to.version) {
            Ok(()) => Ok(frame.finish()),
            Err(source) => Err(EncodeError { version: to.version, source: source.into() }),
        }
    }

    /// The buffer for the body before any lent records.
    pub fn head_mut(&mut self) -> &mut BytesMut {
        &mut self.head
    }

    /// Adds `chunk` behind everything so far.
    pub fn push(&mut self, chunk: Chunk<R>) {
        self.tail_len += match &chunk {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::Lent(records) => records.size(),
        };
        self.tail.push(chunk);
    }

    /// Writes the size field.
    #[must_use]
    pub fn finish(mut self) -> Self {
        let size = self.head.len() - 4 + self.tail_len;
        let size = u32::try_from(size).unwrap_or(u32::MAX); // fetch.max.bytes keeps it far below 2 GiB
        self.head[..4].copy_from_slice(&size.to_be_bytes());
        self
    }

    /// Size, header and body up to the first lent records; then the rest, in order.
    pub fn into_parts(self) -> (BytesMut, Vec<Chunk<R>>) {
        (self.head, self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::InitProducerIdResponse;

    #[derive(Debug)]
    struct Zeros(usize);
    impl Lent for Zeros {
        fn size(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn the_size_counts_header_body_and_lent_records() {
        let mut frame = ResponseFrame::new(ReplyTo { correlation_id: 9, version: 0, header_version: 1 });
        frame.head_mut().put_slice(b"abc");
        frame.push(Chunk::Lent(Zeros(10)));
        frame.push(Chunk::Bytes(Bytes::from_static(b"de")));
        let (head, tail) = frame.finish().into_parts();
        assert_eq!(&head[..], b"\0\0\0\x14\0\0\0\x09\0abc");
        assert_eq!(tail.len(), 2);
    }

    #[test]
    fn a_message_is_wrapped_as_its_version_demands() {
        let message = InitProducerIdResponse::default();
        for (version, header_version, len) in [(0, 0, 4 + 4 + 16), (4, 1, 4 + 5 + 17)] {
            let to = ReplyTo { correlation_id: 1, version, header_version };
            let (head, tail) = ResponseFrame::<Zeros>::around(to, &message).unwrap().into_parts();
            assert_eq!((head.len(), tail.len()), (len, 0), "version {version}");
            assert_eq!(head[..4], u32::try_from(len - 4).unwrap().to_be_bytes());
        }
    }
}
