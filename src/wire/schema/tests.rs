//! The table against Kafka's own message JSON (the seeds), against kafka-protocol, and against lies.

use std::path::Path;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, RequestKind};
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

use super::field::{Field, Type, Versions, field};
use super::*;
use crate::wire::offset_requests::{decode_offset_commit, decode_offset_fetch};

/// kafka-protocol 0.18 ends at `ListOffsets` 10, 11 only adds a meaning to a timestamp; and at `DescribeLogDirs` 4, 5 only
/// adds to the answer.
fn decoder_version(api_key: i16, version: i16) -> i16 {
    match api_key {
        2 => version.min(10),
        35 => version.min(4),
        _ => version,
    }
}

/// `OffsetCommit` and `OffsetFetch` 10 are read by `wire::offset_requests`.
fn is_ours(api_key: i16, version: i16) -> bool {
    matches!((api_key, version), (8 | 9, 10))
}

/// Decodes `body` and returns the request and how many bytes it took.
fn decode(api_key: i16, version: i16, body: &[u8]) -> Option<(RequestKind, usize)> {
    let mut bytes = Bytes::copy_from_slice(body);
    let api = ApiKey::try_from(api_key).unwrap();
    let request = match api {
        ApiKey::OffsetCommit => {
            decode_offset_commit(&mut bytes, version).map(RequestKind::OffsetCommit).ok()?
        }
        ApiKey::OffsetFetch => decode_offset_fetch(&mut bytes, version).map(RequestKind::OffsetFetch).ok()?,
        _ => RequestKind::decode(api, &mut bytes, decoder_version(api_key, version)).ok()?,
    };
    Some((request, body.len() - bytes.len()))
}

fn every_version() -> Vec<(i16, i16)> {
    let all = |request: &Request| {
        let (key, Versions { min, max }) = (request.api_key, request.versions);
        (min..=max).map(move |version| (key, version)).collect::<Vec<_>>()
    };
    let mut versions: Vec<_> = table::requests().flat_map(all).collect();
    versions.sort_unstable();
    versions
}

/// Writes a valid body by the table, drawing its choices from `entropy`; endless zeros when that runs dry.
struct Writer<'a> {
    out: BytesMut,
    entropy: std::slice::Iter<'a, u8>,
    version: i16,
    flexible: bool,
}

impl Writer<'_> {
    fn choice(&mut self, below: u8) -> u8 {
        self.entropy.next().copied().unwrap_or(0) % below
    }

    fn uvarint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.put_u8(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.out.put_u8(u8::try_from(value).unwrap());
    }

    fn length(&mut self, ty: Type, length: Option<usize>) {
        let signed = length.map_or(-1, |length| i32::try_from(length).unwrap());
        match (self.flexible, ty) {
            (true, _) => self.uvarint(length.map_or(0, |length| length + 1)),
            (false, Type::String) => self.out.put_i16(i16::try_from(signed).unwrap()),
            (false, _) => self.out.put_i32(signed),
        }
    }

    fn field(&mut self, field: &Field) {
        let may_be_null = field.nullable.contains(self.version);
        let null = may_be_null && self.choice(3) == 0;
        match field.ty {
            Type::Fixed(size) => {
                let byte = self.choice(2);
                self.out.put_bytes(byte, size);
            }
            Type::Struct(_) if null => self.out.put_i8(-1),
            ty if null => self.length(ty, None),
            Type::String | Type::Bytes => {
                let length = usize::from(self.choice(200));
                self.length(field.ty, Some(length));
                self.out.put_bytes(b'k', length);
            }
            Type::Array(element) => {
                let count = usize::from(self.choice(4));
                self.length(field.ty, Some(count));
                for _ in 0..count {
                    self.field(&super::field::field(field.name, *element));
                }
            }
            Type::Struct(fields) => {
                if may_be_null {
                    self.out.put_i8(1);
                }
                self.fields(fields);
            }
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.is_plain_in(version)) {
            self.field(field);
        }
        if !self.flexible {
            return;
        }
        let known = fields.iter().filter(|f| f.tag.is_some() && f.versions.contains(version));
        let mut tagged = Vec::new();
        for field in known {
            if self.choice(2) == 1 {
                let outer = std::mem::take(&mut self.out);
                self.field(field);
                tagged.push((field.tag.unwrap(), std::mem::replace(&mut self.out, outer)));
            }
        }
        if self.choice(4) == 1 {
            tagged.push((999, BytesMut::from(&b"later"[..])));
        }
        self.uvarint(tagged.len());
        for (tag, value) in tagged {
            self.uvarint(tag as usize);
            self.uvarint(value.len());
            self.out.put_slice(&value);
        }
    }
}

