//! Topics: made, grown, deleted. Each change is checked against the image and agreed on under the
//! controller's lock, so that checks and agreement see the same cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::controller::{AutoCreate, Verb};
use super::{Broker, BrokerError};
use crate::cluster::{
    Command, MetadataImage, PartitionKey, PartitionsAdded, Placement, Placer, Replica, TopicCreated,
    TopicDeleted, TopicImage, spawn,
};
use crate::keys::{ConfigEntry, KeyError, validate_topic};
use crate::model::{TopicId, TopicName};

/// The most partitions that one request may create. Source: Kafka `ReplicationControlManager`.
const NEW_PARTITIONS_MAX: i32 = 10_000;
/// How long whoever makes a topic waits for its first leaders.
const LED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
/// The most partitions that this node holds.
const PARTITIONS_MAX: usize = 100_000;

/// A topic as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    pub name: String,
    /// -1: `num.partitions`, or as many as there are assignments.
    pub partitions: i32,
    /// -1: `default.replication.factor`.
    pub replication_factor: i16,
    /// (partition, nodes), preferred leader first.
    pub assignments: Vec<(i32, Vec<i32>)>,
    pub configs: Vec<(String, Option<String>)>,
}

/// A topic as it was made.
#[derive(Clone, Debug)]
pub struct CreatedTopic {
    pub id: TopicId,
    pub partitions: i32,
    pub replication_factor: i16,
    pub configs: Vec<ConfigEntry>,
}

/// A topic, by whichever the client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicRef {
    Name(String),
    Id(TopicId),
}

/// A topic that passed its checks.
struct Planned {
    command: TopicCreated,
    created: CreatedTopic,
}

