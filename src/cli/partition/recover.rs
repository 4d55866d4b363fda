//! A partition without a majority of its replicas goes on with one of them: first what that may cost, then, if it is
//! wanted all the same, an unclean election (KIP-460). Which replica it is the brokers decide.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::client::{Cluster, Partition, PartitionMetadata};

/// Between two looks whether there is a leader.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks before it is given up: the election said that there is one.
const LOOKS_MAX: u32 = 50;

#[derive(Args, Debug)]
pub(super) struct Recover {
    topic: String,
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    partition: i32,
    /// Do it, whatever it costs; asked for otherwise
    #[arg(long)]
    yes: bool,
}

impl Recover {
    pub(super) async fn run(&self, cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
        let partition = Partition::new(&self.topic, self.partition);
        let known = self.look(cluster).await?;
        let described = cluster.describe_cluster().await?;
        let lives = |node: &i32| described.nodes.iter().any(|known| known.node.id == *node && known.is_alive);
        let (heard, silent): (Vec<i32>, Vec<i32>) = known.replicas.iter().partition(|node| lives(node));
        if !self.yes {
            eprintln!("{}", warning(&partition, &heard, &silent));
            if !is_wanted(&partition).await {
                return Err(CliError::Failed(format!("{partition}: nothing was done; --yes does it")));
            }
        }
        let has_changed = cluster.elect_unclean(&partition).await?;
        let (leader, epoch) = self.leader(cluster, &partition).await?;
        if out.is_json {
            let result = if has_changed { "recovered" } else { "not needed" };
            return out.json_line(&json!({
                "topic": self.topic, "partition": self.partition, "result": result,
                "leader": leader, "epoch": epoch, "heard": heard, "silent": silent,
            }));
        }
        out.line(&match has_changed {
            true => format!("{partition}: node {leader} leads in epoch {epoch}"),
            false => format!(
                "{partition}: nothing was given up; node {leader} leads in epoch {epoch} with a majority"
            ),
        })
    }

    async fn look(&self, cluster: &Cluster) -> Result<PartitionMetadata, CliError> {
        let metadata = cluster.refresh(Some(&[&self.topic])).await?;
        let topic = metadata.topics.get(&self.topic).filter(|topic| topic.error.is_none());
        let topic =
            topic.ok_or_else(|| CliError::Failed(format!("topic {}: the cluster has none", self.topic)))?;
        let found = topic.partitions.iter().find(|known| known.index == self.partition).cloned();
        found.ok_or_else(|| {
            let (name, count) = (&self.topic, topic.partitions.len());
            CliError::Failed(format!("{name} has no partition {}, only {count} from 0 on", self.partition))
        })
    }

    /// Who leads, once somebody does, and in which epoch.
    async fn leader(&self, cluster: &Cluster, partition: &Partition) -> Result<(i32, i32), CliError> {
        for _ in 0..LOOKS_MAX {
            let known = self.look(cluster).await?;
            // Without an epoch it is only whom to ask first.
            if let Some(leader) = known.leader.filter(|_| known.leader_epoch >= 0) {
                return Ok((leader, known.leader_epoch));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(CliError::Failed(format!("{partition}: no leader is known; give the same command again")))
    }
}

fn warning(partition: &Partition, heard: &[i32], silent: &[i32]) -> String {
    let nodes = |nodes: &[i32]| match nodes {
        [] => "none".to_owned(),
        nodes => nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(", "),
    };
    format!(
        "{partition}: nodes with a replica that are heard: {}; not heard: {}\n\
         If a majority of its voters is gone, the replica that has most of what is left goes on alone. Then\n\
         - records that were acknowledged, and that only others have, are lost, and consumers see other offsets again;\n\
         - all other nodes lose their copy, also those that come back later: theirs is made anew from that one.\n\
         If nodes that are not heard may still come back with their disks, start them instead: nothing is lost then.\n\
         While a majority of the voters lives, nothing is given up.",
        nodes(heard),
        nodes(silent)
    )
}

/// Asks, if somebody sits there.
async fn is_wanted(partition: &Partition) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("Recover {partition}? Type yes: ");
    drop(std::io::stderr().flush());
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    matches!(answer.await, Ok(Ok(line)) if line.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_says_who_is_heard_and_what_is_lost() {
        let said = warning(&Partition::new("sky", 3), &[2], &[1, 4]);
        assert!(
            said.starts_with("sky-3: nodes with a replica that are heard: 2; not heard: 1, 4\n"),
            "{said}"
        );
        assert!(said.contains("are lost"), "{said}");
        assert!(warning(&Partition::new("sky", 3), &[], &[]).contains("heard: none; not heard: none"));
    }
}
