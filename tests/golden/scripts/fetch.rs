//! `Fetch`: where it begins, how much it brings, and what it refuses.

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{DeleteRecordsRequest, FetchRequest};

use super::produce::one;
use crate::batch::Batch;
use crate::session::{NOBODY, Session, Topic};

/// The first version that names topics by id only (KIP-516).
const BY_ID: i16 = 13;
const PLENTY: i32 = 1 << 20;
/// Short, since nothing comes; long enough to be a wait.
const WAIT_MS: i32 = 50;

pub(crate) fn partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default().with_partition(index).with_fetch_offset(offset).with_partition_max_bytes(PLENTY)
}

pub(crate) fn of_topic(s: &Session, topic: &Topic, partitions: Vec<FetchPartition>) -> FetchTopic {
    let asked = FetchTopic::default().with_partitions(partitions);
    if s.version_of::<FetchRequest>() >= BY_ID {
        asked.with_topic_id(topic.id)
    } else {
        asked.with_topic(topic.name.clone())
    }
}

/// Without a session, without a wait.
pub(crate) fn request(s: &Session, topics: Vec<FetchTopic>) -> FetchRequest {
    let request = FetchRequest::default().with_max_bytes(PLENTY).with_topics(topics);
    // From v15 on the replica stands in a tagged field (KIP-903).
    if s.version_of::<FetchRequest>() < 15 { request.with_replica_id((-1).into()) } else { request }
}

fn from(s: &Session, topic: &Topic, index: i32, offset: i64) -> FetchRequest {
    request(s, vec![of_topic(s, topic, vec![partition(index, offset)])])
}

/// Three batches of three records in partition 0, offsets 0 to 8; one record in partition 1.
fn filled(s: &mut Session) -> Result<(Topic, i32), String> {
    let topic = s.topic("a", 2, &[])?;
    let mut size = 0;
    for (second, values) in [(1, ["a", "b", "c"]), (2, ["d", "e", "f"]), (3, ["g", "h", "i"])] {
        let records = Batch::of(s.time(second), &values).encode();
        size = i32::try_from(records.len()).map_err(|error| error.to_string())?;
        let request = one(s, &topic, records);
        s.ask(&request)?;
    }
    let data = super::produce::to_topic(s, &topic, vec![(1, Some(Batch::of(s.time(4), &["j"]).encode()))]);
    s.ask(&super::produce::request(-1, vec![data]))?;
    Ok((topic, size))
}

pub(crate) fn fetch(s: &mut Session) -> Result<(), String> {
    let (a, batch_size) = filled(s)?;
    s.step("whole", &from(s, &a, 0, 0))?;
    s.step("from_the_middle_of_a_batch", &from(s, &a, 0, 4))?;
    s.step("from_the_last_record", &from(s, &a, 0, 8))?;
    s.step("at_the_end", &from(s, &a, 0, 9))?;
    s.step("at_the_end_with_wait", &from(s, &a, 0, 9).with_max_wait_ms(WAIT_MS).with_min_bytes(1))?;
    s.step("beyond_the_end", &from(s, &a, 0, 10))?;
    s.step("negative_offset", &from(s, &a, 0, -1))?;
    s.step("two_partitions", &request(s, vec![of_topic(s, &a, vec![partition(1, 0), partition(0, 6)])]))?;
    s.step("min_bytes_not_reached", &from(s, &a, 0, 0).with_max_wait_ms(WAIT_MS).with_min_bytes(PLENTY))?;
    s.step("min_bytes_reached", &from(s, &a, 0, 0).with_max_wait_ms(20_000).with_min_bytes(batch_size * 3))?;
    s.step("read_committed", &from(s, &a, 0, 3).with_isolation_level(1))?;
    limits(s, &a, batch_size)?;
    let records = DeleteRecordsPartition::default().with_partition_index(0).with_offset(4);
    let topic = DeleteRecordsTopic::default().with_name(a.name.clone()).with_partitions(vec![records]);
    s.ask(&DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000))?;
    s.step("below_the_log_start", &from(s, &a, 0, 3))?;
    s.step("at_the_log_start", &from(s, &a, 0, 4))?;
    Ok(())
}