fn valid_body(api_key: i16, version: i16, entropy: &[u8]) -> Bytes {
    let request = request(api_key).unwrap();
    let flexible = version >= request.flexible_from;
    let mut writer = Writer { out: BytesMut::new(), entropy: entropy.iter(), version, flexible };
    writer.fields(request.fields);
    writer.out.freeze()
}

/// What passes the walk the decoder takes, to the same byte. It then pushed as many elements as it reserved.
fn check_agreement(api_key: i16, version: i16, body: &[u8]) {
    if let Ok(walked) = walk(api_key, version, body) {
        let decoded = decode(api_key, version, body);
        let consumed = decoded.map(|(_, consumed)| consumed);
        assert_eq!(consumed, Some(walked.consumed), "api {api_key} v{version} {body:02x?}");
    }
}

fn an_api_and_version() -> impl Strategy<Value = (i16, i16)> {
    prop::sample::select(every_version())
}

#[test]
fn every_frame_written_from_kafkas_message_json_walks_to_its_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/request");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let frame = std::fs::read(&path).unwrap();
        let api_key = i16::from_be_bytes([frame[0], frame[1]]);
        let version = i16::from_be_bytes([frame[2], frame[3]]);
        let header_version = ApiKey::try_from(api_key).unwrap().request_header_version(version);
        let header = walk_header(header_version, &frame).unwrap();
        let walked = walk(api_key, version, &frame[header..]).map(|walked| walked.consumed);
        assert_eq!(walked, Ok(frame.len() - header), "{}", path.display());
        assert!(decode(api_key, version, &frame[header..]).is_some(), "{}", path.display());
        seen.push((api_key, version));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, every_version());
}

#[test]
fn a_request_is_flexible_from_the_version_whose_header_is() {
    for (api_key, version) in every_version() {
        let header_version = ApiKey::try_from(api_key).unwrap().request_header_version(version);
        let flexible = version >= request(api_key).unwrap().flexible_from;
        assert_eq!(header_version == 2, flexible, "api {api_key} v{version}");
    }
}

#[test]
fn twenty_bytes_that_announce_two_billion_topics_are_refused() {
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 3, 0, 1, 0, 0, 0, 7, 0, 2]);
    frame.put_slice(b"ab");
    frame.put_i32(i32::MAX);
    frame.put_i32(0);
    assert_eq!(frame.len(), 20);
    let header = walk_header(1, &frame).unwrap();
    let refusal = WalkError::Count { field: "Topics", count: i32::MAX.into(), min_size: 2, left: 4 };
    assert_eq!(walk(3, 1, &frame[header..]), Err(refusal));
}

#[test]
fn a_count_is_bounded_by_the_smallest_element_of_its_version() {
    let refusal = |min_size, left| WalkError::Count { field: "Topics", count: 3, min_size, left };
    assert_eq!(walk(3, 1, &[0, 0, 0, 3, 0, 0, 0, 0]), Err(refusal(2, 4)));
    // Flexible from v9: a compact string and the count of tagged fields; a topic id besides from v10.
    assert_eq!(walk(3, 9, &[4, 1, 0, 1, 0]), Err(refusal(2, 4)));
    assert_eq!(walk(3, 10, &[&[4][..], &[0; 53]].concat()), Err(refusal(18, 53)));
}

#[test]
fn a_count_that_lies_in_any_array_of_any_version_is_refused() {
    for (api_key, version) in every_version() {
        let body = valid_body(api_key, version, &[1; 4096]);
        for at in 0..body.len() {
            for lie in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff]] {
                let mut lying = body.to_vec();
                let end = body.len().min(at + lie.len());
                lying[at..end].copy_from_slice(&lie[..end - at]);
                check_agreement(api_key, version, &lying);
            }
        }
    }
}

#[test]
fn bytes_after_the_body_are_not_consumed_and_no_error() {
    let walked = walk(3, 1, b"\0\0\0\0junk").unwrap();
    assert_eq!(walked, Walked { consumed: 4, elements: 0 });
}

