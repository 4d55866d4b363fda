//! `Produce` with batches that break the format or its rules. The log must hold none of them afterwards.
//!
//! Source: Kafka `LogValidator`, `ProduceRequest.validateRecords`.

use bytes::Bytes;

use super::produce::{fetch_all, one, request, to_topic};
use crate::batch::{Batch, CONTROL, LOG_APPEND_TIME, TRANSACTIONAL};
use crate::session::{Session, Topic};

const LAST_VERSION: i16 = 13;

type Change = fn(&mut Batch);

/// What is wrong with an otherwise good batch of three records.
const WRONG: [(&str, Change); 20] = [
    ("crc", |b| b.crc_off_by = 1),
    ("magic_0", |b| b.magic = 0),
    ("magic_1", |b| b.magic = 1),
    ("magic_3", |b| b.magic = 3),
    ("magic_negative", |b| b.magic = -1),
    ("length_too_long", |b| b.length_off_by = 1),
    ("length_too_short", |b| b.length_off_by = -1),
    ("length_shorter_than_a_header", |b| b.length_off_by = -80),
    ("count_too_small", |b| b.count = Some(2)),
    ("count_too_great", |b| b.count = Some(4)),
    ("count_zero", |b| b.count = Some(0)),
    ("count_negative", |b| b.count = Some(-1)),
    ("count_and_last_offset_delta_too_great", |b| {
        b.count = Some(4);
        b.last_offset_delta = Some(3);
    }),
    ("last_offset_delta_too_small", |b| {
        b.last_offset_delta = Some(1);
    }),
    ("last_offset_delta_too_great", |b| {
        b.last_offset_delta = Some(5);
    }),
    ("last_offset_delta_negative", |b| {
        b.last_offset_delta = Some(-1);
    }),
    ("offset_deltas_with_a_hole", |b| {
        b.records[1].offset_delta = Some(7);
    }),
    ("offset_deltas_equal", |b| {
        b.records[2].offset_delta = Some(1);
    }),
    ("control_batch", |b| b.attributes |= CONTROL),
    ("transactional_without_producer", |b| {
        b.attributes |= TRANSACTIONAL;
    }),
];

/// Unusual, but perhaps allowed.
const ODD: [(&str, Change); 5] = [
    ("log_append_time_bit", |b| b.attributes |= LOG_APPEND_TIME),
    ("unused_attribute_bit", |b| b.attributes |= 1 << 7),
    ("max_timestamp_too_small", |b| b.max_time = Some(1)),
    ("sequence_without_producer", |b| b.base_sequence = 3),
    ("producer_without_sequence", |b| {
        b.producer = (1_000_000_007, 0);
    }),
];

pub(crate) fn wrong(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?;
    for (step, change) in WRONG {
        let batch = Batch::of(s.time(0), &["x", "y", "z"]).with(change);
        s.step(step, &one(s, &a, batch.encode()))?;
    }
    whole_record_sets(s, &a)?;
    fetch_all(s, "all_after_wrong_ones", &a)?;
    for (step, change) in ODD {
        let batch = Batch::of(s.time(0), &["x", "y", "z"]).with(change);
        s.step(step, &one(s, &a, batch.encode()))?;
    }
    fetch_all(s, "all_after_odd_ones", &a)
}

fn whole_record_sets(s: &mut Session, a: &Topic) -> Result<(), String> {
    let good = Batch::of(s.time(0), &["g"]).encode();
    let twice: Bytes = [good.clone(), good.clone()].concat().into();
    let tail: Bytes = [&good[..], &[0; 5]].concat().into();
    let empty = Batch::of(s.time(0), &[]).encode();
    // Kafka never answers this one, so it is asked once only.
    if s.version == LAST_VERSION {
        s.step("null_records", &request(-1, vec![to_topic(s, a, vec![(0, None)])]))?;
    }
    s.step("empty_records", &one(s, a, Bytes::new()))?;
    s.step("batch_without_records", &one(s, a, empty))?;
    s.step("two_batches", &one(s, a, twice))?;
    s.step("cut_off", &one(s, a, good.slice(..good.len() - 1)))?;
    s.step("cut_off_in_the_header", &one(s, a, good.slice(..30)))?;
    s.step("five_bytes_more", &one(s, a, tail))?;
    s.step("noise", &one(s, a, Bytes::from_static(&[0x55; 100])))?;
    let bad = Batch::of(s.time(0), &["b"]).with(|batch| batch.crc_off_by = 1).encode();
    let both = vec![(0, Some(bad)), (1, Some(good.clone()))];
    s.step("a_bad_and_a_good_partition", &request(-1, vec![to_topic(s, a, both)]))?;
    let same = vec![(1, Some(good.clone())), (1, Some(good))];
    s.step("a_partition_twice", &request(-1, vec![to_topic(s, a, same)])).map(drop)
}
