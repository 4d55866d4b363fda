//! `Metadata` (key 3), v0-13. v1 null = all, controller · v4 auto-creation flag · v5 offline replicas · v7 leader epoch ·
//! v8 authorised operations · v9 flexible · v10 topic ids · v12 by id · v13 error code
//!
//! A topic that is created on the way is answered as ready; Kafka answers `UNKNOWN_TOPIC_OR_PARTITION` the first time.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use tracing::debug;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, LeaderView};
use crate::cluster::{MetadataImage, NodeImage, TopicImage};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::permissions::Permissions;
use crate::model::{PartitionId, TopicId, TopicName as Name};
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Topics that Kafka keeps for itself, also before they exist.
pub(super) const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

pub(super) struct Metadata;

impl Handler for Metadata {
    const KEY: ApiKey = ApiKey::Metadata;
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    type Request = MetadataRequest;
    type Response = MetadataResponse;

    async fn handle(ctx: &Context, request: MetadataRequest) -> Result<MetadataResponse, BrokerError> {
        let version = ctx.version();
        if let Some(asked) = request.topics.as_ref().filter(|asked| !well_formed(asked, version)) {
            return Ok(MetadataResponse::default().with_topics(asked.iter().map(misformed).collect()));
        }
        let permissions = ctx.permissions();
        let topics = match &request.topics {
            None => every_topic(ctx, &permissions),
            Some(asked) if asked.is_empty() && version == 0 => every_topic(ctx, &permissions),
            Some(asked) => some_topics(ctx, &permissions, asked, request.allow_auto_topic_creation).await,
        };
        let living = ctx.broker.living_nodes(&ctx.broker.image());
        let mut response = MetadataResponse::default()
            .with_controller_id(controller(ctx, &living))
            .with_brokers(living.into_iter().filter_map(|node| broker(ctx, node)).collect())
            .with_cluster_id(Some(StrBytes::from_string(ctx.broker.cluster_id_text())))
            .with_topics(topics);
        if request.include_topic_authorized_operations {
            for topic in &mut response.topics {
                let is_hidden = topic.error_code == ErrorCode::TopicAuthorizationFailed.code();
                if let Some(name) = topic.name.as_deref().filter(|_| !is_hidden) {
                    topic.topic_authorized_operations = permissions.operations(Resource::topic(name));
                }
            }
        }
        if request.include_cluster_authorized_operations {
            response.cluster_authorized_operations = cluster_operations(ctx);
        }
        Ok(response)
    }

    fn refused(code: ErrorCode) -> MetadataResponse {
        MetadataResponse::default().with_error_code(code.code())
    }
}

/// v10 and v11 have the field for the id and no use for it; later a topic is named by one of both.
fn well_formed(asked: &[MetadataRequestTopic], version: i16) -> bool {
    asked.iter().all(|topic| match version {
        0..=11 => topic.name.is_some() && topic.topic_id.is_nil(),
        _ => topic.name.is_some() || !topic.topic_id.is_nil(),
    })
}

fn misformed(asked: &MetadataRequestTopic) -> MetadataResponseTopic {
    let name = asked.name.clone().unwrap_or_default();
    failed(ErrorCode::InvalidRequest, Some(name)).with_topic_id(asked.topic_id)
}

/// What the client may do with the cluster; nothing if it may not even see it.
pub(super) fn cluster_operations(ctx: &Context) -> i32 {
    match ctx.allows(Operation::Describe, Resource::cluster()) {
        true => ctx.operations(Resource::cluster()),
        false => 0,
    }
}

fn every_topic(ctx: &Context, permissions: &Permissions<'_>) -> Vec<MetadataResponseTopic> {
    let is_shown = |topic: &&Arc<TopicImage>| {
        permissions.shows(Operation::Describe, Resource::topic(topic.name.as_str()))
    };
    ctx.broker.image().topics().filter(is_shown).map(|topic| described(ctx, topic)).collect()
}

