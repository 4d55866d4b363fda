//! `Fetch` (key 1), v4-18. v7 sessions (KIP-227) · v9 leader epoch (KIP-320) · v11 rack · v12 flexible, last fetched epoch ·
//! v13 topic ids · v15 replica state · v16 leaders' endpoints (KIP-951) · v17 directory id · v18 high watermark
//!
//! Waits until `min.bytes` are there; records are lent to the connection, which sends them from the file.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::leader_instead;
use crate::access::{Operation, Resource};
use crate::broker::{self, BrokerError, FetchPlan, FetchedPartition, Isolation};
use crate::cluster::{MetadataImage, TopicImage};
use crate::kafka::api::{Answer, Handler, Reply};
use crate::kafka::context::Context;
use crate::kafka::fetch_session::{Scope, Scoped, TopicKey, Wanted};
use crate::kafka::permissions::Permissions;
use crate::keys::CompressionType;
use crate::model::{LeaderEpoch, TopicId};
use crate::storage::Run;
use crate::wire::fetch_response::{FetchResponse, FetchedTopic, NodeEndpoint, PartitionData};
use crate::wire::messages::FetchRequest;
use crate::wire::response::{EncodeError, Lent, ReplyTo};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Before this version a topic whose `compression.type` is zstd cannot be read.
const ZSTD_SINCE: i16 = 10;
/// The first version whose readers say where they are, and read from followers too (KIP-392).
const NEAR_SINCE: i16 = 11;
/// The first version that says where the leader is (KIP-951).
const LEADER_SINCE: i16 = 16;

pub(super) struct Fetch;

impl Handler for Fetch {
    const KEY: ApiKey = ApiKey::Fetch;
    const VERSIONS: RangeInclusive<i16> = 4..=18;
    const WAITS: bool = true;
    type Request = FetchRequest;
    type Response = FetchResponse<Run>;

    async fn handle(ctx: &Context, request: FetchRequest) -> Result<FetchResponse<Run>, BrokerError> {
        let version = ctx.version();
        let isolation = match request.isolation_level {
            0 => Isolation::ReadUncommitted,
            1 => Isolation::ReadCommitted,
            _ => {
                return Err(BrokerError::InvalidRequest {
                    reason: "the isolation level is neither 0 nor 1".into(),
                });
            }
        };
        let Scoped { scope, wanted } = match ctx.sessions.scope(&request, version, Instant::now()) {
            Ok(scoped) => scoped,
            Err(code) => return Ok(Self::refused(code)),
        };
        let image = ctx.broker.image();
        let permissions = ctx.permissions();
        let is_replica = request.replica_id.0 >= 0 || request.replica_state.replica_id.0 >= 0;
        let asked: Vec<Asked> = match is_replica {
            false => wanted.iter().map(|wanted| Asked::resolve(ctx, &image, &permissions, wanted)).collect(),
            true => vec![Asked::of_replica(&permissions); wanted.len()],
        };
        let plan = plan(ctx, &request, isolation, &asked);
        let mut fetched = if plan.partitions.is_empty() {
            Vec::new() // Kafka does not wait for nothing
        } else {
            match version >= NEAR_SINCE {
                true => ctx.broker.fetch_near(&plan, &request.rack_id).await,
                false => ctx.broker.fetch(&plan).await,
            }
        }
        .into_iter();
        let mut answers = Vec::with_capacity(asked.len());
        for (asked, wanted) in asked.iter().zip(&wanted) {
            let answer = match asked {
                Asked::Read(partition) => read(ctx, partition, isolation, fetched.next()),
                Asked::Refused(code) => refused_before_reading(wanted.partition, *code),
            };
            answers.push((wanted.topic.clone(), answer));
        }
        Ok(respond(ctx, scope, wanted, answers))
    }

    fn refused(code: ErrorCode) -> FetchResponse<Run> {
        FetchResponse::refused(code.code())
    }
}

impl Lent for Run {
    fn size(&self) -> usize {
        self.length
    }
}

impl Answer for FetchResponse<Run> {
    fn reply(self, to: ReplyTo) -> Result<Reply, EncodeError> {
        Ok(Reply::Frame(self.into_frame(to)))
    }
}

/// A partition of the request, once its topic was looked up.
#[derive(Clone)]
enum Asked {
    Read(broker::FetchPartition),
    Refused(ErrorCode),
}

impl Asked {
    /// Replicas have a door of their own.
    fn of_replica(permissions: &Permissions<'_>) -> Self {
        let is_node = permissions.allows(Operation::ClusterAction, Resource::cluster());
        Self::Refused(match is_node {
            true => ErrorCode::NotLeaderOrFollower,
            false => ErrorCode::TopicAuthorizationFailed,
        })
    }

    fn resolve(ctx: &Context, image: &MetadataImage, permissions: &Permissions<'_>, wanted: &Wanted) -> Self {
        let (topic, name) = match &wanted.topic {
            TopicKey::Name(name) => {
                (image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition), Some(name.as_str()))
            }
            TopicKey::Id(id) => {
                let topic = image.topic_by_id(TopicId(*id));
                (topic.ok_or(ErrorCode::UnknownTopicId), topic.map(|topic| topic.name.as_str()))
            }
        };
        // Whether a topic exists is not for everybody to know; which name an id has is no secret, as in Kafka.
        if !name.is_none_or(|name| permissions.allows(Operation::Read, Resource::topic(name))) {
            return Self::Refused(ErrorCode::TopicAuthorizationFailed);
        }
        match topic {
            Err(code) => Self::Refused(code),
            Ok(topic) if !has_partition(topic, wanted.partition) => {
                Self::Refused(ErrorCode::UnknownTopicOrPartition)
            }
            // KIP-110: older clients cannot read it, and Kafka does not convert it for them.
            Ok(topic) if ctx.version() < ZSTD_SINCE && is_zstd(ctx, topic) => {
                Self::Refused(ErrorCode::UnsupportedCompressionType)
            }
            Ok(topic) => Self::Read(broker::FetchPartition {
                topic: Arc::clone(topic),
                partition: wanted.partition,
                offset: wanted.offset,
                max_bytes: usize::try_from(wanted.max_bytes).unwrap_or(0),
                current_leader_epoch: epoch(wanted.current_leader_epoch),
                last_fetched_epoch: epoch(wanted.last_fetched_epoch),
            }),
        }
    }
}

