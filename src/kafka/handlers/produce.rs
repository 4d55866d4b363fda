//! `Produce` (key 0), v3-13. v5 log start offset · v8 record errors (KIP-467) · v9 flexible · v10 current leader (KIP-951) ·
//! v12 implicit transactions (KIP-890) · v13 topic ids
//!
//! v0-2 are listed and not served, as in Kafka 4: old librdkafka needs to see them. Batches begin in request order;
//! answers are awaited later. Acks 0 is never answered; if such a request fails the connection is closed.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::leader_instead;
use crate::access::{Operation, Resource};
use crate::broker::{Acks, Broker, BrokerError, OffsetSpec, PendingAppend, Produced};
use crate::cluster::{MetadataImage, TopicImage};
use crate::kafka::api::{Answer, BoxFuture, Pipelined, Reply};
use crate::kafka::context::{Context, address};
use crate::kafka::error::RecordFaults;
use crate::kafka::permissions::Permissions;
use crate::model::compression::Compression;
use crate::model::{BatchHeader, TopicId};
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use crate::wire::messages::{BrokerId, ProduceRequest, ProduceResponse};
use crate::wire::response::{EncodeError, ReplyTo};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Before this version clients may not send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// The longest that an append is waited for, whatever the client allows.
const WITHIN_MAX: Duration = Duration::from_mins(5);

pub(super) struct Produce;

/// The answer, if the client wants one.
#[derive(Debug)]
pub(super) struct ProduceAnswer {
    response: ProduceResponse,
    wanted: bool,
}

impl Pipelined for Produce {
    const KEY: ApiKey = ApiKey::Produce;
    const VERSIONS: RangeInclusive<i16> = 3..=13;
    const LISTED_FROM: i16 = 0;
    type Request = ProduceRequest;
    type Response = ProduceAnswer;

    async fn begin(ctx: &Context, request: ProduceRequest) -> BoxFuture<'static, ProduceAnswer> {
        let wanted = request.acks != 0;
        let acks = match request_fault(&request) {
            Ok(acks) => acks,
            Err(code) => {
                let response = refused(&request, code);
                return Box::pin(async move { ProduceAnswer { response, wanted } });
            }
        };
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let deadline = Instant::now() + timeout.min(WITHIN_MAX);
        let version = ctx.version();
        let image = ctx.broker.image();
        let topics = once_each(request.topic_data);
        let permissions = ctx.permissions();
        // Beside each other: a partition without a leader is waited for, which must not add up.
        let begin = |topic| begin_topic(ctx, &image, &permissions, topic, acks);
        let begun = join_all(topics.into_iter().map(begin)).await;
        let (broker, listener) = (ctx.broker.clone(), Arc::clone(&ctx.client.listener));
        Box::pin(async move {
            let mut response = ProduceResponse::default();
            for topic in begun {
                response.responses.push(topic.finish(&broker, deadline).await);
            }
            if version >= 10 {
                response.node_endpoints = endpoints(&broker, &listener, &response);
            } else {
                forget_leaders(&mut response);
            }
            ProduceAnswer { response, wanted }
        })
    }
}

impl Answer for ProduceAnswer {
    fn reply(self, to: ReplyTo) -> Result<Reply, EncodeError> {
        if self.wanted {
            return self.response.reply(to);
        }
        let mut partitions = self.response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let failed = partitions.any(|partition| partition.error_code != 0);
        Ok(if failed { Reply::Close } else { Reply::Silent })
    }
}

/// What refuses the request as a whole.
fn request_fault(request: &ProduceRequest) -> Result<Acks, ErrorCode> {
    let acks = match request.acks {
        -1 => Acks::All,
        0 => Acks::None,
        1 => Acks::Leader,
        _ => return Err(ErrorCode::InvalidRequiredAcks),
    };
    // Transactions come later; until then nobody may write to one.
    let mut batches = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let transactional = |data: &PartitionProduceData| {
        let first = data.records.as_deref().and_then(|records| BatchHeader::parse(records).ok());
        first.is_some_and(|header| header.is_transactional())
    };
    if batches.any(transactional) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    Ok(acks)
}

fn refused(request: &ProduceRequest, code: ErrorCode) -> ProduceResponse {
    let topic = |topic: &TopicProduceData| {
        let partitions = topic.partition_data.iter().map(|data| failed(data.index, code)).collect();
        TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partition_responses(partitions)
    };
    let topics = request.topic_data.iter().filter(|topic| !topic.partition_data.is_empty());
    ProduceResponse::default().with_responses(topics.map(topic).collect())
}

/// Of a partition that is named twice the last records count; topics without partitions fall away. As in Kafka.
fn once_each(mut topics: Vec<TopicProduceData>) -> Vec<TopicProduceData> {
    for topic in &mut topics {
        if topic.partition_data.len() > 1 {
            let mut last = HashMap::with_capacity(topic.partition_data.len());
            for (at, data) in topic.partition_data.iter().enumerate() {
                last.insert(data.index, at);
            }
            let mut at = 0;
            topic.partition_data.retain(|data| {
                at += 1;
                last.get(&data.index) == Some(&(at - 1))
            });
        }
    }
    topics.retain(|topic| !topic.partition_data.is_empty());
    topics
}

struct BegunTopic {
    answer: TopicProduceResponse,
    topic: Option<Arc<TopicImage>>,
    partitions: Vec<(i32, Result<PendingAppend, Fault>)>,
}

