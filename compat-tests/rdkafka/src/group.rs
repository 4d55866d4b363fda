//! A member of a consumer group: subscribes, processes, commits what it processed, and tells what it saw.
//!
//! [`take_part`] is its whole life; [`Member`] lives it on a thread, `member.rs` in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{Client, Outcome};

/// What a group's members have in common: a crash is noticed after 6 s, a rebalance within a heartbeat.
pub const SETTINGS: &[(&str, &str)] = &[
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "500"),
    ("max.poll.interval.ms", "10000"),
    ("enable.auto.commit", "false"),
    ("auto.offset.reset", "earliest"),
    ("allow.auto.create.topics", "false"),
    ("partition.assignment.strategy", "range"),
    // A commit waits for its answer at most this long, within which a lost broker is back.
    ("socket.timeout.ms", "8000"),
    ("reconnect.backoff.max.ms", "500"),
    ("topic.metadata.refresh.interval.ms", "500"),
];
/// How often a member commits.
const COMMIT_TIME: Duration = Duration::from_millis(500);
/// Longest wait for a record before the other duties.
const POLL_TIME: Duration = Duration::from_millis(50);

/// What happens to a member, in the order in which it happens.
pub trait Events: Send + Sync {
    /// It owns exactly these partitions now.
    fn owns(&self, partitions: &BTreeSet<i32>);
    /// These are about to be given up, or were lost.
    fn gives_up(&self, partitions: &BTreeSet<i32>);
    fn processed(&self, partition: i32, offset: i64, value: &[u8]);
    /// A commit comes: whatever was processed must be kept before it.
    fn commits(&self);
    /// The broker acknowledged this.
    fn committed(&self, partition: i32, next: i64);
    /// Called between records and at least each [`POLL_TIME`].
    fn turn(&self);
}

/// The consumer's context: owned partitions, and what was processed and committed of them.
pub struct Duty<E: Events> {
    pub events: E,
    topic: String,
    positions: Mutex<Positions>,
}

#[derive(Default)]
struct Positions {
    owned: BTreeSet<i32>,
    processed: BTreeMap<i32, i64>,
    committed: BTreeMap<i32, i64>,
}

impl<E: Events> ClientContext for Duty<E> {}

impl<E: Events> ConsumerContext for Duty<E> {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else { return };
        if !consumer.assignment_lost() {
            self.commit(consumer);
        }
        let gone = partitions(list);
        self.events.gives_up(&gone);
        let mut positions = self.positions();
        for partition in gone {
            positions.owned.remove(&partition);
            positions.processed.remove(&partition);
            positions.committed.remove(&partition);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let owned = {
            let mut positions = self.positions();
            if let Rebalance::Assign(list) = rebalance {
                positions.owned.extend(partitions(list));
            }
            positions.owned.clone()
        };
        match rebalance {
            Rebalance::Assign(_) => self.events.owns(&owned),
            // Cooperative: what is left after an incremental revocation.
            Rebalance::Revoke(_) if !owned.is_empty() => self.events.owns(&owned),
            Rebalance::Revoke(_) | Rebalance::Error(_) => {}
        }
    }
}

