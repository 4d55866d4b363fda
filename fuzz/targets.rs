//! What is fuzzed, and what must hold for any input. Shared by the cargo-fuzz targets beside this file and by
//! `tests/fuzz_smoke.rs`.

#![allow(dead_code, reason = "each fuzz target uses one of the functions")]

#[path = "damage.rs"]
mod damage;

use bateau::access::sasl::{
    AuthError, Bearer, BearerRules, Decoy, Directory, Exchange, Jwks, Mechanism, ScramCredential,
    ScramMechanism, Step, UnixMillis,
};
use bateau::access::users_file::Users;
use bateau::coordinator::GroupRecord;
use bateau::http::{BookRequest, ProduceRequest};
use bateau::model::compression::Compression;
use bateau::model::record::{Records, validate_records};
use bateau::wire::frame::{FrameBuffer, READ_MIN};
use bateau::wire::offset_requests::{decode_offset_commit, decode_offset_fetch};
use bateau::wire::schema::{MAX_ELEMENTS, versions, walk, walk_header};
use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestHeader, RequestKind};
use kafka_protocol::protocol::Decodable;

/// What a batch may unpack to.
const UNPACKED_LIMIT: usize = 256 * 1024;

/// The largest frame that is taken.
const FRAME_MAX: usize = 1000;

const BATCH_HEADER: usize = 61;

/// `ListOffsets` 11 and `DescribeLogDirs` 5 are laid out as the versions where kafka-protocol 0.18 ends.
const LAST_LIST_OFFSETS: i16 = 10;
const LAST_DESCRIBE_LOG_DIRS: i16 = 4;

/// A frame that passes the walk is decoded, up to the byte where the walk ended; so the decoder reserved for elements
/// that were there.
pub(crate) fn request(frame: &[u8]) {
    let Some([a, b, c, d]) = frame.first_chunk::<4>() else {
        return;
    };
    let (api_key, version) = (i16::from_be_bytes([*a, *b]), i16::from_be_bytes([*c, *d]));
    let covered = versions(api_key).is_some_and(|versions| versions.contains(&version));
    let Ok(api) = ApiKey::try_from(api_key) else {
        return;
    };
    if !covered {
        assert!(walk(api_key, version, frame).is_err());
        return;
    }
    let header_version = api.request_header_version(version);
    let Ok(header) = walk_header(header_version, frame) else {
        return;
    };
    let mut rest = Bytes::copy_from_slice(frame);
    RequestHeader::decode(&mut rest, header_version).expect("the header passed the walk");
    assert_eq!(frame.len() - rest.len(), header);

    let Ok(walked) = walk(api_key, version, &rest) else {
        return;
    };
    assert!(walked.elements <= MAX_ELEMENTS);
    let body = rest.len();
    let passed = "the body passed the walk";
    let coded = match api {
        ApiKey::ListOffsets => version.min(LAST_LIST_OFFSETS),
        ApiKey::DescribeLogDirs => version.min(LAST_DESCRIBE_LOG_DIRS),
        _ => version,
    };
    match api {
        ApiKey::OffsetCommit => drop(decode_offset_commit(&mut rest, version).expect(passed)),
        ApiKey::OffsetFetch => drop(decode_offset_fetch(&mut rest, version).expect(passed)),
        _ => drop(RequestKind::decode(api, &mut rest, coded).expect(passed)),
    }
    assert_eq!(body - rest.len(), walked.consumed);
}

/// A batch unpacks within the limit or not at all, and what the validation says of its records is so.
pub(crate) fn batch(batch: &[u8]) {
    let Some((header, packed)) = batch.split_first_chunk::<BATCH_HEADER>() else {
        return;
    };
    let attributes = i16::from_be_bytes([header[21], header[22]]);
    let count = i32::from_be_bytes([header[57], header[58], header[59], header[60]]);
    let Ok(codec) = Compression::from_attributes(attributes) else {
        return;
    };
    let Ok(unpacked) = codec.decompress(packed, UNPACKED_LIMIT) else {
        return;
    };
    assert!(unpacked.len() <= UNPACKED_LIMIT);
    let Ok(facts) = validate_records(&unpacked, count) else {
        return;
    };
    let mut keyless = 0;
    let mut read = 0;
    for record in Records::new(&unpacked, count).expect("the count was validated") {
        let record = record.expect("the records were validated");
        assert_eq!(record.headers.len(), record.headers.clone().count());
        assert!(record.timestamp_delta <= facts.max_timestamp_delta);
        keyless += usize::from(record.key.is_none());
        read += 1;
    }
    assert_eq!((read, keyless > 0), (facts.count, facts.first_keyless.is_some()));
}

