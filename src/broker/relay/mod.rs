//! What doors ask of whoever can do it, this node or another: appends and reads of a partition that is led elsewhere,
//! topics for the controller, groups for their coordinators.
//!
//! Between nodes goes a [`Relay`], over the connections that nodes have anyway; the node that serves it checks what it
//! would check for a client of its own. Kafka's door has no need of it: its clients go to the leader themselves.
//!
//! Not here: who may ask. That was decided where the request came in.

mod fault;
mod groups;
mod message;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Acks, Broker, BrokerError, FetchPartition, FetchPlan, FoundOffset, Isolation, OffsetSpec, Produced,
};
use crate::cluster::TopicImage;
use crate::model::{LeaderEpoch, Offset, PartitionId, TopicId};
use crate::peer::PeerError;
use fault::Fault;
pub(super) use message::Relay;
use message::{Ask, Done, OffsetAsk, Place, ProduceAsk, ReadAsk, Relayed};
pub use message::{GroupInList, GroupMember, GroupView, Groups, ReadRecords, RelayedTopic, StoredOffset};

/// The most bytes that one read asks for, and that one relayed answer is made of, beside one batch that is larger.
pub const LARGEST_READ: usize = 8 << 20;
/// How long a leader is looked for, and the longest that an append is waited for.
const LED_WITHIN: Duration = Duration::from_secs(15);
/// The longest that a read waits for records. Whoever follows a log asks again.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Pause before the leader is looked for again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Records of one partition that somebody wants.
#[derive(Clone, Debug)]
pub struct ReadFrom {
    pub topic: Arc<TopicImage>,
    pub partition: PartitionId,
    pub offset: i64,
    /// At least one batch comes, however large it is. [`LARGEST_READ`] at most.
    pub max_bytes: usize,
    /// How long to wait for the first record; 30 s at most.
    pub wait: Duration,
}

impl Broker {
    /// Appends one record batch to a partition, at whichever node leads it; acknowledged by a majority.
    ///
    /// # Errors
    /// [`BrokerError::NoMajority`] if it is not known whether the batch was appended; otherwise it was not.
    pub async fn produce_at_leader(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        records: Bytes,
    ) -> Result<Produced, BrokerError> {
        let ask = ProduceAsk { place: Some(Place::of(topic.id, partition)), records };
        match self.at_leader((topic, partition), Ask::Produce(ask), LED_WITHIN).await? {
            Done::Produced(done) => Ok(Produced {
                base_offset: Offset(done.base_offset),
                log_append_time: done.log_append_time,
                log_start_offset: Offset(done.log_start_offset),
            }),
            _ => Err(nonsense()),
        }
    }

    /// Reads up to the high watermark: what this node's replica has, else from the leader. A replica that has nothing
    /// yet is not the last word: whoever wrote a moment ago reads what was written.
    ///
    /// # Errors
    /// [`BrokerError`]; [`BrokerError::OffsetOutOfRange`] only from the leader, or below this replica's log start.
    pub async fn read_anywhere(&self, want: &ReadFrom) -> Result<ReadRecords, BrokerError> {
        let deadline = Instant::now() + want.wait.min(WAIT_MAX);
        let mut here = self.read_here(want, Duration::ZERO).await?;
        if here.as_ref().is_some_and(|read| read.records.is_empty()) && !want.wait.is_zero() {
            here = self.read_here(want, want.wait).await?;
        }
        if let Some(read) = here
            && (!read.records.is_empty() || !want.wait.is_zero())
        {
            return Ok(read);
        }
        let wait = deadline.saturating_duration_since(Instant::now());
        let ask = ReadAsk {
            place: Some(Place::of(want.topic.id, want.partition)),
            offset: want.offset,
            max_bytes: want.max_bytes as u64,
            wait_ms: wait.as_millis() as u64,
        };
        match self.at_leader((&want.topic, want.partition), Ask::Read(ask), LED_WITHIN + wait).await? {
            Done::Read(read) => Ok(read),
            _ => Err(nonsense()),
        }
    }

    /// As [`Broker::list_offset`], at whichever node leads the partition.
    pub async fn find_offset(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        spec: OffsetSpec,
    ) -> Result<FoundOffset, BrokerError> {
        let ask = OffsetAsk { place: Some(Place::of(topic.id, partition)), spec: message::number_of(spec) };
        match self.at_leader((topic, partition), Ask::Offset(ask), LED_WITHIN).await? {
            Done::Offset(found) => Ok(FoundOffset {
                timestamp: found.timestamp,
                offset: found.offset,
                epoch: found.epoch.map(LeaderEpoch),
            }),
            _ => Err(nonsense()),
        }
    }

