//! The header before each request, and which header version goes with which API version.
//!
//! Two oddities (KIP-482, KIP-511): the client id stays a classic string even in the flexible header, and an
//! `ApiVersions` response has header v0 always, since the client cannot know yet what the broker speaks.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use super::schema::{self, WalkError};

/// Bytes before the client id: key, version, correlation id.
const FIXED_LEN: usize = 8;

/// What a request says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestHeader {
    pub api: ApiKey,
    pub version: i16,
    /// Chosen by the client; the response carries it back.
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
}

/// Why a frame has no readable header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("a frame of {len} bytes has no request header")]
    Short { len: usize },
    #[error("api key {key} (version {version}) is unknown")]
    UnknownApi { key: i16, version: i16 },
    #[error(transparent)]
    Malformed(#[from] WalkError),
}

impl RequestHeader {
    /// Parses the header at the front of `frame` and leaves the body there.
    ///
    /// The version may be one that nobody serves: the header of a too new version is still readable.
    pub fn take(frame: &mut Bytes) -> Result<Self, HeaderError> {
        let len = frame.len();
        let Some(fixed) = frame.first_chunk::<FIXED_LEN>() else { return Err(HeaderError::Short { len }) };
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *fixed;
        let key = i16::from_be_bytes([k0, k1]);
        let version = i16::from_be_bytes([v0, v1]);
        let api = ApiKey::try_from(key).map_err(|()| HeaderError::UnknownApi { key, version })?;
        let body_at = schema::walk_header(api.request_header_version(version), frame)?;
        let client_id = client_id(frame.slice(FIXED_LEN..body_at));
        frame.advance(body_at);
        Ok(Self { api, version, correlation_id: i32::from_be_bytes([c0, c1, c2, c3]), client_id })
    }

    /// The version of the response's header: 1 if it has tagged fields.
    pub fn response_header_version(&self) -> i16 {
        self.api.response_header_version(self.version)
    }
}

/// The walk has seen that length and text are sound.
fn client_id(mut bytes: Bytes) -> Option<StrBytes> {
    let len = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    if len > bytes.len() {
        return None;
    }
    StrBytes::from_utf8(bytes.split_to(len)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(key: i16, version: i16, rest: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&key.to_be_bytes());
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&7i32.to_be_bytes());
        bytes.extend_from_slice(rest);
        bytes.into()
    }

    #[test]
    fn a_classic_header_ends_after_the_client_id() {
        let mut frame = header(3, 1, b"\0\x02mebody");
        let parsed = RequestHeader::take(&mut frame).unwrap();
        assert_eq!(parsed.api, ApiKey::Metadata);
        assert_eq!((parsed.version, parsed.correlation_id), (1, 7));
        assert_eq!(parsed.client_id.as_deref(), Some("me"));
        assert_eq!(&frame[..], b"body");
    }

    #[test]
    fn a_flexible_header_skips_tagged_fields_and_has_a_classic_client_id() {
        let mut frame = header(3, 9, b"\xff\xff\x01\x05\x02abbody");
        let parsed = RequestHeader::take(&mut frame).unwrap();
        assert_eq!(parsed.client_id, None);
        assert_eq!(parsed.response_header_version(), 1);
        assert_eq!(&frame[..], b"body");
    }

    #[test]
    fn an_unknown_key_and_a_cut_header_are_refused() {
        assert_eq!(
            RequestHeader::take(&mut header(999, 3, b"\0\0")),
            Err(HeaderError::UnknownApi { key: 999, version: 3 })
        );
        assert_eq!(
            RequestHeader::take(&mut Bytes::from_static(b"\0\x03\0")),
            Err(HeaderError::Short { len: 3 })
        );
        assert!(matches!(
            RequestHeader::take(&mut header(3, 9, b"\0\x09ab")),
            Err(HeaderError::Malformed(_))
        ));
    }

    #[test]
    fn an_api_versions_response_never_has_tagged_fields_in_its_header() {
        let mut frame = header(18, 4, b"\0\0\0");
        assert_eq!(RequestHeader::take(&mut frame).unwrap().response_header_version(), 0);
    }
}
