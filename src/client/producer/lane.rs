//! One partition's way to its leader: the batch that fills, those that are full, those in flight.

mod queue;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Delivery, OutgoingRecord, Shared};
use crate::client::backoff::Backoff;
use crate::client::cluster::topic_name;
use crate::client::connection::{ANSWER_WITHIN, Pending};
use crate::client::{ClientError, Partition};
use crate::model::record::{BatchBuilder, BatchOptions, BuildError, NewRecord, Producer as ProducerFields};
use crate::wire::ErrorCode;
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{ProduceRequest, ProduceResponse};
use queue::{Filling, Queue, Sealed, seal};

/// The last version of `Produce` that names topics; later ones have their ids (KIP-516).
const PRODUCE_BY_NAME: i16 = 12;

pub(super) struct Lane {
    partition: Partition,
    queue: Mutex<Queue>,
    changed: Notify,
    options: BatchOptions,
}

/// What a lane's task finds in its queue.
enum Next {
    Batch(Filling),
    /// A batch that may take more records until then.
    Later(Instant),
    Nothing,
}

impl Lane {
    pub(super) fn new(partition: Partition, shared: &Shared) -> Self {
        let (id, epoch) = shared.producer;
        let producer = ProducerFields { id, epoch, base_sequence: -1 };
        let options = BatchOptions { compression: shared.options.codec, producer, ..BatchOptions::default() };
        Self { partition, queue: Mutex::default(), changed: Notify::new(), options }
    }

    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Adds a record; says whether that made a batch full.
    pub(super) fn push(
        &self,
        record: &OutgoingRecord<'_>,
        size: usize,
        held: usize,
        shared: &Shared,
    ) -> Result<bool, ClientError> {
        let mut queue = self.queue.lock();
        let is_full = queue.filling.as_ref().is_some_and(|f| f.bytes + size > shared.options.batch_bytes);
        if is_full {
            queue.close();
        }
        let is_first = queue.filling.is_none();
        let sequence = queue.next_sequence;
        let filling = queue.filling.get_or_insert_with(|| self.open(sequence));
        let new = NewRecord {
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        filling.batch.push(&new).map_err(|error| build_error(&self.partition, &error))?;
        filling.records += 1;
        filling.bytes += size;
        filling.held += held;
        filling.dues.extend(record.due);
        drop(queue);
        if is_first || is_full {
            self.wake();
        }
        Ok(is_full)
    }

    fn open(&self, sequence: i32) -> Filling {
        let mut options = self.options;
        if options.producer.id >= 0 {
            options.producer.base_sequence = sequence;
        }
        Filling {
            batch: BatchBuilder::new(options),
            records: 0,
            bytes: 0,
            held: 0,
            since: Instant::now(),
            dues: Vec::new(),
        }
    }

    /// Sends until the producer closes and everything is acknowledged, or something fails for good.
    pub(super) async fn run(self: Arc<Self>, shared: Arc<Shared>) {
        if let Err(error) = self.send_all(&shared).await {
            shared.fail(error);
        }
    }

    async fn send_all(&self, shared: &Shared) -> Result<(), ClientError> {
        let mut in_flight: VecDeque<Sealed> = VecDeque::new();
        let mut backoff: Option<Backoff> = None;
        while !shared.has_failed() {
            let wait_until = match self.next(shared, in_flight.len()) {
                Next::Batch(filling) => {
                    in_flight.push_back(seal(filling, &self.partition)?);
                    self.send_unsent(&mut in_flight, shared, &mut backoff).await?;
                    continue;
                }
                Next::Later(until) => Some(until),
                Next::Nothing if in_flight.is_empty() && shared.is_closing.load(Ordering::Acquire) => {
                    return Ok(());
                }
                Next::Nothing => None,
            };
            let Some(front) = in_flight.front_mut() else {
                self.wait(wait_until).await;
                continue;
            };
            let Some(pending) = front.pending.take() else {
                // With acks=0, or after a failure.
                self.send_unsent(&mut in_flight, shared, &mut backoff).await?;
                continue;
            };
            // Batches that become ready meanwhile go out behind it.
            let answer = self.answer_while_sending(pending, &mut in_flight, shared).await?;
            self.settle(answer, &mut in_flight, shared, &mut backoff).await?;
        }
        Ok(())
    }

    /// Waits for the front's answer; sends more behind it as long as there may be more in flight.
    ///
    /// What can't be sent stays unsent, and everything behind it: the front will fail as well and then decides for all.
    async fn answer_while_sending(
        &self,
        pending: Pending<ProduceRequest>,
        in_flight: &mut VecDeque<Sealed>,
        shared: &Shared,
    ) -> Result<Result<ProduceResponse, ClientError>, ClientError> {
        let within = ANSWER_WITHIN + shared.options.timeout;
        let mut answer = std::pin::pin!(pending.answer(within));
        // The front's is the answer that is waited for.
        let mut may_send = in_flight.iter().skip(1).all(|sealed| sealed.pending.is_some());
        loop {
            let next = if may_send { self.next(shared, in_flight.len()) } else { Next::Nothing };
            let until = match next {
                Next::Batch(filling) => {
                    let mut sealed = seal(filling, &self.partition)?;
                    sealed.pending = self.send(&sealed.bytes, shared).await.unwrap_or(None);
                    may_send = sealed.pending.is_some();
                    in_flight.push_back(sealed);
                    continue;
                }
                Next::Later(until) => Some(until),
                Next::Nothing => None,
            };
            tokio::select! {
                answer = &mut answer => return Ok(answer),
                () = self.wait(until) => {}
            }
        }
    }

    /// Takes the next batch that is ready, unless there are enough in flight.
    fn next(&self, shared: &Shared, in_flight: usize) -> Next {
        if in_flight >= shared.options.in_flight.max(1) {
            return Next::Nothing;
        }
        let mut queue = self.queue.lock();
        if let Some(filling) = queue.full.pop_front() {
            return Next::Batch(filling);
        }
        let Some(filling) = &queue.filling else { return Next::Nothing };
        let ready_at = filling.since + shared.options.linger;
        if ready_at > Instant::now() && !shared.is_closing.load(Ordering::Acquire) {
            return Next::Later(ready_at);
        }
        queue.close();
        queue.full.pop_front().map_or(Next::Nothing, Next::Batch)
    }

    async fn wait(&self, until: Option<Instant>) {
        match until {
            None => self.changed.notified().await,
            Some(until) => {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                }
            }
        }
    }