    /// Has the partition's leader do it. Looks for another one for as long as nothing can have been done.
    async fn at_leader(
        &self,
        (topic, partition): (&TopicImage, PartitionId),
        ask: Ask,
        within: Duration,
    ) -> Result<Done, BrokerError> {
        let name = || format!("{}-{partition}", topic.name);
        if topic.partition(partition).is_none() {
            return Err(BrokerError::UnknownPartition { topic: topic.name.to_string(), partition });
        }
        let deadline = Instant::now() + within;
        loop {
            if self.image().topic_by_id(topic.id).is_none() {
                return Err(BrokerError::UnknownTopic { topic: topic.name.to_string() });
            }
            let node = self.leader(topic, partition).node;
            let done = if node == self.node_id() {
                let here = timeout_at(deadline, self.serve_ask(ask.clone())).await;
                here.unwrap_or_else(|_| Err(BrokerError::NoMajority { partition: name() }))
            } else if node < 0 {
                Err(BrokerError::NotLeader { partition: name() })
            } else {
                self.ask_node(node, ask.clone(), deadline, &name()).await
            };
            match done {
                Err(BrokerError::NotLeader { .. }) if Instant::now() + LOOK_AGAIN_AFTER < deadline => {
                    sleep(LOOK_AGAIN_AFTER).await;
                }
                done => return done,
            }
        }
    }

    /// Has `node` do it for `of`. [`BrokerError::NotLeader`]: nothing was done there.
    async fn ask_node(&self, node: i32, ask: Ask, deadline: Instant, of: &str) -> Result<Done, BrokerError> {
        let changes = matches!(ask, Ask::Produce(_));
        let within = deadline.saturating_duration_since(Instant::now());
        let answer = self.relay_to(node, Relay { ask: Some(ask) }, within).await;
        let answer = answer.map_err(|error| {
            tracing::debug!(node, %error, "a node did not do what was relayed to it");
            match changes && may_be_done(&error) {
                true => BrokerError::NoMajority { partition: of.to_owned() },
                false => BrokerError::NotLeader { partition: of.to_owned() },
            }
        })?;
        opened(&answer)
    }

    /// What another node asks of this one.
    ///
    /// # Errors
    /// [`BrokerError::NotController`], after which the asker looks for it; all else is in the answer.
    pub(super) async fn serve_relay(&self, relay: Relay) -> Result<Vec<u8>, BrokerError> {
        let Some(ask) = relay.ask else {
            return Err(BrokerError::InvalidRequest { reason: "nothing is asked for".into() });
        };
        let relayed = match self.serve_ask(ask).await {
            Ok(done) => Relayed { done: Some(done), fault: None },
            Err(BrokerError::NotController) => return Err(BrokerError::NotController),
            Err(error) => Relayed { done: None, fault: Some(Fault::of(&error)) },
        };
        Ok(relayed.encode_to_vec())
    }

    async fn serve_ask(&self, ask: Ask) -> Result<Done, BrokerError> {
        match ask {
            Ask::Produce(ask) => self.serve_produce(ask).await,
            Ask::Read(ask) => self.serve_read(&ask).await,
            Ask::Offset(ask) => {
                let (topic, partition) = self.place(ask.place.as_ref())?;
                let spec = message::spec_of(ask.spec)?;
                let found = self.list_offset(&topic, partition, spec, None).await?;
                Ok(Done::offset(&found))
            }
            Ask::CreateTopic(ask) => self.serve_create(ask).await,
            Ask::DeleteTopic(name) => self.serve_delete(name).await,
            Ask::Group(ask) => self.serve_group(&ask.name).await,
            Ask::Groups(_) => self.serve_groups().await,
            Ask::DeleteGroup(ask) => self.serve_delete_group(&ask.name).await,
        }
    }

    async fn serve_produce(&self, ask: ProduceAsk) -> Result<Done, BrokerError> {
        let (topic, partition) = self.place(ask.place.as_ref())?;
        let begun = self.begin_produce(&topic, partition, ask.records, Acks::All).await?;
        Ok(Done::produced(&begun.done().await?))
    }

    async fn serve_read(&self, ask: &ReadAsk) -> Result<Done, BrokerError> {
        let (topic, partition) = self.place(ask.place.as_ref())?;
        let want = ReadFrom {
            topic,
            partition,
            offset: ask.offset,
            max_bytes: usize::try_from(ask.max_bytes).unwrap_or(LARGEST_READ),
            wait: Duration::from_millis(ask.wait_ms),
        };
        // One that was just elected learns first what its predecessor has acknowledged.
        self.group(&want.topic, partition, None).await?;
        let plan = plan(&want, want.wait);
        let read = self.fetch(&plan).await.pop().unwrap_or_else(|| Err(nonsense()))?;
        Ok(Done::Read(copied(read).await?))
    }

