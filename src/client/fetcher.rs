//! Fetches assigned partitions, one request at a time to each leader, ahead of whoever reads.
//!
//! Memory is bounded: one answer for each leader, and one more that waits to be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::model::BatchHeader;
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::messages::{BrokerId, FetchRequest, FetchResponse};

use super::backoff::Backoff;
use super::cluster::topic_name;
use super::connection::ANSWER_WITHIN;
use super::{ClientError, Cluster, Connection, Metadata, Partition};

/// The last version of `Fetch` that names topics; later ones have their ids (KIP-516).
const FETCH_BY_NAME: i16 = 12;

/// How much a fetch asks for.
#[derive(Clone, Copy, Debug)]
pub struct FetcherOptions {
    pub max_wait: Duration,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub partition_max_bytes: i32,
}

impl Default for FetcherOptions {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 16 << 20,
            partition_max_bytes: 2 << 20,
        }
    }
}

/// What came for one partition; [`super::batches`] reads the bytes.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub partition: Partition,
    /// What was asked for: a batch may begin before it.
    pub from: i64,
    /// Where the next fetch goes on.
    pub next: i64,
    pub high_watermark: i64,
    pub bytes: Bytes,
}

type Positions = Arc<Mutex<BTreeMap<Partition, i64>>>;

/// Fetches until it is dropped.
#[derive(Debug)]
pub struct Fetcher {
    arrived: mpsc::Receiver<Result<Fetched, ClientError>>,
    positions: Positions,
    task: JoinHandle<()>,
}

impl Fetcher {
    /// Begins to fetch each partition at its offset.
    pub fn start(cluster: &Cluster, options: FetcherOptions, from: BTreeMap<Partition, i64>) -> Self {
        let positions = Arc::new(Mutex::new(from));
        let (arriving, arrived) = mpsc::channel(1);
        let fetching = Fetching {
            cluster: cluster.clone(),
            options,
            positions: Arc::clone(&positions),
            arriving,
            connections: HashMap::new(),
        };
        Self { arrived, positions, task: tokio::spawn(fetching.run()) }
    }

    /// What comes next, of any partition; also answers without records, which tell the high watermark.
    ///
    /// # Errors
    /// [`ClientError`] that trying again did not help; nothing comes after it.
    pub async fn next(&mut self) -> Result<Fetched, ClientError> {
        match self.arrived.recv().await {
            Some(fetched) => fetched,
            // Nothing is fetched any more, and nothing will come.
            None => std::future::pending().await,
        }
    }

