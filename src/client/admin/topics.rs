//! Topics: made, enlarged, deleted.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::wire::messages::create_partitions_request::CreatePartitionsTopic;
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::delete_topics_request::DeleteTopicState;
use crate::wire::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};

use super::{CHANGE_WITHIN_MS, text};
use crate::client::cluster::topic_name;
use crate::client::{ClientError, Cluster};
use crate::wire::ErrorCode;

/// The first version of `DeleteTopics` that names topics in structs.
const DELETE_BY_STATE: i16 = 6;

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    /// None: the broker's default.
    pub partitions: Option<i32>,
    /// None: the broker's default.
    pub replication_factor: Option<i16>,
    pub configs: Vec<(String, String)>,
}

impl Cluster {
    /// Makes one topic.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<(), ClientError> {
        self.change_patiently(ErrorCode::TopicAlreadyExists, async || self.create_topic_once(topic).await)
            .await
    }

    async fn create_topic_once(&self, topic: &NewTopic) -> Result<(), ClientError> {
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        let creatable = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(topic.partitions.unwrap_or(-1))
            .with_replication_factor(topic.replication_factor.unwrap_or(-1))
            .with_configs(topic.configs.iter().map(config).collect());
        let request =
            CreateTopicsRequest::default().with_topics(vec![creatable]).with_timeout_ms(CHANGE_WITHIN_MS);
        let connection = self.controller().await?;
        let version = connection.version::<CreateTopicsRequest>()?;
        let response = connection.call(&request, version).await?;
        let subject = format!("topic {}", topic.name);
        match response.topics.into_iter().next() {
            Some(result) => ClientError::check(result.error_code, subject, result.error_message.as_deref()),
            None => Err(ClientError::Missing { subject }),
        }
    }

    /// Deletes one topic with all its records.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let once = async || self.delete_topic_once(name).await;
        self.change_patiently(ErrorCode::UnknownTopicOrPartition, once).await
    }

    async fn delete_topic_once(&self, name: &str) -> Result<(), ClientError> {
        let connection = self.controller().await?;
        let version = connection.version::<DeleteTopicsRequest>()?;
        let mut request = DeleteTopicsRequest::default().with_timeout_ms(CHANGE_WITHIN_MS);
        if version >= DELETE_BY_STATE {
            request.topics = vec![DeleteTopicState::default().with_name(Some(topic_name(name)))];
        } else {
            request.topic_names = vec![topic_name(name)];
        }
        let response = connection.call(&request, version).await?;
        let subject = format!("topic {name}");
        match response.responses.into_iter().next() {
            Some(result) => ClientError::check(result.error_code, subject, result.error_message.as_deref()),
            None => Err(ClientError::Missing { subject }),
        }
    }

    /// Gives a topic more partitions, `total` together with those that it has.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn grow_topic(&self, name: &str, total: i32) -> Result<(), ClientError> {
        let once = async || self.grow_topic_once(name, total).await;
        self.change_patiently(ErrorCode::InvalidPartitions, once).await
    }

    async fn grow_topic_once(&self, name: &str, total: i32) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(total)
            .with_assignments(None);
        let request =
            CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(CHANGE_WITHIN_MS);
        let connection = self.controller().await?;
        let version = connection.version::<CreatePartitionsRequest>()?;
        let response = connection.call(&request, version).await?;
        let subject = format!("topic {name}");
        match response.results.into_iter().next() {
            Some(result) => ClientError::check(result.error_code, subject, result.error_message.as_deref()),
            None => Err(ClientError::Missing { subject }),
        }
    }

    /// A change that is tried again may have been made by a try whose answer was lost: then `already`, which the broker says
    /// to whoever comes second, is no refusal.
    async fn change_patiently(
        &self,
        already: ErrorCode,
        once: impl AsyncFn() -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let may_be_made = AtomicBool::new(false);
        let change = async || match once().await {
            Err(error) if error.code() == Some(already) && may_be_made.load(Ordering::Relaxed) => Ok(()),
            done => {
                let is_lost = matches!(done, Err(ClientError::Broken { .. } | ClientError::Silent { .. }));
                may_be_made.fetch_or(is_lost, Ordering::Relaxed);
                done
            }
        };
        self.patiently(change).await
    }
}
