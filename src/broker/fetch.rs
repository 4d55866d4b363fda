//! Reading for consumers: bounded by the high watermark, woken by appends. From the leader; also from followers, for
//! those who know them (KIP-392).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Broker, BrokerError};
use crate::cluster::{Group, MetadataImage, TopicImage};
use crate::model::{LeaderEpoch, Offset, PartitionId};
use crate::partition::{Partition, Waiter};
use crate::storage::Run;

/// The most runs that one partition's answer is made of.
const RUNS_MAX: usize = 64;

/// What of a log a consumer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    /// Up to the last stable offset, which is the high watermark as long as there are no
    /// transactions.
    ReadCommitted,
}

/// A fetch: what to read, and how long to wait for how much. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct FetchPlan {
    pub partitions: Vec<FetchPartition>,
    pub max_wait: Duration,
    pub min_bytes: usize,
    pub max_bytes: usize,
    pub isolation: Isolation,
}

/// One partition of a fetch.
#[derive(Clone, Debug)]
pub struct FetchPartition {
    pub topic: Arc<TopicImage>,
    pub partition: PartitionId,
    pub offset: i64,
    pub max_bytes: usize,
    /// The epoch that the client knows, to fence it or us.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of what it read last, to find where logs diverged.
    pub last_fetched_epoch: Option<LeaderEpoch>,
}

/// What was read of one partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    /// Lent bytes, to be sent one after the other.
    pub runs: Vec<Run>,
    /// Where the client's log and this one part: the last common epoch and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// The node that the client should read from instead; nothing was read then.
    pub preferred: Option<i32>,
    /// This replica does not have the offset yet, and cannot say whether another has it.
    pub is_behind: bool,
}

impl FetchedPartition {
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.length).sum()
    }
}

type Answer = Result<FetchedPartition, BrokerError>;

/// A fetch that waits. One permit is enough: whoever wakes it says only that something changed.
struct WaitingFetch(Notify);

impl Waiter for WaitingFetch {
    fn wake(&self) {
        self.0.notify_one();
    }
}

impl Broker {
    /// Reads `plan`'s partitions, in its order. Answers at once if there are `min_bytes`, if any
    /// partition has something else to say, or if there is nothing to wait for; otherwise when an
    /// append brings enough or `max_wait` is over.
    pub async fn fetch(&self, plan: &FetchPlan) -> Vec<Answer> {
        self.fetch_for(plan, None).await
    }

    /// As [`Broker::fetch`], for a reader in `rack` (empty: in none) who knows followers: one here answers up to the high
    /// watermark that it knows, and a leader may name another replica that is nearer.
    pub async fn fetch_near(&self, plan: &FetchPlan, rack: &str) -> Vec<Answer> {
        self.fetch_for(plan, Some(rack)).await
    }

    async fn fetch_for(&self, plan: &FetchPlan, rack: Option<&str>) -> Vec<Answer> {
        let deadline = Instant::now() + plan.max_wait;
        let groups = self.groups_of(plan).await;
        let reach =
            Reach { followers: rack.is_some(), nearer: self.nearer(plan, &groups, rack.unwrap_or("")) };
        if plan.max_wait.is_zero() || groups.is_empty() || groups.iter().any(Result::is_err) {
            return read_all(plan, &reach, groups);
        }
        let groups: Vec<_> = groups.into_iter().flatten().collect();
        let read = || read_all(plan, &reach, groups.iter().cloned().map(Ok));
        let answers = read();
        if is_enough(plan, &answers) {
            return answers;
        }
        let waiting = Arc::new(WaitingFetch(Notify::new()));
        let waiter: Arc<dyn Waiter> = Arc::<WaitingFetch>::clone(&waiting);
        loop {
            for group in &groups {
                group.partition.waiters.register(&waiter);
            }
            // What was appended before the registration is seen here, what comes after wakes.
            let answers = read();
            if is_enough(plan, &answers) || timeout_at(deadline, waiting.0.notified()).await.is_err() {
                return answers;
            }
        }
    }

    /// The groups of all partitions; those that do not run yet are started side by side.
    async fn groups_of(&self, plan: &FetchPlan) -> Vec<Result<Arc<Group>, BrokerError>> {
        let group = |want: &FetchPartition| {
            let (topic, partition, epoch) =
                (Arc::clone(&want.topic), want.partition, want.current_leader_epoch);
            async move { self.replica(&topic, partition, epoch).await }
        };
        futures_util::future::join_all(plan.partitions.iter().map(group)).await
    }

    /// For each partition the replica in `rack` that its leader here sends the reader to; empty if none can be.
    fn nearer(
        &self,
        plan: &FetchPlan,
        groups: &[Result<Arc<Group>, BrokerError>],
        rack: &str,
    ) -> Vec<Option<i32>> {
        if rack.is_empty() || !self.settings().rack_aware_reads {
            return Vec::new();
        }
        let image = self.image();
        if is_in_rack(&image, self.node_id(), rack) {
            return Vec::new();
        }
        let nearer = |(want, group): (&FetchPartition, &Result<Arc<Group>, BrokerError>)| {
            self.nearest(want, group.as_deref().ok()?, &image, rack)
        };
        plan.partitions.iter().zip(groups).map(nearer).collect()
    }

