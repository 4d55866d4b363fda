//! What only the controller may do, from wherever it is asked for: the metadata's leader does it, every other node
//! sends it there, and waits until its own image shows what came of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prost::Message;
use tokio::time::Instant;
use uuid::Uuid;

use super::recovery::GoAlone;
use super::relay::Relay;
use super::{Broker, BrokerError};
use crate::cluster::{Endpoint, METADATA_TOPIC_ID, PartitionKey, Service, Verbs};
use crate::model::TopicId;
use crate::peer::{Hello, Lane, PeerError};

/// How long somebody who needs the controller waits for one, and for its answer.
const CONTROLLED_WITHIN: Duration = Duration::from_secs(15);
/// Pause before the controller is looked for again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Serves a Kafka request that another node got: whole frames in and out, the response's length included.
pub trait ServeKafka: std::fmt::Debug + Send + Sync {
    fn serve(&self, broker: Broker, request: Bytes) -> BoxFuture<'static, Result<Bytes, String>>;
}

/// A node wants to belong to the cluster.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Join {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub directory_id: Vec<u8>,
    /// Given, or kept in its data directory; else the controller chooses.
    #[prost(int32, optional, tag = "2")]
    pub node_id: Option<i32>,
    #[prost(string, tag = "3")]
    pub rpc_addr: String,
}

/// It belongs to it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Joined {
    #[prost(bytes = "vec", tag = "1")]
    pub cluster_id: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub node_id: i32,
    #[prost(uint64, tag = "3")]
    pub metadata_replica: u64,
}

/// A node serves clients.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Register {
    #[prost(int32, tag = "1")]
    pub node: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub directory_id: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub endpoints: Vec<Endpoint>,
    #[prost(string, optional, tag = "5")]
    pub rack: Option<String>,
    #[prost(string, tag = "6")]
    pub rpc_addr: String,
}

/// One partition.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct OfPartition {
    #[prost(bytes = "vec", tag = "1")]
    topic_id: Vec<u8>,
    #[prost(int32, tag = "2")]
    partition: i32,
    /// The ids of the replicas that are where they were to go, if it is about that.
    #[prost(uint64, repeated, tag = "3")]
    pub(super) replicas: Vec<u64>,
}

impl OfPartition {
    pub(super) fn new(key: PartitionKey) -> Self {
        Self { topic_id: key.0.0.as_bytes().to_vec(), partition: key.1, replicas: Vec::new() }
    }

    pub(super) fn placed(key: PartitionKey, replicas: &BTreeSet<u64>) -> Self {
        Self { replicas: replicas.iter().copied().collect(), ..Self::new(key) }
    }

    pub(super) fn key(&self) -> Option<PartitionKey> {
        Some((TopicId(Uuid::from_slice(&self.topic_id).ok()?), self.partition))
    }
}

/// A replica that lost what it had.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LostReplica {
    #[prost(message, optional, tag = "1")]
    of: Option<OfPartition>,
    #[prost(uint64, tag = "2")]
    pub(super) replica: u64,
}

impl LostReplica {
    pub(super) fn new(key: PartitionKey, replica: u64) -> Self {
        Self { of: Some(OfPartition::new(key)), replica }
    }

