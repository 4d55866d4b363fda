//! The group that agrees on the metadata, as this node sees it.

use uuid::Uuid;

use super::{Broker, BrokerError};
use crate::cluster::{MetadataLines, node_of_metadata_replica};

/// Who agrees on the metadata, and how far they are.
#[derive(Clone, Debug)]
pub struct Quorum {
    pub leader: i32,
    pub lines: MetadataLines,
    pub voters: Vec<Voter>,
    /// Nodes that follow the metadata without a vote.
    pub observers: Vec<Voter>,
}

/// A node that has the metadata.
#[derive(Clone, Debug)]
pub struct Voter {
    pub node: i32,
    pub directory_id: Uuid,
    /// -1: not known, for only the leader does.
    pub log_end: i64,
    /// When it was last heard of, and last had everything, in Unix milliseconds; -1: not known.
    pub seen_ms: i64,
}

impl Broker {
    /// The metadata's group. How far others are only the leader knows.
    pub async fn quorum(&self) -> Result<Quorum, BrokerError> {
        let unusable = |error| BrokerError::of_log(&"__cluster_metadata-0", error);
        let lines = self.0.metadata.lines().await.map_err(unusable)?;
        let group = self.0.metadata.log().group().await.map_err(unusable)?;
        let (image, me, now) = (self.image(), self.node_id(), self.now_ms());
        let followers = group.followers();
        let ends = |replica: u64| {
            let matched = followers.iter().find(|f| f.replica == replica)?.matched?;
            let next = group.partition.reader().entry(matched + 1).map(|entry| entry.offset.0);
            Some(next.unwrap_or(lines.log_end.0))
        };
        let voter = |replica: u64| {
            let node = node_of_metadata_replica(replica);
            let directory_id = image.nodes.get(&node).map(|node| node.directory_id).unwrap_or_default();
            let log_end = if node == me { lines.log_end.0 } else { ends(replica).unwrap_or(-1) };
            let seen_ms = if self.0.exchange.is_alive(node) { now } else { -1 };
            Voter { node, directory_id, log_end, seen_ms }
        };
        let mut votes: Vec<u64> = group.voters().into_iter().flatten().collect();
        votes.sort_unstable();
        votes.dedup();
        let observers =
            group.members().into_iter().filter(|replica| !votes.contains(replica)).map(voter).collect();
        let voters = votes.into_iter().map(voter).collect();
        Ok(Quorum { leader: self.controller().unwrap_or(-1), lines, voters, observers })
    }
}
