//! `DescribeQuorum` (key 55), v0-2. Source: KIP-595. v1 when voters were heard of (KIP-836) · v2 directory ids, nodes (KIP-853)
//!
//! Of the metadata's group alone, the one that Kafka has: those of topics show in `DescribeTopicPartitions`. The
//! controller answers: only it knows how far the others are.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, Quorum, Voter};
use crate::cluster::Endpoint;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::describe_quorum_request::TopicData as AskedTopic;
use crate::wire::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use crate::wire::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

const METADATA_TOPIC: &str = "__cluster_metadata";
/// The version that first says when voters were heard of.
const TELLS_TIMES: i16 = 1;
/// The version that first has nodes, their directories and words.
const NAMES_NODES: i16 = 2;

pub(super) struct DescribeQuorum;

impl Handler for DescribeQuorum {
    const KEY: ApiKey = ApiKey::DescribeQuorum;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const CONTROLLER: bool = true;
    type Request = DescribeQuorumRequest;
    type Response = DescribeQuorumResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeQuorumRequest,
    ) -> Result<DescribeQuorumResponse, BrokerError> {
        ctx.authorise(Operation::Describe, Resource::cluster())?;
        let version = ctx.version();
        let response = DescribeQuorumResponse::default();
        let unknown = |topic: &AskedTopic| unknown(topic, version);
        // Kafka knows no other partition beside it either: one wrong name refuses all.
        let [topic] = &request.topics[..] else {
            return Ok(response.with_topics(request.topics.iter().map(unknown).collect()));
        };
        let [partition] = &topic.partitions[..] else {
            return Ok(response.with_topics(vec![unknown(topic)]));
        };
        if topic.topic_name.as_str() != METADATA_TOPIC || partition.partition_index != 0 {
            return Ok(response.with_topics(vec![unknown(topic)]));
        }
        let quorum = ctx.broker.quorum().await?;
        let described = TopicData::default()
            .with_topic_name(topic.topic_name.clone())
            .with_partitions(vec![described(&quorum, version)]);
        let nodes = if version >= NAMES_NODES { nodes(ctx, &quorum) } else { Vec::new() };
        Ok(response.with_topics(vec![described]).with_nodes(nodes))
    }

    fn refused(code: ErrorCode) -> DescribeQuorumResponse {
        DescribeQuorumResponse::default().with_error_code(code.code())
    }
}

fn described(quorum: &Quorum, version: i16) -> PartitionData {
    let state = |voter: &Voter| {
        let mut state =
            ReplicaState::default().with_replica_id(BrokerId(voter.node)).with_log_end_offset(voter.log_end);
        if version >= NAMES_NODES {
            state.replica_directory_id = voter.directory_id;
        }
        if version >= TELLS_TIMES {
            state.last_fetch_timestamp = voter.seen_ms;
            state.last_caught_up_timestamp = voter.seen_ms;
        }
        state
    };
    PartitionData::default()
        .with_leader_id(BrokerId(quorum.leader))
        .with_leader_epoch(quorum.lines.leader_epoch.0)
        .with_high_watermark(quorum.lines.high_watermark.0)
        .with_current_voters(quorum.voters.iter().map(state).collect())
        .with_observers(quorum.observers.iter().map(state).collect())
}

fn nodes(ctx: &Context, quorum: &Quorum) -> Vec<Node> {
    let image = ctx.broker.image();
    let node = |node: &crate::cluster::NodeImage| {
        let listener = |endpoint: &Endpoint| {
            Listener::default()
                .with_name(StrBytes::from_string(endpoint.listener.clone()))
                .with_host(StrBytes::from_string(endpoint.host.clone()))
                .with_port(u16::try_from(endpoint.port).unwrap_or_default())
        };
        let listeners = node.endpoints.iter().map(listener).collect();
        Node::default().with_node_id(BrokerId(node.id)).with_listeners(listeners)
    };
    let all = quorum.voters.iter().chain(&quorum.observers);
    let known = all.filter_map(|voter| image.nodes.get(&voter.node)).filter(|node| node.is_serving());
    known.map(node).collect()
}

fn unknown(topic: &AskedTopic, version: i16) -> TopicData {
    let refusal = Refusal::from(BrokerError::UnknownTopic { topic: topic.topic_name.to_string() });
    let partition = |asked: &crate::wire::messages::describe_quorum_request::PartitionData| {
        let mut data = PartitionData::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(refusal.code.code());
        if version >= NAMES_NODES {
            data.error_message = refusal.text();
        }
        data
    };
    TopicData::default()
        .with_topic_name(topic.topic_name.clone())
        .with_partitions(topic.partitions.iter().map(partition).collect())
}
