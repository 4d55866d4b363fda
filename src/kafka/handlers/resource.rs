//! What a configuration belongs to, as the three APIs about configurations name it.

use std::collections::HashMap;
use std::hash::Hash;

use crate::broker::{Broker, BrokerError, ConfigChange};
use crate::kafka::error::Refusal;
use crate::model::TopicName;
use crate::wire::ErrorCode;

/// Codes of Kafka's `ConfigResource.Type`.
const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

/// A resource that has a configuration here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Topic(String),
    /// A node, or the default of all (`None`, the empty name).
    Broker(Option<i32>),
}

impl Resource {
    /// # Errors
    /// `INVALID_REQUEST` for a type that has none here, or a broker that is no number; `INVALID_TOPIC_EXCEPTION`.
    pub(super) fn parse(kind: i8, name: &str) -> Result<Self, Refusal> {
        match kind {
            TOPIC => match TopicName::new(name) {
                Ok(_) => Ok(Self::Topic(name.into())),
                Err(source) => Err(BrokerError::InvalidTopicName { name: name.into(), source }.into()),
            },
            BROKER if name.is_empty() => Ok(Self::Broker(None)),
            BROKER => name.parse().map(|id| Self::Broker(Some(id))).map_err(|_| {
                let words = format!("Node id must be an integer, but it is: {name}");
                Refusal::new(ErrorCode::InvalidRequest, words)
            }),
            _ => Err(Refusal::new(ErrorCode::InvalidRequest, format!("Unknown resource type {kind}"))),
        }
    }

    /// As [`Resource::parse`], for a change: Kafka has other words for a topic without a name then.
    pub(super) fn to_change(kind: i8, name: &str) -> Result<Self, Refusal> {
        if kind == TOPIC && name.is_empty() {
            let words = "Default topic resources are not allowed.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, words));
        }
        Self::parse(kind, name)
    }

    /// Changes the resource's configuration.
    pub(super) async fn alter(
        &self,
        broker: &Broker,
        change: ConfigChange,
        validate: bool,
    ) -> Result<(), Refusal> {
        match self {
            Self::Topic(name) => {
                broker.alter_topic_config(name, change, validate).await.map_err(|error| match &error {
                    BrokerError::UnknownTopic { topic } => {
                        Refusal::new(ErrorCode::from(&error), format!("The topic '{topic}' does not exist."))
                    }
                    _ => Refusal::from(&error),
                })
            }
            Self::Broker(node) => {
                broker.alter_broker_config(*node, change, validate).await.map_err(|error| {
                    let refusal = match &error {
                        BrokerError::UnknownNode { node } => {
                            let expected = broker.node_id();
                            let words =
                                format!("Unexpected broker id, expected {expected}, but received {node}");
                            Refusal::new(ErrorCode::from(&error), words)
                        }
                        _ => Refusal::from(&error),
                    };
                    // Kafka has INVALID_CONFIG for topics alone.
                    if refusal.code == ErrorCode::InvalidConfig {
                        return Refusal { code: ErrorCode::InvalidRequest, ..refusal };
                    }
                    refusal
                })
            }
        }
    }
}

/// How often each of `items` comes.
pub(super) fn counts<K: Eq + Hash>(items: impl IntoIterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

/// What both alterations refuse of one resource before they look at it.
///
/// Source: Kafka `ConfigAdminManager.preprocess`.
pub(super) fn fault_of_form<'a>(
    times: usize,
    keys: impl Iterator<Item = (&'a str, bool)> + Clone,
) -> Option<Refusal> {
    let invalid = |words: String| Some(Refusal::new(ErrorCode::InvalidRequest, words));
    if times > 1 {
        return invalid("Each resource must appear at most once.".into());
    }
    let without: Vec<&str> =
        keys.clone().filter(|(_, lacks_value)| *lacks_value).map(|(key, _)| key).collect();
    if !without.is_empty() {
        return invalid(format!("Null value not supported for : {}", without.join(",")));
    }
    if counts(keys.map(|(key, _)| key)).values().any(|times| *times > 1) {
        return invalid("Error due to duplicate config keys".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_and_brokers_have_a_configuration() {
        assert_eq!(Resource::parse(2, "t"), Ok(Resource::Topic("t".into())));
        assert_eq!(Resource::parse(4, ""), Ok(Resource::Broker(None)));
        assert_eq!(Resource::parse(4, "7"), Ok(Resource::Broker(Some(7))));
        assert_eq!(Resource::parse(4, "x").unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(Resource::parse(2, "a b").unwrap_err().code, ErrorCode::InvalidTopicException);
        for kind in [-1, 0, 1, 3, 8, 16, 32] {
            assert_eq!(Resource::parse(kind, "x").unwrap_err().code, ErrorCode::InvalidRequest, "{kind}");
        }
    }

    #[test]
    fn faults_of_form_come_in_kafka_s_order() {
        let words = |times, keys: &[(&str, bool)]| {
            fault_of_form(times, keys.iter().copied()).map(|r| r.message.unwrap())
        };
        assert_eq!(words(1, &[("a", false), ("b", false)]), None);
        assert_eq!(words(2, &[("a", true)]).unwrap(), "Each resource must appear at most once.");
        assert_eq!(words(1, &[("a", true), ("a", false)]).unwrap(), "Null value not supported for : a");
        assert_eq!(words(1, &[("a", false), ("a", false)]).unwrap(), "Error due to duplicate config keys");
    }
}
