//! The nodes that agree on the metadata: who leads them, and how far each is.

use crate::wire::messages::DescribeQuorumRequest;
use crate::wire::messages::describe_quorum_request::{PartitionData, TopicData};
use crate::wire::messages::describe_quorum_response::ReplicaState;

use crate::client::cluster::topic_name;
use crate::client::{ClientError, Cluster};

const METADATA_TOPIC: &str = "__cluster_metadata";

/// A node's copy of the metadata's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    pub node: i32,
    /// None if the leader has not heard of it.
    pub log_end_offset: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// None while there is none.
    pub leader: Option<i32>,
    pub epoch: i32,
    pub high_watermark: i64,
    /// By node.
    pub voters: Vec<QuorumReplica>,
    /// Those that follow and do not vote, by node.
    pub observers: Vec<QuorumReplica>,
}

impl Quorum {
    /// How many entries `replica` is behind the leader; None if one of both is not known.
    pub fn lag(&self, replica: &QuorumReplica) -> Option<i64> {
        let is_leader = |voter: &&QuorumReplica| Some(voter.node) == self.leader;
        let end = self.voters.iter().find(is_leader)?.log_end_offset?;
        Some((end - replica.log_end_offset?).max(0))
    }
}

impl Cluster {
    /// # Errors
    /// [`ClientError`]: [`ClientError::Unsupported`] by brokers without such a quorum, [`ClientError::Refused`] while nobody
    /// leads it.
    pub async fn describe_quorum(&self) -> Result<Quorum, ClientError> {
        self.patiently(async || self.describe_quorum_once().await).await
    }

    async fn describe_quorum_once(&self) -> Result<Quorum, ClientError> {
        let connection = self.any().await?;
        let version = connection.version::<DescribeQuorumRequest>()?;
        let topic = TopicData::default()
            .with_topic_name(topic_name(METADATA_TOPIC))
            .with_partitions(vec![PartitionData::default()]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let response = connection.call(&request, version).await?;
        let subject = "the metadata quorum";
        ClientError::check(response.error_code, subject, response.error_message.as_deref())?;
        let partition = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(partition) = partition else {
            return Err(ClientError::Missing { subject: subject.into() });
        };
        ClientError::check(partition.error_code, subject, partition.error_message.as_deref())?;
        Ok(Quorum {
            leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
            epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: replicas(&partition.current_voters),
            observers: replicas(&partition.observers),
        })
    }
}

fn replicas(states: &[ReplicaState]) -> Vec<QuorumReplica> {
    let replica = |state: &ReplicaState| QuorumReplica {
        node: state.replica_id.0,
        log_end_offset: Some(state.log_end_offset).filter(|offset| *offset >= 0),
    };
    let mut replicas: Vec<_> = states.iter().map(replica).collect();
    replicas.sort_by_key(|replica| replica.node);
    replicas
}
