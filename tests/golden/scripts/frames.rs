//! Frames that are no valid request. Recorded is the answer, or that the connection is closed.

use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest, ProduceRequest};

use crate::session::Session;
use crate::wire::{frame, framed};

/// Twice Kafka's `socket.request.max.bytes`.
const OVERSIZE: i32 = 200 << 20;

/// A header of the flexible kind or not, with correlation id 0, and `body` behind it.
fn request(key: i16, version: i16, flexible: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = [key.to_be_bytes(), version.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 0, 0, 2, b'g', b't']);
    bytes.extend(flexible.then_some(0));
    bytes.extend(body);
    framed(&bytes)
}

pub(crate) fn frames(s: &mut Session) -> Result<(), String> {
    s.raw("unknown_api_key", &request(9999, 0, false, &[]))?;
    s.raw("negative_api_key", &request(-1, 0, false, &[]))?;
    s.raw("key_of_a_removed_api", &request(4, 7, true, &[]))?;
    s.raw("metadata_version_too_new", &request(3, 99, true, &[0, 0, 0, 0]))?;
    s.raw("metadata_version_negative", &request(3, -1, false, &[0, 0, 0, 0]))?;
    s.raw("fetch_version_too_old", &request(1, 3, false, &[0; 20]))?;
    s.raw("list_offsets_version_too_old", &request(2, 0, false, &[0; 8]))?;
    s.raw("create_topics_version_too_old", &request(19, 1, false, &[0; 9]))?;
    // Advertised from 0 for the sake of old clients, but not served below 3 (KIP-896).
    for version in 0..3 {
        let body = [&[0, 1][..], &[0, 0, 0, 100], &[0, 0, 0, 0]].concat();
        s.raw(&format!("produce_version_{version}"), &request(0, version, false, &body))?;
    }
    s.raw("empty_frame", &framed(&[]))?;
    s.raw("header_cut_off", &framed(&[0, 18, 0, 0, 0]))?;
    s.raw("body_cut_off", &request(3, 1, false, &[0, 0, 0, 5]))?;
    s.raw("array_longer_than_the_frame", &request(3, 1, false, &[0x7f, 0xff, 0xff, 0xff]))?;
    s.raw("client_id_longer_than_the_frame", &framed(&[0, 18, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, b'g']))?;
    s.raw("negative_size", &(-1_i32).to_be_bytes())?;
    s.raw("oversize", &OVERSIZE.to_be_bytes())?;

    let null_client = framed(&[0, 18, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    s.raw_as::<ApiVersionsRequest>("null_client_id", &null_client, 0)?;
    let ill = request(3, 1, false, &[0, 0, 0, 1, 0, 2, 0xff, 0xfe]);
    s.raw_as::<MetadataRequest>("name_is_not_utf8", &ill, 1)?;
    let mut trailing = request(3, 1, false, &[0, 0, 0, 0]);
    trailing.extend([1, 2, 3, 4]);
    let size = i32::try_from(trailing.len() - 4).unwrap_or_default();
    trailing[..4].copy_from_slice(&size.to_be_bytes());
    s.raw_as::<MetadataRequest>("bytes_behind_the_body", &trailing, 1)?;
    // An unknown tagged field, in the header and in the body: to be skipped.
    let tagged = [&[1, 77, 2, 9, 9][..], &[7], b"golden", &[2, b'1'], &[1, 77, 1, 5]].concat();
    s.raw_as::<ApiVersionsRequest>("unknown_tagged_fields", &request(18, 3, false, &tagged), 3)?;
    two_at_once(s)?;
    let empty = ProduceRequest::default().with_acks(1).with_timeout_ms(1000);
    s.raw_as::<ProduceRequest>("produce_nothing", &frame(9, 0, &empty)?, 9)
}

/// Both requests arrive in one write; the answers come in the order of the requests.
fn two_at_once(s: &mut Session) -> Result<(), String> {
    let none = MetadataRequest::default().with_topics(Some(Vec::new()));
    let both = [frame(1, 0, &none)?, frame(9, 0, &none)?].concat();
    s.raw_as::<MetadataRequest>("two_at_once_first", &both, 1)?;
    s.answer::<MetadataRequest>("two_at_once_second", 9).map(drop)
}
