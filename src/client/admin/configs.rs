//! Configurations of topics, brokers and groups: read, set key by key, unset.

use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use crate::wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::text;
use crate::client::{ClientError, Cluster, Connection};
use crate::wire::request::Request;

/// What can have a configuration. Source: Kafka `ConfigResource.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    Topic,
    Broker,
    Group,
}

/// One of them; a broker's name is its id, and empty means the default of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: ResourceKind,
    pub name: String,
}

/// A key and what holds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    /// None if it is not set, or secret.
    pub value: Option<String>,
    /// Kafka's name of where the value comes from.
    pub source: &'static str,
    /// Whether it is set on this very resource.
    pub is_own: bool,
    pub is_read_only: bool,
    pub is_sensitive: bool,
}

/// What shall become of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    Set { name: String, value: String },
    Unset { name: String },
}

impl ResourceKind {
    const fn id(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::Group => 32,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
            Self::Group => "group",
        }
    }
}

impl Cluster {
    /// All keys of `resource`, or those of `keys`, by name.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn describe_configs(
        &self,
        resource: &Resource,
        keys: Option<&[String]>,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let wanted = DescribeConfigsResource::default()
            .with_resource_type(resource.kind.id())
            .with_resource_name(text(&resource.name))
            .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
        let request = DescribeConfigsRequest::default().with_resources(vec![wanted]);
        let response = self.ask_keeper(resource, &request).await?;
        let Some(result) = response.results.into_iter().next() else {
            return Err(ClientError::Missing { subject: resource.to_string() });
        };
        ClientError::check(result.error_code, resource.to_string(), result.error_message.as_deref())?;
        let mut entries: Vec<_> = result.configs.into_iter().map(|e| entry(e, resource)).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// Applies all `changes`, or none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn change_configs(
        &self,
        resource: &Resource,
        changes: &[ConfigChange],
    ) -> Result<(), ClientError> {
        let alterable = |change: &ConfigChange| match change {
            ConfigChange::Set { name, value } => AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(0)
                .with_value(Some(text(value))),
            ConfigChange::Unset { name } => {
                AlterableConfig::default().with_name(text(name)).with_config_operation(1).with_value(None)
            }
        };
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind.id())
            .with_resource_name(text(&resource.name))
            .with_configs(changes.iter().map(alterable).collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![altered]);
        let response = self.ask_keeper(resource, &request).await?;
        match response.responses.into_iter().next() {
            Some(result) => {
                ClientError::check(result.error_code, resource.to_string(), result.error_message.as_deref())
            }
            None => Err(ClientError::Missing { subject: resource.to_string() }),
        }
    }

    async fn ask_keeper<R: Request>(
        &self,
        resource: &Resource,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let once = async || {
            let connection = self.keeper_of(resource).await?;
            connection.call(request, connection.version::<R>()?).await
        };
        self.patiently(once).await
    }

    /// A broker answers for itself, for everything else any will do.
    async fn keeper_of(&self, resource: &Resource) -> Result<Connection, ClientError> {
        match (resource.kind, resource.name.parse()) {
            (ResourceKind::Broker, Ok(node)) => {
                let metadata = self.refresh(Some(&[])).await?;
                if metadata.brokers.contains_key(&node) {
                    return self.node(node).await;
                }
                let known: Vec<_> = metadata.brokers.keys().map(ToString::to_string).collect();
                let what = format!("the cluster has no such broker, only {}", known.join(", "));
                Err(ClientError::Protocol { subject: resource.to_string(), what })
            }
            _ => self.controller().await,
        }
    }
}

fn entry(config: DescribeConfigsResourceResult, resource: &Resource) -> ConfigEntry {
    let (source, is_own) = match config.config_source {
        1 => ("DYNAMIC_TOPIC_CONFIG", resource.kind == ResourceKind::Topic),
        2 => ("DYNAMIC_BROKER_CONFIG", resource.kind == ResourceKind::Broker),
        3 => (
            "DYNAMIC_DEFAULT_BROKER_CONFIG",
            resource.kind == ResourceKind::Broker && resource.name.is_empty(),
        ),
        4 => ("STATIC_BROKER_CONFIG", resource.kind == ResourceKind::Broker),
        5 => ("DEFAULT_CONFIG", false),
        6 => ("DYNAMIC_BROKER_LOGGER_CONFIG", false),
        7 => ("DYNAMIC_CLIENT_METRICS_CONFIG", false),
        8 => ("DYNAMIC_GROUP_CONFIG", resource.kind == ResourceKind::Group),
        _ => ("UNKNOWN", false),
    };
    ConfigEntry {
        name: config.name.to_string(),
        value: config.value.map(|value| value.to_string()),
        source,
        is_own,
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.name.is_empty() { "(default)" } else { &self.name };
        write!(f, "{} {name}", self.kind.name())
    }
}