    /// Of the replicas in `rack` that are in sync and have the offset, the one that has most.
    ///
    /// Source: Kafka `ReplicaManager.findPreferredReadReplica`, `RackAwareReplicaSelector`.
    fn nearest(
        &self,
        want: &FetchPartition,
        group: &Group,
        image: &MetadataImage,
        rack: &str,
    ) -> Option<i32> {
        group.leads()?;
        let partition = &group.partition;
        if want.offset < partition.lines.log_start().0 {
            return None;
        }
        let end = |matched: u64| {
            let next = partition.reader().entry(matched + 1);
            next.map_or_else(|| partition.reader().log_end_offset(), |entry| entry.offset)
        };
        let placed = want.topic.partition(want.partition)?;
        let in_sync = self.leader(&want.topic, want.partition).in_sync;
        let has_it = |replica: u64, matched: Option<u64>| {
            let node = placed.replicas.iter().find(|r| r.replica_id == replica)?.node;
            let fits = in_sync.contains(&node) && self.is_alive(node) && is_in_rack(image, node, rack);
            (fits && end(matched?).0 >= want.offset).then_some((matched, node))
        };
        let fit = group.followers().into_iter().filter_map(|f| has_it(f.replica, f.matched));
        fit.max().map(|(_, node)| node)
    }
}

fn is_in_rack(image: &MetadataImage, node: i32, rack: &str) -> bool {
    let node = image.nodes.get(&node).filter(|node| node.is_serving());
    node.is_some_and(|node| node.rack.as_deref() == Some(rack))
}

/// From whom is read.
struct Reach {
    /// Also from replicas that do not lead.
    followers: bool,
    /// For each partition where the reader goes instead; may be shorter.
    nearer: Vec<Option<i32>>,
}

fn is_enough(plan: &FetchPlan, answers: &[Answer]) -> bool {
    let mut bytes = 0;
    for answer in answers {
        match answer {
            Ok(read) if read.diverging.is_none() && read.preferred.is_none() => bytes += read.bytes(),
            _ => return true,
        }
    }
    bytes >= plan.min_bytes
}

fn read_all(
    plan: &FetchPlan,
    reach: &Reach,
    groups: impl IntoIterator<Item = Result<Arc<Group>, BrokerError>>,
) -> Vec<Answer> {
    let mut left = plan.max_bytes;
    let mut at_least_one = true;
    let mut answers = Vec::with_capacity(plan.partitions.len());
    for (at, (want, group)) in plan.partitions.iter().zip(groups).enumerate() {
        let answer = group.and_then(|group| match reach.nearer.get(at).copied().flatten() {
            Some(node) => Ok(FetchedPartition { preferred: Some(node), ..nothing(&group.partition) }),
            None if group.leads().is_some() => read_leader(&group.partition, want, left, at_least_one),
            None if reach.followers || takes_over(&group) => {
                read_follower(&group.partition, want, left, at_least_one)
            }
            None => Err(BrokerError::NotLeader { partition: group.partition.identity.name.to_string() }),
        });
        if let Ok(read) = &answer {
            let bytes = read.bytes();
            left = left.saturating_sub(bytes);
            at_least_one &= bytes == 0;
        }
        answers.push(answer);
    }
    answers
}

/// Whether the replica was elected, and does not know yet how far its predecessor came.
pub(super) fn takes_over(group: &Group) -> bool {
    let role = group.role();
    role.leader == Some(group.replica_id()) && !role.ready
}

fn nothing(partition: &Partition) -> FetchedPartition {
    let lines = &partition.lines;
    let high_watermark = lines.high_watermark();
    FetchedPartition {
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: lines.log_start(),
        runs: Vec::new(),
        diverging: None,
        preferred: None,
        is_behind: false,
    }
}

fn read_leader(partition: &Partition, want: &FetchPartition, left: usize, at_least_one: bool) -> Answer {
    let mut read = nothing(partition);
    let (start, end) = (read.log_start_offset, partition.reader().log_end_offset());
    if let Some(epoch) = want.last_fetched_epoch {
        read.diverging = diverging(partition, want.offset, epoch, (start, end))?;
        if read.diverging.is_some() {
            return Ok(read);
        }
    }
    if want.offset < start.0 || want.offset > end.0 {
        return Err(BrokerError::OffsetOutOfRange { asked: want.offset, start, end });
    }
    read_runs(partition, want, read, (left, at_least_one))
}

