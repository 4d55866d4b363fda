//! The cluster on one page: nodes, the metadata quorum, and how many partitions are well.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::error::{CliError, Refusals};
use crate::cli::output::{Output, Table};
use crate::client::{
    ClientError, Cluster, ClusterDescription, NodeDescription, PartitionMetadata, Quorum, QuorumReplica,
};

/// What one node has to do with partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    leads: usize,
    /// Replicas, its own leaderships among them.
    holds: usize,
    /// Replicas that do not keep up.
    behind: usize,
    /// Replicas of partitions that nobody leads.
    offline: usize,
}

/// Partitions of the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    partitions: usize,
    /// With a leader, and replicas that do not keep up.
    under_replicated: usize,
    /// Without a leader.
    offline: usize,
}

/// Counts of all partitions, by node and together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    shares: BTreeMap<i32, Share>,
    totals: Totals,
}

struct Status {
    cluster: ClusterDescription,
    counts: Counts,
    /// None if the brokers do not tell.
    moving: Option<usize>,
    quorum: Option<Quorum>,
}

/// Prints what is known, also when something is not: then that is the error.
pub(super) async fn show(cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
    let mut refused = Refusals::default();
    let metadata = cluster.refresh(None).await?;
    let partitions = metadata.topics.values().flat_map(|topic| &topic.partitions);
    let status = Status {
        cluster: cluster.describe_cluster().await?,
        counts: Counts::of(partitions),
        moving: told(cluster.reassignments().await, &mut refused).map(|moves| moves.len()),
        quorum: told(cluster.describe_quorum().await, &mut refused),
    };
    if out.is_json {
        out.json(&status.as_json())?;
    } else {
        status.print(out)?;
    }
    out.flush()?;
    refused.outcome()
}

/// What a broker is too old to know is only left out.
fn told<T>(answer: Result<T, ClientError>, refused: &mut Refusals) -> Option<T> {
    match answer {
        Ok(told) => return Some(told),
        Err(ClientError::Unsupported { .. }) => {}
        Err(error) => refused.keep(error),
    }
    None
}

impl Counts {
    fn of<'a>(partitions: impl Iterator<Item = &'a PartitionMetadata>) -> Self {
        let mut counts = Self::default();
        for partition in partitions {
            counts.totals.partitions += 1;
            let mut is_whole = true;
            for node in &partition.replicas {
                let share = counts.shares.entry(*node).or_default();
                share.holds += 1;
                let (is_behind, is_offline) = (!partition.in_sync.contains(node), partition.leader.is_none());
                share.leads += usize::from(partition.leader == Some(*node));
                share.behind += usize::from(is_behind);
                share.offline += usize::from(is_offline);
                is_whole &= !is_behind;
            }
            counts.totals.offline += usize::from(partition.leader.is_none());
            counts.totals.under_replicated += usize::from(partition.leader.is_some() && !is_whole);
        }
        counts
    }

    fn share(&self, node: i32) -> Share {
        self.shares.get(&node).copied().unwrap_or_default()
    }
}

impl Status {
    fn as_json(&self) -> Value {
        let nodes = self.cluster.nodes.iter().map(|NodeDescription { node, is_alive }| {
            let share = self.counts.share(node.id);
            json!({
                "node": node.id, "host": node.host, "port": node.port, "rack": node.rack, "alive": is_alive,
                "leads": share.leads, "holds": share.holds, "behind": share.behind, "offline": share.offline,
            })
        });
        let quorum = self.quorum.as_ref().map(|quorum| {
            let replicas = |replicas: &[QuorumReplica]| {
                let each = replicas.iter().map(|replica| {
                    json!({
                        "node": replica.node, "log_end_offset": replica.log_end_offset,
                        "lag": quorum.lag(replica),
                    })
                });
                each.collect::<Vec<_>>()
            };
            json!({
                "leader": quorum.leader, "epoch": quorum.epoch, "high_watermark": quorum.high_watermark,
                "voters": replicas(&quorum.voters), "observers": replicas(&quorum.observers),
            })
        });
        let totals = self.counts.totals;
        json!({
            "cluster_id": self.cluster.cluster_id, "controller": self.cluster.controller,
            "nodes": nodes.collect::<Vec<_>>(), "quorum": quorum,
            "partitions": {
                "total": totals.partitions, "under_replicated": totals.under_replicated,
                "offline": totals.offline, "moving": self.moving,
            },
        })
    }

