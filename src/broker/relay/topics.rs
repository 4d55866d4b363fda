//! Topics, from whichever node they are asked for: the controller makes and deletes them.

use super::message::{Ask, CreateAsk, Done, Empty, Relay, RelayedTopic};
use super::{nonsense, opened};
use crate::broker::controller::Verb;
use crate::broker::{Broker, BrokerError, NewTopic, TopicRef};

impl Broker {
    /// Makes a topic, whichever node is the controller. This node's image shows it then, and leaders of its partitions
    /// are known here, or will be soon. Assignments of replicas to nodes are not taken.
    pub async fn create_topic_anywhere(&self, topic: NewTopic) -> Result<RelayedTopic, BrokerError> {
        let before = self.image();
        let mut configs = std::collections::HashMap::with_capacity(topic.configs.len());
        for (key, value) in topic.configs {
            let value = value.ok_or_else(|| crate::keys::KeyError::NullValue { key: key.clone() })?;
            configs.insert(key, value);
        }
        let ask = CreateAsk {
            name: topic.name,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor.into(),
            configs,
        };
        let made = self.at_controller(Ask::CreateTopic(ask)).await?;
        self.led_since(&before).await;
        match made {
            Done::Topic(topic) => Ok(topic),
            _ => Err(nonsense()),
        }
    }

    /// Deletes a topic and its records, whichever node is the controller.
    pub async fn delete_topic_anywhere(&self, name: &str) -> Result<(), BrokerError> {
        self.at_controller(Ask::DeleteTopic(name.to_owned())).await.map(|_| ())
    }

    async fn at_controller(&self, ask: Ask) -> Result<Done, BrokerError> {
        opened(&self.by_controller(Verb::Relay(Relay { ask: Some(ask) })).await?)
    }

    pub(super) async fn serve_create(&self, ask: CreateAsk) -> Result<Done, BrokerError> {
        let factor = i16::try_from(ask.replication_factor).map_err(|_| BrokerError::InvalidRequest {
            reason: format!("a replication factor of {}", ask.replication_factor),
        })?;
        let topic = NewTopic {
            name: ask.name,
            partitions: ask.partitions,
            replication_factor: factor,
            assignments: Vec::new(),
            configs: ask.configs.into_iter().map(|(key, value)| (key, Some(value))).collect(),
        };
        let made = self.create_topics(vec![topic], false).await.pop().unwrap_or_else(|| Err(nonsense()))?;
        Ok(Done::Topic(RelayedTopic {
            id: made.id.0.as_bytes().to_vec(),
            partitions: made.partitions,
            replication_factor: made.replication_factor.into(),
        }))
    }

    pub(super) async fn serve_delete(&self, name: String) -> Result<Done, BrokerError> {
        self.delete_topic(&TopicRef::Name(name)).await?;
        Ok(Done::Nothing(Empty {}))
    }
}
