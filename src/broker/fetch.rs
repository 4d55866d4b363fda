//! Reading for consumers: bounded by the high watermark, woken by appends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Broker, BrokerError};
use crate::cluster::{Group, TopicImage};
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
        let deadline = Instant::now() + plan.max_wait;
        let groups = self.groups_of(plan).await;
        if plan.max_wait.is_zero() || groups.is_empty() || groups.iter().any(Result::is_err) {
            return read_all(plan, groups);
        }
        let groups: Vec<_> = groups.into_iter().flatten().collect();
        let read = || read_all(plan, groups.iter().cloned().map(Ok));
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
            async move { self.group(&topic, partition, epoch).await }
        };
        futures_util::future::join_all(plan.partitions.iter().map(group)).await
    }
}

fn is_enough(plan: &FetchPlan, answers: &[Answer]) -> bool {
    let mut bytes = 0;
    for answer in answers {
        match answer {
            Ok(read) if read.diverging.is_none() => bytes += read.bytes(),
            _ => return true,
        }
    }
    bytes >= plan.min_bytes
}

fn read_all(
    plan: &FetchPlan,
    groups: impl IntoIterator<Item = Result<Arc<Group>, BrokerError>>,
) -> Vec<Answer> {
    let mut left = plan.max_bytes;
    let mut at_least_one = true;
    let mut answers = Vec::with_capacity(plan.partitions.len());
    for (want, group) in plan.partitions.iter().zip(groups) {
        let answer = group.and_then(|group| read_one(&group.partition, want, left, at_least_one));
        if let Ok(read) = &answer {
            let bytes = read.bytes();
            left = left.saturating_sub(bytes);
            at_least_one &= bytes == 0;
        }
        answers.push(answer);
    }
    answers
}

fn read_one(partition: &Partition, want: &FetchPartition, left: usize, at_least_one: bool) -> Answer {
    let lines = &partition.lines;
    let high_watermark = lines.high_watermark();
    let (start, end) = (lines.log_start(), partition.reader().log_end_offset());
    let mut read = FetchedPartition {
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: start,
        runs: Vec::new(),
        diverging: None,
    };
    if let Some(epoch) = want.last_fetched_epoch {
        read.diverging = diverging(partition, want.offset, epoch, (start, end))?;
        if read.diverging.is_some() {
            return Ok(read);
        }
    }
    if want.offset < start.0 || want.offset > end.0 {
        return Err(BrokerError::OffsetOutOfRange { asked: want.offset, start, end });
    }
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
