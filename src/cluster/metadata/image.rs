//! The cluster as of one agreed command: nodes, topics, placements, configurations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::command::{
    AclsChanged, BrokerConfigured, ClientMetricsConfigured, Command, CommandError, Counters, Endpoint,
    GroupConfigured, NodeRegistered, NodeRemoved, PartitionPlaced, PartitionsAdded, Placement,
    ProducerIdsTaken, Replica, ScramChanged, ScramKeys, SecretMade, TopicConfigured, TopicCreated,
    TopicDeleted, topic_id,
};
use crate::model::{PartitionId, TopicId, TopicName};

/// A node as it registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeImage {
    pub id: i32,
    pub directory_id: Uuid,
    /// Where Kafka clients find it. None: it joined, and does not serve clients yet.
    pub endpoints: Vec<Endpoint>,
    pub rack: Option<String>,
    /// Where other nodes find it.
    pub rpc_addr: String,
    /// Its replica of the metadata log.
    pub metadata_replica: u64,
}

impl NodeImage {
    /// The command that registers it.
    pub fn registered(&self) -> Command {
        Command::NodeRegistered(NodeRegistered {
            node: self.id,
            directory_id: self.directory_id.as_bytes().to_vec(),
            endpoints: self.endpoints.clone(),
            rack: self.rack.clone(),
            rpc_addr: self.rpc_addr.clone(),
            metadata_replica: self.metadata_replica,
        })
    }

    /// Whether it told where clients find it.
    pub fn is_serving(&self) -> bool {
        !self.endpoints.is_empty()
    }

    /// Where clients of a listener find it; without a name, those of its first.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| listener.is_empty() || endpoint.listener == listener)
    }
}

/// Where a partition's replicas are; the preferred leader first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionImage {
    pub replicas: Vec<Replica>,
    /// Replica ids of those that go once the others have everything.
    pub removing: Vec<u64>,
}

impl PartitionImage {
    /// The replica that `node` holds.
    pub fn on(&self, node: i32) -> Option<u64> {
        self.replicas.iter().find(|r| r.node == node).map(|r| r.replica_id)
    }

    pub fn nodes(&self) -> Vec<i32> {
        self.replicas.iter().map(|r| r.node).collect()
    }

    /// The replicas as they are to be: without those that go.
    pub fn target(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|r| !self.removing.contains(&r.replica_id))
    }

    /// Those that the partition was made with, as far as they are still there.
    pub fn founders(&self) -> Vec<u64> {
        self.replicas.iter().filter(|r| !r.is_late).map(|r| r.replica_id).collect()
    }

    pub fn placement(&self) -> Placement {
        Placement { replicas: self.replicas.clone(), removing: self.removing.clone() }
    }
}

impl From<Placement> for PartitionImage {
    fn from(placed: Placement) -> Self {
        Self { replicas: placed.replicas, removing: placed.removing }
    }
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub name: TopicName,
    pub id: TopicId,
    pub partitions: Vec<PartitionImage>,
    /// Its own configuration; the rest is the brokers' and the defaults.
    pub overrides: BTreeMap<String, String>,
    /// It has as many replicas as is usual, and gets more when there are more nodes.
    pub usual_replication: bool,
}

impl TopicImage {
    pub fn partition(&self, partition: PartitionId) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    /// Kafka's own topics, which clients see and may not write.
    pub fn is_internal(&self) -> bool {
        matches!(self.name.as_str(), "__consumer_offsets" | "__transaction_state")
    }
}

