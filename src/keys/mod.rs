//! The registry of Kafka's configuration keys: which there are, what values they take, where an effective value comes from.
//!
//! Not here: who may change a key, where the layers are stored, and what a value does once it is known.
//! Pure tables and functions over text; no clock, no I/O, no async. Kafka 4.3 is the model of names, types, defaults
//! and messages; where Bateau differs, the key's [`Treatment`] or its documentation says so.

mod alter;
mod broker;
mod describe;
mod error;
mod group;
mod kind;
mod layers;
mod log;
mod named;
mod security;
mod settings;
mod topic;
mod unsupported;

pub use alter::{Alteration, Op, Scope, apply_incremental, static_layer, validate_topic};
pub use broker::{BrokerKey, broker_key, broker_keys};
pub use describe::{
    ConfigEntry, Synonym, describe_broker, describe_cluster_default, describe_named, describe_topic,
};
pub use error::KeyError;
pub use kind::{Accepts, ConfigType, Shape, Treatment};
pub use layers::{ConfigSource, Layers, Overrides};
pub use named::{NamedKey, NamedResource};
pub use settings::{
    BrokerSettings, CleanupPolicy, CompressionType, SecuritySettings, TimestampType, TopicSettings,
};
pub use topic::{TOPIC_KEYS, TopicKey, topic_key};
pub use unsupported::is_unsupported;