fn is_zstd(ctx: &Context, topic: &TopicImage) -> bool {
    matches!(ctx.broker.topic_settings(topic).compression, CompressionType::Zstd { .. })
}

fn has_partition(topic: &TopicImage, partition: i32) -> bool {
    usize::try_from(partition).is_ok_and(|index| index < topic.partitions.len())
}

/// Here, unlike in `ListOffsets`, Kafka takes every negative epoch for none.
fn epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch >= 0).then_some(LeaderEpoch(epoch))
}

fn plan(ctx: &Context, request: &FetchRequest, isolation: Isolation, asked: &[Asked]) -> FetchPlan {
    let size = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
    let max_bytes = size(request.max_bytes).min(ctx.broker.settings().fetch_max_bytes as usize);
    let partitions = asked.iter().filter_map(|asked| match asked {
        Asked::Read(partition) => Some(partition.clone()),
        Asked::Refused(_) => None,
    });
    FetchPlan {
        partitions: partitions.collect(),
        max_wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
        min_bytes: size(request.min_bytes).min(max_bytes),
        max_bytes,
        isolation,
    }
}

fn read(
    ctx: &Context,
    asked: &broker::FetchPartition,
    isolation: Isolation,
    fetched: Option<Result<FetchedPartition, BrokerError>>,
) -> PartitionData<Run> {
    let version = ctx.version();
    let mut data = PartitionData::refused(asked.partition, ErrorCode::UnknownServerError.code());
    match fetched {
        Some(Ok(fetched)) if fetched.is_behind => {
            data.error_code = ErrorCode::OffsetNotAvailable.code();
        }
        Some(Ok(fetched)) => {
            data.error_code = 0;
            data.high_watermark = fetched.high_watermark.0;
            data.last_stable_offset = fetched.last_stable_offset.0;
            data.log_start_offset = fetched.log_start_offset.0;
            data.aborted = (isolation == Isolation::ReadCommitted).then(Vec::new); // none before transactions exist
            data.diverging = fetched.diverging.map(|(epoch, end)| (epoch.0, end.0));
            data.preferred_read_replica = fetched.preferred.unwrap_or(-1);
            data.runs = fetched.runs;
        }
        Some(Err(error)) => {
            data.error_code = ErrorCode::from(&error).code();
            if version >= LEADER_SINCE {
                let leader = leader_instead(&ctx.broker, &asked.topic, asked.partition, &error);
                data.current_leader = leader.map(|leader| (leader.node, leader.epoch.0));
            }
        }
        None => {}
    }
    data
}

fn refused_before_reading(index: i32, code: ErrorCode) -> PartitionData<Run> {
    let mut data = PartitionData::refused(index, code.code());
    data.aborted = Some(Vec::new()); // as Kafka has it, unlike with failures of reading
    data
}

fn respond(
    ctx: &Context,
    scope: Scope,
    wanted: Vec<Wanted>,
    mut answers: Vec<(TopicKey, PartitionData<Run>)>,
) -> FetchResponse<Run> {
    let session_id = match scope {
        Scope::Sessionless => 0,
        Scope::Full => {
            let by_id = ctx.version() >= 13;
            ctx.sessions.begin(wanted, by_id, answers.iter().map(|(_, answer)| answer), Instant::now())
        }
        Scope::Incremental(session) => {
            let mut session = session.lock();
            answers.retain(|(topic, answer)| session.is_news(topic, answer));
            session.id()
        }
    };
    let leaders: BTreeSet<i32> =
        answers.iter().filter_map(|(_, a)| a.current_leader).map(|(node, _)| node).collect();
    FetchResponse {
        error_code: 0,
        session_id,
        topics: by_topic(answers),
        node_endpoints: endpoints(ctx, &leaders),
    }
}

/// Neighbours of the same topic share one entry.
fn by_topic(answers: Vec<(TopicKey, PartitionData<Run>)>) -> Vec<FetchedTopic<Run>> {
    let mut topics: Vec<FetchedTopic<Run>> = Vec::new();
    let mut last = None;
    for (key, answer) in answers {
        if let Some(topic) = topics.last_mut()
            && last.as_ref() == Some(&key)
        {
            topic.partitions.push(answer);
            continue;
        }
        let (name, id) = match &key {
            TopicKey::Name(name) => (name.clone(), uuid::Uuid::nil()),
            TopicKey::Id(id) => (StrBytes::new(), *id),
        };
        topics.push(FetchedTopic { name, id, partitions: vec![answer] });
        last = Some(key);
    }
    topics
}

fn endpoints(ctx: &Context, leaders: &BTreeSet<i32>) -> Vec<NodeEndpoint> {
    let image = ctx.broker.image();
    let endpoint = |node: &crate::cluster::NodeImage| {
        let (host, port) = ctx.address(node)?;
        Some(NodeEndpoint {
            node_id: node.id,
            host,
            port,
            rack: node.rack.clone().map(StrBytes::from_string),
        })
    };
    leaders.iter().filter_map(|node| image.nodes.get(node)).filter_map(endpoint).collect()
}
