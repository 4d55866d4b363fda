//! Where the replicas of a topic's partitions shall be.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::consume::chosen_partitions;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::progress::{Progress, bar};
use crate::client::{Cluster, Move, Partition};

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(super) struct Reassign {
    /// Its name
    topic: String,
    /// Only these partitions
    #[arg(long, short = 'p', value_name = "N,N...", value_delimiter = ',')]
    partition: Vec<i32>,
    /// The nodes that shall have replicas; partition 0 prefers the first as its leader, partition 1 the second, and so on
    #[arg(long, value_name = "NODE,NODE...", value_delimiter = ',', required_unless_present = "cancel")]
    to: Vec<i32>,
    /// End moves that are under way: the replicas stay, or go back to, where they were
    #[arg(long, conflicts_with = "to")]
    cancel: bool,
    /// Wait until the moves are done
    #[arg(long, conflicts_with = "cancel")]
    wait: bool,
}

impl Reassign {
    pub(super) async fn run(&self, cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
        let topic = cluster.topic(&self.topic).await?;
        let chosen = chosen_partitions(&topic, &self.partition)?;
        let going = self.going(cluster).await?;
        let moves: Vec<_> = chosen
            .iter()
            .filter(|partition| !self.cancel || going.contains(partition))
            .map(|partition| Move { partition: partition.clone(), to: self.target(partition.index) })
            .collect();
        cluster.reassign(&moves, true).await?;
        let left = if self.wait { self.waited(cluster, &chosen).await? } else { moves.len() };
        let result = match (self.cancel, self.wait && left == 0) {
            (true, _) => "cancelled",
            (false, true) => "moved",
            (false, false) => "moving",
        };
        if out.is_json {
            return out.json_line(&json!({
                "topic": self.topic, "partitions": moves.len(), "result": result,
            }));
        }
        let (name, count) = (&self.topic, moves.len());
        out.line(&match result {
            "cancelled" => format!("topic {name}: the moves of {count} partitions are ended"),
            "moved" => format!("topic {name}: {count} partitions are where they shall be"),
            _ => format!(
                "topic {name}: {count} partitions are on their way; `bateau cluster status` counts them"
            ),
        })
    }

    /// All nodes that are named, begun with another one from partition to partition.
    fn target(&self, partition: i32) -> Option<Vec<i32>> {
        let mut nodes = self.to.clone();
        let first = usize::try_from(partition).unwrap_or(0).checked_rem(nodes.len())?;
        nodes.rotate_left(first);
        Some(nodes)
    }

    /// Partitions of the topic that move now.
    async fn going(&self, cluster: &Cluster) -> Result<Vec<Partition>, CliError> {
        let going = cluster.reassignments().await?.into_iter().map(|one| one.partition);
        Ok(going.filter(|partition| *partition.topic == *self.topic).collect())
    }

    /// Waits until none of `chosen` moves any more, or Ctrl-C; how many still do.
    async fn waited(&self, cluster: &Cluster, chosen: &[Partition]) -> Result<usize, CliError> {
        let mut interrupt = Interrupt::listen();
        let mut progress = Progress::new(true);
        let all = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        loop {
            let going = self.going(cluster).await?;
            let left = chosen.iter().filter(|partition| going.contains(partition)).count();
            if left == 0 || interrupt.is_told() {
                return Ok(left);
            }
            progress.show(|| {
                let moved = f64::from(all) - f64::from(u32::try_from(left).unwrap_or(u32::MAX));
                format!("{} {left} partitions are on their way", bar(moved / f64::from(all)))
            });
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = interrupt.told() => {}
            }
        }
    }
}