/// See the module. Cheap to clone: topics are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataImage {
    pub nodes: BTreeMap<i32, NodeImage>,
    by_name: BTreeMap<TopicName, Arc<TopicImage>>,
    by_id: BTreeMap<TopicId, Arc<TopicImage>>,
    /// Dynamic broker configuration for the whole cluster.
    pub cluster_overrides: BTreeMap<String, String>,
    /// Dynamic broker configuration of single nodes.
    pub node_overrides: BTreeMap<i32, BTreeMap<String, String>>,
    /// Configuration of groups, by name; those without any are not in it.
    pub group_overrides: BTreeMap<String, BTreeMap<String, String>>,
    /// Subscriptions to metrics of clients, by name.
    pub client_metrics: BTreeMap<String, BTreeMap<String, String>>,
    /// Lines of a policy. Shared, so that it is seen at a glance whether they changed.
    pub acls: Arc<BTreeSet<String>>,
    /// By user and Kafka's code of the mechanism.
    pub scram: Arc<BTreeMap<(String, i32), ScramKeys>>,
    /// Empty until somebody registers.
    pub secret: Vec<u8>,
    pub next_producer_id: i64,
    /// Replica ids from here on were never given out.
    pub next_replica_id: u64,
    pub partitions: usize,
}

impl MetadataImage {
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_name.get(name)
    }

    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// All topics by name.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<TopicImage>> {
        self.by_name.values()
    }

    /// Changes the image by one agreed command. Commands were checked before they were proposed;
    /// one whose topic has gone in the meantime changes nothing.
    ///
    /// # Errors
    /// [`CommandError`] if an id in it is not one.
    pub fn apply(&mut self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::TopicCreated(created) => self.create(created),
            Command::TopicDeleted(TopicDeleted { topic_id: id }) => {
                if let Some(topic) = self.by_id.remove(&topic_id(&id)?) {
                    self.by_name.remove(topic.name.as_str());
                    self.partitions -= topic.partitions.len();
                }
                Ok(())
            }
            Command::PartitionsAdded(PartitionsAdded { topic_id: id, partitions }) => {
                let added = self.placed(partitions);
                self.partitions += added.len();
                self.change(topic_id(&id)?, |topic| topic.partitions.extend(added));
                Ok(())
            }
            Command::TopicConfigured(TopicConfigured { topic_id: id, overrides }) => {
                self.change(topic_id(&id)?, |topic| topic.overrides = overrides);
                Ok(())
            }
            Command::BrokerConfigured(BrokerConfigured { node, overrides }) => {
                match node {
                    None => self.cluster_overrides = overrides,
                    Some(node) => drop(self.node_overrides.insert(node, overrides)),
                }
                Ok(())
            }
            Command::GroupConfigured(GroupConfigured { group, overrides }) => {
                configure(&mut self.group_overrides, group, overrides);
                Ok(())
            }
            Command::ClientMetricsConfigured(ClientMetricsConfigured { name, overrides }) => {
                configure(&mut self.client_metrics, name, overrides);
                Ok(())
            }
            Command::ProducerIdsTaken(ProducerIdsTaken { next }) => {
                self.next_producer_id = self.next_producer_id.max(next);
                Ok(())
            }
            Command::NodeRegistered(node) => self.register(node),
            Command::NodeRemoved(NodeRemoved { node }) => {
                self.nodes.remove(&node);
                self.node_overrides.remove(&node);
                Ok(())
            }
            Command::PartitionPlaced(placed) => self.place(placed),
            Command::AclsChanged(changed) => {
                self.change_acls(changed);
                Ok(())
            }
            Command::ScramChanged(changed) => {
                self.change_scram(changed);
                Ok(())
            }
            Command::SecretMade(SecretMade { secret }) => {
                // The first one stays.
                if self.secret.is_empty() {
                    self.secret = secret;
                }
                Ok(())
            }
            Command::Counters(Counters { next_replica_id }) => {
                self.next_replica_id = self.next_replica_id.max(next_replica_id);
                Ok(())
            }
        }
    }

    /// Commands that make this image out of an empty one.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands = vec![
            Command::Counters(Counters { next_replica_id: self.next_replica_id }),
            Command::ProducerIdsTaken(ProducerIdsTaken { next: self.next_producer_id }),
            Command::BrokerConfigured(BrokerConfigured {
                node: None,
                overrides: self.cluster_overrides.clone(),
            }),
        ];
        for (node, overrides) in &self.node_overrides {
            let overrides = overrides.clone();
            commands.push(Command::BrokerConfigured(BrokerConfigured { node: Some(*node), overrides }));
        }
        commands.extend(self.group_overrides.iter().map(|(group, overrides)| {
            Command::GroupConfigured(GroupConfigured { group: group.clone(), overrides: overrides.clone() })
        }));
        commands.extend(self.client_metrics.iter().map(|(name, overrides)| {
            let overrides = overrides.clone();
            Command::ClientMetricsConfigured(ClientMetricsConfigured { name: name.clone(), overrides })
        }));
        if !self.secret.is_empty() {
            commands.push(Command::SecretMade(SecretMade { secret: self.secret.clone() }));
        }
        if !self.acls.is_empty() {
            let added = self.acls.iter().cloned().collect();
            commands.push(Command::AclsChanged(AclsChanged { added, removed: Vec::new() }));
        }
        commands.extend(self.scram.iter().map(|((user, mechanism), keys)| {
            Command::ScramChanged(ScramChanged {
                user: user.clone(),
                mechanism: *mechanism,
                keys: Some(keys.clone()),
            })
        }));
        commands.extend(self.nodes.values().map(NodeImage::registered));
        commands.extend(self.topics().map(|t| {
            let partitions = t.partitions.iter().map(PartitionImage::placement);
            Command::TopicCreated(TopicCreated {
                name: t.name.to_string(),
                topic_id: t.id.0.as_bytes().to_vec(),
                partitions: partitions.collect(),
                overrides: t.overrides.clone(),
                usual_replication: t.usual_replication,
            })
        }));
        commands
    }

    fn place(&mut self, placed: PartitionPlaced) -> Result<(), CommandError> {
        let PartitionPlaced { topic_id: id, partition, placement } = placed;
        let placed = self.placed(placement.into_iter().collect()).pop().unwrap_or_default();
        self.change(topic_id(&id)?, |topic| {
            if let Some(slot) = usize::try_from(partition).ok().and_then(|p| topic.partitions.get_mut(p)) {
                *slot = placed;
            }
        });
        Ok(())
    }

    fn change_acls(&mut self, AclsChanged { added, removed }: AclsChanged) {
        let acls = Arc::make_mut(&mut self.acls);
        for line in &removed {
            acls.remove(line);
        }
        acls.extend(added);
    }

    fn change_scram(&mut self, ScramChanged { user, mechanism, keys }: ScramChanged) {
        let scram = Arc::make_mut(&mut self.scram);
        match keys {
            Some(keys) => drop(scram.insert((user, mechanism), keys)),
            None => drop(scram.remove(&(user, mechanism))),
        }
    }

    fn create(&mut self, created: TopicCreated) -> Result<(), CommandError> {
        let name = TopicName::new(&created.name)
            .map_err(|error| CommandError::Batch { reason: error.to_string() })?;
        let partitions = self.placed(created.partitions.clone());
        self.partitions += partitions.len();
        let id = topic_id(&created.topic_id)?;
        let TopicCreated { overrides, usual_replication, .. } = created;
        self.put(TopicImage { name, id, partitions, overrides, usual_replication });
        Ok(())
    }

    fn placed(&mut self, partitions: Vec<Placement>) -> Vec<PartitionImage> {
        let highest = partitions.iter().flat_map(|p| &p.replicas).map(|r| r.replica_id).max();
        self.next_replica_id = self.next_replica_id.max(highest.map_or(0, |id| id + 1));
        partitions.into_iter().map(PartitionImage::from).collect()
    }

    fn change(&mut self, id: TopicId, how: impl FnOnce(&mut TopicImage)) {
        if let Some(topic) = self.by_id.get(&id) {
            let mut topic = TopicImage::clone(topic);
            how(&mut topic);
            self.put(topic);
        }
    }

    fn put(&mut self, topic: TopicImage) {
        let topic = Arc::new(topic);
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(topic.name.clone(), topic);
    }

    fn register(&mut self, node: NodeRegistered) -> Result<(), CommandError> {
        let directory_id = topic_id(&node.directory_id)?.0;
        let NodeRegistered { node: id, endpoints, rack, rpc_addr, metadata_replica, .. } = node;
        let image = NodeImage { id, directory_id, endpoints, rack, rpc_addr, metadata_replica };
        self.nodes.insert(id, image);
        Ok(())
    }
}

