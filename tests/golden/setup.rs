//! What a script needs before and between its steps, asked on a connection of its own and not recorded.

use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::Request;

use crate::session::{Session, Topic, text};
use crate::wire::{Reply, decode};

/// What a script asks for takes effect within this time, or the run fails.
const SETTLE_DEADLINE: Duration = Duration::from_secs(20);
const SETTLE_PAUSE: Duration = Duration::from_millis(5);
const REQUEST_TIMEOUT_MS: i32 = 10_000;
const INVALID_REPLICA_ASSIGNMENT: i16 = 39;

impl Session {
    /// Asks without recording, at the newest version that the codec knows.
    pub(crate) fn ask<R: Request + 'static>(&mut self, request: &R) -> Result<R::Response, String> {
        let version = R::VERSIONS.max;
        self.control.send(version, request)?;
        match self.control.receive() {
            Reply::Frame(mut frame) => Ok(decode::<R>(&mut frame, version, self.control.correlation())?.0),
            reply => Err(format!("no answer to API {} v{version}: {reply:?}", R::KEY)),
        }
    }

    /// Asks until `done`, for [`SETTLE_DEADLINE`] at most.
    pub(crate) fn ask_until<R: Request + 'static>(
        &mut self,
        request: &R,
        done: impl Fn(&R::Response) -> bool,
    ) -> Result<R::Response, String>
    where
        R::Response: std::fmt::Debug,
    {
        let start = Instant::now();
        loop {
            let response = self.ask(request)?;
            if done(&response) {
                return Ok(response);
            }
            if start.elapsed() > SETTLE_DEADLINE {
                return Err(format!("not settled in {SETTLE_DEADLINE:?}: {response:?}"));
            }
            std::thread::park_timeout(SETTLE_PAUSE);
        }
    }

    /// A name for a topic of this run, shown as `name`.
    pub(crate) fn name(&self, name: &str) -> TopicName {
        text(&format!("{}{name}", self.names.unique)).into()
    }

    /// Makes a topic and waits until its partitions have a leader that answers.
    pub(crate) fn topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<Topic, String> {
        let config = |&(key, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        };
        let mut topic = CreatableTopic::default().with_name(self.name(name));
        if self.broker.nodes == 1 {
            topic = topic.with_num_partitions(partitions).with_replication_factor(1);
        } else {
            topic = topic.with_num_partitions(-1).with_replication_factor(-1);
            topic.assignments = (0..partitions).map(|partition| self.everywhere(partition)).collect();
        }
        let topic = topic.with_configs(configs.iter().map(config).collect());
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(REQUEST_TIMEOUT_MS);
        // A node that has just joined is not known to all yet.
        let made = |response: &CreateTopicsResponse| {
            response.topics.iter().all(|made| made.error_code != INVALID_REPLICA_ASSIGNMENT)
        };
        let response = self.ask_until(&request, made)?;
        match response.topics.first() {
            Some(made) if made.error_code == 0 => self.await_topic(name, partitions),
            _ => Err(format!("topic {name} was not made: {response:?}")),
        }
    }

    /// On all nodes, and led by the one that is asked, the first.
    fn everywhere(&self, partition: i32) -> CreatableReplicaAssignment {
        let nodes = (1..=self.broker.nodes).map(BrokerId).collect();
        CreatableReplicaAssignment::default().with_partition_index(partition).with_broker_ids(nodes)
    }

    /// Waits until a topic that is being made has `partitions` partitions whose leader answers, and learns its id.
    pub(crate) fn await_topic(&mut self, name: &str, partitions: i32) -> Result<Topic, String> {
        let ready = |response: &MetadataResponse| {
            let topic = response.topics.first().filter(|topic| topic.error_code == 0);
            let count = usize::try_from(partitions).unwrap_or(0);
            topic.is_some_and(|topic| {
                topic.partitions.len() >= count && topic.partitions.iter().all(|p| p.error_code == 0)
            })
        };
        let request = self.metadata_of(name);
        let response = self.ask_until(&request, ready)?;
        let found = response.topics.into_iter().next().ok_or("a topic that was just there is gone")?;
        self.names.ids.insert(found.topic_id, name.to_owned());
        self.names.epoch = found.partitions.first().map_or(0, |partition| partition.leader_epoch);
        let latest = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
        let topic = ListOffsetsTopic::default()
            .with_name(self.name(name))
            .with_partitions((0..partitions).map(latest).collect());
        let request = ListOffsetsRequest::default().with_topics(vec![topic]).with_replica_id((-1).into());
        self.ask_until(&request, |response| {
            response
                .topics
                .iter()
                .flat_map(|topic| &topic.partitions)
                .all(|partition| partition.error_code == 0)
        })?;
        Ok(Topic { name: self.name(name), id: found.topic_id })
    }

    /// Waits until the broker no longer shows a topic.
    pub(crate) fn await_gone(&mut self, name: &str) -> Result<(), String> {
        let request = self.metadata_of(name);
        self.ask_until(&request, |response| response.topics.iter().all(|topic| topic.error_code != 0))
            .map(drop)
    }

    fn metadata_of(&self, name: &str) -> MetadataRequest {
        let topic = MetadataRequestTopic::default().with_name(Some(self.name(name)));
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
    }

    /// Waits until the broker shows all that was agreed before: cluster changes are seen in order, so a new topic
    /// is seen last.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.settled += 1;
        self.topic(&format!("settled-{}", self.settled), 1, &[]).map(drop)
    }

    /// A new idempotent producer: id and epoch.
    pub(crate) fn producer(&mut self) -> Result<(i64, i16), String> {
        // A broker that has no block of ids yet asks to be asked again.
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let response = self.ask_until(&request, |response| response.error_code == 0)?;
        Ok((response.producer_id.0, response.producer_epoch))
    }

    /// Deletes the topics of this run, whichever request made them. `false`: other nodes led some of them meanwhile,
    /// so what was recorded has other epochs than the scripts reckon with.
    pub(crate) fn delete_topics(&mut self) -> Result<bool, String> {
        let all = self.ask(&MetadataRequest::default().with_topics(None))?;
        let mut ours = all.topics;
        ours.retain(|topic| topic.name.as_ref().is_some_and(|name| name.contains(&self.names.unique)));
        let mut partitions = ours.iter().flat_map(|topic| &topic.partitions);
        let is_steady = self.broker.nodes == 1 || partitions.all(|p| p.leader_epoch == self.names.epoch);
        let ours = ours.into_iter().filter_map(|topic| topic.name);
        let states: Vec<_> = ours.map(|name| DeleteTopicState::default().with_name(Some(name))).collect();
        if !states.is_empty() {
            let request =
                DeleteTopicsRequest::default().with_topics(states).with_timeout_ms(REQUEST_TIMEOUT_MS);
            self.ask(&request)?;
        }
        Ok(is_steady)
    }
}