    /// Ends the fetching of one partition; an answer of it may still come.
    pub fn remove(&self, partition: &Partition) {
        self.positions.lock().remove(partition);
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request, and what it asked for.
struct Answered {
    node: i32,
    asked: BTreeMap<Partition, i64>,
    metadata: Arc<Metadata>,
    response: Result<FetchResponse, ClientError>,
}

/// The fetcher's task.
struct Fetching {
    cluster: Cluster,
    options: FetcherOptions,
    positions: Positions,
    arriving: mpsc::Sender<Result<Fetched, ClientError>>,
    /// Its own: a fetch waits at the broker, and what is sent behind it waits, too.
    connections: HashMap<i32, Connection>,
}

impl Fetching {
    async fn run(mut self) {
        if let Err(error) = self.fetch_all().await {
            // Nobody listens any more: then nobody misses it.
            _ = self.arriving.send(Err(error)).await;
        }
    }

    async fn fetch_all(&mut self) -> Result<(), ClientError> {
        let mut flying: FuturesUnordered<BoxFuture<'static, Answered>> = FuturesUnordered::new();
        let mut asked_nodes = BTreeSet::new();
        let mut backoff: Option<Backoff> = None;
        loop {
            let mut trouble = self.ask_idle_nodes(&mut flying, &mut asked_nodes).await.err();
            if trouble.is_none() {
                let Some(answered) = flying.next().await else { return Ok(()) };
                asked_nodes.remove(&answered.node);
                let node = answered.node;
                trouble = self.pass_on(answered).await.err();
                if trouble.as_ref().is_some_and(ClientError::is_network) {
                    self.connections.remove(&node);
                }
            }
            match trouble {
                None => backoff = None,
                Some(error) => {
                    backoff.get_or_insert_with(|| self.cluster.backoff()).after(error).await?;
                    let topics: BTreeSet<_> =
                        self.positions.lock().keys().map(|partition| Arc::clone(&partition.topic)).collect();
                    let topics: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
                    // If this does not help, the next try says why.
                    _ = self.cluster.refresh(Some(&topics)).await;
                }
            }
        }
    }

    /// Sends a fetch to each leader that has none.
    async fn ask_idle_nodes(
        &mut self,
        flying: &mut FuturesUnordered<BoxFuture<'static, Answered>>,
        asked_nodes: &mut BTreeSet<i32>,
    ) -> Result<(), ClientError> {
        let metadata = self.cluster.metadata();
        let mut by_leader: BTreeMap<i32, BTreeMap<Partition, i64>> = BTreeMap::new();
        for (partition, offset) in self.positions.lock().iter() {
            let leader = metadata.partition(&partition.topic, partition.index).and_then(|p| p.leader);
            let Some(leader) = leader else {
                return Err(ClientError::NoLeader { subject: partition.to_string() });
            };
            by_leader.entry(leader).or_default().insert(partition.clone(), *offset);
        }
        for (node, asked) in by_leader {
            if asked_nodes.contains(&node) {
                continue;
            }
            let connection = self.connection(node).await?;
            let (request, version) = self.request(&connection, &asked, &metadata)?;
            let metadata = Arc::clone(&metadata);
            let within = ANSWER_WITHIN + self.options.max_wait;
            flying.push(Box::pin(async move {
                let response = connection.call_within(&request, version, within).await;
                Answered { node, asked, metadata, response }
            }));
            asked_nodes.insert(node);
        }
        Ok(())
    }

    async fn connection(&mut self, node: i32) -> Result<Connection, ClientError> {
        if let Some(connection) = self.connections.get(&node).filter(|connection| !connection.is_broken()) {
            return Ok(connection.clone());
        }
        let connection = self.cluster.own_connection(node).await?;
        self.connections.insert(node, connection.clone());
        Ok(connection)
    }

    fn request(
        &self,
        connection: &Connection,
        asked: &BTreeMap<Partition, i64>,
        metadata: &Metadata,
    ) -> Result<(FetchRequest, i16), ClientError> {
        let has_ids = asked.keys().all(|partition| !metadata.topic_id(&partition.topic).is_nil());
        let version =
            connection.version_up_to::<FetchRequest>(if has_ids { i16::MAX } else { FETCH_BY_NAME })?;
        let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
        for (partition, offset) in asked {
            let wanted = FetchPartition::default()
                .with_partition(partition.index)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(self.options.partition_max_bytes);
            topics.entry(&partition.topic).or_default().push(wanted);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            let topic = FetchTopic::default().with_partitions(partitions);
            if version > FETCH_BY_NAME {
                topic.with_topic_id(metadata.topic_id(name))
            } else {
                topic.with_topic(topic_name(name))
            }
        });
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(i32::try_from(self.options.max_wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(self.options.min_bytes)
            .with_max_bytes(self.options.max_bytes)
            // No session: each request names all partitions.
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(topics.collect());
        Ok((request, version))
    }

    /// Hands over what came and moves the positions on.
    ///
    /// # Errors
    /// [`ClientError`] of the first partition that has one; those without are handed over first.
    async fn pass_on(&mut self, answered: Answered) -> Result<(), ClientError> {
        let response = answered.response?;
        ClientError::check(response.error_code, format!("fetch from node {}", answered.node), None)?;
        let mut trouble = Ok(());
        for topic in response.responses {
            let named = Some(topic.topic.as_str()).filter(|name| !name.is_empty());
            let Some(name) = named.or_else(|| answered.metadata.name_of(topic.topic_id)) else { continue };
            for data in topic.partitions {
                let partition = Partition::new(name, data.partition_index);
                let Some(from) = answered.asked.get(&partition).copied() else { continue };
                let checked = ClientError::check(data.error_code, partition.to_string(), None);
                if checked.is_err() {
                    trouble = trouble.and(checked);
                    continue;
                }
                let bytes = data.records.unwrap_or_default();
                let next = match next_offset(&bytes) {
                    Some(next) => next.max(from),
                    None if bytes.is_empty() => from,
                    // To ask again would bring the same.
                    None => return Err(unreadable(&partition, from)),
                };
                match self.positions.lock().get_mut(&partition) {
                    Some(position) => *position = next,
                    // Removed meanwhile.
                    None => continue,
                }
                let fetched = Fetched { partition, from, next, high_watermark: data.high_watermark, bytes };
                if self.arriving.send(Ok(fetched)).await.is_err() {
                    return trouble;
                }
            }
        }
        trouble
    }
}

fn unreadable(partition: &Partition, offset: i64) -> ClientError {
    let what = format!("what the broker sent at offset {offset} is no whole batch of the current format");
    ClientError::Protocol { subject: partition.to_string(), what }
}

/// The offset after the last whole batch of `bytes`, if there is one.
fn next_offset(bytes: &[u8]) -> Option<i64> {
    let (mut rest, mut next) = (bytes, None);
    while let Ok(header) = BatchHeader::parse(rest) {
        let Some(after) = rest.get(header.size as usize..) else { break };
        next = Some(header.next_offset().0);
        rest = after;
    }
    next
}