/// A name without overrides is not kept.
fn configure(
    all: &mut BTreeMap<String, BTreeMap<String, String>>,
    name: String,
    overrides: BTreeMap<String, String>,
) {
    if overrides.is_empty() {
        all.remove(&name);
    } else {
        all.insert(name, overrides);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group_configured(group: &str, overrides: &[(&str, &str)]) -> Command {
        let overrides = overrides.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Command::GroupConfigured(GroupConfigured { group: group.into(), overrides })
    }

    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        let id = |n: u128| Uuid::from_u128(n).as_bytes().to_vec();
        let placement = |replica_id| Placement {
            replicas: vec![Replica { node: 1, replica_id, is_late: false }],
            removing: vec![],
        };
        for command in [
            Command::TopicCreated(TopicCreated {
                name: "a".into(),
                topic_id: id(1),
                partitions: vec![placement(1), placement(2)],
                overrides: BTreeMap::new(),
                usual_replication: false,
            }),
            Command::TopicCreated(TopicCreated {
                name: "b".into(),
                topic_id: id(2),
                partitions: vec![placement(3)],
                overrides: BTreeMap::new(),
                usual_replication: false,
            }),
            Command::PartitionsAdded(PartitionsAdded { topic_id: id(2), partitions: vec![placement(4)] }),
            Command::TopicDeleted(TopicDeleted { topic_id: id(1) }),
            Command::ProducerIdsTaken(ProducerIdsTaken { next: 2000 }),
            Command::SecretMade(SecretMade { secret: vec![7; 32] }),
            Command::AclsChanged(AclsChanged {
                added: vec!["p, User:alice, topic:a, read, allow, *, literal".into()],
                removed: Vec::new(),
            }),
            Command::ScramChanged(ScramChanged {
                user: "alice".into(),
                mechanism: 1,
                keys: Some(ScramKeys { iterations: 4096, ..ScramKeys::default() }),
            }),
            Command::NodeRegistered(NodeRegistered {
                node: 1,
                directory_id: id(9),
                endpoints: vec![Endpoint {
                    listener: "PLAINTEXT".into(),
                    host: "h".into(),
                    port: 9092,
                    protocol: 0,
                }],
                rack: None,
                rpc_addr: "h:8400".into(),
                metadata_replica: 4,
            }),
            group_configured("g", &[("share.isolation.level", "read_committed")]),
            group_configured("h", &[("share.isolation.level", "read_committed")]),
            group_configured("h", &[]),
            Command::ClientMetricsConfigured(ClientMetricsConfigured {
                name: "m".into(),
                overrides: BTreeMap::from([("interval.ms".into(), "100".into())]),
            }),
        ] {
            image.apply(command).unwrap();
        }
        image
    }

    #[test]
    fn topics_come_grow_and_go() {
        let image = image();
        assert!(image.topic("a").is_none());
        assert_eq!(image.topic("b").unwrap().partitions.len(), 2);
        assert_eq!(image.partitions, 2);
        assert_eq!(image.next_replica_id, 5, "ids of what is gone are not used again");
    }

    #[test]
    fn a_group_is_kept_as_long_as_it_has_a_configuration() {
        let image = image();
        assert_eq!(image.group_overrides.keys().collect::<Vec<_>>(), ["g"]);
        assert_eq!(image.client_metrics["m"]["interval.ms"], "100");
    }

    #[test]
    fn an_image_is_made_again_by_its_own_commands() {
        let mut again = MetadataImage::default();
        for command in image().commands() {
            again.apply(command).unwrap();
        }
        assert_eq!(again, image());
    }
}
