//! Produces to one topic: a partition for each record, batches, acknowledgements.
//!
//! Each partition has a [`Lane`](lane::Lane) with its own task, which sends its batches in order and sends them all again
//! if one fails that may pass later. Memory is bounded by [`ProducerOptions::buffer_bytes`].

mod lane;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::model::compression::Compression;
use crate::model::partitioner::partition_for_key;
use crate::wire::messages::InitProducerIdRequest;

use super::{ClientError, Cluster, Partition};
use lane::Lane;

/// How records are collected and sent.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// 0: nobody answers; 1: the leader has it; -1: all in-sync replicas have it.
    pub acks: i16,
    pub codec: Compression,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// Unpacked bytes after which a batch is full.
    pub batch_bytes: usize,
    /// Bytes of records that are not acknowledged yet.
    pub buffer_bytes: usize,
    /// Batches of one partition that are not acknowledged yet; at most 5 if idempotent.
    pub in_flight: usize,
    /// Whether the broker shall drop what arrives twice. Takes acks=-1.
    pub is_idempotent: bool,
    /// How long the broker may wait for replicas.
    pub timeout: Duration,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: -1,
            codec: Compression::None,
            linger: Duration::from_millis(5),
            batch_bytes: 256 << 10,
            buffer_bytes: 32 << 20,
            in_flight: 5,
            is_idempotent: true,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A record to be produced.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRecord<'a> {
    /// None: by the key; without a key any, a batch at a time.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// When it should have been sent: comes back in its [`Delivery`].
    pub due: Option<Instant>,
}

impl OutgoingRecord<'_> {
    /// About what it takes in a batch; not less.
    fn size(&self) -> usize {
        let nullable = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| 5 + bytes.len());
        let headers: usize = self.headers.iter().map(|(key, value)| 5 + key.len() + nullable(*value)).sum();
        16 + nullable(self.key) + nullable(self.value) + headers
    }
}

/// A batch that was acknowledged, or with acks=0 sent.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub partition: i32,
    /// -1 if the broker did not say.
    pub base_offset: i64,
    pub records: usize,
    /// As they went over the wire.
    pub bytes: usize,
    /// Those of the records that had one.
    pub dues: &'a [Instant],
}

