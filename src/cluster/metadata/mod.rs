//! The cluster's metadata: commands that the metadata group agrees on, and the image they make.
//!
//! The image is immutable and shared; a command makes the next one. Pure: `metadata_log` ties it to
//! its group.

mod command;
mod image;

pub use command::{
    AclsChanged, BrokerConfigured, ClientMetricsConfigured, Command, CommandError, Endpoint, GroupConfigured,
    NodeRegistered, NodeRemoved, PartitionPlaced, PartitionsAdded, Placement, ProducerIdsTaken, Replica,
    ScramChanged, ScramKeys, SecretMade, TopicConfigured, TopicCreated, TopicDeleted,
};
pub use image::{MetadataImage, NodeImage, PartitionImage, TopicImage};