/// Never says that an offset above the log start does not exist, nor that a reader's log parts from this one: the reader
/// would go back, and may have read further elsewhere.
fn read_follower(partition: &Partition, want: &FetchPartition, left: usize, at_least_one: bool) -> Answer {
    let mut read = nothing(partition);
    let (start, end) = (read.log_start_offset, partition.reader().log_end_offset());
    if want.offset < start.0 {
        return Err(BrokerError::OffsetOutOfRange { asked: want.offset, start, end });
    }
    if want.offset > end.0 {
        read.is_behind = true;
        return Ok(read);
    }
    read_runs(partition, want, read, (left, at_least_one))
}

/// Adds what lies between the offset that is wanted and the high watermark, as far as there is room.
fn read_runs(
    partition: &Partition,
    want: &FetchPartition,
    mut read: FetchedPartition,
    (left, at_least_one): (usize, bool),
) -> Answer {
    let high_watermark = read.high_watermark;
    let limit = want.max_bytes.min(left);
    let mut bytes = 0;
    let mut from = Offset(want.offset);
    while from < high_watermark
        && read.runs.len() < RUNS_MAX
        && (bytes < limit || (at_least_one && bytes == 0))
    {
        let first = at_least_one && bytes == 0;
        let Some(run) = partition.reader().read(from, high_watermark, limit - bytes.min(limit), first)?
        else {
            break;
        };
        bytes += run.length;
        from = run.next_offset;
        read.runs.push(run);
    }
    Ok(read)
}

/// Source: Kafka `UnifiedLog`/`Partition.readRecords` with a last fetched epoch (KIP-595).
fn diverging(
    partition: &Partition,
    asked: i64,
    epoch: LeaderEpoch,
    (start, end): (Offset, Offset),
) -> Result<Option<(LeaderEpoch, Offset)>, BrokerError> {
    match partition.epoch_end(epoch) {
        None => Err(BrokerError::OffsetOutOfRange { asked, start, end }),
        Some((known, until)) if known < epoch || until.0 < asked => Ok(Some((known, until))),
        Some(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{TopicId, TopicName, TopicPartition};
    use crate::partition::Identity;
    use crate::storage::{LogIdentity, LogOptions, MemDisk};

    const OPTIONS: LogOptions = LogOptions {
        segment_bytes: 4096,
        segment_index_bytes: 8192,
        segment_ms: i64::MAX,
        segment_jitter_ms: 0,
    };

    /// An empty log.
    fn partition() -> Partition {
        let topic_id = TopicId(uuid::Uuid::from_u128(2));
        let log = LogIdentity { cluster_id: uuid::Uuid::from_u128(1), topic_id, partition: 0, replica_id: 1 };
        let name = TopicPartition { topic: TopicName::new("t").unwrap(), partition: 0 };
        let identity = Identity { name, log };
        Partition::open(Arc::new(MemDisk::default()), Path::new("/t-0"), identity, OPTIONS).unwrap().0
    }

    fn want(offset: i64, last_fetched_epoch: Option<i32>) -> FetchPartition {
        let topic = TopicImage {
            name: TopicName::new("t").unwrap(),
            id: TopicId(uuid::Uuid::from_u128(2)),
            partitions: Vec::new(),
            overrides: std::collections::BTreeMap::new(),
            usual_replication: false,
        };
        FetchPartition {
            topic: Arc::new(topic),
            partition: 0,
            offset,
            max_bytes: 1000,
            current_leader_epoch: None,
            last_fetched_epoch: last_fetched_epoch.map(LeaderEpoch),
        }
    }

    #[test]
    fn a_follower_says_of_no_offset_above_its_log_start_that_it_does_not_exist() {
        let partition = partition();
        let follower = |want| read_follower(&partition, &want, 1000, true);
        assert!(!follower(want(0, None)).unwrap().is_behind);
        assert!(follower(want(5, None)).unwrap().is_behind);
        assert!(matches!(follower(want(-1, None)), Err(BrokerError::OffsetOutOfRange { asked: -1, .. })));
        let leader = read_leader(&partition, &want(5, None), 1000, true);
        assert!(matches!(leader, Err(BrokerError::OffsetOutOfRange { asked: 5, .. })));
    }

    #[test]
    fn a_follower_does_not_send_a_reader_back_that_read_in_an_epoch_it_does_not_know() {
        let partition = partition();
        assert_eq!(read_follower(&partition, &want(0, Some(7)), 1000, true).unwrap().diverging, None);
        assert!(read_leader(&partition, &want(0, Some(7)), 1000, true).is_err());
    }

    #[test]
    fn who_is_behind_waits_and_who_is_sent_elsewhere_does_not() {
        let plan = FetchPlan {
            partitions: Vec::new(),
            max_wait: Duration::from_secs(1),
            min_bytes: 1,
            max_bytes: 1000,
            isolation: Isolation::ReadUncommitted,
        };
        let nothing = nothing(&partition());
        let behind = FetchedPartition { is_behind: true, ..nothing.clone() };
        let elsewhere = FetchedPartition { preferred: Some(2), ..nothing };
        assert!(!is_enough(&plan, &[Ok(behind)]));
        assert!(is_enough(&plan, &[Ok(elsewhere)]));
    }
}
