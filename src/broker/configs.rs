//! Topic and broker configuration: described, and changed by agreement.

use std::collections::BTreeMap;

use super::topics::find;
use super::{Broker, BrokerError, TopicRef};
use crate::cluster::{
    BrokerConfigured, ClientMetricsConfigured, Command, GroupConfigured, MetadataImage, TopicConfigured,
};
use crate::keys::{
    Alteration, ConfigEntry, KeyError, NamedResource, Op, Scope, apply_incremental, describe_broker,
    describe_cluster_default, describe_named, describe_topic,
};

/// The most groups, and the most subscriptions to client metrics, that have a configuration.
const NAMED_MAX: usize = 10_000;

/// How a configuration is to change.
#[derive(Clone, Debug)]
pub enum ConfigChange {
    /// Key by key (KIP-339).
    Incremental(Vec<(Op, String, Option<String>)>),
    /// All at once: what is not named goes back to its default.
    Replace(Vec<(String, Option<String>)>),
}

impl Broker {
    /// The configuration of a topic, `keys` of it or all.
    pub fn describe_topic_config(
        &self,
        topic: &str,
        keys: Option<&[String]>,
    ) -> Result<Vec<ConfigEntry>, BrokerError> {
        let image = self.image();
        let topic = find(&image, &TopicRef::Name(topic.into()))?;
        Ok(self.0.settings.with_layers(&image, |layers| describe_topic(layers, &topic.overrides, keys)))
    }

    /// The configuration of this node, or the cluster-wide dynamic one (`None`).
    pub fn describe_broker_config(
        &self,
        node: Option<i32>,
        keys: Option<&[String]>,
    ) -> Result<Vec<ConfigEntry>, BrokerError> {
        let image = self.image();
        match node {
            None => Ok(describe_cluster_default(&image.cluster_overrides, keys)),
            Some(node) if node == self.node_id() => {
                Ok(self.0.settings.with_layers(&image, |layers| describe_broker(layers, keys)))
            }
            Some(node) => Err(BrokerError::UnknownNode { node }),
        }
    }

    /// The configuration of a group, or of a subscription to client metrics. Any name has one, if only defaults.
    pub fn describe_named_config(
        &self,
        resource: NamedResource,
        name: &str,
        keys: Option<&[String]>,
    ) -> Vec<ConfigEntry> {
        let (image, none) = (self.image(), BTreeMap::new());
        describe_named(resource, named(&image, resource).get(name).unwrap_or(&none), keys)
    }

    /// The names of those that have a configuration of their own.
    pub fn named_configs(&self, resource: NamedResource) -> Vec<String> {
        named(&self.image(), resource).keys().cloned().collect()
    }

    /// What a topic with these overrides would be described as.
    pub(super) fn describe_overrides(
        &self,
        image: &MetadataImage,
        overrides: &BTreeMap<String, String>,
    ) -> Vec<ConfigEntry> {
        self.0.settings.with_layers(image, |layers| describe_topic(layers, overrides, None))
    }

    pub async fn alter_topic_config(
        &self,
        topic: &str,
        change: ConfigChange,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let topic = find(&image, &TopicRef::Name(topic.into()))?;
        let overrides = changed(&topic.overrides, &change, Scope::Topic)?;
        if validate_only || overrides == topic.overrides {
            return Ok(());
        }
        let topic_id = topic.id.0.as_bytes().to_vec();
        self.change_metadata(vec![Command::TopicConfigured(TopicConfigured { topic_id, overrides })]).await
    }

    /// Changes the dynamic configuration of a node, or of all (`None`). It outlives restarts.
    pub async fn alter_broker_config(
        &self,
        node: Option<i32>,
        change: ConfigChange,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let none = BTreeMap::new();
        let current = match node {
            None => &image.cluster_overrides,
            Some(node) if image.nodes.contains_key(&node) => image.node_overrides.get(&node).unwrap_or(&none),
            Some(node) => return Err(BrokerError::UnknownNode { node }),
        };
        let overrides = changed(current, &change, Scope::Broker)?;
        if validate_only || overrides == *current {
            return Ok(());
        }
        self.change_metadata(vec![Command::BrokerConfigured(BrokerConfigured { node, overrides })]).await
    }

    /// Changes the configuration of a group, or of a subscription to client metrics.
    pub async fn alter_named_config(
        &self,
        resource: NamedResource,
        name: &str,
        change: ConfigChange,
        validate_only: bool,
    ) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let (image, none) = (self.image(), BTreeMap::new());
        let known = named(&image, resource);
        let current = known.get(name).unwrap_or(&none);
        let overrides = changed(current, &change, Scope::Named(resource))?;
        if validate_only || overrides == *current {
            return Ok(());
        }
        if current.is_empty() && known.len() >= NAMED_MAX {
            let reason = format!("{NAMED_MAX} of this kind have a configuration, more are not kept");
            return Err(BrokerError::PolicyViolation { reason });
        }
        let name = name.to_owned();
        let command = match resource {
            NamedResource::Group => Command::GroupConfigured(GroupConfigured { group: name, overrides }),
            NamedResource::ClientMetrics => {
                Command::ClientMetricsConfigured(ClientMetricsConfigured { name, overrides })
            }
        };
        self.change_metadata(vec![command]).await
    }
}

fn named(image: &MetadataImage, resource: NamedResource) -> &BTreeMap<String, BTreeMap<String, String>> {
    match resource {
        NamedResource::Group => &image.group_overrides,
        NamedResource::ClientMetrics => &image.client_metrics,
    }
}

fn changed(
    current: &BTreeMap<String, String>,
    change: &ConfigChange,
    scope: Scope,
) -> Result<BTreeMap<String, String>, KeyError> {
    let none = BTreeMap::new();
    match change {
        ConfigChange::Incremental(ops) => {
            let ops: Vec<_> = ops
                .iter()
                .map(|(op, key, value)| Alteration { op: *op, key, value: value.as_deref() })
                .collect();
            apply_incremental(current, &ops, scope)
        }
        ConfigChange::Replace(pairs) => {
            let set = |(key, value)| Alteration { op: Op::Set, key, value };
            let ops: Vec<_> = pairs.iter().map(|(k, v)| set((k.as_str(), v.as_deref()))).collect();
            apply_incremental(&none, &ops, scope)
        }
    }
}