/// A record of `__consumer_offsets` is refused, skipped, or read as what it is when written again. The first byte is the
/// size of the key; no bytes behind the key are a tombstone.
pub(crate) fn group_record(input: &[u8]) {
    let Some((size, rest)) = input.split_first() else {
        return;
    };
    let (key, value) = rest.split_at(usize::from(*size).min(rest.len()));
    let Ok(Some(read)) = GroupRecord::decode(key, Some(value).filter(|value| !value.is_empty())) else {
        return;
    };
    if let GroupRecord::Group { value: Some(group), .. } = &read {
        assert!(group.members.capacity() <= value.len());
    }
    let again = |record: &GroupRecord| {
        let (key, value) = record.encode();
        GroupRecord::decode(&key, value.as_deref())
            .expect("what was written is read")
            .expect("and not skipped")
    };
    // An expiry costs the epoch and the topic id, once.
    let first = again(&read);
    let expires = |record: &GroupRecord| match record {
        GroupRecord::Offset { value: Some(offset), .. } => offset.expire_timestamp_ms.is_some(),
        GroupRecord::Offset { value: None, .. } | GroupRecord::Group { .. } => false,
    };
    assert!(first == read || expires(&read));
    assert_eq!(again(&first), first);
}

/// Frames come out whole and the same, however the bytes are cut; room is made for what came, not for what is announced.
/// The first byte says how they are cut.
pub(crate) fn frame(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else {
        return;
    };
    let frames_of = |cut: usize| {
        let (mut buffer, mut frames) = (FrameBuffer::new(FRAME_MAX), Vec::new());
        for part in bytes.chunks(cut) {
            assert!(buffer.room_wanted() <= (2 * buffer.len()).max(2 * READ_MIN).max(bytes.len()));
            buffer.space(part.len()).extend_from_slice(part);
            loop {
                let has_frame = buffer.has_frame();
                match buffer.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break assert!(!has_frame),
                    Err(error) => return (frames, Some(error)),
                }
                if cut.is_multiple_of(3) {
                    buffer.release();
                }
            }
        }
        (frames, None)
    };
    assert_eq!(frames_of(usize::from(*cut).max(1)), frames_of(bytes.len().max(1)));
}

/// A body of an HTTP request is refused in words of a bounded size, or holds no more records than it has bytes.
pub(crate) fn http_body(body: &[u8]) {
    if let Err(error) = BookRequest::parse(body) {
        assert!(error.to_string().len() <= 2000);
    }
    match ProduceRequest::parse(body).and_then(ProduceRequest::into_records) {
        Ok((records, is_one)) => {
            assert!(!records.is_empty() && records.len() <= body.len());
            assert!(!is_one || records.len() == 1);
        }
        Err(error) => assert!(error.to_string().len() <= 2000),
    }
}

/// A directory without users, that checks tokens by a key set from the input.
struct Nobody {
    decoy: Decoy,
    keys: Jwks,
}

impl Directory for Nobody {
    fn plain(&self, _: &str, _: &str) -> bool {
        false
    }

    fn scram(&self, _: &str, _: ScramMechanism) -> Option<ScramCredential> {
        None
    }

    fn bearer(&self, token: &str, now: UnixMillis) -> Result<Bearer, AuthError> {
        Ok(BearerRules::default().check(&self.keys, token, now)?)
    }

    fn decoy(&self) -> &Decoy {
        &self.decoy
    }
}

/// Nobody is let in where nobody is known, no exchange goes on after its end, and no file does harm. The first byte
/// chooses the mechanism; after it each message has its length in two bytes, and what is left is a file.
pub(crate) fn sasl(input: &[u8]) {
    let Some((first, mut rest)) = input.split_first() else { return };
    let mechanism = Mechanism::ALL[usize::from(*first) % Mechanism::ALL.len()];
    let mut nobody = Nobody { decoy: Decoy::new(b"fuzz"), keys: Jwks::default() };
    let mut exchange = Exchange::begin(mechanism);
    let mut has_ended = false;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let Some((message, behind)) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        else {
            break;
        };
        match exchange.step(message, &nobody, UnixMillis(0), &mut || [7; 18]) {
            Step::Done { principal, .. } => panic!("{principal} was let in"),
            Step::Challenge(_) => assert!(!has_ended, "an exchange went on after its end"),
            Step::Refused { .. } => has_ended = true,
        }
        rest = behind;
    }
    if let Ok(users) = Users::parse(rest) {
        assert!(users.iter().all(|(name, password)| users.check(name, password.reveal())));
    }
    // With keys of the input a token of the input may well be good; it must only do no harm.
    nobody.keys = Jwks::parse(rest).unwrap_or_default();
    let token = String::from_utf8_lossy(rest);
    let _ = nobody.bearer(&token, UnixMillis(0));
    let lax = BearerRules { allow_unsecured: true, ..BearerRules::default() };
    let _ = lax.check(&nobody.keys, &token, UnixMillis(0));
}

/// A log, its indexes, its snapshot and the votes, damaged anywhere.
pub(crate) fn log(input: &[u8]) {
    damage::reopened(input, None);
}

/// The indexes alone, which are derived: what is wrong in them is seen or repaired.
pub(crate) fn index(input: &[u8]) {
    damage::reopened(input, Some("index"));
}
