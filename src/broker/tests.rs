//! A whole broker over a disk in memory: produce, read, restart, lose power.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use bytes::Bytes;

use super::*;
use crate::model::Offset;
use crate::model::record::{BatchBuilder, BatchOptions, NewRecord, Producer};
use crate::storage::{CrashPolicy, DataDir, Disk, Flusher, MemDisk, Votes};

const DIR: &str = "/data";

struct Node {
    disk: MemDisk,
    now: Arc<AtomicI64>,
}

impl Node {
    fn new() -> Self {
        Self { disk: MemDisk::new(), now: Arc::new(AtomicI64::new(1_000_000)) }
    }

    async fn start(&self) -> Broker {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let data_dir = DataDir::open(Arc::clone(&disk), Path::new(DIR), Uuid::new_v4()).unwrap();
        let meta = data_dir.meta();
        let cluster_id = meta.cluster_id.unwrap_or_else(Uuid::new_v4);
        data_dir.set_identity(cluster_id, 1).unwrap();
        let flusher = Flusher::inline();
        let votes =
            Votes::open(disk, &data_dir.votes_path(), meta.directory_id, Arc::clone(&flusher)).unwrap();
        let now = Arc::clone(&self.now);
        let storage = NodeStorage {
            data_dir: Arc::new(data_dir),
            cluster_id,
            flusher,
            votes: Arc::new(votes),
            clock: Clock::new(move || now.load(Relaxed)),
            failed: Arc::default(),
        };
        let metadata = MetadataLog::start(storage.clone()).await.unwrap();
        let broker = Broker::new(1, storage, metadata, BTreeMap::new());
        broker.register(meta.directory_id, ("localhost".into(), 9092), None).await.unwrap();
        broker
    }
}

fn batch(values: &[&str], producer: Producer, timestamp: i64) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for value in values {
        let record = NewRecord { timestamp, key: None, value: Some(value.as_bytes()), headers: &[] };
        batch.push(&record).unwrap();
    }
    batch.build().unwrap().into()
}

async fn topic(broker: &Broker, name: &str, configs: &[(&str, &str)]) -> Arc<TopicImage> {
    if broker.image().topic(name).is_none() {
        let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect();
        let new = NewTopic {
            name: name.into(),
            partitions: 1,
            replication_factor: 1,
            configs,
            ..NewTopic::default()
        };
        broker.create_topics(vec![new], false).await.pop().unwrap().unwrap();
    }
    Arc::clone(broker.image().topic(name).unwrap())
}

async fn produce(broker: &Broker, topic: &Arc<TopicImage>, records: Bytes) -> Result<i64, BrokerError> {
    let pending = broker.begin_produce(topic, 0, records, Acks::All).await?;
    pending.done().await.map(|p| p.base_offset.0)
}

async fn produced(broker: &Broker, topic: &Arc<TopicImage>, values: &[&str]) -> i64 {
    produce(broker, topic, batch(values, Producer::NONE, 1)).await.unwrap()
}

fn fetch_from(topic: &Arc<TopicImage>, offset: i64) -> FetchPlan {
    let partition = FetchPartition {
        topic: Arc::clone(topic),
        partition: 0,
        offset,
        max_bytes: 1 << 20,
        current_leader_epoch: None,
        last_fetched_epoch: None,
    };
    FetchPlan {
        partitions: vec![partition],
        max_wait: std::time::Duration::ZERO,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: Isolation::ReadUncommitted,
    }
}

/// (offset, value) of all records from `offset` on.
async fn read(broker: &Broker, topic: &Arc<TopicImage>, offset: i64) -> Vec<(i64, String)> {
    let read = broker.fetch(&fetch_from(topic, offset)).await.pop().unwrap().unwrap();
    let mut found = Vec::new();
    for run in &read.runs {
        let bytes = run.copy().unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = crate::model::BatchHeader::parse(rest).unwrap();
            header.check_crc(rest).unwrap();
            let body = &rest[crate::model::batch::HEADER_LEN..header.size as usize];
            for record in crate::model::record::Records::new(body, header.record_count).unwrap() {
                let record = record.unwrap();
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                found.push((header.base_offset.0 + i64::from(record.offset_delta), value));
            }
            rest = &rest[header.size as usize..];
        }
    }
    found
}

fn values(found: &[(i64, String)]) -> Vec<&str> {
    found.iter().map(|(_, v)| v.as_str()).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_read_and_survives_a_restart_and_a_power_loss() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(produced(&broker, &t, &["a", "b"]).await, 0, "the first record has offset 0");
    assert_eq!(produced(&broker, &t, &["c"]).await, 2);
    assert_eq!(
        values(&read(&broker, &t, 1).await),
        ["a", "b", "c"],
        "the whole batch that contains the offset"
    );
    broker.close().await;
    drop(broker);

    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(values(&read(&broker, &t, 2).await), ["c"]);
    assert_eq!(produced(&broker, &t, &["d"]).await, 3, "elections take no offset");

    let after = Node { disk: node.disk.crash(CrashPolicy::Synced, 7), now: Arc::clone(&node.now) };
    let broker = after.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_repeated_batch_gets_its_first_offset_also_after_a_restart() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let (id, epoch) = broker.init_producer_id().await.unwrap();
    let sent = |first, values: &[&str]| batch(values, Producer { id, epoch, base_sequence: first }, 1);
    assert_eq!(produce(&broker, &t, sent(0, &["a", "b"])).await.unwrap(), 0);
    assert_eq!(produce(&broker, &t, sent(2, &["c"])).await.unwrap(), 2);
    assert_eq!(produce(&broker, &t, sent(0, &["a", "b"])).await.unwrap(), 0);
    let gap = produce(&broker, &t, sent(9, &["x"])).await.unwrap_err();
    assert!(matches!(gap, BrokerError::Producer(_)), "{gap:?}");
    broker.close().await;

    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(produce(&broker, &t, sent(2, &["c"])).await.unwrap(), 2);
    assert_eq!(produce(&broker, &t, sent(3, &["d"])).await.unwrap(), 3);
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b", "c", "d"]);
    let (next, _) = broker.init_producer_id().await.unwrap();
    assert!(next > id, "a producer id is given once");
}