    fn print(&self, out: &mut Output) -> Result<(), CliError> {
        let controller = or_none(self.cluster.controller);
        out.line(&format!("cluster {}, controller {controller}", self.cluster.cluster_id))?;
        let headings = ["NODE", "ADDRESS", "RACK", "STATE", "LEADS", "HOLDS", "BEHIND", "OFFLINE"];
        let mut table = Table::new(&headings);
        for NodeDescription { node, is_alive } in &self.cluster.nodes {
            let share = self.counts.share(node.id);
            let state = if *is_alive { "alive" } else { "down" };
            let rack = node.rack.clone().unwrap_or_else(|| "-".into());
            let mut row = vec![node.id.to_string(), node.address(), rack, state.to_owned()];
            row.extend(
                [share.leads, share.holds, share.behind, share.offline].map(|count| count.to_string()),
            );
            table.row(row);
        }
        out.table(&table)?;
        out.line("")?;
        self.print_quorum(out)?;
        let totals = self.counts.totals;
        let moving = self.moving.map_or_else(|| "-".into(), |moving| moving.to_string());
        out.line(&format!(
            "{} partitions: {} under-replicated, {} offline, {moving} moving",
            totals.partitions, totals.under_replicated, totals.offline
        ))
    }

    fn print_quorum(&self, out: &mut Output) -> Result<(), CliError> {
        let Some(quorum) = &self.quorum else { return Ok(()) };
        let leader = or_none(quorum.leader);
        let (epoch, agreed) = (quorum.epoch, quorum.high_watermark);
        out.line(&format!("metadata led by {leader} in epoch {epoch}, agreed on up to {agreed}"))?;
        let mut table = Table::new(&["NODE", "ROLE", "END", "LAG"]);
        let roles = [("voter", &quorum.voters), ("observer", &quorum.observers)];
        for (role, replicas) in roles {
            for replica in replicas {
                let number = |number: Option<i64>| number.map_or_else(|| "-".into(), |n| n.to_string());
                let role = if Some(replica.node) == quorum.leader { "leader" } else { role };
                let (end, lag) = (number(replica.log_end_offset), number(quorum.lag(replica)));
                table.row(vec![replica.node.to_string(), role.to_owned(), end, lag]);
            }
        }
        out.table(&table)?;
        out.line("")
    }
}

fn or_none(node: Option<i32>) -> String {
    node.map_or_else(|| "none".into(), |node| node.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: Option<i32>, replicas: &[i32], in_sync: &[i32]) -> PartitionMetadata {
        let (replicas, in_sync) = (replicas.to_vec(), in_sync.to_vec());
        PartitionMetadata { index: 0, leader, leader_epoch: 1, replicas, in_sync }
    }

    #[test]
    fn a_partition_without_a_leader_is_offline_and_not_also_under_replicated() {
        let partitions = [
            partition(Some(1), &[1, 2, 3], &[1, 2, 3]),
            partition(Some(2), &[2, 3, 1], &[2, 1]),
            partition(None, &[3], &[]),
        ];
        let counts = Counts::of(partitions.iter());
        assert_eq!(counts.totals, Totals { partitions: 3, under_replicated: 1, offline: 1 });
        assert_eq!(counts.share(1), Share { leads: 1, holds: 2, behind: 0, offline: 0 });
        assert_eq!(counts.share(3), Share { leads: 0, holds: 3, behind: 2, offline: 1 });
        assert_eq!(counts.share(9), Share::default());
    }
}
