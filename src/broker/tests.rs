//! A whole broker over a disk in memory: produce, read, restart, lose power.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use bytes::Bytes;

mod crash;
mod groups;

use super::controller::Register;
use super::*;
use crate::cluster::metadata_replica;
use crate::model::Offset;
use crate::model::record::{BatchBuilder, BatchOptions, NewRecord, Producer};
use crate::peer::{Hello, PeerSettings, Peers, TcpConnect, VERSION};
use crate::storage::{CrashPolicy, DataDir, Disk, Flusher, Identity, MemDisk, Votes};

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
        self.started().await.unwrap()
    }

    /// A broker, unless the disk refuses.
    async fn try_start(&self) -> Option<Broker> {
        self.started().await.ok()
    }

    async fn started(&self) -> Result<Broker, Box<dyn std::error::Error>> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let data_dir = DataDir::open(Arc::clone(&disk), Path::new(DIR), Uuid::new_v4())?;
        let meta = data_dir.meta();
        let metadata_replica = metadata_replica(1, 1);
        let cluster_id = meta.identity.map_or_else(Uuid::new_v4, |identity| identity.cluster_id);
        data_dir.set_identity(Identity { cluster_id, node_id: 1, metadata_replica, is_founder: true })?;
        let flusher = Flusher::inline();
        let votes = Votes::open(disk, &data_dir.votes_path(), meta.directory_id, Arc::clone(&flusher))?;
        let now = Arc::clone(&self.now);
        let hello = Hello {
            cluster_id: Some(cluster_id),
            node_id: Some(1),
            directory_id: meta.directory_id,
            start_id: 1,
            version: VERSION,
        };
        let storage = NodeStorage {
            data_dir: Arc::new(data_dir),
            cluster_id,
            flusher,
            votes: Arc::new(votes),
            clock: Clock::new(move || now.load(Relaxed)),
            exchange: Exchange::new(Peers::new(PeerSettings::default(), hello, Arc::new(TcpConnect))),
            failed: Arc::default(),
        };
        let metadata = MetadataLog::start(storage.clone(), metadata_replica, true).await?;
        let broker = Broker::new(1, storage, Arc::new(metadata), BTreeMap::new());
        let register = Register {
            node: 1,
            directory_id: meta.directory_id.as_bytes().to_vec(),
            endpoints: vec![crate::cluster::Endpoint::default()],
            rack: None,
            rpc_addr: String::new(),
        };
        broker.register(register).await?;
        broker.begin();
        Ok(broker)
    }
}

/// Lets the time pass for which a failed log is left alone.
async fn a_moment_later() {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_millis(1_001)).await;
    tokio::time::resume();
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

#[tokio::test]
async fn what_retention_lets_go_leaves_the_disk_also_if_it_was_the_active_segment() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[("segment.bytes", "1048576"), ("retention.ms", "1000")]).await;
    let large = "x".repeat(400_000);
    for _ in 0..3 {
        let now = node.now.load(Relaxed);
        produce(&broker, &t, batch(&[&large], Producer::NONE, now)).await.unwrap();
    }
    let stores = || {
        let names = node.disk.read_dir(&Path::new(DIR).join("t-0")).unwrap();
        names.into_iter().filter(|name| name.strip_suffix(".log").is_some()).collect::<Vec<_>>()
    };
    assert_eq!(stores().len(), 2);
    node.now.fetch_add(1001, Relaxed);
    broker.retain_all().await;
    assert_eq!(stores(), ["00000000000000000003.log"], "all records were too old");
    assert_eq!(produced(&broker, &t, &["next"]).await, 3);
    broker.close().await;
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(values(&read(&broker, &t, 3).await), ["next"]);
}

#[tokio::test]
async fn a_log_that_is_starting_never_shows_a_greater_epoch_than_it_will_have() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    produced(&broker, &t, &["a"]).await;
    broker.close().await;
    let broker = node.start().await;
    let (t, starting) = (topic(&broker, "t", &[]).await, broker.clone());
    let of = Arc::clone(&t);
    let started = tokio::spawn(async move { starting.group(&of, 0, None).await.unwrap().leader_epoch() });
    let mut shown = Vec::new();
    while !started.is_finished() {
        shown.push(broker.leader(&t, 0).epoch);
        tokio::task::yield_now().await;
    }
    let led = started.await.unwrap();
    // A client that hears of 3 does not believe in 2 any more, and waits for a leader of 3 for ever.
    assert!(shown.iter().all(|epoch| *epoch <= led), "{shown:?} before {led}");
    assert_eq!(broker.leader(&t, 0).epoch, led);
}

