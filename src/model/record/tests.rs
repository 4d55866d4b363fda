//! Records of real clients, round trips, and everything that can be wrong with a record.

use proptest::prelude::*;

use super::*;
use crate::model::compression::Compression;

const BATCH_HEADER: usize = 61;

fn int<const N: usize>(batch: &[u8], at: usize) -> [u8; N] {
    batch[at..at + N].try_into().unwrap()
}

fn count_of(batch: &[u8]) -> i32 {
    i32::from_be_bytes(int(batch, 57))
}

fn unpack(batch: &[u8]) -> Vec<u8> {
    let attributes = i16::from_be_bytes(int(batch, 21));
    let codec = Compression::from_attributes(attributes).unwrap();
    codec.decompress(&batch[BATCH_HEADER..], 1 << 20).unwrap().into_owned()
}

/// Three records, in a batch as Kafka 4.3 stored what Java's console producer or librdkafka sent it.
fn batch_of_client(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/batch");
    std::fs::read(format!("{folder}/{name}.bin")).unwrap()
}

fn bytes_of(records: &[NewRecord]) -> Vec<u8> {
    let mut builder = RecordBuilder::default();
    for record in records {
        builder.push(record).unwrap();
    }
    builder.bytes().to_vec()
}

fn key_value<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> NewRecord<'a> {
    NewRecord { timestamp: 1000, key, value, headers: &[] }
}

#[test]
fn records_of_real_clients_are_read_with_their_repeated_headers() {
    let java = ["java-none", "java-gzip", "java-snappy", "java-lz4", "java-zstd"];
    let librdkafka = ["kcat-gzip", "kcat-snappy", "kcat-lz4", "kcat-zstd"];
    for name in java.iter().chain(&librdkafka) {
        let batch = &batch_of_client(name);
        // Only the batches of the Java client number the values of their headers.
        let numbered = name.starts_with("java");
        let unpacked = unpack(batch);
        let records = Records::new(&unpacked, count_of(batch)).unwrap();
        let records: Vec<_> = records.map(Result::unwrap).collect();
        assert_eq!(records.len(), 3);
        for (index, record) in records.iter().enumerate() {
            let number = index + 1;
            assert_eq!(record.key, Some(format!("key-{number}").as_bytes()));
            assert!(record.value.unwrap().starts_with(format!("value {number}: ").as_bytes()));
            let suffix = if numbered { number.to_string() } else { String::new() };
            let (a, b) = (format!("a{suffix}"), format!("b{suffix}"));
            let trace = |value| HeaderRef { key: b"trace", value };
            let expected = [trace(Some(a.as_bytes())), trace(Some(b.as_bytes()))];
            assert_eq!(record.headers.clone().collect::<Vec<_>>(), expected);
        }
        let facts = validate_records(&unpacked, count_of(batch)).unwrap();
        let base = i64::from_be_bytes(int(batch, 27));
        assert_eq!(base + facts.max_timestamp_delta, i64::from_be_bytes(int(batch, 35)));
    }
}

/// The records of a Java client written again are the bytes that it sent.
#[test]
fn records_are_written_byte_by_byte_as_java_writes_them() {
    let batch = &batch_of_client("java-none");
    let base = i64::from_be_bytes(int(batch, 27));
    let options = BatchOptions {
        producer: Producer {
            id: i64::from_be_bytes(int(batch, 43)),
            epoch: i16::from_be_bytes(int(batch, 51)),
            base_sequence: i32::from_be_bytes(int(batch, 53)),
        },
        partition_leader_epoch: 0,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    for record in Records::new(&batch[BATCH_HEADER..], count_of(batch)).unwrap() {
        let record = record.unwrap();
        let headers: Vec<_> = record.headers.map(|header| (header.key, header.value)).collect();
        let timestamp = base + record.timestamp_delta;
        let record = NewRecord { timestamp, key: record.key, value: record.value, headers: &headers };
        builder.push(&record).unwrap();
    }
    assert_eq!(&builder.build().unwrap(), batch);
}

#[test]
fn nulls_and_empties_are_told_apart() {
    let headers: [(&[u8], Option<&[u8]>); 3] = [(b"", None), (b"", Some(b"")), (b"\xff", Some(b"x"))];
    let record = NewRecord { timestamp: 5, key: None, value: Some(b""), headers: &headers };
    let bytes = bytes_of(&[record, key_value(Some(b""), None)]);
    let records: Vec<_> = Records::new(&bytes, 2).unwrap().map(Result::unwrap).collect();
    assert_eq!((records[0].key, records[0].value), (None, Some(&b""[..])));
    assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), None));
    assert_eq!(records[0].headers.len(), 3);
    let read: Vec<_> = records[0].headers.clone().map(|header| (header.key, header.value)).collect();
    assert_eq!(read, headers);
}

