//! `ConsumeStream`: what there is from an offset on, then what comes.
//!
//! It reads when the client takes, and waits for appends among the broker's other waiters.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Status};

use super::consume::Shape;
use super::error::Refusal;
use super::log::LogService;
use super::permit::Permit;
use super::reading::{Bounds, Chunk, read};
use super::server::stopped;
use super::target;
use crate::access::{Operation, Resource};
use crate::broker::{Broker, BrokerError};
use crate::cluster::TopicImage;
use crate::model::PartitionId;
use crate::proto::log::{ConsumeRequest, ConsumeResponse};

/// How long it waits before it looks whether the topic, and a replica here, still exist.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// What is read at once, unpacked or not.
const READ_BYTES: usize = 1 << 20;

/// One call.
#[derive(Debug)]
pub(super) struct ConsumeStream {
    broker: Broker,
    permit: Permit,
    stopping: watch::Receiver<bool>,
    deadline: Instant,
    topic: Arc<TopicImage>,
    partition: PartitionId,
    next_offset: u64,
    shape: Shape,
    /// What was read and not taken yet.
    chunk: Chunk,
    is_over: bool,
}

impl ConsumeStream {
    /// # Errors
    /// [`Refusal`] if the topic is not there; all else ends the stream.
    pub(super) async fn new(
        service: &LogService,
        permit: Permit,
        request: ConsumeRequest,
        deadline: Instant,
    ) -> Result<Self, Refusal> {
        let topic = target::topic_to(Operation::Read, &service.broker, &permit, &request.topic).await?;
        Ok(Self {
            broker: service.broker.clone(),
            permit,
            stopping: service.stopping.clone(),
            deadline,
            topic,
            partition: request.partition,
            next_offset: request.offset,
            shape: Shape::of(&request),
            chunk: Chunk::default(),
            is_over: false,
        })
    }

    /// The next message; none after a failure.
    pub(super) async fn next(&mut self) -> Option<Result<ConsumeResponse, Status>> {
        if self.is_over {
            return None;
        }
        while self.chunk.records.is_empty() {
            let refusal = tokio::select! {
                chunk = Self::read(&self.broker, &self.permit, &mut self.topic, (self.partition, self.next_offset)) => match chunk {
                    Ok(chunk) => {
                        self.chunk = chunk;
                        continue;
                    }
                    Err(refusal) => refusal,
                },
                () = stopped(&mut self.stopping) => Refusal::closing(),
                () = sleep_until(self.deadline) => {
                    Refusal::new(Code::DeadlineExceeded, "DEADLINE", "the deadline of the stream is over")
                }
            };
            self.is_over = true;
            return Some(Err(refusal.into()));
        }
        let message = self.shape.cut(&mut self.chunk);
        self.next_offset = message.next_offset;
        Some(Ok(message))
    }

    async fn read(
        broker: &Broker,
        permit: &Permit,
        topic: &mut Arc<TopicImage>,
        (partition, from): (PartitionId, u64),
    ) -> Result<Chunk, Refusal> {
        permit.check(Operation::Read, Resource::topic(topic.name.as_str()))?;
        let image = broker.image();
        let Some(now) = image.topic_by_id(topic.id) else {
            return Err(BrokerError::UnknownTopic { topic: topic.name.to_string() }.into());
        };
        *topic = Arc::clone(now);
        let bounds = Bounds { records: usize::MAX, bytes: READ_BYTES, wait: LOOK_AGAIN_AFTER };
        read(broker, (topic, partition), from, bounds).await
    }
}