    /// What this node's replica has to say; `None` if that is nothing.
    async fn read_here(&self, want: &ReadFrom, wait: Duration) -> Result<Option<ReadRecords>, BrokerError> {
        let placed = want.topic.partition(want.partition);
        if placed.and_then(|placed| placed.on(self.node_id())).is_none() {
            return Ok(None);
        }
        match self.fetch_near(&plan(want, wait), "").await.pop() {
            Some(Ok(read)) if !read.is_behind => copied(read).await.map(Some),
            Some(Err(error @ BrokerError::OffsetOutOfRange { .. })) => Err(error),
            // The leader knows more than a replica that failed, or has only been placed here.
            Some(Ok(_) | Err(_)) | None => Ok(None),
        }
    }

    fn place(&self, place: Option<&Place>) -> Result<(Arc<TopicImage>, PartitionId), BrokerError> {
        let place = place.and_then(Place::key);
        let (id, partition) =
            place.ok_or_else(|| BrokerError::InvalidRequest { reason: "no partition is named".into() })?;
        let image = self.image();
        let topic = image.topic_by_id(id).ok_or(BrokerError::UnknownTopicId { id })?;
        match topic.partition(partition) {
            Some(_) => Ok((Arc::clone(topic), partition)),
            None => Err(BrokerError::UnknownPartition { topic: topic.name.to_string(), partition }),
        }
    }
}

/// What came back from another node.
fn opened(answer: &[u8]) -> Result<Done, BrokerError> {
    let unreadable = |error: prost::DecodeError| BrokerError::ControllerRefused { reason: error.to_string() };
    let Relayed { done, fault } = Relayed::decode(answer).map_err(unreadable)?;
    match fault {
        Some(fault) => Err(fault.error()),
        None => done.ok_or_else(nonsense),
    }
}

fn nonsense() -> BrokerError {
    BrokerError::ControllerRefused { reason: "another node's answer is not one to what was asked".into() }
}

/// Whether the other node may have done what it was asked for.
fn may_be_done(error: &PeerError) -> bool {
    match error {
        PeerError::NotConnected { sent, .. } => *sent,
        PeerError::Refused { .. } | PeerError::Busy { .. } | PeerError::TooLarge { .. } => false,
        PeerError::TimedOut { .. } | PeerError::Failed { .. } | PeerError::Closed => true,
    }
}

fn plan(want: &ReadFrom, wait: Duration) -> FetchPlan {
    let max_bytes = want.max_bytes.clamp(1, LARGEST_READ);
    FetchPlan {
        partitions: vec![FetchPartition {
            topic: Arc::clone(&want.topic),
            partition: want.partition,
            offset: want.offset,
            max_bytes,
            current_leader_epoch: None,
            last_fetched_epoch: None,
        }],
        max_wait: wait.min(WAIT_MAX),
        min_bytes: 1,
        max_bytes,
        isolation: Isolation::ReadCommitted,
    }
}

/// The bytes that were lent. Off the runtime's threads, for the disk may be slow.
async fn copied(read: super::FetchedPartition) -> Result<ReadRecords, BrokerError> {
    let size = read.bytes();
    let mut out = ReadRecords {
        high_watermark: read.high_watermark.0,
        log_start_offset: read.log_start_offset.0,
        records: Bytes::new(),
    };
    if size == 0 {
        return Ok(out);
    }
    let copy = tokio::task::spawn_blocking(move || {
        let mut bytes = BytesMut::zeroed(size);
        let mut rest = &mut bytes[..];
        for run in &read.runs {
            let (here, after) = rest.split_at_mut(run.length);
            run.copy_into(0, here)?;
            rest = after;
        }
        Ok::<_, BrokerError>(bytes.freeze())
    });
    out.records = copy.await.unwrap_or(Err(BrokerError::Closing))?;
    Ok(out)
}

/// The key of a partition as it goes over.
impl Place {
    fn of(topic: TopicId, partition: PartitionId) -> Self {
        Self { topic_id: topic.0.as_bytes().to_vec(), partition }
    }

    fn key(&self) -> Option<(TopicId, PartitionId)> {
        Some((TopicId(uuid::Uuid::from_slice(&self.topic_id).ok()?), self.partition))
    }
}