#[test]
fn facts_name_the_first_keyless_record_and_the_first_of_the_largest_timestamps() {
    let at = |timestamp, key| NewRecord { timestamp, key, ..NewRecord::default() };
    let key = Some(&b"k"[..]);
    let bytes = bytes_of(&[at(100, key), at(300, None), at(50, None), at(300, key)]);
    let expected = RecordFacts {
        count: 4,
        max_timestamp_delta: 200,
        max_timestamp_offset_delta: 1,
        first_keyless: Some(1),
    };
    assert_eq!(validate_records(&bytes, 4), Ok(expected));
    let falling = bytes_of(&[at(100, key)]);
    assert_eq!(validate_records(&falling, 1).unwrap().max_timestamp_delta, 0);
    assert_eq!(validate_records(&[], 0).unwrap().count, 0);
}

#[test]
fn a_wrong_count_is_refused() {
    let bytes = bytes_of(&[key_value(None, Some(b"a")), key_value(None, Some(b"b"))]);
    let left = bytes.len() / 2;
    assert_eq!(validate_records(&bytes, 1), Err(RecordError::Trailing { count: 1, left }));
    let missing = RecordError::Truncated { record: 2, what: "record length", needed: 1, left: 0 };
    assert_eq!(validate_records(&bytes, 3), Err(missing.clone()));
    assert_eq!(validate_records(&bytes, i32::MAX), Err(missing));
    assert_eq!(validate_records(&bytes, -1), Err(RecordError::Count { count: -1 }));
}

#[test]
fn offset_deltas_that_do_not_count_from_0_are_refused() {
    let two = bytes_of(&[key_value(None, Some(b"a")), key_value(None, Some(b"b"))]);
    let second_alone = &two[two.len() / 2..];
    let refusal = validate_records(second_alone, 1);
    assert_eq!(refusal, Err(RecordError::OffsetDelta { record: 0, found: 1 }));
}

#[test]
fn a_record_whose_parts_do_not_fill_it_is_refused() {
    // length 7: attributes, timestamp, offset, key null, value null, no headers, and a byte too many
    let refusal = validate_records(&[14, 0, 0, 0, 1, 1, 0, 0], 1);
    assert_eq!(refusal, Err(RecordError::Size { record: 0, announced: 7, consumed: 6 }));
}

#[test]
fn lengths_below_null_and_beyond_the_record_are_refused() {
    let refusal = validate_records(&[12, 0, 0, 0, 3, 1, 0], 1);
    assert_eq!(refusal, Err(RecordError::Length { record: 0, what: "key", length: -2 }));
    let refusal = validate_records(&[12, 0, 0, 0, 1, 40, 0], 1);
    assert_eq!(refusal, Err(RecordError::Truncated { record: 0, what: "value", needed: 20, left: 1 }));
    let refusal = validate_records(&[12, 0, 0, 0, 1, 1, 1], 1);
    assert_eq!(refusal, Err(RecordError::Length { record: 0, what: "header count", length: -1 }));
    let refusal = validate_records(&[1], 1);
    assert_eq!(refusal, Err(RecordError::Length { record: 0, what: "record length", length: -1 }));
}

#[test]
fn an_announced_two_billion_headers_end_where_the_record_ends() {
    let refusal = validate_records(&[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], 1);
    let missing = RecordError::Truncated { record: 0, what: "header key length", needed: 1, left: 0 };
    assert_eq!(refusal, Err(missing));
}

#[test]
fn varints_beyond_their_width_are_refused() {
    let refusal = validate_records(&[0xff, 0xff, 0xff, 0xff, 0x10], 1);
    assert_eq!(refusal, Err(RecordError::Varint { record: 0, what: "record length", bits: 32 }));
    let mut long = vec![40, 0];
    long.extend_from_slice(&[0xff; 9]);
    long.extend_from_slice(&[2; 10]);
    let refusal = validate_records(&long, 1);
    assert_eq!(refusal, Err(RecordError::Varint { record: 0, what: "timestamp delta", bits: 64 }));
}

#[test]
fn the_extremes_of_timestamps_survive() {
    for (first, second) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, -1), (0, i64::MAX)] {
        let at = |timestamp| NewRecord { timestamp, ..NewRecord::default() };
        let bytes = bytes_of(&[at(first), at(second)]);
        let last = Records::new(&bytes, 2).unwrap().last().unwrap().unwrap();
        assert_eq!(first.wrapping_add(last.timestamp_delta), second);
    }
}

