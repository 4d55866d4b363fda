//! `Produce` as it should be: acks, offsets, several partitions, codecs.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, ProduceRequest};

use crate::batch::{Batch, Codec};
use crate::session::{NOBODY, Session, Topic};

/// The first version that names topics by id only (KIP-516).
const BY_ID: i16 = 13;
const TIMEOUT_MS: i32 = 5_000;

pub(crate) fn to_topic(
    s: &Session,
    topic: &Topic,
    partitions: Vec<(i32, Option<Bytes>)>,
) -> TopicProduceData {
    let data = partitions
        .into_iter()
        .map(|(index, records)| PartitionProduceData::default().with_index(index).with_records(records));
    let data = TopicProduceData::default().with_partition_data(data.collect());
    if s.version_of::<ProduceRequest>() >= BY_ID {
        data.with_topic_id(topic.id)
    } else {
        data.with_name(topic.name.clone())
    }
}

pub(crate) fn request(acks: i16, topics: Vec<TopicProduceData>) -> ProduceRequest {
    ProduceRequest::default().with_acks(acks).with_timeout_ms(TIMEOUT_MS).with_topic_data(topics)
}

/// `records` to partition 0 of `topic` with acks=all.
pub(crate) fn one(s: &Session, topic: &Topic, records: Bytes) -> ProduceRequest {
    request(-1, vec![to_topic(s, topic, vec![(0, Some(records))])])
}

/// Records all that partition 0 holds, to show what the produce requests left there.
pub(crate) fn fetch_all(s: &mut Session, step: &str, topic: &Topic) -> Result<(), String> {
    let partition = FetchPartition::default().with_partition(0).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic_id(topic.id).with_partitions(vec![partition]);
    let request =
        FetchRequest::default().with_max_bytes(1 << 20).with_session_epoch(-1).with_topics(vec![topic]);
    s.step(step, &request).map(drop)
}

pub(crate) fn produce(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?;
    let b = s.topic("b", 1, &[])?;
    let batch = |values| Batch::of(s.time(0), values).encode();
    let (two, three, last) = (batch(&["x", "y"]), batch(&["p", "q", "r"]), batch(&["z"]));
    s.step("first", &one(s, &a, two.clone()))?;
    s.step("second", &one(s, &a, three.clone()))?;
    let to = |s: &Session, acks| request(acks, vec![to_topic(s, &a, vec![(0, Some(last.clone()))])]);
    s.step("acks_1", &to(s, 1))?;
    s.send(&to(s, 0))?;
    s.step("acks_0_is_followed_by_the_next_answer", &to(s, 1))?;
    for (step, acks) in [("acks_5", 5), ("acks_minus_2", -2)] {
        s.step(step, &to(s, acks))?;
    }
    let both = vec![(1, Some(two.clone())), (0, Some(two.clone()))];
    s.step("two_partitions", &request(-1, vec![to_topic(s, &a, both)]))?;
    let topics =
        vec![to_topic(s, &b, vec![(0, Some(two.clone()))]), to_topic(s, &a, vec![(1, Some(three.clone()))])];
    s.step("two_topics", &request(-1, topics))?;
    let elsewhere = Batch::of(s.time(0), &["m"]).with(|batch| batch.base_offset = 777);
    s.step("base_offset_not_0", &one(s, &b, elsewhere.encode()))?;
    let other_epoch = Batch::of(s.time(0), &["m"]).with(|batch| batch.leader_epoch = 55);
    s.step("leader_epoch_of_the_client", &one(s, &b, other_epoch.encode()))?;
    s.step("no_topics", &request(-1, Vec::new()))?;
    s.step("no_partitions", &request(-1, vec![to_topic(s, &a, Vec::new())]))?;
    fetch_all(s, "all_of_a", &a)?;
    fetch_all(s, "all_of_b", &b)
}

pub(crate) fn unknown(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let nobody = Topic { name: s.name("nobody"), id: NOBODY };
    let records = Batch::of(s.time(0), &["x"]).encode();
    let some = |index| (index, Some(records.clone()));
    s.step("unknown_topic", &one(s, &nobody, records.clone()))?;
    s.step("unknown_partition", &request(-1, vec![to_topic(s, &a, vec![some(7)])]))?;
    s.step("negative_partition", &request(-1, vec![to_topic(s, &a, vec![some(-1)])]))?;
    s.step("known_and_unknown_partition", &request(-1, vec![to_topic(s, &a, vec![some(0), some(1)])]))?;
    let topics = vec![to_topic(s, &nobody, vec![some(0)]), to_topic(s, &a, vec![some(0)])];
    s.step("known_and_unknown_topic", &request(1, topics))?;
    if s.version < BY_ID {
        let ill_named = Topic { name: s.name("a/b"), id: NOBODY };
        s.step("ill_named_topic", &one(s, &ill_named, records.clone()))?;
    }
    // With acks=0 an error can only be told by closing.
    s.send(&request(0, vec![to_topic(s, &nobody, vec![some(0)])]))?;
    s.send(&ApiVersionsRequest::default())?;
    s.answer::<ApiVersionsRequest>("acks_0_to_unknown_topic", s.version_of::<ApiVersionsRequest>())?;
    fetch_all(s, "all", &a)
}

pub(crate) fn compressed(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let batch = |codec| Batch::of(s.time(0), &["xxxxxxxxxx", "yyyyyyyyyy"]).compressed(codec);
    let [gzip, lz4, zstd] = [Codec::Gzip, Codec::Lz4, Codec::Zstd].map(batch);
    let pretended = gzip.clone().with(|batch| batch.codec = Codec::None);
    let unknown = gzip.clone().with(|batch| batch.attributes = 6);
    let miscounted = gzip.clone().with(|batch| {
        batch.count = Some(3);
        batch.last_offset_delta = Some(2);
    });
    s.step("gzip", &one(s, &a, gzip.encode()))?;
    s.step("lz4", &one(s, &a, lz4.encode()))?;
    s.step("zstd", &one(s, &a, zstd.encode()))?;
    s.step("gzip_is_only_pretended", &one(s, &a, pretended.encode()))?;
    s.step("codec_is_unknown", &one(s, &a, unknown.encode()))?;
    s.step("gzip_with_a_wrong_count", &one(s, &a, miscounted.encode()))?;
    fetch_all(s, "all", &a)?;
    let g = s.topic("g", 1, &[("compression.type", "gzip")])?;
    let plain = Batch::of(s.time(0), &["a", "b"]);
    s.step("plain_to_a_gzip_topic", &one(s, &g, plain.encode()))?;
    s.step("lz4_to_a_gzip_topic", &one(s, &g, lz4.encode()))?;
    fetch_all(s, "all_of_the_gzip_topic", &g)?;
    let u = s.topic("u", 1, &[("compression.type", "uncompressed")])?;
    s.step("gzip_to_an_uncompressed_topic", &one(s, &u, gzip.encode()))?;
    fetch_all(s, "all_of_the_uncompressed_topic", &u)
}