/// Until `made` succeeds, a second of the node's clock for each try.
async fn after_pauses<T>(made: impl AsyncFn() -> Result<T, BrokerError>) -> T {
    for _ in 0..5 {
        a_moment_later().await;
        if let Ok(made) = made().await {
            return made;
        }
    }
    panic!("it does not recover");
}

#[tokio::test]
async fn a_failed_append_is_not_remembered_of_its_producer() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let (id, epoch) = broker.init_producer_id().await.unwrap();
    let sent = |first, value: &str| batch(&[value], Producer { id, epoch, base_sequence: first }, 1);
    assert_eq!(produce(&broker, &t, sent(0, "a")).await.unwrap(), 0);
    node.disk.fail_write_after(0);
    let failed = produce(&broker, &t, sent(1, "b")).await.unwrap_err();
    assert!(matches!(failed, BrokerError::LogUnavailable { .. }), "{failed:?}");
    // A clean stop writes a snapshot of what the partition remembers.
    broker.close().await;
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(produce(&broker, &t, sent(1, "b")).await.unwrap(), 1);
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b"]);
}

#[tokio::test]
async fn a_failed_sync_is_an_error_to_the_producer_and_loses_nothing() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let (id, epoch) = broker.init_producer_id().await.unwrap();
    let sent = |first, value: &str| batch(&[value], Producer { id, epoch, base_sequence: first }, 1);
    assert_eq!(produce(&broker, &t, sent(0, "a")).await.unwrap(), 0);
    node.disk.fail_sync_after(0);
    let failed = produce(&broker, &t, sent(1, "b")).await.unwrap_err();
    assert!(matches!(failed, BrokerError::LogUnavailable { .. }), "{failed:?}");
    let base = after_pauses(async || produce(&broker, &t, sent(1, "b")).await).await;
    assert_eq!(base, 1);
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b"]);
    let after = Node { disk: node.disk.crash(CrashPolicy::Synced, 3), now: Arc::clone(&node.now) };
    let broker = after.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b"]);
}

#[tokio::test]
async fn a_full_disk_refuses_appends_and_serves_reads_and_deletions_until_there_is_space() {
    let node = Node::new();
    let broker = node.start().await;
    let (t, u) = (topic(&broker, "t", &[]).await, topic(&broker, "u", &[]).await);
    produced(&broker, &t, &["a"]).await;
    produced(&broker, &u, &["a"]).await;
    node.disk.set_capacity(Some(100 << 20));
    node.now.fetch_add(1_001, Relaxed);
    a_moment_later().await;
    let low = produce(&broker, &t, batch(&["b"], Producer::NONE, 1)).await.unwrap_err();
    assert!(matches!(low, BrokerError::Storage(_)), "{low:?}");
    assert_eq!(values(&read(&broker, &t, 0).await), ["a"]);
    assert_eq!(broker.delete_records(&t, 0, 1).await.unwrap(), Offset(1));
    broker.delete_topic(&TopicRef::Name("u".into())).await.unwrap();
    broker.close().await;
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(broker.list_offset(&t, 0, OffsetSpec::Latest, None).await.unwrap().offset, 1);
    node.disk.set_capacity(None);
    node.now.fetch_add(1_001, Relaxed);
    a_moment_later().await;
    assert_eq!(produced(&broker, &t, &["b"]).await, 1);
}