#[test]
fn a_built_batch_has_the_header_that_its_options_ask_for() {
    let options = BatchOptions {
        compression: Compression::Zstd,
        timestamp_type: TimestampType::LogAppendTime(777),
        producer: Producer { id: 9, epoch: 3, base_sequence: 12 },
        transactional: true,
        partition_leader_epoch: 5,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    builder.push(&key_value(None, Some(b"a"))).unwrap();
    builder.push(&key_value(None, Some(b"b"))).unwrap();
    let batch = builder.build().unwrap();
    assert_eq!(i64::from_be_bytes(int(&batch, 0)), 0);
    assert_eq!(usize::try_from(i32::from_be_bytes(int(&batch, 8))), Ok(batch.len() - 12));
    assert_eq!(i32::from_be_bytes(int(&batch, 12)), 5);
    assert_eq!(batch[16], 2);
    assert_eq!(u32::from_be_bytes(int(&batch, 17)), crc32c::crc32c(&batch[21..]));
    assert_eq!(i16::from_be_bytes(int(&batch, 21)), 0b1_1100);
    assert_eq!(i32::from_be_bytes(int(&batch, 23)), 1);
    assert_eq!(i64::from_be_bytes(int(&batch, 27)), 777);
    assert_eq!(i64::from_be_bytes(int(&batch, 35)), 777);
    assert_eq!(i64::from_be_bytes(int(&batch, 43)), 9);
    assert_eq!(i16::from_be_bytes(int(&batch, 51)), 3);
    assert_eq!(i32::from_be_bytes(int(&batch, 53)), 12);
    assert_eq!(count_of(&batch), 2);
    assert_eq!(validate_records(&unpack(&batch), 2).unwrap().max_timestamp_delta, 0);
}

#[test]
fn checksums_of_real_batches_are_those_that_seal_computes() {
    for name in ["java-lz4", "kcat-snappy"] {
        let batch = &batch_of_client(name);
        let fields = BatchFields {
            base_offset: i64::from_be_bytes(int(batch, 0)),
            partition_leader_epoch: i32::from_be_bytes(int(batch, 12)),
            attributes: i16::from_be_bytes(int(batch, 21)),
            last_offset_delta: i32::from_be_bytes(int(batch, 23)),
            base_timestamp: i64::from_be_bytes(int(batch, 27)),
            max_timestamp: i64::from_be_bytes(int(batch, 35)),
            producer_id: i64::from_be_bytes(int(batch, 43)),
            producer_epoch: i16::from_be_bytes(int(batch, 51)),
            base_sequence: i32::from_be_bytes(int(batch, 53)),
            record_count: count_of(batch),
        };
        assert_eq!(&fields.seal(&batch[BATCH_HEADER..]).unwrap(), batch);
    }
}

type OwnedRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn a_record() -> impl Strategy<Value = OwnedRecord> {
    let headers = prop::collection::vec((some_bytes(), prop::option::of(some_bytes())), 0..4);
    (any::<i64>(), prop::option::of(some_bytes()), prop::option::of(some_bytes()), headers)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        codec in prop::sample::select(&Compression::ALL[..]),
        records in prop::collection::vec(a_record(), 1..20),
    ) {
        let options = BatchOptions { compression: codec, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<_> = headers.iter().map(|(k, v)| (&k[..], v.as_deref())).collect();
            let (key, value) = (key.as_deref(), value.as_deref());
            builder.push(&NewRecord { timestamp: *timestamp, key, value, headers: &headers }).unwrap();
        }
        let batch = builder.build().unwrap();
        let unpacked = unpack(&batch);
        let base = i64::from_be_bytes(int(&batch, 27));
        let read: Vec<OwnedRecord> = Records::new(&unpacked, count_of(&batch)).unwrap().map(|record| {
            let record = record.unwrap();
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let headers = record.headers.map(|header| (header.key.to_vec(), owned(header.value)));
            let timestamp = base.wrapping_add(record.timestamp_delta);
            (timestamp, owned(record.key), owned(record.value), headers.collect())
        }).collect();
        prop_assert_eq!(read, records);
        prop_assert!(validate_records(&unpacked, count_of(&batch)).is_ok());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in any::<i32>()) {
        if let Ok(facts) = validate_records(&bytes, count) {
            prop_assert_eq!(i32::try_from(facts.count), Ok(count));
        }
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let batch = &batch_of_client("java-none");
        let mut records = batch[BATCH_HEADER..].to_vec();
        let at = at.index(records.len());
        records[at] = byte;
        if let Ok(facts) = validate_records(&records, 3) {
            prop_assert_eq!(facts.count, 3);
        }
    }
}
