//! Clients of the simulated cluster: they ask whoever they take for the leader, and try again as real ones do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bateau::broker::{Acks, Broker, BrokerError, NewTopic, TopicRef};
use bateau::coordinator::{CommitOffset, CommitOffsets};
use bateau::model::record::{BatchBuilder, BatchOptions, NewRecord, Producer};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::checker::Checker;
use crate::node::Up;

/// How long a client waits for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
pub(crate) const TOPIC: &str = "t";

type Waiting = Arc<Mutex<BTreeMap<(i32, u64), oneshot::Sender<()>>>>;

/// What all clients share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    /// The nodes that serve.
    pub(crate) up: Arc<Mutex<BTreeMap<i32, Up>>>,
    pub(crate) checker: Arc<Mutex<Checker>>,
    pub(crate) chance: Arc<Mutex<Chance>>,
    /// Nothing new is begun any more.
    pub(crate) ending: Arc<AtomicBool>,
    /// Clients that are at work.
    pub(crate) busy: Arc<AtomicU64>,
    /// How far a story is.
    pub(crate) marked: Arc<AtomicU64>,
    /// By node and number: who waits for an answer of it. Dropped when it crashes, in this order: tasks that are dropped
    /// with their runtime are so in none.
    waiting: Waiting,
    asked: Arc<AtomicU64>,
}