impl Broker {
    /// Makes topics; one agreement for all that pass their checks. Their partitions can be used
    /// when it returns: those with several replicas have leaders then, or will have soon.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Vec<Result<CreatedTopic, BrokerError>> {
        let before = self.image();
        let made = self.create_topics_now(topics, validate_only).await;
        if !validate_only {
            self.led_since(&before).await;
        }
        made
    }

    /// Waits until this node knows leaders of the partitions that are not in `before`, but not long.
    pub(super) async fn led_since(&self, before: &MetadataImage) {
        let image = self.image();
        let mut keys = Vec::new();
        for topic in image.topics() {
            let had = before.topic_by_id(topic.id).map_or(0, |topic| topic.partitions.len());
            let new = (0..).zip(&topic.partitions).skip(had).filter(|(_, placed)| placed.replicas.len() > 1);
            keys.extend(new.map(|(partition, _)| (topic.id, partition)));
        }
        self.led(&keys).await;
    }

    /// Waits until this node knows leaders of these partitions, but not long.
    async fn led(&self, partitions: &[PartitionKey]) {
        drop(tokio::time::timeout(LED_WITHIN, self.0.exchange.led(partitions)).await);
    }

    async fn create_topics_now(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Vec<Result<CreatedTopic, BrokerError>> {
        let Ok(_only_one) = self.control().await else {
            return topics.iter().map(|_| Err(BrokerError::NotController)).collect();
        };
        let image = self.image();
        let mut placer = Placer::new(&image, |node| image.nodes[&node].is_serving());
        let mut next_replica_id = image.next_replica_id.max(1);
        let mut planned: Vec<Result<Planned, BrokerError>> = Vec::with_capacity(topics.len());
        let mut names: Vec<TopicName> = Vec::new();
        for topic in topics {
            let plan = self.plan_topic(&topic, &image, &names, (&mut placer, &mut next_replica_id));
            names.extend(plan.as_ref().ok().and_then(|p| TopicName::new(&p.command.name).ok()));
            planned.push(plan);
        }
        let commands: Vec<_> =
            planned.iter().flatten().map(|p| Command::TopicCreated(p.command.clone())).collect();
        let agreed = match validate_only || commands.is_empty() {
            true => Ok(()),
            false => self.change_metadata(commands).await,
        };
        let refused = agreed.err().map(|e| e.to_string());
        let answer = |plan: Planned| match &refused {
            None => Ok(plan.created),
            Some(reason) => Err(BrokerError::LogUnavailable {
                partition: "__cluster_metadata-0".into(),
                reason: reason.clone(),
            }),
        };
        planned.into_iter().map(|plan| plan.and_then(answer)).collect()
    }

    /// Makes a topic by the brokers' defaults. One that exists already, or is being made by another,
    /// is no error. Its partitions have leaders that are known here then, or will have soon.
    pub async fn auto_create_topic(&self, name: &str) -> Result<(), BrokerError> {
        let before = self.image();
        match self.by_controller(Verb::AutoCreate(AutoCreate { name: name.into() })).await {
            Ok(_) | Err(BrokerError::TopicExists { .. }) => {}
            Err(error) => return Err(error),
        }
        // The controller knows leaders by now; whoever asked here is told by this node, and what a producer sends
        // without wanting an answer (acks=0) to another than the leader is lost.
        self.led_since(&before).await;
        Ok(())
    }

    /// The controller's part of it.
    pub(super) async fn auto_create_here(&self, name: &str) -> Result<(), BrokerError> {
        let topic =
            NewTopic { name: name.into(), partitions: -1, replication_factor: -1, ..NewTopic::default() };
        match self.create_topics(vec![topic], false).await.pop() {
            Some(Err(BrokerError::TopicExists { .. })) | None => Ok(()),
            Some(made) => made.map(|_| ()),
        }
    }

    fn plan_topic(
        &self,
        topic: &NewTopic,
        image: &MetadataImage,
        names: &[TopicName],
        (placer, next_replica_id): (&mut Placer, &mut u64),
    ) -> Result<Planned, BrokerError> {
        let name = TopicName::new(&topic.name)
            .map_err(|source| BrokerError::InvalidTopicName { name: topic.name.clone(), source })?;
        if image.topic(&topic.name).is_some() || names.contains(&name) {
            return Err(BrokerError::TopicExists { name: topic.name.clone() });
        }
        let others = image.topics().map(|t| &t.name).chain(names);
        if let Some(other) = others.into_iter().find(|other| other.collides_with(&name)) {
            return Err(BrokerError::TopicCollides { name: topic.name.clone(), other: other.to_string() });
        }
        let nodes = self.nodes_for(topic, image, placer)?;
        if image.partitions + nodes.len() > PARTITIONS_MAX {
            let reason = format!("{} partitions exist, {PARTITIONS_MAX} are the most", image.partitions);
            return Err(BrokerError::PolicyViolation { reason });
        }
        let overrides = overrides_of(&topic.configs)?;
        validate_topic(&overrides)?;
        let id = topic_id(self.0.cluster_id, *next_replica_id);
        let partitions = nodes.iter().map(|n| place(n, next_replica_id)).collect::<Vec<_>>();
        let created = CreatedTopic {
            id,
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(nodes.first().map_or(0, Vec::len)).unwrap_or(i16::MAX),
            configs: self.describe_overrides(image, &overrides),
        };
        let topic_id = id.0.as_bytes().to_vec();
        let usual_replication = topic.replication_factor == -1 && topic.assignments.is_empty();
        let name = topic.name.clone();
        let command = TopicCreated { name, topic_id, partitions, overrides, usual_replication };
        Ok(Planned { command, created })
    }

    /// The nodes of each partition of a new topic.
    fn nodes_for(
        &self,
        topic: &NewTopic,
        image: &MetadataImage,
        placer: &mut Placer,
    ) -> Result<Vec<Vec<i32>>, BrokerError> {
        if !topic.assignments.is_empty() {
            return assigned(topic, image);
        }
        let settings = self.settings();
        let default = i32::try_from(settings.num_partitions).unwrap_or(i32::MAX);
        let count = if topic.partitions == -1 { default } else { topic.partitions };
        if count <= 0 {
            let reason = "number of partitions was set to an invalid non-positive value".into();
            return Err(BrokerError::InvalidPartitions { reason });
        }
        let asked = match topic.replication_factor {
            -1 => i16::try_from(self.usual_replication(placer.nodes())).unwrap_or(i16::MAX),
            other => other,
        };
        if asked <= 0 {
            return Err(BrokerError::InvalidReplicationFactor { asked, nodes: image.nodes.len() });
        }
        spread(count, asked, placer)
    }

    /// How many replicas a topic gets that does not say: `default.replication.factor`, if it is set; else three, as soon
    /// as there are so many nodes.
    pub(super) fn usual_replication(&self, nodes: usize) -> usize {
        match self.0.settings.is_given("default.replication.factor") {
            true => usize::from(self.settings().default_replication_factor),
            false if nodes >= 3 => 3,
            false => 1,
        }
    }

    /// Deletes a topic and its records. Once begun it goes on, also if the caller goes away: files
    /// of a topic that the metadata does not know would be left for ever.
    pub async fn delete_topic(&self, which: &TopicRef) -> Result<(TopicName, TopicId), BrokerError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        let (broker, which) = (self.clone(), which.clone());
        spawn(async move { drop(answer.send(broker.delete_topic_now(&which).await)) });
        wait.await.unwrap_or(Err(BrokerError::Closing))
    }

    async fn delete_topic_now(&self, which: &TopicRef) -> Result<(TopicName, TopicId), BrokerError> {
        if !self.settings().delete_topics {
            return Err(BrokerError::TopicDeletionDisabled);
        }
        let _only_one = self.control().await?;
        let image = self.image();
        let topic = find(&image, which)?;
        let topic_id = topic.id.0.as_bytes().to_vec();
        self.change_metadata(vec![Command::TopicDeleted(TopicDeleted { topic_id })]).await?;
        let doomed = self.0.settings.take_doomed();
        futures_util::future::join_all(doomed.iter().map(|log| log.delete())).await;
        // Before another topic can have the name.
        self.forget_offsets_of(topic.id).await;
        Ok((topic.name.clone(), topic.id))
    }

    /// Grows a topic to `count` partitions.
    pub async fn create_partitions(
        &self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let before = self.image();
        self.create_partitions_now(name, count, assignments, validate_only).await?;
        self.led_since(&before).await;
        Ok(())
    }

    async fn create_partitions_now(
        &self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let mut placer = Placer::new(&image, |node| image.nodes[&node].is_serving());
        let topic = find(&image, &TopicRef::Name(name.into()))?;
        let have = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let added = count.saturating_sub(have);
        check_growth(name, have, count)?;
        if image.partitions + added.unsigned_abs() as usize > PARTITIONS_MAX {
            let reason = format!("{} partitions exist, {PARTITIONS_MAX} are the most", image.partitions);
            return Err(BrokerError::PolicyViolation { reason });
        }
        let nodes = match assignments {
            None => {
                let factor = topic.partitions.first().map_or(1, |p| p.replicas.len());
                spread(added, i16::try_from(factor).unwrap_or(1), &mut placer)?
            }
            Some(given) if i32::try_from(given.len()).ok() != Some(added) => {
                let reason = format!(
                    "increasing the number of partitions by {added} but {} assignments provided",
                    given.len()
                );
                return Err(BrokerError::InvalidReplicaAssignment { reason });
            }
            Some(given) => {
                given.iter().try_for_each(|nodes| check_nodes(nodes, &image))?;
                given
            }
        };
        if validate_only {
            return Ok(());
        }
        let mut next_replica_id = image.next_replica_id.max(1);
        let partitions = nodes.iter().map(|n| place(n, &mut next_replica_id)).collect();
        let topic_id = topic.id.0.as_bytes().to_vec();
        self.change_metadata(vec![Command::PartitionsAdded(PartitionsAdded { topic_id, partitions })]).await
    }

    /// Agrees on `commands`. The caller holds the controller's lock.
    pub(super) async fn change_metadata(&self, commands: Vec<Command>) -> Result<(), BrokerError> {
        let agreed = self.0.metadata.propose(commands, self.now_ms()).await;
        agreed.map_err(|error| BrokerError::of_log(&"__cluster_metadata-0", error))
    }
}

