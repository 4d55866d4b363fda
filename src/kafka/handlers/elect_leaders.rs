//! `ElectLeaders` (key 43), v0-2. v1 election type, error code (KIP-460) · v2 flexible
//!
//! Any node serves it: it asks each partition's leader to hand leadership to the preferred replica. A partition without
//! a leader elects by itself as soon as it can, and never one that lacks agreed records. An unclean election gives up what
//! is gone for good (`broker::recovery`), and only if a majority is.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::cluster::MetadataImage;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::elect_leaders_request::TopicPartitions;
use crate::wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::wire::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Partitions that elect at the same time.
const AT_ONCE: usize = 32;
/// The longest that one request may take, whatever the client allows.
const WITHIN_MAX: Duration = Duration::from_mins(1);

/// Who is to lead. Source: KIP-460.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Election {
    /// The preferred replica.
    Preferred,
    /// Any, if none is in sync.
    Unclean,
}

pub(super) struct ElectLeaders;

impl Handler for ElectLeaders {
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = ElectLeadersRequest;
    type Response = ElectLeadersResponse;

    async fn handle(
        ctx: &Context,
        request: ElectLeadersRequest,
    ) -> Result<ElectLeadersResponse, BrokerError> {
        let image = ctx.broker.image();
        let asked = request.topic_partitions.as_deref();
        let refused = |refusal: &Refusal| {
            let results =
                asked.unwrap_or_default().iter().map(|topic| refused_topic(topic, refusal)).collect();
            Self::refused(refusal.code).with_replica_election_results(results)
        };
        if let Err(denied) = ctx.authorise(Operation::Alter, Resource::cluster()) {
            return Ok(refused(&denied.into()));
        }
        let Some(election) = election(request.election_type) else {
            let words = format!("Unknown election type {}", request.election_type);
            return Ok(refused(&Refusal::new(ErrorCode::InvalidRequest, words)));
        };
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let deadline = Instant::now() + timeout.min(WITHIN_MAX);
        let named = asked.map_or_else(|| all_partitions(&image), <[_]>::to_vec);
        let each = named.iter().enumerate().flat_map(|(at, topic)| {
            topic.partitions.iter().map(move |index| (at, topic.topic.as_str(), *index))
        });
        let elected = each.map(|(at, topic, index)| {
            let (image, broker) = (&image, &ctx.broker);
            async move {
                let within = timeout_at(deadline, elect(broker, image, election, topic, index)).await;
                let too_late =
                    || Refusal::new(ErrorCode::RequestTimedOut, "The leader has not changed in time.");
                (at, index, within.unwrap_or_else(|_| Err(too_late())))
            }
        });
        // Boxed, or the compiler cannot see that it may be sent between threads.
        let elected = futures_util::stream::iter(elected).buffered(AT_ONCE).boxed();
        let elected: Vec<(usize, i32, Result<(), Refusal>)> = elected.collect().await;
        let results = results(&named, elected, asked.is_none());
        Ok(ElectLeadersResponse::default().with_replica_election_results(results))
    }

    fn refused(code: ErrorCode) -> ElectLeadersResponse {
        ElectLeadersResponse::default().with_error_code(code.code())
    }
}

fn election(kind: i8) -> Option<Election> {
    match kind {
        0 => Some(Election::Preferred),
        1 => Some(Election::Unclean),
        _ => None,
    }
}

fn all_partitions(image: &MetadataImage) -> Vec<TopicPartitions> {
    let all = |topic: &std::sync::Arc<crate::cluster::TopicImage>| {
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        TopicPartitions::default()
            .with_topic(TopicName(StrBytes::from_string(topic.name.to_string())))
            .with_partitions((0..count).collect())
    };
    image.topics().map(all).collect()
}

/// Source: Kafka `ReplicationControlManager.electLeader`, with its words.
async fn elect(
    broker: &crate::broker::Broker,
    image: &MetadataImage,
    election: Election,
    name: &str,
    index: i32,
) -> Result<(), Refusal> {
    let unknown = |words| Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, words));
    let Some(topic) = image.topic(name) else {
        return unknown(format!("No such topic as {name}"));
    };
    if topic.partition(index).is_none() {
        return unknown(format!("No such partition as {name}-{index}"));
    }
    match election {
        Election::Preferred => Ok(broker.elect_preferred(topic, index).await?),
        Election::Unclean => Ok(broker.elect_unclean(topic, index).await?),
    }
}

/// The results by topic. If all partitions were asked for, those that need no election are not named, nor topics that
/// were deleted meanwhile.
fn results(
    named: &[TopicPartitions],
    elected: Vec<(usize, i32, Result<(), Refusal>)>,
    is_all: bool,
) -> Vec<ReplicaElectionResult> {
    let topic = |topic: &TopicPartitions| ReplicaElectionResult::default().with_topic(topic.topic.clone());
    let mut results: Vec<ReplicaElectionResult> = named.iter().map(topic).collect();
    let is_gone = |refusal: &Refusal| {
        matches!(refusal.code, ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition)
    };
    let mut gone = BTreeSet::new();
    for (at, index, elected) in elected {
        if is_all && elected.as_ref().is_err_and(is_gone) {
            gone.insert(at);
            continue;
        }
        if is_all && elected.as_ref().is_err_and(|refusal| refusal.code == ErrorCode::ElectionNotNeeded) {
            continue;
        }
        if let Some(result) = results.get_mut(at) {
            result.partition_result.push(partition(index, elected.err().as_ref()));
        }
    }
    let results = results.into_iter().enumerate().filter(|(at, _)| !gone.contains(at));
    results.map(|(_, result)| result).collect()
}

fn refused_topic(topic: &TopicPartitions, refusal: &Refusal) -> ReplicaElectionResult {
    let refused = topic.partitions.iter().map(|index| partition(*index, Some(refusal)));
    ReplicaElectionResult::default().with_topic(topic.topic.clone()).with_partition_result(refused.collect())
}

fn partition(index: i32, refusal: Option<&Refusal>) -> PartitionResult {
    PartitionResult::default()
        .with_partition_id(index)
        .with_error_code(refusal.map_or(0, |refusal| refusal.code.code()))
        .with_error_message(refusal.and_then(Refusal::text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_partitions_only_those_are_named_whose_leader_changed_or_could_not() {
        let named = [TopicPartitions::default().with_partitions(vec![0, 1, 2])];
        let not_needed = Refusal::new(ErrorCode::ElectionNotNeeded, "no");
        let failed = Refusal::new(ErrorCode::PreferredLeaderNotAvailable, "not in sync");
        let elected = vec![(0, 0, Ok(())), (0, 1, Err(not_needed)), (0, 2, Err(failed))];
        let of = |is_all| {
            let results = results(&named, elected.clone(), is_all);
            results[0].partition_result.iter().map(|p| (p.partition_id, p.error_code)).collect::<Vec<_>>()
        };
        assert_eq!(of(true), [(0, 0), (2, 80)]);
        let deleted = Refusal::new(ErrorCode::UnknownTopicId, "gone");
        assert!(results(&named, vec![(0, 0, Err(deleted))], true).is_empty());
        assert_eq!(of(false), [(0, 0), (1, 84), (2, 80)]);
    }
}