#[test]
fn null_is_refused_where_the_schema_has_none() {
    assert_eq!(walk(3, 0, &[0xff; 4]), Err(WalkError::Null { field: "Topics", version: 0 }));
    assert_eq!(walk(3, 1, &[0xff; 4]).unwrap().consumed, 4);
    assert_eq!(walk(20, 4, &[0]), Err(WalkError::Null { field: "TopicNames", version: 4 }));
}

#[test]
fn negative_lengths_other_than_null_are_refused() {
    let refusal = walk(3, 1, &[0xff, 0xff, 0xff, 0xfe]);
    assert!(matches!(refusal, Err(WalkError::Count { count: -2, .. })), "{refusal:?}");
    let refusal = walk(22, 0, &[0xff, 0xfe, 0, 0, 0, 0]);
    assert_eq!(refusal, Err(WalkError::Length { field: "TransactionalId", length: -2 }));
}

#[test]
fn a_string_that_is_not_utf8_is_refused() {
    let refusal = walk(3, 1, &[0, 0, 0, 1, 0, 2, 0xff, 0xfe]);
    assert_eq!(refusal, Err(WalkError::NotUtf8 { field: "Name" }));
}

#[test]
fn a_varint_beyond_32_bits_is_refused_and_a_padded_one_read() {
    let refusal = walk(3, 12, &[0xff, 0xff, 0xff, 0xff, 0x10]);
    assert_eq!(refusal, Err(WalkError::Varint { field: "Topics" }));
    assert_eq!(walk(3, 12, &[0x81, 0x00, 0, 0, 0]).unwrap().consumed, 5);
}

/// A Fetch v12 body without topics, up to its tagged fields.
const FETCH_V12: [u8; 28] = {
    let mut body = [0; 28];
    body[25] = 1;
    body[26] = 1;
    body[27] = 1;
    body
};

#[test]
fn a_known_tagged_field_is_walked_inside_its_size() {
    let with_tags = |tags: &[u8]| walk(1, 12, &[&FETCH_V12, tags].concat());
    assert_eq!(with_tags(&[1, 0, 2, 2, b'a']).unwrap().consumed, 33);
    let too_long = WalkError::TagSize { field: "ClusterId", size: 3, consumed: 2 };
    assert_eq!(with_tags(&[1, 0, 3, 2, b'a', 0]), Err(too_long));
    let too_short = WalkError::Truncated { field: "ClusterId", needed: 1, left: 0 };
    assert_eq!(with_tags(&[1, 0, 1, 2, b'a']), Err(too_short));
    let unknown_yet = WalkError::UnexpectedTag { field: "ReplicaState", version: 12 };
    assert_eq!(with_tags(&[1, 1, 1, 0]), Err(unknown_yet));
}

#[test]
fn more_elements_than_a_request_may_hold_are_refused() {
    let body = |count: usize| {
        let mut body = BytesMut::new();
        body.put_u32(u32::try_from(count).unwrap());
        body.put_bytes(0, 2 * count);
        body
    };
    assert_eq!(walk(3, 0, &body(MAX_ELEMENTS)).unwrap().elements, MAX_ELEMENTS);
    let refusal = walk(3, 0, &body(MAX_ELEMENTS + 1));
    assert_eq!(refusal, Err(WalkError::TooManyElements { field: "Topics" }));
}

#[test]
fn a_decoded_element_takes_no_more_than_the_bound_says() {
    use kafka_protocol::messages as m;
    let structs = [
        size_of::<m::create_topics_request::CreatableTopic>(),
        size_of::<m::fetch_request::FetchPartition>(),
        size_of::<m::fetch_request::FetchTopic>(),
        size_of::<m::produce_request::TopicProduceData>(),
        size_of::<m::produce_request::PartitionProduceData>(),
        size_of::<m::create_partitions_request::CreatePartitionsTopic>(),
        size_of::<m::describe_configs_request::DescribeConfigsResource>(),
        size_of::<m::incremental_alter_configs_request::AlterableConfig>(),
        size_of::<m::metadata_request::MetadataRequestTopic>(),
        size_of::<m::offset_commit_request::OffsetCommitRequestTopic>(),
        size_of::<m::offset_commit_request::OffsetCommitRequestPartition>(),
        size_of::<m::offset_fetch_request::OffsetFetchRequestGroup>(),
        size_of::<m::offset_fetch_request::OffsetFetchRequestTopics>(),
        size_of::<m::join_group_request::JoinGroupRequestProtocol>(),
        size_of::<m::leave_group_request::MemberIdentity>(),
        size_of::<m::sync_group_request::SyncGroupRequestAssignment>(),
        size_of::<m::offset_delete_request::OffsetDeleteRequestTopic>(),
    ];
    let largest = structs.into_iter().max().unwrap();
    assert!(largest <= 128, "{largest}");
    // A leaf of std's BTreeMap holds 11 entries, its parent and two counts.
    let map_node = 11 * (size_of::<i32>() + size_of::<Bytes>()) + 16;
    assert!(largest + map_node <= 2 * MAX_ELEMENT_BYTES, "{largest} {map_node}");
}

