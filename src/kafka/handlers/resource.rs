//! What a configuration belongs to, as the APIs about configurations name it, and what both alterations share.

use std::collections::HashMap;
use std::hash::Hash;

use crate::access;
use crate::broker::{Broker, BrokerError, ConfigChange};
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::keys::NamedResource;
use crate::model::TopicName;
use crate::wire::ErrorCode;

/// Codes of Kafka's `ConfigResource.Type`.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;
/// Kafka's loggers of brokers: a kind that exists, and of which Bateau has none.
pub(super) const BROKER_LOGGER: i8 = 8;

/// A resource that has a configuration here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Topic(String),
    /// A node, or the default of all (`None`, the empty name).
    Broker(Option<i32>),
    /// A group, or a subscription to client metrics; its name is not empty.
    Named(NamedResource, String),
}

/// A resource of a request that alters configurations.
pub(super) trait Altered {
    fn kind(&self) -> i8;
    fn name(&self) -> &str;
    /// Each key, and whether it lacks a value that it needs.
    fn keys(&self) -> Vec<(&str, bool)>;
    fn change(&self) -> Result<ConfigChange, Refusal>;
}

/// Alters each of `asked` on its own; what became of them, in their order.
pub(super) async fn alter_each<A: Altered>(
    ctx: &Context,
    asked: &[A],
    validate: bool,
) -> Vec<Result<(), Refusal>> {
    let times = counts(asked.iter().map(|one| (one.kind(), one.name())));
    let mut results = Vec::with_capacity(asked.len());
    for one in asked {
        let times = times.get(&(one.kind(), one.name())).copied().unwrap_or(1);
        results.push(alter(ctx, one, times, validate).await);
    }
    results
}

async fn alter<A: Altered>(ctx: &Context, asked: &A, times: usize, validate: bool) -> Result<(), Refusal> {
    if let Some(refusal) = fault_of_form(times, asked.keys().into_iter()) {
        return Err(refusal);
    }
    let resource = match Resource::to_change(asked.kind(), asked.name()) {
        Err(refusal) if refusal.code == ErrorCode::InvalidRequest => return Err(refusal),
        resource => resource,
    };
    if let Some(guarded) = guarded(asked.kind(), asked.name()) {
        ctx.authorise(access::Operation::AlterConfigs, guarded)?;
    }
    let resource = resource?;
    resource.alter(&ctx.broker, asked.change()?, validate).await
}

/// What a client needs permissions for if it wants to see or change the configuration of a resource.
///
/// Source: Kafka `ConfigHelper.handleDescribeConfigsRequest`, `ControllerApis.authorizeAlterResource`.
pub(super) fn guarded(kind: i8, name: &str) -> Option<access::Resource<'_>> {
    match kind {
        TOPIC => Some(access::Resource::topic(name)),
        GROUP => Some(access::Resource::group(name)),
        BROKER | BROKER_LOGGER | CLIENT_METRICS => Some(access::Resource::cluster()),
        _ => None,
    }
}

impl Resource {
    /// # Errors
    /// `INVALID_REQUEST` for a type that has none here, a broker that is no number, and a group or subscription without
    /// a name; `INVALID_TOPIC_EXCEPTION`.
    pub(super) fn parse(kind: i8, name: &str) -> Result<Self, Refusal> {
        let invalid = |words: String| Err(Refusal::new(ErrorCode::InvalidRequest, words));
        match kind {
            TOPIC => match TopicName::new(name) {
                Ok(_) => Ok(Self::Topic(name.into())),
                Err(source) => Err(BrokerError::InvalidTopicName { name: name.into(), source }.into()),
            },
            BROKER if name.is_empty() => Ok(Self::Broker(None)),
            BROKER => match name.parse() {
                Ok(id) => Ok(Self::Broker(Some(id))),
                Err(_) => invalid(format!("Node id must be an integer, but it is: {name}")),
            },
            GROUP if name.is_empty() => invalid("Group name must not be empty".into()),
            GROUP => Ok(Self::Named(NamedResource::Group, name.into())),
            CLIENT_METRICS if name.is_empty() => {
                invalid("Client metrics subscription name must not be empty".into())
            }
            CLIENT_METRICS => Ok(Self::Named(NamedResource::ClientMetrics, name.into())),
            _ => invalid(format!("Unknown resource type {kind}")),
        }
    }

    /// As [`Resource::parse`], for a change: Kafka has other words for what has no name then.
    fn to_change(kind: i8, name: &str) -> Result<Self, Refusal> {
        let words = match kind {
            TOPIC => "Default topic resources are not allowed.",
            GROUP => "Default group resources are not allowed.",
            CLIENT_METRICS => "Subscription name can't be empty",
            _ => return Self::parse(kind, name),
        };
        if name.is_empty() {
            return Err(Refusal::new(ErrorCode::InvalidRequest, words));
        }
        Self::parse(kind, name)
    }

    /// Changes the resource's configuration.
    async fn alter(&self, broker: &Broker, change: ConfigChange, validate: bool) -> Result<(), Refusal> {
        match self {
            Self::Topic(name) => {
                let altered = broker.alter_topic_config(name, change, validate).await;
                altered.map_err(|error| of_topic(&error))
            }
            Self::Broker(node) => {
                let altered = broker.alter_broker_config(*node, change, validate).await;
                altered.map_err(|error| of_broker(broker, &error))
            }
            Self::Named(resource, name) => {
                Ok(broker.alter_named_config(*resource, name, change, validate).await?)
            }
        }
    }
}

fn of_topic(error: &BrokerError) -> Refusal {
    match error {
        BrokerError::UnknownTopic { topic } => {
            Refusal::new(ErrorCode::from(error), format!("The topic '{topic}' does not exist."))
        }
        _ => Refusal::from(error),
    }
}

fn of_broker(broker: &Broker, error: &BrokerError) -> Refusal {
    let refusal = match error {
        BrokerError::UnknownNode { node } => {
            let expected = broker.node_id();
            let words = format!("Unexpected broker id, expected {expected}, but received {node}");
            Refusal::new(ErrorCode::from(error), words)
        }
        _ => Refusal::from(error),
    };
    // Kafka has INVALID_CONFIG for topics alone.
    if refusal.code == ErrorCode::InvalidConfig {
        return Refusal { code: ErrorCode::InvalidRequest, ..refusal };
    }
    refusal
}

/// How often each of `items` comes.
fn counts<K: Eq + Hash>(items: impl IntoIterator<Item = K>) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

/// What both alterations refuse of one resource before they look at it.
///
/// Source: Kafka `ConfigAdminManager.preprocess`.
fn fault_of_form<'a>(times: usize, keys: impl Iterator<Item = (&'a str, bool)> + Clone) -> Option<Refusal> {
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
    fn topics_brokers_groups_and_subscriptions_have_a_configuration() {
        assert_eq!(Resource::parse(2, "t"), Ok(Resource::Topic("t".into())));
        assert_eq!(Resource::parse(4, ""), Ok(Resource::Broker(None)));
        assert_eq!(Resource::parse(4, "7"), Ok(Resource::Broker(Some(7))));
        assert_eq!(Resource::parse(4, "x").unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(Resource::parse(2, "a b").unwrap_err().code, ErrorCode::InvalidTopicException);
        let group = Resource::Named(NamedResource::Group, "a b".into());
        assert_eq!(Resource::parse(32, "a b"), Ok(group));
        for kind in [16, 32] {
            assert_eq!(Resource::parse(kind, "").unwrap_err().code, ErrorCode::InvalidRequest, "{kind}");
        }
        for kind in [-1, 0, 1, 3, 8, 64] {
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