impl Clients {
    pub(crate) fn new(checker: Arc<Mutex<Checker>>, chance: Chance) -> Self {
        Self {
            up: Arc::default(),
            checker,
            chance: Arc::new(Mutex::new(chance)),
            ending: Arc::default(),
            busy: Arc::default(),
            marked: Arc::default(),
            waiting: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// `node` is gone, and answers nobody.
    pub(crate) fn lose(&self, node: i32) {
        self.up.lock().remove(&node);
        let mut waiting = self.waiting.lock();
        let later = waiting.split_off(&(node, 0));
        let (lost, mut others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            later.into_iter().partition(|((of, _), _)| *of == node);
        waiting.append(&mut others);
        lost.into_values().for_each(drop);
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.chance.lock().below(end)
    }

    async fn pause(&self, up_to_ms: u64) {
        let pause = self.below(up_to_ms);
        sleep(Duration::from_millis(pause)).await;
    }

    fn trace(&self, what: &str) {
        self.checker.lock().trace(what);
    }

    /// Has `node` do it. `None`: it is down, or the answer did not come.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        node: i32,
        what: impl FnOnce(Broker) -> BoxFuture<'static, T> + Send + 'static,
    ) -> Option<T> {
        self.pause(3).await;
        let (answer, wait) = oneshot::channel();
        let (not_lost, lost) = oneshot::channel();
        let number = self.asked.fetch_add(1, Relaxed);
        {
            let up = self.up.lock();
            let up = up.get(&node)?;
            let broker = up.broker.clone();
            drop(up.handle.spawn(async move { drop(answer.send(what(broker).await)) }));
            self.waiting.lock().insert((node, number), not_lost);
        }
        let answered = timeout(ANSWERED_WITHIN, async {
            tokio::select! {
                biased;
                _ = lost => None,
                answer = wait => answer.ok(),
            }
        });
        let answered = answered.await.ok().flatten();
        self.waiting.lock().remove(&(node, number));
        let answered = Some(answered?);
        self.pause(3).await;
        answered
    }

    /// Some node that serves.
    async fn somebody(&self) -> i32 {
        loop {
            let nodes: Vec<i32> = self.up.lock().keys().copied().collect();
            if !nodes.is_empty() {
                return nodes[self.chance.lock().pick(nodes.len())];
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn leader(&self, topic: &'static str, partition: i32) -> Option<i32> {
        let node = self.somebody().await;
        let asked = self.ask(node, move |broker| {
            Box::pin(async move {
                let image = broker.image();
                let topic = image.topic(topic)?;
                Some(broker.leader(topic, partition).node)
            })
        });
        asked.await.flatten().filter(|node| *node >= 0)
    }

    /// Makes a topic, once three nodes serve.
    pub(crate) async fn create(&self, name: &'static str, partitions: i32, configs: &[(&str, &str)]) {
        let configs: Vec<_> = configs.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect();
        loop {
            let node = self.somebody().await;
            let configs = configs.clone();
            let made = self.ask(node, move |broker| {
                Box::pin(async move {
                    if broker.image().nodes.values().filter(|node| node.is_serving()).count() < 3 {
                        return Err(BrokerError::NotController);
                    }
                    let new = NewTopic {
                        name: name.into(),
                        partitions,
                        replication_factor: 3,
                        configs,
                        ..NewTopic::default()
                    };
                    broker.create_topics(vec![new], false).await.pop().unwrap()
                })
            });
            match made.await {
                Some(Ok(_) | Err(BrokerError::TopicExists { .. })) => return,
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Asks whoever may be the controller to have a partition on these nodes.
    pub(crate) async fn reassign(self, topic: &'static str, partition: i32, to: Vec<i32>) {
        for _ in 0..5 {
            let (node, to) = (self.somebody().await, to.clone());
            let moved = self.ask(node, move |broker| {
                Box::pin(async move { broker.reassign(topic, partition, Some(&to)).await })
            });
            if moved.await.is_some_and(|moved| moved.is_ok()) {
                return;
            }
        }
    }

    /// Deletes a topic.
    pub(crate) async fn delete(&self, name: &'static str) {
        loop {
            let node = self.somebody().await;
            let deleted = self.ask(node, move |broker| {
                Box::pin(async move { broker.delete_topic(&TopicRef::Name(name.into())).await })
            });
            match deleted.await {
                Some(Ok(_) | Err(BrokerError::UnknownTopic { .. })) => {
                    return self.trace(&format!("{name} is deleted"));
                }
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Produces so many batches, or until the end, each until it is acknowledged.
    pub(crate) async fn produce(self, name: String, topic: &'static str, partition: i32, batches: u64) {
        let producer = loop {
            let node = self.somebody().await;
            let given = self.ask(node, |broker| Box::pin(async move { broker.init_producer_id().await }));
            match given.await {
                Some(Ok((id, epoch))) => break (id, epoch),
                _ => sleep(Duration::from_millis(50)).await,
            }
        };
        self.trace(&format!("producer {name} is {}", producer.0));
        let (mut next, mut left) = (0, batches);
        while !self.ending.load(Relaxed) && left > 0 {
            left -= 1;
            let count = 1 + self.below(3);
            let values: Vec<String> = (next..next + count).map(|number| format!("{name}-{number}")).collect();
            let bytes = batch(
                &values,
                Producer { id: producer.0, epoch: producer.1, base_sequence: i32::try_from(next).unwrap() },
            );
            self.busy.fetch_add(1, Relaxed);
            self.deliver(&values, bytes, (topic, partition)).await;
            self.busy.fetch_sub(1, Relaxed);
            next += count;
            self.pause(20).await;
        }
    }

    async fn deliver(&self, values: &[String], bytes: Bytes, (name, partition): (&'static str, i32)) {
        loop {
            let Some(node) = self.leader(name, partition).await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let records = bytes.clone();
            let produced = self.ask(node, move |broker| {
                Box::pin(async move {
                    let topic = broker.image().topic(name).cloned();
                    let topic = topic.ok_or(BrokerError::UnknownTopic { topic: name.into() })?;
                    let pending = broker.begin_produce(&topic, partition, records, Acks::All).await?;
                    pending.done().await.map(|produced| (topic.id, produced.base_offset.0))
                })
            });
            match produced.await {
                Some(Ok((topic, base))) => {
                    self.checker.lock().acknowledge((topic, partition), base, values);
                    return;
                }
                Some(Err(error @ (BrokerError::Producer(_) | BrokerError::Check(_)))) => {
                    self.refused(&format!(
                        "node {node} refuses {} in {partition}: {error}",
                        values.join(" ")
                    ));
                    sleep(Duration::from_millis(200)).await;
                }
                Some(Err(error)) => {
                    self.trace(&format!("node {node}: {}: {error}", values.join(" ")));
                    self.pause(60).await;
                }
                None => {
                    self.trace(&format!("node {node}: {}: no answer", values.join(" ")));
                    self.pause(60).await;
                }
            }
        }
    }

    /// What the log knows of a producer contradicts what the producer was told.
    fn refused(&self, how: &str) {
        let mut checker = self.checker.lock();
        if !checker.may_lose {
            checker.fault(how);
        }
    }

    /// Commits a growing offset for a group, and asks for it now and then.
    pub(crate) async fn commit(self, group: &'static str) {
        let (mut acknowledged, mut tried) = (-1, -1);
        // Those without an answer may still be carried out, whenever.
        let mut doubtful = Vec::new();
        while !self.ending.load(Relaxed) {
            self.busy.fetch_add(1, Relaxed);
            if self.below(3) == 0 && acknowledged >= 0 {
                if let Some(found) = self.committed(group).await
                    && !(acknowledged..=tried).contains(&found)
                    && !doubtful.contains(&found)
                {
                    let said = format!(
                        "group {group} has committed {found}, {acknowledged} was acknowledged, {tried} tried"
                    );
                    self.checker.lock().fault(&said);
                }
            } else {
                tried += 1;
                match self.commit_once(group, tried).await {
                    Some(true) => {
                        self.trace(&format!("group {group} committed {tried}"));
                        acknowledged = tried;
                    }
                    Some(false) => {}
                    None => doubtful.push(tried),
                }
            }
            self.busy.fetch_sub(1, Relaxed);
            self.pause(60).await;
        }
    }

    async fn coordinator(&self, group: &'static str) -> Option<i32> {
        let node = self.somebody().await;
        let found =
            self.ask(node, move |broker| Box::pin(async move { broker.find_group_coordinator(group).await }));
        found.await?.ok().map(|node| node.id)
    }

    async fn commit_once(&self, group: &'static str, offset: i64) -> Option<bool> {
        let Some(node) = self.coordinator(group).await else { return Some(false) };
        let commit = CommitOffsets {
            group: group.into(),
            generation: -1,
            member_id: String::new(),
            instance_id: None,
            retention_ms: None,
            offsets: vec![CommitOffset {
                topic: TOPIC.into(),
                topic_id: None,
                partition: 0,
                offset,
                leader_epoch: -1,
                metadata: String::new(),
            }],
        };
        let committed = self.ask(node, |broker| Box::pin(async move { broker.commit_offsets(commit).await }));
        committed.await.map(|answers| answers.is_ok_and(|answers| answers.iter().all(Result::is_ok)))
    }

    pub(crate) async fn committed(&self, group: &'static str) -> Option<i64> {
        let node = self.coordinator(group).await?;
        let asked = vec![(TOPIC.to_owned(), 0)];
        let found = self.ask(node, move |broker| {
            Box::pin(async move { broker.fetch_offsets(group, Some(&asked)).await })
        });
        let found = found.await?.ok()?.pop()?;
        Some(found.committed.map_or(-1, |committed| committed.offset))
    }
}

pub(crate) fn batch(values: &[String], producer: Producer) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for value in values {
        let record = NewRecord {
            timestamp: 1_700_000_000_000,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        };
        batch.push(&record).unwrap();
    }
    batch.build().unwrap().into()
}
