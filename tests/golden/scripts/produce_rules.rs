//! `Produce` under topic configs: time, compaction, replicas in sync, batch size.

use super::produce::{fetch_all, one, request, to_topic};
use crate::batch::{Batch, Codec};
use crate::session::Session;

const HOUR_MS: &str = "3600000";
const TWO_HOURS: i64 = 7200;

pub(crate) fn time(s: &mut Session) -> Result<(), String> {
    let append = s.topic("append", 1, &[("message.timestamp.type", "LogAppendTime")])?;
    s.step("log_append_time", &one(s, &append, Batch::of(s.time(-9), &["x", "y"]).encode()))?;
    let gzip = Batch::of(s.time(-9), &["x", "y"]).compressed(Codec::Gzip);
    s.step("log_append_time_gzip", &one(s, &append, gzip.encode()))?;
    fetch_all(s, "all_of_append", &append)?;

    let limits = [("message.timestamp.before.max.ms", HOUR_MS), ("message.timestamp.after.max.ms", HOUR_MS)];
    let bounded = s.topic("bounded", 1, &limits)?;
    s.step("now", &one(s, &bounded, Batch::of(s.time(0), &["x"]).encode()))?;
    s.step("too_old", &one(s, &bounded, Batch::of(s.time(-TWO_HOURS), &["x", "y"]).encode()))?;
    s.step("too_new", &one(s, &bounded, Batch::of(s.time(TWO_HOURS), &["x", "y"]).encode()))?;
    let one_of_three =
        Batch::of(s.time(0), &["x", "y", "z"]).with(|batch| batch.records[1].time -= TWO_HOURS * 1000);
    s.step("second_of_three_too_old", &one(s, &bounded, one_of_three.encode()))?;
    let gzip = one_of_three.compressed(Codec::Gzip);
    s.step("second_of_three_too_old_gzip", &one(s, &bounded, gzip.encode()))?;
    fetch_all(s, "all_of_bounded", &bounded)?;

    let usual = s.topic("usual", 1, &[])?;
    s.step("usual_two_hours_old", &one(s, &usual, Batch::of(s.time(-TWO_HOURS), &["x"]).encode()))?;
    s.step("usual_two_hours_ahead", &one(s, &usual, Batch::of(s.time(TWO_HOURS), &["x"]).encode()))?;
    let none = Batch::of(-1, &["x"]);
    s.step("usual_without_time", &one(s, &usual, none.encode()))?;
    fetch_all(s, "all_of_usual", &usual)
}

pub(crate) fn rules(s: &mut Session) -> Result<(), String> {
    let compacted = s.topic("compacted", 1, &[("cleanup.policy", "compact")])?;
    let keyed = Batch::of(s.time(0), &["x", "y", "z"]);
    s.step("keyed_to_compacted", &one(s, &compacted, keyed.encode()))?;
    let tombstone = keyed.clone().with(|batch| batch.records[0].value = None);
    s.step("tombstone_to_compacted", &one(s, &compacted, tombstone.encode()))?;
    let keyless = keyed.clone().with(|batch| batch.records[1].key = None);
    s.step("one_keyless_to_compacted", &one(s, &compacted, keyless.encode()))?;
    let all_keyless = keyless.with(|batch| {
        batch.records.iter_mut().for_each(|record| record.key = None);
    });
    s.step("all_keyless_to_compacted", &one(s, &compacted, all_keyless.encode()))?;
    s.step("keyless_gzip_to_compacted", &one(s, &compacted, all_keyless.compressed(Codec::Gzip).encode()))?;
    fetch_all(s, "all_of_compacted", &compacted)?;

    let strict = s.topic("strict", 1, &[("min.insync.replicas", "2")])?;
    s.step("more_in_sync_than_replicas", &one(s, &strict, keyed.encode()))?;
    let records = Some(keyed.encode());
    let acks_1 = request(1, vec![to_topic(s, &strict, vec![(0, records)])]);
    s.step("more_in_sync_than_replicas_acks_1", &acks_1)?;
    fetch_all(s, "all_of_strict", &strict)?;

    let small = s.topic("small", 1, &[("max.message.bytes", "100")])?;
    s.step("fits", &one(s, &small, Batch::of(s.time(0), &["x"]).encode()))?;
    s.step(
        "too_large",
        &one(s, &small, Batch::of(s.time(0), &["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]).encode()),
    )?;
    fetch_all(s, "all_of_small", &small)
}