/// Those that are there first, then those that are not, or not for the client.
async fn some_topics(
    ctx: &Context,
    permissions: &Permissions<'_>,
    asked: &[MetadataRequestTopic],
    may_create: bool,
) -> Vec<MetadataResponseTopic> {
    let (mut found, mut missing) = (Vec::with_capacity(asked.len()), Vec::new());
    let mut seen = HashSet::with_capacity(asked.len());
    for topic in asked {
        if !seen.insert((topic.topic_id, topic.name.as_ref().filter(|_| topic.topic_id.is_nil()))) {
            continue;
        }
        let image = ctx.broker.image();
        match (&topic.name, topic.topic_id) {
            (Some(name), id) if id.is_nil() => {
                if !permissions.allows(Operation::Describe, Resource::topic(name)) {
                    let hidden = failed(ErrorCode::TopicAuthorizationFailed, Some(name.clone()));
                    missing.push(hidden.with_is_internal(false)); // as in Kafka
                    continue;
                }
                match by_name(ctx, &image, permissions, name, may_create).await {
                    Ok(topic) => found.push(described(ctx, &topic)),
                    Err(code) => missing.push(failed(code, Some(name.clone()))),
                }
            }
            (_, id) => match image.topic_by_id(TopicId(id)) {
                Some(topic)
                    if permissions.allows(Operation::Describe, Resource::topic(topic.name.as_str())) =>
                {
                    found.push(described(ctx, topic));
                }
                // That there is such an id is no secret, as in Kafka.
                Some(_) => {
                    missing.push(failed(ErrorCode::TopicAuthorizationFailed, None).with_topic_id(id));
                }
                None => missing.push(failed(ErrorCode::UnknownTopicId, None).with_topic_id(id)),
            },
        }
    }
    found.append(&mut missing);
    found
}

async fn by_name(
    ctx: &Context,
    image: &MetadataImage,
    permissions: &Permissions<'_>,
    name: &str,
    may_create: bool,
) -> Result<Arc<TopicImage>, ErrorCode> {
    if let Some(topic) = image.topic(name) {
        return Ok(Arc::clone(topic));
    }
    let creates = may_create && ctx.broker.settings().auto_create_topics;
    if creates
        && !permissions.shows(Operation::Create, Resource::cluster())
        && !permissions.allows(Operation::Create, Resource::topic(name))
    {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    if Name::new(name).is_err() {
        return Err(ErrorCode::InvalidTopicException);
    }
    if !creates || INTERNAL.contains(&name) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if let Err(error) = ctx.broker.auto_create_topic(name).await {
        debug!(topic = name, %error, "automatic creation refused");
        return Err(ErrorCode::from(&error));
    }
    ctx.broker.image().topic(name).map(Arc::clone).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// The controller, if it is known; else any that lives, since every node sends on what only the controller can do.
pub(super) fn controller(ctx: &Context, living: &[NodeImage]) -> BrokerId {
    let known = ctx.broker.controller().filter(|id| living.iter().any(|node| node.id == *id));
    BrokerId(known.or(living.first().map(|node| node.id)).unwrap_or(-1))
}

/// `None`: it does not serve clients of this listener.
fn broker(ctx: &Context, node: NodeImage) -> Option<MetadataResponseBroker> {
    let (host, port) = ctx.address(&node)?;
    let broker =
        MetadataResponseBroker::default().with_node_id(BrokerId(node.id)).with_host(host).with_port(port);
    Some(broker.with_rack(node.rack.map(StrBytes::from_string)))
}

fn described(ctx: &Context, topic: &TopicImage) -> MetadataResponseTopic {
    let image = ctx.broker.image();
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let partition = |(index, partition): (i32, &crate::cluster::PartitionImage)| {
        let leader = leader(ctx, &image, topic, index);
        let code = if leader.node < 0 { ErrorCode::LeaderNotAvailable.code() } else { 0 };
        MetadataResponsePartition::default()
            .with_error_code(code)
            .with_partition_index(index)
            .with_leader_id(BrokerId(leader.node))
            .with_leader_epoch(leader.epoch.0)
            .with_replica_nodes(ids(&partition.nodes()))
            .with_isr_nodes(ids(&leader.in_sync))
            .with_offline_replicas(ids(&leader.offline))
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_topic_id(topic.id.0)
        .with_is_internal(topic.is_internal())
        .with_partitions((0..).zip(&topic.partitions).map(partition).collect())
}

/// Who leads; -1 also if the leader has not said where clients of this listener find it.
///
/// Source: Kafka `KRaftMetadataCache.partitionMetadata`, which answers `LEADER_NOT_AVAILABLE` for -1.
pub(super) fn leader(
    ctx: &Context,
    image: &MetadataImage,
    topic: &TopicImage,
    index: PartitionId,
) -> LeaderView {
    let leader = ctx.broker.leader(topic, index);
    let is_found = image.nodes.get(&leader.node).is_some_and(|node| ctx.address(node).is_some());
    if is_found { leader } else { LeaderView { node: -1, ..leader } }
}

fn failed(code: ErrorCode, name: Option<TopicName>) -> MetadataResponseTopic {
    let internal = name.as_ref().is_some_and(|name| INTERNAL.contains(&name.as_str()));
    MetadataResponseTopic::default().with_error_code(code.code()).with_name(name).with_is_internal(internal)
}
