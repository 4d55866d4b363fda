//! Where replicas are and who leads: moves that are asked for, those under way, and elections of preferred leaders.

use std::collections::BTreeMap;

use crate::wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use crate::wire::messages::elect_leaders_request::TopicPartitions;
use crate::wire::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ListPartitionReassignmentsRequest,
};

use super::CHANGE_WITHIN_MS;
use crate::client::cluster::topic_name;
use crate::client::{ClientError, Cluster, Partition};
use crate::wire::ErrorCode;

/// Partitions of one request.
const AT_ONCE: usize = 200;
/// `ElectLeaders`' type for the preferred leader.
const PREFERRED: i8 = 0;
/// The same for any leader at all (KIP-460).
const UNCLEAN: i8 = 1;
/// The first version of `ElectLeaders` that has types.
const HAS_TYPES: i16 = 1;
/// The first version of `AlterPartitionReassignments` that may be told to keep the replication factor (KIP-860).
const GUARDS_FACTOR: i16 = 1;

/// Where a partition's replicas shall be, the preferred leader first; None ends a move that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub partition: Partition,
    pub to: Option<Vec<i32>>,
}

/// A move under way: node ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    pub partition: Partition,
    /// Where the replicas are for now, with those that come and go.
    pub replicas: Vec<i32>,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

impl Cluster {
    /// Asks for `moves`. They go on after this returns; [`Cluster::reassignments`] has them until they are done. Without
    /// `may_resize` a move to another number of replicas is refused, by brokers that know how.
    ///
    /// # Errors
    /// [`ClientError`] of the first batch that could not be asked for, or of the first partition that was refused; those
    /// before it are under way.
    pub async fn reassign(&self, moves: &[Move], may_resize: bool) -> Result<(), ClientError> {
        for batch in moves.chunks(AT_ONCE) {
            self.patiently(async || self.reassign_once(batch, may_resize).await).await?;
        }
        Ok(())
    }

    async fn reassign_once(&self, moves: &[Move], may_resize: bool) -> Result<(), ClientError> {
        let connection = self.controller().await?;
        let version = connection.version::<AlterPartitionReassignmentsRequest>()?;
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for wanted in moves {
            let to = wanted.to.as_ref().map(|nodes| nodes.iter().copied().map(BrokerId).collect());
            let partition = ReassignablePartition::default()
                .with_partition_index(wanted.partition.index)
                .with_replicas(to);
            topics.entry(&wanted.partition.topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            ReassignableTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        });
        let mut request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(CHANGE_WITHIN_MS)
            .with_topics(topics.collect());
        if version >= GUARDS_FACTOR {
            request.allow_replication_factor_change = may_resize;
        }
        let response = connection.call(&request, version).await?;
        ClientError::check(response.error_code, "the move", response.error_message.as_deref())?;
        for topic in response.responses {
            for answer in topic.partitions {
                let subject = Partition::new(&topic.name, answer.partition_index).to_string();
                ClientError::check(answer.error_code, subject, answer.error_message.as_deref())?;
            }
        }
        Ok(())
    }

    /// All moves under way, by partition.
    ///
    /// # Errors
    /// [`ClientError`] if the controller does not tell.
    pub async fn reassignments(&self) -> Result<Vec<Reassignment>, ClientError> {
        self.patiently(async || self.reassignments_once().await).await
    }

    async fn reassignments_once(&self) -> Result<Vec<Reassignment>, ClientError> {
        let connection = self.controller().await?;
        let version = connection.version::<ListPartitionReassignmentsRequest>()?;
        let request =
            ListPartitionReassignmentsRequest::default().with_timeout_ms(CHANGE_WITHIN_MS).with_topics(None);
        let response = connection.call(&request, version).await?;
        ClientError::check(response.error_code, "the moves under way", response.error_message.as_deref())?;
        let ids = |nodes: &[BrokerId]| nodes.iter().map(|id| id.0).collect();
        let mut moves = Vec::new();
        for topic in response.topics {
            moves.extend(topic.partitions.iter().map(|going| Reassignment {
                partition: Partition::new(&topic.name, going.partition_index),
                replicas: ids(&going.replicas),
                adding: ids(&going.adding_replicas),
                removing: ids(&going.removing_replicas),
            }));
        }
        moves.sort_by(|left, right| left.partition.cmp(&right.partition));
        Ok(moves)
    }

    /// Has preferred leaders lead: of `partitions`, or of all. What came of each that needed an election, by partition.
    ///
    /// # Errors
    /// [`ClientError`] if the broker does not answer, or refuses all.
    pub async fn elect_preferred(
        &self,
        partitions: Option<&[Partition]>,
    ) -> Result<Vec<(Partition, Result<(), ClientError>)>, ClientError> {
        self.patiently(async || self.elect_once(partitions, PREFERRED).await).await
    }

    /// Has some replica lead a partition, also one that lacks records, if all that have them are gone. `false` if one leads
    /// already.
    ///
    /// # Errors
    /// [`ClientError`] if the broker does not answer or refuses, say since no replica is heard.
    pub async fn elect_unclean(&self, partition: &Partition) -> Result<bool, ClientError> {
        let one = std::slice::from_ref(partition);
        let mut results = self.patiently(async || self.elect_once(Some(one), UNCLEAN).await).await?;
        match results.pop() {
            Some((_, elected)) => elected.map(|()| true),
            None => Ok(false),
        }
    }

    async fn elect_once(
        &self,
        partitions: Option<&[Partition]>,
        kind: i8,
    ) -> Result<Vec<(Partition, Result<(), ClientError>)>, ClientError> {
        let connection = self.controller().await?;
        let version = connection.version::<ElectLeadersRequest>()?;
        let wanted = partitions.map(|partitions| {
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for partition in partitions {
                topics.entry(&partition.topic).or_default().push(partition.index);
            }
            let topics = topics.into_iter().map(|(name, indexes)| {
                TopicPartitions::default().with_topic(topic_name(name)).with_partitions(indexes)
            });
            topics.collect()
        });
        let mut request =
            ElectLeadersRequest::default().with_topic_partitions(wanted).with_timeout_ms(CHANGE_WITHIN_MS);
        if version >= HAS_TYPES {
            request.election_type = kind;
        } else if kind != PREFERRED {
            return Err(ClientError::Unsupported {
                address: connection.address().to_owned(),
                api: "ElectLeaders with a type",
                theirs: String::new(),
            });
        }
        let response = connection.call(&request, version).await?;
        ClientError::check(response.error_code, "the election", None)?;
        let mut results = Vec::new();
        for topic in response.replica_election_results {
            for answer in topic.partition_result {
                let partition = Partition::new(&topic.topic, answer.partition_id);
                let message = answer.error_message.as_deref();
                let result = ClientError::check(answer.error_code, partition.to_string(), message);
                let is_needed =
                    !result.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::ElectionNotNeeded));
                results.extend(is_needed.then_some((partition, result)));
            }
        }
        results.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(results)
    }
}