impl<E: Events> Duty<E> {
    fn positions(&self) -> MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what was processed since the last commit. One that is not acknowledged is made up for by a later one, or by
    /// whoever owns the partition then.
    fn commit(&self, consumer: &BaseConsumer<Self>) {
        let open: BTreeMap<i32, i64> = {
            let positions = self.positions();
            let new = |(partition, next): &(&i32, &i64)| positions.committed.get(partition) != Some(next);
            positions.processed.iter().filter(new).map(|(partition, next)| (*partition, *next)).collect()
        };
        // A pattern is no topic: members that subscribe to one commit nothing.
        if open.is_empty() || self.topic.starts_with('^') {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (partition, next) in &open {
            if list.add_partition_offset(&self.topic, *partition, Offset::Offset(*next)).is_err() {
                return;
            }
        }
        self.events.commits();
        if consumer.commit(&list, CommitMode::Sync).is_err() {
            return;
        }
        for (partition, next) in &open {
            self.events.committed(*partition, *next);
        }
        self.positions().committed.extend(open);
    }
}

/// Is a member of `group` until `leave` is set; then commits and leaves.
pub fn take_part<E: Events>(
    events: E,
    bootstrap: &str,
    group: &str,
    (topic, settings): (&str, &[(&str, &str)]),
    leave: &AtomicBool,
) -> Outcome {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group);
    for (name, value) in SETTINGS.iter().chain(settings) {
        config.set(*name, *value);
    }
    let duty = Duty { events, topic: topic.to_owned(), positions: Mutex::default() };
    let consumer: BaseConsumer<Duty<E>> = config.create_with_context(duty)?;
    consumer.subscribe(&[topic])?;
    let duty = consumer.context();
    let mut committed = Instant::now();
    while !leave.load(Ordering::SeqCst) {
        match consumer.poll(POLL_TIME) {
            Some(Ok(message)) => {
                duty.events.processed(
                    message.partition(),
                    message.offset(),
                    message.payload().unwrap_or_default(),
                );
                duty.positions().processed.insert(message.partition(), message.offset() + 1);
            }
            // Lost connections and the like are reported here and cured by themselves.
            Some(Err(error)) if error.to_string().contains("Fatal") => return Err(error.into()),
            Some(Err(_)) | None => {}
        }
        duty.events.turn();
        if committed.elapsed() >= COMMIT_TIME {
            duty.commit(&consumer);
            committed = Instant::now();
        }
    }
    // Closing revokes, and so commits.
    drop(consumer);
    Ok(())
}

/// The partitions of a list of one topic.
pub fn partitions(list: &TopicPartitionList) -> BTreeSet<i32> {
    list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}

/// What a [`Member`] has seen until now.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub owned: BTreeSet<i32>,
    /// How often partitions were assigned or given up.
    pub changes: usize,
    /// Every partition that was ever given up.
    pub given_up: BTreeSet<i32>,
    /// Partition, offset and value of each record.
    pub records: Vec<(i32, i64, String)>,
    /// The last acknowledged commit of each partition.
    pub committed: BTreeMap<i32, i64>,
}

/// A member on a thread of its own; leaves politely when told or dropped.
pub struct Member {
    seen: Arc<Mutex<Seen>>,
    leave: Arc<AtomicBool>,
    thread: Option<JoinHandle<Outcome>>,
}

struct Record(Arc<Mutex<Seen>>);

impl Record {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Record {
    fn owns(&self, partitions: &BTreeSet<i32>) {
        let mut seen = self.seen();
        seen.owned.clone_from(partitions);
        seen.changes += 1;
    }

    fn gives_up(&self, partitions: &BTreeSet<i32>) {
        let mut seen = self.seen();
        seen.owned.retain(|partition| !partitions.contains(partition));
        seen.given_up.extend(partitions);
        seen.changes += 1;
    }

    fn processed(&self, partition: i32, offset: i64, value: &[u8]) {
        self.seen().records.push((partition, offset, String::from_utf8_lossy(value).into_owned()));
    }

    fn commits(&self) {}

    fn committed(&self, partition: i32, next: i64) {
        self.seen().committed.insert(partition, next);
    }

    fn turn(&self) {}
}

impl Member {
    /// Joins `group` with `settings` over [`SETTINGS`]; returns at once.
    pub fn join(client: &Client, group: &str, topic: &str, settings: &[(&str, &str)]) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let leave = Arc::new(AtomicBool::new(false));
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (bootstrap, group, topic) = (client.bootstrap.clone(), group.to_owned(), topic.to_owned());
        let thread = thread::spawn({
            let (seen, leave) = (Arc::clone(&seen), Arc::clone(&leave));
            move || {
                let settings: Vec<(&str, &str)> =
                    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                take_part(Record(seen), &bootstrap, &group, (&topic, &settings), &leave)
            }
        });
        Self { seen, leave, thread: Some(thread) }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Commits and ends; a static member does not leave the group by that.
    pub fn leave(mut self) -> Outcome<Seen> {
        self.end()?;
        Ok(self.seen())
    }

    fn end(&mut self) -> Outcome {
        self.leave.store(true, Ordering::SeqCst);
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| "a member panicked")?,
            None => Ok(()),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Its outcome is the concern of `leave`; here a feature has failed already or is over.
        let _ = self.end();
    }
}
