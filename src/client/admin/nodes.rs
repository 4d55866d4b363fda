//! The nodes of the cluster: who there is, who lives, and who goes for good.

use crate::wire::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, UnregisterBrokerRequest,
};

use crate::client::{BrokerNode, ClientError, Cluster};

/// The first version of `DescribeCluster` that also tells of nodes that are registered and not alive (KIP-1073).
const TELLS_FENCED: i16 = 2;
/// The version that has endpoint types, and the type of brokers (KIP-919).
const HAS_ENDPOINTS: i16 = 1;
const BROKERS: i8 = 1;

/// A node that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDescription {
    pub node: BrokerNode,
    /// Whether the others hear it; in Kafka's words, whether it is not fenced.
    pub is_alive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    pub cluster_id: String,
    /// None while there is none.
    pub controller: Option<i32>,
    /// By id. Of a broker that is too old to tell of others, only those that live.
    pub nodes: Vec<NodeDescription>,
}

impl Cluster {
    /// # Errors
    /// [`ClientError`] if no broker answers.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        self.patiently(async || self.describe_cluster_once().await).await
    }

    async fn describe_cluster_once(&self) -> Result<ClusterDescription, ClientError> {
        let connection = self.any().await?;
        let version = connection.version::<DescribeClusterRequest>()?;
        let mut request = DescribeClusterRequest::default();
        if version >= HAS_ENDPOINTS {
            request.endpoint_type = BROKERS;
        }
        request.include_fenced_brokers = version >= TELLS_FENCED;
        let response = connection.call(&request, version).await?;
        ClientError::check(response.error_code, "the cluster", response.error_message.as_deref())?;
        Ok(description(response))
    }

    /// Takes a node out of the cluster for good. What it may still have is not the broker's concern, in Kafka.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn unregister_node(&self, node: i32) -> Result<(), ClientError> {
        let once = async || {
            let connection = self.controller().await?;
            let version = connection.version::<UnregisterBrokerRequest>()?;
            let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(node));
            let response = connection.call(&request, version).await?;
            let subject = format!("node {node}");
            ClientError::check(response.error_code, subject, response.error_message.as_deref())
        };
        self.patiently(once).await
    }
}

fn description(response: DescribeClusterResponse) -> ClusterDescription {
    let described = response.brokers.into_iter().map(|broker| NodeDescription {
        is_alive: !broker.is_fenced,
        node: BrokerNode {
            id: broker.broker_id.0,
            host: broker.host.to_string(),
            port: broker.port,
            rack: broker.rack.map(|rack| rack.to_string()),
        },
    });
    let mut nodes: Vec<_> = described.collect();
    nodes.sort_by_key(|described| described.node.id);
    ClusterDescription {
        cluster_id: response.cluster_id.to_string(),
        controller: Some(response.controller_id.0).filter(|id| *id >= 0),
        nodes,
    }
}