#[test]
fn what_the_table_does_not_cover_is_named_in_the_refusal() {
    assert_eq!(walk(999, 0, &[]), Err(WalkError::UnknownApi { api_key: 999 }));
    let refusal = WalkError::UnsupportedVersion { api: "Fetch", version: 3, min: 4, max: 18 };
    assert_eq!(walk(1, 3, &[]), Err(refusal));
    assert_eq!(walk_header(0, &[0; 20]), Err(WalkError::UnsupportedHeader { version: 0 }));
    assert_eq!(versions(2), Some(1..=11));
    assert_eq!(versions(999), None);
}

#[test]
fn a_nullable_struct_is_one_byte_when_absent() {
    const INNER: &[Field] = &[field("Number", Type::Fixed(4))];
    const OUTER: &[Field] = &[field("Cursor", Type::Struct(INNER)).nullable()];
    let walked = |bytes: &[u8]| {
        let mut walker = Walker::new(bytes, 0, false);
        walker.walk_fields(OUTER).map(|()| walker.bytes.position())
    };
    assert_eq!(walked(&[0xff]), Ok(1));
    assert_eq!(walked(&[1, 0, 0, 0, 9]), Ok(5));
    assert_eq!(walked(&[2, 0, 0, 0, 9]), Err(WalkError::Length { field: "Cursor", length: 2 }));
    assert_eq!(Type::Struct(OUTER).min_size(0, false), 1);
}

proptest! {
    #[test]
    fn a_valid_request_walks_to_its_end_as_written_and_as_kafka_protocol_encodes_it(
        (api_key, version) in an_api_and_version(),
        entropy in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let body = valid_body(api_key, version, &entropy);
        prop_assert_eq!(walk(api_key, version, &body).map(|w| w.consumed), Ok(body.len()));
        let (request, consumed) = decode(api_key, version, &body).unwrap();
        prop_assert_eq!(consumed, body.len());
        if is_ours(api_key, version) {
            return Ok(());
        }
        let mut encoded = BytesMut::new();
        request.encode(&mut encoded, decoder_version(api_key, version)).unwrap();
        prop_assert_eq!(walk(api_key, version, &encoded).map(|w| w.consumed), Ok(encoded.len()));
        prop_assert_eq!(decode(api_key, version, &encoded).unwrap().0, request);
    }

    #[test]
    fn a_truncated_request_is_refused(
        (api_key, version) in an_api_and_version(),
        entropy in prop::collection::vec(any::<u8>(), 0..400),
        cut in any::<prop::sample::Index>(),
    ) {
        let body = valid_body(api_key, version, &entropy);
        prop_assume!(!body.is_empty());
        prop_assert!(walk(api_key, version, &body[..cut.index(body.len())]).is_err());
    }

    #[test]
    fn a_mutated_request_that_passes_the_walk_is_decoded(
        (api_key, version) in an_api_and_version(),
        entropy in prop::collection::vec(any::<u8>(), 0..400),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = valid_body(api_key, version, &entropy).to_vec();
        prop_assume!(!body.is_empty());
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        check_agreement(api_key, version, &body);
    }

    #[test]
    fn a_header_that_passes_the_walk_is_decoded(
        header_version in 1_i16..=2,
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..40),
    ) {
        if let Ok(consumed) = walk_header(header_version, &bytes) {
            let mut rest = Bytes::copy_from_slice(&bytes);
            prop_assert!(RequestHeader::decode(&mut rest, header_version).is_ok());
            prop_assert_eq!(bytes.len() - rest.len(), consumed);
        }
    }
}