pub(super) fn find<'a>(
    image: &'a MetadataImage,
    which: &TopicRef,
) -> Result<&'a std::sync::Arc<TopicImage>, BrokerError> {
    match which {
        TopicRef::Name(name) => {
            image.topic(name).ok_or_else(|| BrokerError::UnknownTopic { topic: name.clone() })
        }
        TopicRef::Id(id) => image.topic_by_id(*id).ok_or(BrokerError::UnknownTopicId { id: *id }),
    }
}

fn check_growth(name: &str, have: i32, count: i32) -> Result<(), BrokerError> {
    let reason = match count {
        count if count == have => format!("topic already has {have} partition(s)"),
        count if count < have => {
            format!("the topic {name} currently has {have} partition(s); {count} would not be an increase")
        }
        count if count - have > NEW_PARTITIONS_MAX => {
            let reason =
                format!("excessively large number of partitions per request: at most {NEW_PARTITIONS_MAX}");
            return Err(BrokerError::PolicyViolation { reason });
        }
        _ => return Ok(()),
    };
    Err(BrokerError::InvalidPartitions { reason })
}

/// The nodes of manual assignments, which must name partitions 0 to n without a gap.
fn assigned(topic: &NewTopic, image: &MetadataImage) -> Result<Vec<Vec<i32>>, BrokerError> {
    if topic.partitions != -1 || topic.replication_factor != -1 {
        let what = if topic.replication_factor == -1 { "partition count" } else { "replication factor" };
        let reason = format!("a manual partition assignment was specified, but {what} was not set to -1");
        return Err(BrokerError::InvalidRequest { reason });
    }
    let by_partition: BTreeMap<i32, &Vec<i32>> = topic.assignments.iter().map(|(p, n)| (*p, n)).collect();
    if by_partition.len() != topic.assignments.len() {
        let reason = "found multiple manual partition assignments for one partition".into();
        return Err(BrokerError::InvalidReplicaAssignment { reason });
    }
    let factor = topic.assignments.first().map_or(0, |(_, nodes)| nodes.len());
    for nodes in by_partition.values() {
        check_nodes(nodes, image)?;
        if nodes.len() != factor {
            let reason =
                "the manual partition assignment has partitions with different replication factors".into();
            return Err(BrokerError::InvalidReplicaAssignment { reason });
        }
    }
    if !by_partition.keys().copied().eq(0..i32::try_from(by_partition.len()).unwrap_or(i32::MAX)) {
        let reason = "partitions should be a consecutive 0-based integer sequence".into();
        return Err(BrokerError::InvalidReplicaAssignment { reason });
    }
    Ok(by_partition.into_values().cloned().collect())
}