/// At least one whole batch comes, whatever the limits (KIP-74).
fn limits(s: &mut Session, a: &Topic, batch_size: i32) -> Result<(), String> {
    let at_most = |bytes| partition(0, 0).with_partition_max_bytes(bytes);
    s.step("max_bytes_1", &from(s, a, 0, 0).with_max_bytes(1))?;
    s.step("max_bytes_0", &from(s, a, 0, 0).with_max_bytes(0))?;
    s.step("partition_max_bytes_1", &request(s, vec![of_topic(s, a, vec![at_most(1)])]))?;
    s.step("partition_max_bytes_of_one_batch", &request(s, vec![of_topic(s, a, vec![at_most(batch_size)])]))?;
    s.step(
        "partition_max_bytes_of_two_batches",
        &request(s, vec![of_topic(s, a, vec![at_most(2 * batch_size)])]),
    )?;
    s.step(
        "partition_max_bytes_of_half_a_batch_more",
        &request(s, vec![of_topic(s, a, vec![at_most(batch_size * 3 / 2)])]),
    )?;
    let both = vec![at_most(1), partition(1, 0).with_partition_max_bytes(1)];
    s.step("only_the_first_partition_may_exceed", &request(s, vec![of_topic(s, a, both)]))?;
    let both = vec![at_most(batch_size), partition(1, 0)];
    let request = request(s, vec![of_topic(s, a, both)]).with_max_bytes(batch_size);
    s.step("max_bytes_used_up_by_the_first_partition", &request).map(drop)
}

pub(crate) fn unknown(s: &mut Session) -> Result<(), String> {
    let (a, _) = filled(s)?;
    let nobody = Topic { name: s.name("nobody"), id: NOBODY };
    s.step("unknown_topic", &from(s, &nobody, 0, 0))?;
    s.step("unknown_partition", &from(s, &a, 5, 0))?;
    s.step("negative_partition", &from(s, &a, -1, 0))?;
    s.step(
        "known_and_unknown_partition",
        &request(s, vec![of_topic(s, &a, vec![partition(2, 0), partition(1, 0)])]),
    )?;
    let topics = vec![of_topic(s, &nobody, vec![partition(0, 0)]), of_topic(s, &a, vec![partition(1, 0)])];
    s.step("known_and_unknown_topic", &request(s, topics))?;
    // An error is told at once, however long the wait.
    let waiting = from(s, &a, 5, 0).with_max_wait_ms(60_000).with_min_bytes(1);
    s.step("unknown_partition_does_not_wait", &waiting)?;
    s.step("no_topics", &request(s, Vec::new()))?;
    s.step("no_partitions", &request(s, vec![of_topic(s, &a, Vec::new())]))?;
    s.step("a_partition_twice", &request(s, vec![of_topic(s, &a, vec![partition(1, 0), partition(1, 0)])]))?;
    Ok(())
}

pub(crate) fn epoch(s: &mut Session) -> Result<(), String> {
    let (a, _) = filled(s)?;
    let current = s.names.epoch;
    let known_as = |s: &Session, epoch| {
        request(s, vec![of_topic(s, &a, vec![partition(1, 0).with_current_leader_epoch(epoch)])])
    };
    s.step("current", &known_as(s, current))?;
    s.step("unknown", &known_as(s, current + 100))?;
    // FENCED_LEADER_EPOCH has no script: the first epoch of a new Kafka topic is 0, and a Fetch takes any
    // negative epoch for none.
    s.step("negative_is_none", &known_as(s, -2))?;
    if s.version >= 12 {
        let fetched = |s: &Session, offset, epoch| {
            let partition = partition(0, offset).with_last_fetched_epoch(epoch);
            request(s, vec![of_topic(s, &a, vec![partition.with_current_leader_epoch(current)])])
        };
        s.step("last_fetched_current", &fetched(s, 3, current))?;
        s.step("last_fetched_newer", &fetched(s, 3, current + 100))?;
        s.step("last_fetched_current_beyond_the_end", &fetched(s, 30, current))?;
        s.step("last_fetched_older", &fetched(s, 3, -2))?;
    }
    Ok(())
}