#[tokio::test]
async fn a_disk_without_any_space_serves_reads_and_appends_go_on_by_themselves_after_it() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    produced(&broker, &t, &["a"]).await;
    // The watermark looks at the disk now and then; what comes between may meet its very end.
    let free = 1 << 40;
    node.disk.set_capacity(Some(free));
    produced(&broker, &t, &["b"]).await;
    node.disk.set_capacity(Some(0));
    produce(&broker, &t, batch(&["c"], Producer::NONE, 1)).await.unwrap_err();
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b"], "what was agreed on is read");
    node.disk.set_capacity(None);
    after_pauses(async || produce(&broker, &t, batch(&["c"], Producer::NONE, 1)).await).await;
    assert_eq!(values(&read(&broker, &t, 0).await), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_metadata_change_that_the_disk_refused_can_be_made_later() {
    let node = Node::new();
    let broker = node.start().await;
    for fault in [MemDisk::fail_write_after, MemDisk::fail_sync_after] {
        fault(&node.disk, 0);
        let new =
            || NewTopic { name: "t".into(), partitions: 1, replication_factor: 1, ..NewTopic::default() };
        let refused = broker.create_topics(vec![new()], false).await.pop().unwrap().unwrap_err();
        assert!(matches!(refused, BrokerError::LogUnavailable { .. }), "{refused:?}");
        let made =
            after_pauses(async || match broker.create_topics(vec![new()], false).await.pop().unwrap() {
                Err(BrokerError::TopicExists { .. }) | Ok(_) => Ok(()),
                Err(other) => Err(other),
            });
        made.await;
        broker.delete_topic(&TopicRef::Name("t".into())).await.unwrap();
        assert_eq!(broker.image().partitions, 0);
    }
}

#[tokio::test]
async fn callers_that_go_away_leave_neither_a_topic_made_twice_nor_a_group_half_started() {
    let node = Node::new();
    let broker = node.start().await;
    for patience in 0..12 {
        let name = format!("t{patience}");
        let new = |name: &str| NewTopic {
            name: name.into(),
            partitions: 1,
            replication_factor: 1,
            ..NewTopic::default()
        };
        polled(patience, broker.create_topics(vec![new(&name)], false)).await;
        drop(broker.create_topics(vec![new(&name)], false).await);
        let t = topic(&broker, &name, &[]).await;
        assert_eq!(broker.image().partitions, broker.image().topics().len());
        polled(patience, produce(&broker, &t, batch(&["a"], Producer::NONE, 1))).await;
        let end = produced(&broker, &t, &["b"]).await + 1;
        let epoch = broker.leader(&t, 0).epoch;
        assert_eq!(epoch, LeaderEpoch(1), "the group was started once");
        assert_eq!(i64::try_from(read(&broker, &t, 0).await.len()).unwrap(), end);
    }
}

/// Polls `asked` at most so many times, as a connection does that is then reset.
async fn polled<T>(times: usize, asked: impl Future<Output = T>) {
    let mut asked = std::pin::pin!(asked);
    for _ in 0..times {
        if futures_util::poll!(&mut asked).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_log_that_has_voted_and_is_gone_is_not_made_anew_in_silence() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    produced(&broker, &t, &["a"]).await;
    broker.close().await;
    node.disk.remove_dir_all(Path::new("/data/t-0")).unwrap();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    let lost = produce(&broker, &t, batch(&["b"], Producer::NONE, 1)).await.unwrap_err();
    assert!(lost.to_string().contains("its log in /data/t-0 is empty"), "{lost}");
    topic(&broker, "u", &[]).await;
}

#[tokio::test]
async fn a_purged_log_starts_again() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[("segment.ms", "100")]).await;
    for value in ["a", "b", "c"] {
        node.now.fetch_add(101, Relaxed);
        produced(&broker, &t, &[value]).await;
    }
    assert_eq!(broker.delete_records(&t, 0, 2).await.unwrap(), Offset(2));
    broker.close().await;
    let broker = node.start().await;
    let t = topic(&broker, "t", &[]).await;
    assert_eq!(read(&broker, &t, 2).await, [(2, "c".to_owned())]);
    assert_eq!(produced(&broker, &t, &["d"]).await, 3);
}

#[tokio::test]
async fn a_segment_that_could_not_be_begun_leaves_nothing_behind() {
    let node = Node::new();
    let broker = node.start().await;
    let t = topic(&broker, "t", &[("retention.ms", "1000")]).await;
    produced(&broker, &t, &["a"]).await;
    node.now.fetch_add(10_000, Relaxed);
    // Room for the new Store's header, none for its Index.
    let used = u64::MAX - node.disk.free_bytes().unwrap();
    node.disk.set_capacity(Some(used + 200));
    broker.retain_all().await;
    node.disk.set_capacity(None);
    let begun = Path::new("/data/t-0/00000000000000000001.log");
    assert!(!node.disk.exists(begun).unwrap(), "it would look like a segment after the next append");
    node.now.fetch_add(10_000, Relaxed);
    assert_eq!(produced(&broker, &t, &["b"]).await, 1);
    for policy in CrashPolicy::ALL {
        let after = Node { disk: node.disk.crash(policy, 5), now: Arc::clone(&node.now) };
        let broker = after.start().await;
        let t = topic(&broker, "t", &[]).await;
        assert_eq!(read(&broker, &t, 1).await, [(1, "b".to_owned())], "{policy:?}");
    }
}