/// Why a partition's records were not begun.
enum Fault {
    Broker(BrokerError),
    /// Known from the request alone.
    Request(ErrorCode),
}

async fn begin_topic(
    ctx: &Context,
    image: &MetadataImage,
    permissions: &Permissions<'_>,
    data: TopicProduceData,
    acks: Acks,
) -> BegunTopic {
    let by_id = ctx.version() >= 13;
    let topic = if by_id { image.topic_by_id(TopicId(data.topic_id)) } else { image.topic(&data.name) };
    let topic = topic.map(Arc::clone);
    // Whether a topic exists is not for everybody to know; which name an id has is no secret, as in Kafka.
    let name = if by_id { topic.as_ref().map(|topic| topic.name.as_str()) } else { Some(data.name.as_str()) };
    let may_write = name.is_none_or(|name| permissions.allows(Operation::Write, Resource::topic(name)));
    let begin = async |partition: &PartitionProduceData| {
        let begun = match &topic {
            _ if !may_write => Err(Fault::Request(ErrorCode::TopicAuthorizationFailed)),
            Some(topic) => begin_partition(ctx, topic, partition, acks).await,
            None if by_id => Err(Fault::Request(ErrorCode::UnknownTopicId)),
            None => Err(Fault::Request(ErrorCode::UnknownTopicOrPartition)),
        };
        (partition.index, begun)
    };
    let partitions = join_all(data.partition_data.iter().map(begin)).await;
    let answer = TopicProduceResponse::default().with_name(data.name).with_topic_id(data.topic_id);
    BegunTopic { answer, topic, partitions }
}

async fn begin_partition(
    ctx: &Context,
    topic: &Arc<TopicImage>,
    data: &PartitionProduceData,
    acks: Acks,
) -> Result<PendingAppend, Fault> {
    if topic.is_internal() {
        return Err(Fault::Request(ErrorCode::InvalidTopicException)); // Kafka's own are not for clients to write
    }
    let records = data.records.clone().unwrap_or_default();
    if ctx.version() < ZSTD_SINCE && codec(&records) == Some(Compression::Zstd) {
        return Err(Fault::Request(ErrorCode::UnsupportedCompressionType));
    }
    ctx.broker.begin_produce(topic, data.index, records, acks).await.map_err(Fault::Broker)
}

fn codec(records: &[u8]) -> Option<Compression> {
    BatchHeader::parse(records).ok()?.compression().ok()
}

impl BegunTopic {
    async fn finish(self, broker: &Broker, deadline: Instant) -> TopicProduceResponse {
        let Self { mut answer, topic, partitions } = self;
        for (index, begun) in partitions {
            let done = match begun {
                Ok(pending) => timeout_at(deadline, pending.done()).await,
                Err(Fault::Broker(error)) => Ok(Err(error)),
                Err(Fault::Request(code)) => {
                    answer.partition_responses.push(failed(index, code));
                    continue;
                }
            };
            answer.partition_responses.push(match done {
                Ok(Ok(produced)) => succeeded(index, &produced),
                Ok(Err(error)) => explained(broker, topic.as_ref(), index, &error).await,
                Err(_) => failed(index, ErrorCode::RequestTimedOut),
            });
        }
        answer
    }
}

fn succeeded(index: i32, produced: &Produced) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_base_offset(produced.base_offset.0)
        .with_log_append_time_ms(produced.log_append_time.unwrap_or(-1))
        .with_log_start_offset(produced.log_start_offset.0)
}

fn failed(index: i32, code: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(code.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
}

/// With all that a client may learn of a failure: record errors, the log start, where the leader is.
async fn explained(
    broker: &Broker,
    topic: Option<&Arc<TopicImage>>,
    index: i32,
    error: &BrokerError,
) -> PartitionProduceResponse {
    let mut answer = failed(index, ErrorCode::from(error));
    let faults = RecordFaults::of(error);
    let one = |(batch_index, words): (i32, String)| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(batch_index)
            .with_batch_index_error_message(Some(StrBytes::from_string(words)))
    };
    answer.record_errors = faults.records.into_iter().map(one).collect();
    answer.error_message = faults.message.map(StrBytes::from_string);
    let Some(topic) = topic else { return answer };
    if let Some(leader) = leader_instead(broker, topic, index, error) {
        answer.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(leader.node))
            .with_leader_epoch(leader.epoch.0);
    }
    if faults.while_appending {
        let found = broker.list_offset(topic, index, OffsetSpec::Earliest, None).await;
        answer.log_start_offset = found.map_or(-1, |found| found.offset);
    }
    answer
}

fn endpoints(broker: &Broker, listener: &str, response: &ProduceResponse) -> Vec<NodeEndpoint> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let mut leaders: Vec<i32> =
        partitions.map(|p| p.current_leader.leader_id.0).filter(|node| *node >= 0).collect();
    if leaders.is_empty() {
        return Vec::new();
    }
    leaders.sort_unstable();
    leaders.dedup();
    let image = broker.image();
    let endpoint = |node: &crate::cluster::NodeImage| {
        let (host, port) = address(node, listener)?;
        let endpoint =
            NodeEndpoint::default().with_node_id(BrokerId(node.id)).with_host(host).with_port(port);
        Some(endpoint.with_rack(node.rack.clone().map(StrBytes::from_string)))
    };
    leaders.iter().filter_map(|node| image.nodes.get(node)).filter_map(endpoint).collect()
}

fn forget_leaders(response: &mut ProduceResponse) {
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            partition.current_leader = LeaderIdAndEpoch::default();
        }
    }
}
