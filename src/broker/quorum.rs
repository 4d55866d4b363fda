//! The group that agrees on the metadata, as this node sees it.

use uuid::Uuid;

use super::{Broker, BrokerError};
use crate::cluster::MetadataLines;

/// Who agrees on the metadata, and how far they are.
#[derive(Clone, Debug)]
pub struct Quorum {
    pub leader: i32,
    pub lines: MetadataLines,
    pub voters: Vec<Voter>,
}

/// A node whose vote counts.
#[derive(Clone, Debug)]
pub struct Voter {
    pub node: i32,
    pub directory_id: Uuid,
    pub log_end: i64,
    /// When it was last heard of, and last had everything, in Unix milliseconds. The leader always has.
    pub seen_ms: i64,
}

impl Broker {
    /// The metadata's group. There is one voter, this node, which leads.
    pub async fn quorum(&self) -> Result<Quorum, BrokerError> {
        let lines = self.0.metadata.lines().await;
        let lines = lines.map_err(|error| BrokerError::of_log(&"__cluster_metadata-0", error))?;
        let node = self.node_id();
        let directory_id = self.image().nodes.get(&node).map(|node| node.directory_id).unwrap_or_default();
        let voter = Voter { node, directory_id, log_end: lines.log_end.0, seen_ms: self.now_ms() };
        Ok(Quorum { leader: node, lines, voters: vec![voter] })
    }
}
