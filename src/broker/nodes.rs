//! Nodes: they join, register where clients find them, and go for good.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::controller::{Join, Joined, Register, Verb};
use super::reassignments::replaced_replicas;
use super::{Broker, BrokerError};
use crate::cluster::{
    Command, MetadataImage, NodeImage, NodeRemoved, SecretMade, incarnation_of, metadata_replica,
};

impl Broker {
    /// Makes this node and its address known to the cluster.
    pub async fn register(&self, register: Register) -> Result<(), BrokerError> {
        self.by_controller(Verb::Register(register)).await.map(|_| ())
    }

    /// The nodes that serve clients and are heard, this one first of all alive.
    pub fn living_nodes(&self, image: &MetadataImage) -> Vec<NodeImage> {
        let living = |node: &&NodeImage| node.is_serving() && self.0.exchange.is_alive(node.id);
        image.nodes.values().filter(living).cloned().collect()
    }

    pub fn is_alive(&self, node: i32) -> bool {
        self.0.exchange.is_alive(node)
    }

    /// The controller's part of a join.
    pub(super) async fn join_node(&self, join: Join) -> Result<Joined, BrokerError> {
        let directory_id = directory(&join.directory_id)?;
        let _only_one = self.control().await?;
        let image = self.image();
        let known = image.nodes.values().find(|node| node.directory_id == directory_id);
        let joined = |id: i32, replica: u64| Joined {
            cluster_id: self.0.cluster_id.as_bytes().to_vec(),
            node_id: id,
            metadata_replica: replica,
        };
        if let Some(known) = known {
            // It asks again: the answer to its first question was lost.
            return match join.node_id {
                Some(wanted) if wanted != known.id => Err(BrokerError::ControllerRefused {
                    reason: format!("directory {directory_id} is node {}'s, not {wanted}'s", known.id),
                }),
                _ => Ok(joined(known.id, known.metadata_replica)),
            };
        }
        let id = join.node_id.unwrap_or_else(|| free_id(&image));
        let before = image.nodes.get(&id);
        if let Some(before) = before
            && self.0.exchange.is_alive(id)
        {
            return Err(BrokerError::ControllerRefused {
                reason: format!(
                    "node id {id} is that of a living node with directory {}: choose another --node-id",
                    before.directory_id
                ),
            });
        }
        let incarnation = before.map_or(1, |before| incarnation_of(before.metadata_replica) + 1);
        let node = NodeImage {
            id,
            directory_id,
            endpoints: Vec::new(),
            rack: before.and_then(|before| before.rack.clone()),
            rpc_addr: join.rpc_addr,
            metadata_replica: metadata_replica(id, incarnation),
        };
        let mut commands = vec![node.registered()];
        if before.is_some() {
            tracing::warn!(node = id, %directory_id, "a node comes back with another directory: its replicas are made anew");
            commands.extend(replaced_replicas(&image, id));
        }
        self.change_metadata(commands).await?;
        Ok(joined(id, node.metadata_replica))
    }

    /// The controller's part of a registration.
    pub(super) async fn register_node(&self, register: Register) -> Result<(), BrokerError> {
        let directory_id = directory(&register.directory_id)?;
        let _only_one = self.control().await?;
        let image = self.image();
        let before = image.nodes.get(&register.node);
        if let Some(before) = before.filter(|before| before.directory_id != directory_id) {
            return Err(BrokerError::ControllerRefused {
                reason: format!("node {} is registered with directory {}", before.id, before.directory_id),
            });
        }
        if let Some(wrong) = register.endpoints.iter().find(|endpoint| u16::try_from(endpoint.port).is_err())
        {
            return Err(BrokerError::InvalidRequest { reason: format!("port {}", wrong.port) });
        }
        let node = NodeImage {
            id: register.node,
            directory_id,
            endpoints: register.endpoints,
            rack: register.rack,
            rpc_addr: register.rpc_addr,
            metadata_replica: before
                .map_or_else(|| metadata_replica(register.node, 1), |before| before.metadata_replica),
        };
        if before == Some(&node) {
            return Ok(());
        }
        let mut commands = vec![node.registered()];
        if image.secret.is_empty() {
            let secret = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
            commands.push(Command::SecretMade(SecretMade { secret }));
        }
        let mut after = MetadataImage::clone(&image);
        after.nodes.insert(node.id, node);
        commands.extend(self.grown_topics(&after));
        self.change_metadata(commands).await
    }

    /// Takes a node that is not heard, and holds nothing, out of the cluster.
    ///
    /// # Errors
    /// [`BrokerError::UnknownNode`]; [`BrokerError::NodeInUse`] if it lives or holds replicas.
    pub async fn unregister(&self, node: i32) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        if !image.nodes.contains_key(&node) {
            return Err(BrokerError::UnknownNode { node });
        }
        let holds = |partition: &crate::cluster::PartitionImage| partition.on(node).is_some();
        let held = image.topics().flat_map(|topic| &topic.partitions).filter(|p| holds(p)).count();
        if self.0.exchange.is_alive(node) || held > 0 {
            return Err(BrokerError::NodeInUse { node, held });
        }
        self.change_metadata(vec![Command::NodeRemoved(NodeRemoved { node })]).await
    }
}

fn directory(bytes: &[u8]) -> Result<Uuid, BrokerError> {
    Uuid::from_slice(bytes).map_err(|_| BrokerError::InvalidRequest {
        reason: format!("a directory id of {} bytes", bytes.len()),
    })
}

/// The lowest id from 1 on that no node has.
fn free_id(image: &MetadataImage) -> i32 {
    let taken: BTreeSet<i32> = image.nodes.keys().copied().collect();
    (1..i32::MAX).find(|id| !taken.contains(id)).unwrap_or(i32::MAX)
}