fn check_nodes(nodes: &[i32], image: &MetadataImage) -> Result<(), BrokerError> {
    let refuse = |reason: String| Err(BrokerError::InvalidReplicaAssignment { reason });
    if nodes.is_empty() {
        return refuse("the manual partition assignment includes an empty replica list".into());
    }
    if nodes.iter().collect::<BTreeSet<_>>().len() != nodes.len() {
        return refuse(format!("the manual partition assignment includes duplicate broker(s) in {nodes:?}"));
    }
    match nodes.iter().find(|n| !image.nodes.contains_key(n)) {
        Some(unknown) => refuse(format!(
            "the manual partition assignment includes broker {unknown}, but no such broker is registered"
        )),
        None => Ok(()),
    }
}

/// `factor` nodes for each of `count` partitions.
fn spread(count: i32, factor: i16, placer: &mut Placer) -> Result<Vec<Vec<i32>>, BrokerError> {
    let wanted = usize::try_from(factor).unwrap_or(0);
    let refused = BrokerError::InvalidReplicationFactor { asked: factor, nodes: placer.nodes() };
    let placed: Option<Vec<_>> = (0..count).map(|_| placer.next(&[], wanted)).collect();
    placed.ok_or(refused)
}

/// The id of the topic whose first replica is `first`: no other topic ever has that one. Follows from what is agreed on,
/// so that a simulation replays.
fn topic_id(cluster: uuid::Uuid, first: u64) -> TopicId {
    let (high, low) = cluster.as_u64_pair();
    let mixed = low ^ first.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    TopicId(uuid::Uuid::from_u64_pair(high, mixed))
}

fn place(nodes: &[i32], next_replica_id: &mut u64) -> Placement {
    let replica = |node: &i32| {
        let replica_id = *next_replica_id;
        *next_replica_id += 1;
        Replica { node: *node, replica_id, is_late: false }
    };
    Placement { replicas: nodes.iter().map(replica).collect(), removing: Vec::new() }
}

fn overrides_of(configs: &[(String, Option<String>)]) -> Result<BTreeMap<String, String>, BrokerError> {
    let mut overrides = BTreeMap::new();
    for (key, value) in configs {
        let Some(value) = value else {
            return Err(KeyError::NullValue { key: key.clone() }.into());
        };
        overrides.insert(key.clone(), value.clone());
    }
    Ok(overrides)
}