    pub(super) fn key(&self) -> Option<PartitionKey> {
        self.of.as_ref()?.key()
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct AutoCreate {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Nothing {}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Verb {
    #[prost(message, tag = "1")]
    Join(Join),
    #[prost(message, tag = "2")]
    Register(Register),
    #[prost(message, tag = "3")]
    AutoCreate(AutoCreate),
    /// Make `__consumer_offsets`.
    #[prost(message, tag = "4")]
    OffsetsTopic(Nothing),
    #[prost(message, tag = "5")]
    TakeProducerIds(Nothing),
    /// A partition's replicas are where they were to go.
    #[prost(message, tag = "6")]
    Placed(OfPartition),
    /// A Kafka request: header and body without the length.
    #[prost(bytes = "vec", tag = "7")]
    Kafka(Vec<u8>),
    /// To the leader of a partition: hand leadership to the preferred replica.
    #[prost(message, tag = "8")]
    HandBack(OfPartition),
    #[prost(message, tag = "9")]
    Lost(LostReplica),
    /// Have a partition led whose majority may be gone for good.
    #[prost(message, tag = "10")]
    Recover(OfPartition),
    /// To a node with a replica: what it has.
    #[prost(message, tag = "11")]
    Holding(OfPartition),
    /// To a node with a replica: it is the only voter from now on.
    #[prost(message, tag = "12")]
    GoAlone(GoAlone),
    /// What a door of the sender asks of the leader of a partition, of a coordinator or of the controller.
    #[prost(message, tag = "13")]
    Relay(Relay),
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Request {
    #[prost(oneof = "Verb", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    verb: Option<Verb>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Message)]
struct Answer {
    #[prost(bytes = "vec", tag = "1")]
    body: Vec<u8>,
    /// The Raft index as of which the controller's image shows it, plus one.
    #[prost(uint64, tag = "2")]
    seen_next: u64,
    #[prost(message, optional, tag = "3")]
    fault: Option<Fault>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Fault {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    reason: String,
}

const OTHER: u32 = 0;
const NOT_CONTROLLER: u32 = 1;
const TOPIC_EXISTS: u32 = 2;
const REPLICATION_FACTOR: u32 = 3;
const POLICY: u32 = 4;
const ELECTION_NOT_NEEDED: u32 = 5;
const NO_ELIGIBLE_LEADER: u32 = 6;

impl Fault {
    fn of(error: &BrokerError) -> Self {
        let kind = match error {
            BrokerError::NotController => NOT_CONTROLLER,
            BrokerError::TopicExists { .. } => TOPIC_EXISTS,
            BrokerError::InvalidReplicationFactor { .. } => REPLICATION_FACTOR,
            BrokerError::PolicyViolation { .. } => POLICY,
            BrokerError::ElectionNotNeeded { .. } => ELECTION_NOT_NEEDED,
            BrokerError::NoEligibleLeader { .. } => NO_ELIGIBLE_LEADER,
            _ => OTHER,
        };
        Self { kind, reason: error.to_string() }
    }

    fn error(self) -> BrokerError {
        match self.kind {
            NOT_CONTROLLER => BrokerError::NotController,
            TOPIC_EXISTS => BrokerError::TopicExists { name: self.reason },
            REPLICATION_FACTOR => BrokerError::TooFewNodes { reason: self.reason },
            POLICY => BrokerError::PolicyViolation { reason: self.reason },
            ELECTION_NOT_NEEDED => BrokerError::ElectionNotNeeded { partition: self.reason },
            NO_ELIGIBLE_LEADER => BrokerError::NoEligibleLeader { partition: self.reason },
            _ => BrokerError::ControllerRefused { reason: self.reason },
        }
    }
}

/// The message with which a node joins, for whoever is not part of a cluster yet.
pub fn join_message(join: Join) -> Bytes {
    let mut message = vec![Service::Controller as u8];
    message.extend(Request { verb: Some(Verb::Join(join)) }.encode_to_vec());
    message.into()
}

/// What came of a [`join_message`].
pub fn joined(answer: &[u8]) -> Result<Joined, BrokerError> {
    let unreadable = |error: prost::DecodeError| BrokerError::ControllerRefused { reason: error.to_string() };
    let answer = Answer::decode(answer).map_err(unreadable)?;
    match answer.fault {
        Some(fault) => Err(fault.error()),
        None => Joined::decode(&answer.body[..]).map_err(unreadable),
    }
}

impl Broker {
    /// Whether this node is the controller.
    pub fn is_controller(&self) -> bool {
        self.0.metadata.is_controller()
    }

    /// The controller, as far as it is known here.
    pub fn controller(&self) -> Option<i32> {
        self.0.metadata.controller().filter(|node| self.0.exchange.is_alive(*node))
    }

    /// Who serves Kafka requests that other nodes send here because this one is the controller.
    pub fn serve_kafka_with(&self, kafka: Arc<dyn ServeKafka>) {
        drop(self.0.kafka.set(kafka));
    }

    /// Sends a Kafka request (header and body) to the controller, and returns its response, the length included. This
    /// node's image then shows what came of it, and new partitions have leaders that are known here, or will have soon.
    ///
    /// # Errors
    /// [`BrokerError::NotController`] if there is none for a while.
    pub async fn forward_kafka(&self, request: Bytes) -> Result<Bytes, BrokerError> {
        let before = self.image();
        let response = self.by_controller(Verb::Kafka(request.to_vec())).await?;
        self.led_since(&before).await;
        Ok(response.into())
    }

    /// Has the controller do it, be it this node or another.
    pub(super) async fn by_controller(&self, verb: Verb) -> Result<Vec<u8>, BrokerError> {
        let deadline = Instant::now() + CONTROLLED_WITHIN;
        loop {
            let done = match self.controller() {
                Some(node) if node == self.node_id() => Box::pin(self.carry_out(verb.clone())).await,
                Some(node) => self.send_to(node, verb.clone()).await,
                None => Err(BrokerError::NotController),
            };
            match done {
                Err(BrokerError::NotController) if Instant::now() < deadline => {
                    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                }
                done => return done,
            }
        }
    }

    /// Has `node` do it.
    pub(super) async fn send_to(&self, node: i32, verb: Verb) -> Result<Vec<u8>, BrokerError> {
        let request = Bytes::from(Request { verb: Some(verb) }.encode_to_vec());
        let sent = self.0.exchange.call(
            node,
            (Lane::Control, Service::Controller),
            vec![request],
            CONTROLLED_WITHIN,
        );
        // Whether it was done is not known if the answer is lost; whoever asked looks at the image.
        let answer = sent.await.map_err(|error| {
            tracing::debug!(node, %error, "a node did not answer");
            BrokerError::NotController
        })?;
        let answer = Answer::decode(&answer[..])
            .map_err(|error| BrokerError::ControllerRefused { reason: error.to_string() })?;
        if let Some(fault) = answer.fault {
            return Err(fault.error());
        }
        if let Some(seen) = answer.seen_next.checked_sub(1) {
            let seen = tokio::time::timeout(CONTROLLED_WITHIN, self.0.metadata.seen(seen));
            seen.await.map_err(|_| BrokerError::NotController)?;
        }
        Ok(answer.body)
    }

    /// Sends what is large, or waits long, to `node`. Whether it was done if no answer comes is the caller's to judge.
    pub(super) async fn relay_to(
        &self,
        node: i32,
        relay: Relay,
        within: Duration,
    ) -> Result<Vec<u8>, PeerError> {
        let request = Bytes::from(Request { verb: Some(Verb::Relay(relay)) }.encode_to_vec());
        let lane = (Lane::Data, Service::Controller);
        let answer = self.0.exchange.call(node, lane, vec![request], within).await?;
        let unreadable = |text: String| PeerError::Failed { node: crate::peer::PeerName::Node(node), text };
        let answer = Answer::decode(&answer[..]).map_err(|error| unreadable(error.to_string()))?;
        match answer.fault {
            Some(fault) => Err(unreadable(fault.reason)),
            None => Ok(answer.body),
        }
    }

    /// Does it here.
    async fn carry_out(&self, verb: Verb) -> Result<Vec<u8>, BrokerError> {
        match verb {
            Verb::Join(join) => self.join_node(join).await.map(|joined| joined.encode_to_vec()),
            Verb::Register(register) => self.register_node(register).await.map(|()| Vec::new()),
            Verb::AutoCreate(AutoCreate { name }) => self.auto_create_here(&name).await.map(|()| Vec::new()),
            Verb::OffsetsTopic(_) => self.make_offsets_topic().await.map(|()| Vec::new()),
            Verb::TakeProducerIds(_) => {
                self.take_producer_ids().await.map(|first| first.to_be_bytes().to_vec())
            }
            Verb::Placed(of) => self.end_move(named(of.key())?, &of.replicas).await.map(|()| Vec::new()),
            Verb::Lost(lost) => {
                self.replace_replica(named(lost.key())?, lost.replica).await.map(|()| Vec::new())
            }
            Verb::Kafka(request) => {
                if !self.is_controller() {
                    return Err(BrokerError::NotController);
                }
                let kafka = self.0.kafka.get().ok_or(BrokerError::NotController)?;
                let served = kafka.serve(self.clone(), request.into()).await;
                served.map(|frame| frame.to_vec()).map_err(|reason| BrokerError::ControllerRefused { reason })
            }
            Verb::HandBack(of) => self.hand_back(named(of.key())?).await.map(|()| Vec::new()),
            Verb::Recover(of) => self.recover(named(of.key())?).await.map(|()| Vec::new()),
            Verb::Holding(of) => self.holding(named(of.key())?).await.map(|holding| holding.encode_to_vec()),
            Verb::GoAlone(go) => self.go_alone(go).await.map(|()| Vec::new()),
            Verb::Relay(relay) => Box::pin(self.serve_relay(relay)).await,
        }
    }

    async fn answer(&self, request: Bytes) -> Result<Vec<Bytes>, String> {
        let request = Request::decode(&request[..]).map_err(|error| error.to_string())?;
        let verb = request.verb.ok_or("it asks for something that is not known here")?;
        let done = match verb {
            // Whoever wants to join knows no controller.
            verb @ Verb::Join(_) => self.by_controller(verb).await,
            verb => self.carry_out(verb).await,
        };
        let seen_next = self.0.metadata.applied().map_or(0, |applied| applied + 1);
        let answer = match done {
            Ok(body) => Answer { body, seen_next, fault: None },
            Err(error) => Answer { body: Vec::new(), seen_next, fault: Some(Fault::of(&error)) },
        };
        Ok(vec![answer.encode_to_vec().into()])
    }

    /// Whether the metadata group has a leader that this node hears.
    pub fn is_led(&self) -> bool {
        self.0.exchange.leaders.get(&(METADATA_TOPIC_ID, 0)).is_some()
    }
}

fn named(key: Option<PartitionKey>) -> Result<PartitionKey, BrokerError> {
    key.ok_or_else(|| BrokerError::InvalidRequest { reason: "a partition without a topic id".into() })
}

impl Verbs for Broker {
    fn serve(&self, _from: &Hello, request: Bytes) -> BoxFuture<'static, Result<Vec<Bytes>, String>> {
        let broker = self.clone();
        Box::pin(async move { broker.answer(request).await })
    }
}
