//! Records of several requests on their way: gathered into one batch for each partition, acknowledged in request order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::batch::{self, Batch};
use super::error::Refusal;
use super::target::{self, Turns};
use crate::broker::{Acks, Broker, PendingAppend};
use crate::cluster::TopicImage;
use crate::model::{Offset, PartitionId, TopicId};
use crate::proto::log::Record;

/// A batch is full with so many bytes, or with `max.message.bytes` if that is less.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What is gathered before it is put before the partitions' groups.
const ROUND_BYTES: usize = 1 << 20;
const ROUND_BATCHES: usize = 16;
/// What one call may have on its way.
const IN_FLIGHT_BATCHES: usize = 64;
const IN_FLIGHT_BYTES: usize = 4 << 20;
/// How long an acknowledgement is waited for, if the client does not say.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Where a request wants its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) topic: &'a Arc<TopicImage>,
    /// Whether the request names the topic.
    pub(super) is_named: bool,
    pub(super) partition: Option<PartitionId>,
    pub(super) acks: Acks,
}

/// Requests that came together.
#[derive(Debug, Default)]
pub(super) struct Round {
    batches: Vec<Batch>,
    places: Vec<Place>,
    bytes: usize,
    /// Where records go that may go anywhere: all of a round to one partition.
    anywhere: Option<(TopicId, PartitionId)>,
}

/// Where a record is: in which batch of its round, as which of its records.
#[derive(Clone, Copy, Debug)]
struct Place {
    batch: usize,
    index: u32,
}

impl Round {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether it should begin before more comes.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= ROUND_BYTES || self.batches.len() >= ROUND_BATCHES
    }

    /// Takes a record; the order in which they are taken is that of the acknowledgements.
    pub(super) fn add(
        &mut self,
        broker: &Broker,
        turns: &Turns,
        wish: Wish<'_>,
        record: &Record,
    ) -> Result<(), Refusal> {
        let Wish { topic, is_named, partition, acks } = wish;
        let partition = match target::partition(topic, (is_named, partition), record.key.as_deref())? {
            Some(partition) => partition,
            None => self.any(broker, turns, topic),
        };
        let size = batch::size(record);
        let is_its =
            |batch: &Batch| batch.topic.id == topic.id && batch.partition == partition && batch.acks == acks;
        let open = self.batches.iter().rposition(is_its).filter(|at| self.batches[*at].has_room(size));
        let at = open.unwrap_or_else(|| {
            self.batches.push(Batch::new(broker, topic, partition, (acks, BATCH_BYTES_MAX)));
            self.batches.len() - 1
        });
        let place = Place { batch: at, index: self.batches[at].records };
        self.batches[at].push(record, size, broker.now_ms())?;
        self.places.push(place);
        self.bytes += size;
        Ok(())
    }

    fn any(&mut self, broker: &Broker, turns: &Turns, topic: &TopicImage) -> PartitionId {
        if let Some((_, partition)) = self.anywhere.filter(|(id, _)| *id == topic.id) {
            return partition;
        }
        let partition = turns.next(broker, topic);
        self.anywhere = Some((topic.id, partition));
        partition
    }

    /// Puts the batches before their groups, in order; those behind one that is refused are not.
    pub(super) async fn begin(self, broker: &Broker) -> Begun {
        let deadline = Instant::now() + ACKNOWLEDGED_WITHIN;
        let mut appends = Vec::with_capacity(self.batches.len());
        let mut refused = None;
        for batch in self.batches {
            let (topic, partition) = (Arc::clone(&batch.topic), batch.partition);
            let (records, acks) = (batch.records, batch.acks);
            let begun = match &refused {
                None => batch.begin(broker).await,
                Some(refusal) => Err(Refusal::clone(refusal)),
            };
            refused = begun.as_ref().err().cloned();
            appends.push(Append { topic, partition, records, acks, begun });
        }
        Begun { broker: broker.clone(), appends, places: self.places, bytes: self.bytes, deadline }
    }
}

#[derive(Debug)]
struct Append {
    topic: Arc<TopicImage>,
    partition: PartitionId,
    records: u32,
    acks: Acks,
    begun: Result<PendingAppend, Refusal>,
}

/// A round that is on its way.
#[derive(Debug)]
pub(super) struct Begun {
    broker: Broker,
    appends: Vec<Append>,
    places: Vec<Place>,
    bytes: usize,
    deadline: Instant,
}

/// What came of a batch.
#[derive(Clone, Debug)]
pub(super) struct Appended {
    pub(super) topic: Arc<TopicImage>,
    pub(super) partition: PartitionId,
    pub(super) records: u32,
    /// `None`: nobody was asked to acknowledge it.
    pub(super) base: Option<Offset>,
    pub(super) log_append_time: Option<i64>,
}

/// What came of a round.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) batches: Vec<Result<Appended, Refusal>>,
    places: Vec<Place>,
}

impl Settled {
    /// For each record, in the order in which they were taken, its batch and its place in that.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Result<Appended, Refusal>, u32)> {
        self.places.iter().map(|place| (&self.batches[place.batch], place.index))
    }
}

impl Begun {
    pub(super) async fn settled(self) -> Settled {
        let mut batches = Vec::with_capacity(self.appends.len());
        for Append { topic, partition, records, acks, begun } in self.appends {
            let done = match begun {
                Err(refusal) => Err(refusal),
                Ok(_) if acks == Acks::None => Ok((None, None)),
                Ok(pending) => match timeout_at(self.deadline, pending.done()).await {
                    Err(_) => Err(Refusal::late()),
                    Ok(Ok(produced)) => Ok((Some(produced.base_offset), produced.log_append_time)),
                    Ok(Err(error)) => Err(Refusal::of(&self.broker, &topic, partition, &error)),
                },
            };
            batches.push(done.map(|(base, log_append_time)| Appended {
                topic,
                partition,
                records,
                base,
                log_append_time,
            }));
        }
        Settled { batches, places: self.places }
    }
}

/// The rounds of one call, the oldest first. Bounded: see [`InFlight::has_room`].
#[derive(Default)]
pub(super) struct InFlight {
    rounds: VecDeque<(BoxFuture<'static, Settled>, usize, usize)>,
    batches: usize,
    bytes: usize,
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// Whether another request may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.batches < IN_FLIGHT_BATCHES && self.bytes < IN_FLIGHT_BYTES
    }

    pub(super) fn push(&mut self, begun: Begun) {
        let (batches, bytes) = (begun.appends.len(), begun.bytes);
        self.batches += batches;
        self.bytes += bytes;
        self.rounds.push_back((begun.settled().boxed(), batches, bytes));
    }

    /// What came of the oldest round; never, if there is none. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Settled {
        let Some((oldest, batches, bytes)) = self.rounds.front_mut() else {
            return std::future::pending().await;
        };
        let settled = oldest.await;
        self.batches -= *batches;
        self.bytes -= *bytes;
        self.rounds.pop_front();
        settled
    }
}

impl std::fmt::Debug for InFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { batches, bytes, .. } = self;
        f.debug_struct("InFlight").field("batches", batches).field("bytes", bytes).finish_non_exhaustive()
    }
}