    async fn send_unsent(
        &self,
        in_flight: &mut VecDeque<Sealed>,
        shared: &Shared,
        backoff: &mut Option<Backoff>,
    ) -> Result<(), ClientError> {
        let first = in_flight.iter().position(|sealed| sealed.pending.is_none()).unwrap_or(in_flight.len());
        self.send_from(in_flight, first, shared, backoff).await
    }

    /// Sends all from `first` on, in order; tries again while that may help.
    async fn send_from(
        &self,
        in_flight: &mut VecDeque<Sealed>,
        first: usize,
        shared: &Shared,
        backoff: &mut Option<Backoff>,
    ) -> Result<(), ClientError> {
        let mut at = first;
        while at < in_flight.len() {
            match self.send(&in_flight[at].bytes, shared).await {
                Ok(pending) if shared.options.acks == 0 => {
                    drop(pending);
                    if let Some(sealed) = in_flight.remove(at) {
                        self.delivered(&sealed, -1, shared);
                    }
                }
                Ok(pending) => {
                    in_flight[at].pending = pending;
                    at += 1;
                }
                Err(error) => self.before_next_try(error, shared, backoff).await?,
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        batch: &Bytes,
        shared: &Shared,
    ) -> Result<Option<Pending<ProduceRequest>>, ClientError> {
        let connection = shared.cluster.leader(&self.partition).await?;
        let newest = if shared.topic_id.is_nil() { PRODUCE_BY_NAME } else { i16::MAX };
        let version = connection.version_up_to::<ProduceRequest>(newest)?;
        let data = PartitionProduceData::default()
            .with_index(self.partition.index)
            .with_records(Some(batch.clone()));
        let topic = TopicProduceData::default().with_partition_data(vec![data]);
        let topic = if version > PRODUCE_BY_NAME {
            topic.with_topic_id(shared.topic_id)
        } else {
            topic.with_name(topic_name(&self.partition.topic))
        };
        let request = ProduceRequest::default()
            .with_acks(shared.options.acks)
            .with_timeout_ms(i32::try_from(shared.options.timeout.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(vec![topic]);
        if shared.options.acks == 0 {
            connection.tell(&request, version).await?;
            return Ok(None);
        }
        connection.send(&request, version).await.map(Some)
    }

    /// What becomes of the front of `in_flight`, and of all behind it if it has to be sent again.
    async fn settle(
        &self,
        answer: Result<ProduceResponse, ClientError>,
        in_flight: &mut VecDeque<Sealed>,
        shared: &Shared,
        backoff: &mut Option<Backoff>,
    ) -> Result<(), ClientError> {
        match answer.and_then(|response| self.base_offset(response)) {
            Ok(base_offset) => {
                *backoff = None;
                if let Some(front) = in_flight.pop_front() {
                    self.delivered(&front, base_offset, shared);
                }
                Ok(())
            }
            Err(error) => {
                for sealed in in_flight.iter_mut() {
                    sealed.pending = None;
                }
                self.before_next_try(error, shared, backoff).await
            }
        }
    }

    fn base_offset(&self, response: ProduceResponse) -> Result<i64, ClientError> {
        let subject = self.partition.to_string();
        let answer = response.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
        let Some(answer) = answer else { return Err(ClientError::Missing { subject }) };
        match ErrorCode::try_from_code(answer.error_code) {
            // It was written by an earlier try.
            None | Some(ErrorCode::DuplicateSequenceNumber) => Ok(answer.base_offset),
            Some(code) => {
                let why = answer.record_errors.into_iter().find_map(|error| error.batch_index_error_message);
                let message = answer.error_message.or(why);
                Err(ClientError::refused(subject, code, message.as_deref()))
            }
        }
    }

    async fn before_next_try(
        &self,
        error: ClientError,
        shared: &Shared,
        backoff: &mut Option<Backoff>,
    ) -> Result<(), ClientError> {
        backoff.get_or_insert_with(|| shared.cluster.backoff()).after(error).await?;
        // If this does not help, the next try says why.
        _ = shared.cluster.refresh(Some(&[&self.partition.topic])).await;
        Ok(())
    }

    fn delivered(&self, sealed: &Sealed, base_offset: i64, shared: &Shared) {
        shared.room.add_permits(sealed.held);
        shared.delivered.fetch_add(sealed.records as u64, Ordering::Relaxed);
        (shared.on_delivery)(Delivery {
            partition: self.partition.index,
            base_offset,
            records: sealed.records,
            bytes: sealed.bytes.len(),
            dues: &sealed.dues,
        });
    }
}

fn build_error(partition: &Partition, error: &BuildError) -> ClientError {
    ClientError::Protocol { subject: partition.to_string(), what: error.to_string() }
}