#[tokio::test]
async fn deleted_records_are_out_of_range_and_stay_so() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    produced(&broker, &t, &["a", "b", "c"]).await;
    assert_eq!(broker.delete_records(&t, 0, 2).await.unwrap(), Offset(2));
    let below = broker.fetch(&fetch_from(&t, 1)).await.pop().unwrap();
    assert!(matches!(below, Err(BrokerError::OffsetOutOfRange { .. })), "{below:?}");
    assert!(broker.delete_records(&t, 0, 9).await.is_err());
    broker.close().await;
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let earliest = broker.list_offset(&t, 0, OffsetSpec::Earliest, None).await.unwrap();
    assert_eq!(earliest.offset, 2);
}

#[tokio::test]
async fn retention_lets_old_segments_go_from_log_and_disk() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[("segment.bytes", "1048576"), ("retention.ms", "1000")]).await;
    let large = "x".repeat(400_000);
    for i in 0..6 {
        let now = node.now.fetch_add(100, Relaxed);
        assert_eq!(produce(&broker, &t, batch(&[&large], Producer::NONE, now)).await.unwrap(), i);
    }
    node.now.fetch_add(700, Relaxed);
    broker.retain_all().await;
    let earliest = broker.list_offset(&t, 0, OffsetSpec::Earliest, None).await.unwrap();
    assert_eq!(earliest.offset, 2, "only whole segments go");
    assert_eq!(read(&broker, &t, 2).await[0].0, 2);
}

#[tokio::test]
async fn offsets_are_found_by_time_and_by_epoch() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    for (value, timestamp) in [("a", 100), ("b", 300), ("c", 200), ("d", 400)] {
        produce(&broker, &t, batch(&[value], Producer::NONE, timestamp)).await.unwrap();
    }
    let at = async |spec| broker.list_offset(&t, 0, spec, None).await.unwrap();
    assert_eq!(
        (at(OffsetSpec::Timestamp(150)).await.offset, at(OffsetSpec::Timestamp(150)).await.timestamp),
        (1, 300)
    );
    assert_eq!(at(OffsetSpec::Timestamp(400)).await.offset, 3);
    assert_eq!(at(OffsetSpec::Timestamp(401)).await.offset, -1);
    assert_eq!(at(OffsetSpec::MaxTimestamp).await.offset, 3);
    assert_eq!(at(OffsetSpec::Latest).await.offset, 4);
    let epoch = at(OffsetSpec::Latest).await.epoch.unwrap();
    assert_eq!(broker.epoch_end(&t, 0, None, epoch).await.unwrap(), Some((epoch, Offset(4))));
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_the_append() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    produced(&broker, &t, &["a"]).await;
    let plan = FetchPlan { max_wait: std::time::Duration::from_mins(1), ..fetch_from(&t, 1) };
    let (reader, wanted) = (broker.clone(), plan.clone());
    let waiting = tokio::spawn(async move { reader.fetch(&wanted).await });
    tokio::task::yield_now().await;
    produced(&broker, &t, &["b"]).await;
    let read = waiting.await.unwrap().pop().unwrap().unwrap();
    assert_eq!((read.runs.len(), read.high_watermark), (1, Offset(2)));
}

#[tokio::test]
async fn a_topic_made_again_under_its_name_is_another_topic() {
    let node = Node::new();
    let broker = node.start().await;
    let old = topic(&broker, "t", &[]).await;
    produced(&broker, &old, &["a"]).await;
    broker.delete_topic(&TopicRef::Name("t".into())).await.unwrap();
    let new = topic(&broker, "t", &[]).await;
    assert_ne!(old.id, new.id);
    assert_eq!(produced(&broker, &new, &["b"]).await, 0);
    assert!(matches!(
        broker.fetch(&fetch_from(&old, 0)).await.pop().unwrap(),
        Err(BrokerError::UnknownPartition { .. })
    ));
    broker.close().await;
    let broker = node.start().await;
    let new = topic(&broker, "t", &[]).await;
    assert_eq!(values(&read(&broker, &new, 0).await), ["b"]);
}

#[tokio::test]
async fn configuration_is_taken_in_at_once_and_kept() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let set = |key: &str, value: &str| {
        ConfigChange::Incremental(vec![(crate::keys::Op::Set, key.into(), Some(value.into()))])
    };
    broker.alter_topic_config("t", set("max.message.bytes", "100"), false).await.unwrap();
    let t2 = topic(&broker, "t", &[]).await;
    let refused = produce(&broker, &t2, batch(&[&"x".repeat(200)], Producer::NONE, 1)).await.unwrap_err();
    assert!(matches!(refused, BrokerError::Check(_)), "{refused:?}");
    broker.alter_broker_config(None, set("log.retention.ms", "777"), false).await.unwrap();
    assert_eq!(broker.topic_settings(&t).retention_ms, Some(777));
    broker.close().await;
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let settings = broker.topic_settings(&t);
    assert_eq!((settings.retention_ms, settings.max_message_bytes), (Some(777), 100));
}