type OnDelivery = Box<dyn Fn(Delivery<'_>) + Send + Sync>;

/// What all lanes share.
struct Shared {
    cluster: Cluster,
    topic_id: Uuid,
    options: ProducerOptions,
    /// (-1, -1) if not idempotent.
    producer: (i64, i16),
    /// A permit for each byte that may still be buffered.
    room: Semaphore,
    /// The first failure; nothing more is sent then.
    failed: Mutex<Option<ClientError>>,
    is_closing: std::sync::atomic::AtomicBool,
    delivered: AtomicU64,
    on_delivery: OnDelivery,
}

/// One topic's producer. Records of one partition keep their order.
pub struct Producer {
    shared: Arc<Shared>,
    lanes: Vec<Arc<Lane>>,
    tasks: JoinSet<()>,
    /// The lane of records without key, until its batch is full.
    sticky: AtomicUsize,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl Producer {
    /// Finds the topic's leaders, and gets a producer id if idempotent. `on_delivery` is called in a lane's task.
    ///
    /// # Errors
    /// [`ClientError`] if there is no such topic.
    pub async fn start(
        cluster: &Cluster,
        topic: &str,
        options: ProducerOptions,
        on_delivery: impl Fn(Delivery<'_>) + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        let metadata = cluster.topic(topic).await?;
        let producer = if options.is_idempotent {
            cluster.patiently(async || producer_id(cluster).await).await?
        } else {
            (-1, -1)
        };
        let shared = Arc::new(Shared {
            cluster: cluster.clone(),
            topic_id: metadata.id,
            room: Semaphore::new(options.buffer_bytes),
            options,
            producer,
            failed: Mutex::new(None),
            is_closing: false.into(),
            delivered: AtomicU64::new(0),
            on_delivery: Box::new(on_delivery),
        });
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::with_capacity(metadata.partitions.len());
        for partition in &metadata.partitions {
            let lane = Arc::new(Lane::new(Partition::new(topic, partition.index), &shared));
            tasks.spawn(Arc::clone(&lane).run(Arc::clone(&shared)));
            lanes.push(lane);
        }
        let first = Uuid::new_v4().as_u128() % lanes.len().max(1) as u128;
        Ok(Self { shared, lanes, tasks, sticky: AtomicUsize::new(first as usize) })
    }

    /// Takes a record into its partition's batch. Waits while the buffer is full.
    ///
    /// # Errors
    /// [`ClientError`]: what stopped this producer, or that there is no such partition.
    pub async fn send(&self, record: &OutgoingRecord<'_>) -> Result<(), ClientError> {
        let size = record.size();
        let held = size.min(self.shared.options.buffer_bytes);
        let permits = u32::try_from(held).unwrap_or(u32::MAX);
        let room = match self.shared.room.try_acquire_many(permits) {
            Ok(room) => Ok(room),
            Err(_) => self.shared.room.acquire_many(permits).await,
        };
        match room {
            // Given back by the lane, when the record is delivered.
            Ok(room) => room.forget(),
            Err(_) => return Err(self.shared.why_failed()),
        }
        let (lane, is_sticky) = self.lane_of(record)?;
        let is_full = lane.push(record, size, held, &self.shared)?;
        if is_full && is_sticky {
            self.sticky.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn lane_of(&self, record: &OutgoingRecord<'_>) -> Result<(&Lane, bool), ClientError> {
        let count = self.lanes.len();
        let (index, is_sticky) = match (record.partition, record.key) {
            (Some(partition), _) => (usize::try_from(partition).unwrap_or(usize::MAX), false),
            (None, Some(key)) => {
                let partition = partition_for_key(key, i32::try_from(count).unwrap_or(1).max(1));
                (usize::try_from(partition).unwrap_or(0), false)
            }
            (None, None) => (self.sticky.load(Ordering::Relaxed) % count.max(1), true),
        };
        match self.lanes.get(index) {
            Some(lane) => Ok((lane, is_sticky)),
            None => Err(ClientError::Protocol {
                subject: format!("partition {index}"),
                what: format!("the topic has {count} partitions, counted from 0"),
            }),
        }
    }

    /// Records that were acknowledged so far, or with acks=0 sent.
    pub fn delivered(&self) -> u64 {
        self.shared.delivered.load(Ordering::Relaxed)
    }

    /// Sends what is left and waits until all is acknowledged. Returns how many records were, over its whole life.
    ///
    /// # Errors
    /// [`ClientError`]: what stopped this producer; some records may not be delivered then.
    pub async fn finish(mut self) -> Result<u64, ClientError> {
        self.shared.is_closing.store(true, Ordering::Release);
        for lane in &self.lanes {
            lane.wake();
        }
        while self.tasks.join_next().await.is_some() {}
        let failed = self.shared.failed.lock().clone();
        match failed {
            Some(error) => Err(error),
            None => Ok(self.delivered()),
        }
    }
}

impl Shared {
    fn fail(&self, error: ClientError) {
        self.failed.lock().get_or_insert(error);
        // Nobody waits for room that never comes.
        self.room.close();
    }

    fn has_failed(&self) -> bool {
        self.failed.lock().is_some()
    }

    fn why_failed(&self) -> ClientError {
        let what = || ClientError::Protocol { subject: "producer".into(), what: "it was stopped".into() };
        self.failed.lock().clone().unwrap_or_else(what)
    }
}

async fn producer_id(cluster: &Cluster) -> Result<(i64, i16), ClientError> {
    let connection = cluster.any().await?;
    let version = connection.version::<InitProducerIdRequest>()?;
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(i32::MAX);
    let response = connection.call(&request, version).await?;
    ClientError::check(response.error_code, "producer id", None)?;
    Ok((response.producer_id.0, response.producer_epoch))
}
