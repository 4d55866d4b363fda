//! A node that goes for good: its replicas move to others, then, once it is stopped, the cluster forgets it.
//!
//! All of it is asked of the brokers and kept by them, so the command may end at any time and be given again.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::drain::{self, Plan};
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::progress::{Progress, bar};
use crate::client::{Cluster, ClusterDescription, Metadata, NodeDescription, Partition};

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Partitions that an error names.
const NAMED: usize = 3;

#[derive(Args, Debug)]
pub(super) struct Decommission {
    /// The node's id
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    node: i32,
    /// Give partitions fewer replicas where no other node has room for one
    #[arg(long)]
    fewer_replicas: bool,
    /// Ask for the moves, and do not wait until they are done
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    /// Wait until the node is stopped, too, and then take it out of the cluster
    #[arg(long)]
    wait: bool,
}

/// How the command came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Replicas are on their way.
    Moving { left: usize },
    /// The node holds nothing and still runs.
    Drained,
    /// The cluster does not know it any more.
    Removed,
}

impl Decommission {
    pub(super) async fn run(&self, cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
        let mut interrupt = Interrupt::listen();
        let node = self.node;
        let outcome = match self.drained(cluster, &mut interrupt).await? {
            0 if self.is_stopped(cluster, &mut interrupt).await? => {
                cluster.unregister_node(node).await?;
                Outcome::Removed
            }
            0 => Outcome::Drained,
            left => Outcome::Moving { left },
        };
        if out.is_json {
            let (result, left) = match outcome {
                Outcome::Moving { left } => ("moving", left),
                Outcome::Drained => ("drained", 0),
                Outcome::Removed => ("removed", 0),
            };
            return out.json_line(&json!({ "node": node, "result": result, "replicas_left": left }));
        }
        out.line(&match outcome {
            Outcome::Moving { left } => format!(
                "node {node}: {left} replicas are on their way to other nodes; the same command again shows how far"
            ),
            Outcome::Drained => format!(
                "node {node} holds nothing any more; stop it, then give the same command again to take it out of the cluster"
            ),
            Outcome::Removed => format!("node {node} is out of the cluster"),
        })
    }

    /// Moves everything away; how many replicas were left when it ended. Looks again after all have moved, since a topic
    /// may have been made meanwhile.
    async fn drained(&self, cluster: &Cluster, interrupt: &mut Interrupt) -> Result<usize, CliError> {
        let mut progress = Progress::new(true);
        let mut most = 0;
        loop {
            let (described, metadata) = self.look(cluster).await?;
            let held = replicas_on(&metadata, self.node);
            most = most.max(held);
            if held == 0 {
                return Ok(0);
            }
            self.ask(cluster, &described, &metadata).await?;
            if self.no_wait || interrupt.is_told() {
                return Ok(held);
            }
            progress.show(|| {
                let count = |replicas: usize| f64::from(u32::try_from(replicas).unwrap_or(u32::MAX));
                let bar = bar(1.0 - count(held) / count(most));
                format!("{bar} {held} of {most} replicas are still on node {}", self.node)
            });
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = interrupt.told() => {}
            }
        }
    }

    /// Nodes and partitions as they are now; an error unless the node is one of the cluster's.
    async fn look(
        &self,
        cluster: &Cluster,
    ) -> Result<(ClusterDescription, std::sync::Arc<Metadata>), CliError> {
        let described = cluster.describe_cluster().await?;
        let metadata = cluster.refresh(None).await?;
        let is_known = described.nodes.iter().any(|one| one.node.id == self.node);
        // A broker that is too old to tell of nodes that are down still shows what they hold.
        if is_known || replicas_on(&metadata, self.node) > 0 {
            return Ok((described, metadata));
        }
        let known: Vec<_> = described.nodes.iter().map(|one| one.node.id.to_string()).collect();
        let (node, known) = (self.node, known.join(", "));
        Err(CliError::Failed(format!("node {node}: the cluster has no such node, only {known}")))
    }

    /// Asks for the moves of what is not on its way yet.
    async fn ask(
        &self,
        cluster: &Cluster,
        described: &ClusterDescription,
        metadata: &Metadata,
    ) -> Result<(), CliError> {
        let mut plan = drain::plan(metadata, &described.nodes, self.node, self.fewer_replicas);
        let going = cluster.reassignments().await?;
        let is_going = |partition: &Partition| {
            going.iter().any(|one| one.partition == *partition && one.removing.contains(&self.node))
        };
        plan.moves.retain(|wanted| !is_going(&wanted.partition));
        plan.without_place.retain(|partition| !is_going(partition));
        self.check(&plan, &described.nodes)?;
        if plan.moves.is_empty() {
            return Ok(());
        }
        Ok(cluster.reassign(&plan.moves, self.fewer_replicas).await?)
    }

    /// Nothing is moved if something cannot be.
    fn check(&self, plan: &Plan, nodes: &[NodeDescription]) -> Result<(), CliError> {
        let [first, ..] = &plan.without_place[..] else { return Ok(()) };
        let count = plan.without_place.len();
        let mut named: Vec<_> = plan.without_place.iter().take(NAMED).map(ToString::to_string).collect();
        if count > NAMED {
            named.push("...".into());
        }
        let left = nodes.iter().filter(|one| one.is_alive && one.node.id != self.node).count();
        let (node, named) = (self.node, named.join(", "));
        let hint = if self.fewer_replicas {
            format!("it has the only replica of {first}: start another node, or delete the topic")
        } else {
            "start another node first, or let them have fewer replicas with --fewer-replicas".into()
        };
        Err(CliError::Failed(format!(
            "node {node}: {count} of its partitions have no other place among the {left} living nodes that stay ({named}); {hint}"
        )))
    }

    /// Whether nobody hears the node any more; with --wait, waits for that.
    async fn is_stopped(&self, cluster: &Cluster, interrupt: &mut Interrupt) -> Result<bool, CliError> {
        let mut progress = Progress::new(true);
        loop {
            let described = cluster.describe_cluster().await?;
            let is_alive = described.nodes.iter().any(|one| one.node.id == self.node && one.is_alive);
            if !is_alive || !self.wait || interrupt.is_told() {
                return Ok(!is_alive);
            }
            progress.show(|| format!("node {} holds nothing any more; stop it now", self.node));
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = interrupt.told() => {}
            }
        }
    }
}

fn replicas_on(metadata: &Metadata, node: i32) -> usize {
    let placed = metadata.topics.values().flat_map(|topic| &topic.partitions);
    placed.filter(|partition| partition.replicas.contains(&node)).count()
}
