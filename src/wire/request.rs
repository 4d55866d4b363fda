//! The client's side of the wire: requests as they go out, responses as they come back.
//!
//! Not here: the socket, and which version is spoken (`client` agrees on one with the broker). As requests are walked,
//! what is decoded here is first checked to have what it announces.

mod announced;

use std::ops::RangeInclusive;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{HeaderVersion, Message};

pub use kafka_protocol::protocol::Request;

use super::{ApiKey, Decodable};
use announced::ANSWER_MAX;

/// Bytes of the size before a frame.
const SIZE_LEN: usize = 4;
/// What is longer is cut off.
const CLIENT_ID_MAX: usize = 255;

/// A message that does not go on the wire, or off it, as the version has it.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("api {key} cannot be encoded as version {version}")]
    Encode {
        key: i16,
        version: i16,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the answer to api {key} cannot be decoded as version {version}")]
    Decode {
        key: i16,
        version: i16,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the answer to api {key} ends within its header of version {version}")]
    Header { key: i16, version: i16 },
    #[error("a request of {bytes} bytes does not fit its 32-bit size")]
    TooLarge { bytes: usize },
    #[error("the answer to api {key} has {bytes} bytes, more than {ANSWER_MAX}")]
    AnswerTooLarge { key: i16, bytes: usize },
}

/// The versions of `R` that can be spoken: those that both its request and its response have.
pub fn versions<R: Request>() -> RangeInclusive<i16> {
    let (ours, theirs) = (<R as Message>::VERSIONS, <R::Response as Message>::VERSIONS);
    ours.min.max(theirs.min)..=ours.max.min(theirs.max)
}

/// A whole frame: size, header, body.
///
/// # Errors
/// [`CodecError`] if a field is set that the version does not have.
pub fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Bytes, CodecError> {
    let mut frame = BytesMut::new();
    frame.put_bytes(0, SIZE_LEN);
    frame.put_i16(R::KEY);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    // Never compact, in any version of the header.
    let client_id = &client_id.as_bytes()[..client_id.len().min(CLIENT_ID_MAX)];
    frame.put_i16(i16::try_from(client_id.len()).unwrap_or(i16::MAX));
    frame.put_slice(client_id);
    if R::header_version(version) >= 2 {
        frame.put_u8(0);
    }
    let encoded = request.encode(&mut frame, version);
    encoded.map_err(|source| CodecError::Encode { key: R::KEY, version, source: source.into() })?;
    let bytes = frame.len() - SIZE_LEN;
    let size = i32::try_from(bytes).map_err(|_| CodecError::TooLarge { bytes })?;
    frame[..SIZE_LEN].copy_from_slice(&size.to_be_bytes());
    Ok(frame.freeze())
}

/// The response in `body`, which begins after the correlation id.
///
/// # Errors
/// [`CodecError::Decode`] if it is none, or announces more than it has.
pub fn decode<R: Request>(mut body: Bytes, version: i16) -> Result<R::Response, CodecError> {
    let (key, bytes) = (R::KEY, body.len());
    if bytes > ANSWER_MAX && key != ApiKey::Fetch as i16 {
        return Err(CodecError::AnswerTooLarge { key, bytes });
    }
    if <R::Response as HeaderVersion>::header_version(version) >= 1 {
        skip_tagged_fields(&mut body).ok_or(CodecError::Header { key, version })?;
    }
    decode_message(body, version).map_err(|source| CodecError::Decode { key, version, source })
}

/// A message of `version` that stands by itself in `body`, as the members of a group send them to each other.
///
/// # Errors
/// If it is none, or announces more than it has.
pub fn decode_message<M: Decodable>(
    mut body: Bytes,
    version: i16,
) -> Result<M, Box<dyn std::error::Error + Send + Sync>> {
    announced::check::<M>(&body, version)?;
    Ok(M::decode(&mut body, version)?)
}

/// No tagged field of a response header is known.
fn skip_tagged_fields(body: &mut Bytes) -> Option<()> {
    for _ in 0..uvarint(body)? {
        uvarint(body)?;
        let size = uvarint(body)? as usize;
        if size > body.len() {
            return None;
        }
        body.advance(size);
    }
    Some(())
}

fn uvarint(body: &mut Bytes) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..32).step_by(7) {
        let byte = body.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Encodable;
    use super::super::messages::{ApiVersionsRequest, MetadataRequest, MetadataResponse};
    use super::*;

    #[test]
    fn a_frame_has_its_size_its_header_and_a_classic_client_id_in_every_version() {
        let request = MetadataRequest::default().with_topics(None);
        for version in versions::<MetadataRequest>() {
            let mut frame = encode(&request, version, 7, "me").unwrap();
            assert_eq!(usize::try_from(frame.get_i32()).unwrap(), frame.len());
            assert_eq!((frame.get_i16(), frame.get_i16(), frame.get_i32()), (3, version, 7));
            assert_eq!(&frame[..4], b"\0\x02me");
            assert_eq!(frame[4] == 0 && version >= 9, version >= 9, "tagged fields of version {version}");
        }
    }

    #[test]
    fn unknown_tagged_fields_of_a_response_header_are_skipped() {
        let mut body = BytesMut::from(&b"\x01\x05\x02ab"[..]);
        MetadataResponse::default().encode(&mut body, 12).unwrap();
        decode::<MetadataRequest>(body.freeze(), 12).unwrap();
        let cut = decode::<MetadataRequest>(Bytes::from_static(b"\x01\x05\x09ab"), 12);
        assert!(matches!(cut, Err(CodecError::Header { .. })), "{cut:?}");
    }

    #[test]
    fn an_answer_to_api_versions_has_no_tagged_fields_in_its_header() {
        let answer = b"\0\0\x01\0\0\0\0\0";
        decode::<ApiVersionsRequest>(Bytes::from_static(answer), 3).unwrap();
    }
}
