//! `ListOffsets`, `OffsetForLeaderEpoch` and `DeleteRecords`.

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName,
};

use super::produce;
use crate::batch::Batch;
use crate::session::{Session, Topic};

const TIMEOUT_MS: i32 = 5_000;

/// The special timestamps, by what they ask for. Newer ones than the version knows are asked too.
const SPECIAL: [(&str, i64); 7] = [
    ("latest", -1),
    ("earliest", -2),
    ("max_timestamp", -3),
    ("earliest_local", -4),
    ("latest_tiered", -5),
    ("earliest_pending_upload", -6),
    ("no_such_timestamp", -7),
];

/// Three batches of two records at seconds 10, 30 and 20 (so not in order), offsets 0 to 5.
fn filled(s: &mut Session, name: &str) -> Result<Topic, String> {
    let topic = s.topic(name, 2, &[])?;
    for (second, values) in [(10, ["a", "b"]), (30, ["c", "d"]), (20, ["e", "f"])] {
        let request = produce::one(s, &topic, Batch::of(s.time(second), &values).encode());
        s.ask(&request)?;
    }
    Ok(topic)
}

fn at(name: &TopicName, partitions: Vec<ListOffsetsPartition>) -> ListOffsetsRequest {
    let topic = ListOffsetsTopic::default().with_name(name.clone()).with_partitions(partitions);
    ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic])
}

fn partition(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp)
}

pub(crate) fn list_offsets(s: &mut Session) -> Result<(), String> {
    let a = filled(s, "a")?;
    for (step, timestamp) in SPECIAL {
        s.step(step, &at(&a.name, vec![partition(0, timestamp)]))?;
        s.step(&format!("{step}_of_an_empty_partition"), &at(&a.name, vec![partition(1, timestamp)]))?;
    }
    for (step, second) in
        [("before_all", 1), ("hit", 10), ("between", 15), ("out_of_order", 20), ("after_all", 31)]
    {
        s.step(step, &at(&a.name, vec![partition(0, s.time(second))]))?;
    }
    s.step("by_time_of_an_empty_partition", &at(&a.name, vec![partition(1, s.time(0))]))?;
    s.step("time_0", &at(&a.name, vec![partition(0, 0)]))?;
    s.step("unknown_partition", &at(&a.name, vec![partition(9, -1)]))?;
    s.step("known_and_unknown_partition", &at(&a.name, vec![partition(0, -1), partition(2, -1)]))?;
    s.step("unknown_topic", &at(&s.name("x"), vec![partition(0, -1)]))?;
    s.step("a_partition_twice", &at(&a.name, vec![partition(0, -1), partition(0, -2)]))?;
    if s.version >= 2 {
        s.step("read_committed", &at(&a.name, vec![partition(0, -1)]).with_isolation_level(1))?;
    }
    if s.version >= 4 {
        let current = s.names.epoch;
        // No real epoch of a new topic is older than its current one; here, unlike in Fetch, -2 is.
        for (step, epoch) in
            [("current_epoch", current), ("unknown_epoch", current + 100), ("fenced_epoch", -2)]
        {
            s.step(step, &at(&a.name, vec![partition(0, -1).with_current_leader_epoch(epoch)]))?;
        }
    }
    Ok(())
}

pub(crate) fn offset_for_leader_epoch(s: &mut Session) -> Result<(), String> {
    let a = filled(s, "a")?;
    let current = s.names.epoch;
    let replica = if s.version >= 3 { -1 } else { -2 };
    let asked = |name: &TopicName, index, known, epoch| {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(known)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default().with_topic(name.clone()).with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_replica_id(replica.into()).with_topics(vec![topic])
    };
    s.step("current", &asked(&a.name, 0, current, current))?;
    s.step("current_of_an_empty_partition", &asked(&a.name, 1, current, current))?;
    s.step("leader_not_checked", &asked(&a.name, 0, -1, current))?;
    s.step("newer", &asked(&a.name, 0, current, current + 1))?;
    s.step("undefined", &asked(&a.name, 0, current, -1))?;
    s.step("leader_unknown", &asked(&a.name, 0, current + 100, current))?;
    s.step("leader_fenced", &asked(&a.name, 0, -2, current))?;
    s.step("unknown_partition", &asked(&a.name, 9, current, current))?;
    s.step("unknown_topic", &asked(&s.name("x"), 0, current, current))?;
    Ok(())
}

pub(crate) fn delete_records(s: &mut Session) -> Result<(), String> {
    let a = filled(s, "a")?;
    let before = |name: &TopicName, partitions: &[(i32, i64)]| {
        let partition = |&(index, offset): &(i32, i64)| {
            DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset)
        };
        let partitions = partitions.iter().map(partition).collect();
        let topic = DeleteRecordsTopic::default().with_name(name.clone()).with_partitions(partitions);
        DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS)
    };
    s.step("first_batch", &before(&a.name, &[(0, 2)]))?;
    s.step("into_a_batch", &before(&a.name, &[(0, 3)]))?;
    s.step("earliest_then", &at(&a.name, vec![partition(0, -2)]))?;
    s.step("back", &before(&a.name, &[(0, 1)]))?;
    s.step("nothing_of_an_empty_partition", &before(&a.name, &[(1, 0)]))?;
    s.step("beyond_the_end", &before(&a.name, &[(0, 7)]))?;
    s.step("negative", &before(&a.name, &[(0, -2)]))?;
    s.step("known_and_unknown_partition", &before(&a.name, &[(0, 4), (9, 0)]))?;
    s.step("unknown_topic", &before(&s.name("x"), &[(0, 0)]))?;
    s.step("all", &before(&a.name, &[(0, -1)]))?;
    s.step("all_again", &before(&a.name, &[(0, -1)]))?;
    s.step("earliest_at_last", &at(&a.name, vec![partition(0, -2)]))?;
    s.step("by_time_at_last", &at(&a.name, vec![partition(0, s.time(10))]))?;
    produce::fetch_all(s, "fetch_at_last", &a)?;
    let compacted = s.topic("c", 1, &[("cleanup.policy", "compact")])?;
    s.step("compacted", &before(&compacted.name, &[(0, 0)]))?;
    Ok(())
}
