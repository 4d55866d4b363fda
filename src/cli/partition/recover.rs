//! Partitions without a majority of their replicas go on with one of them: first what that may cost, then, if it is
//! wanted all the same, unclean elections (KIP-460). Which replica it is the brokers decide.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::error::{CliError, Refusals};
use crate::cli::output::Output;
use crate::client::{Cluster, ClusterDescription, Partition, PartitionMetadata};

/// Between two looks whether there is a leader.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks before it is given up: the election said that there is one.
const LOOKS_MAX: u32 = 50;

#[derive(Args, Debug)]
pub(super) struct Recover {
    #[arg(required_unless_present = "all", requires = "partition")]
    topic: Option<String>,
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// All partitions of which most replicas are silent
    #[arg(long, conflicts_with = "topic")]
    all: bool,
    /// Do it, whatever it costs; asked for otherwise
    #[arg(long)]
    yes: bool,
}

impl Recover {
    pub(super) async fn run(&self, cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
        let left = match (&self.topic, self.partition) {
            (Some(topic), Some(partition)) => {
                vec![Left::of(cluster, &Partition::new(topic, partition)).await?]
            }
            _ => Left::without_majority(cluster).await?,
        };
        if left.is_empty() && !out.is_json {
            return out.line("of no partition are most replicas silent");
        }
        if !self.yes && !left.is_empty() {
            eprintln!("{}", warning(&left));
            if !is_wanted(&left).await {
                return Err(CliError::Failed(format!("{}: nothing was done; --yes does it", named(&left))));
            }
        }
        let mut refused = Refusals::default();
        for one in &left {
            if let Err(error) = one.recover(cluster, out).await {
                refused.keep(error);
            }
        }
        out.flush()?;
        refused.outcome()
    }
}

/// What is left of a partition, as far as nodes are heard.
#[derive(Debug)]
struct Left {
    partition: Partition,
    heard: Vec<i32>,
    silent: Vec<i32>,
}

impl Left {
    fn new(partition: &Partition, known: &PartitionMetadata, described: &ClusterDescription) -> Self {
        let lives = |node: &i32| described.nodes.iter().any(|known| known.node.id == *node && known.is_alive);
        let (heard, silent) = known.replicas.iter().partition(|node| lives(node));
        Self { partition: partition.clone(), heard, silent }
    }

    async fn of(cluster: &Cluster, partition: &Partition) -> Result<Self, CliError> {
        let known = look(cluster, partition).await?;
        Ok(Self::new(partition, &known, &cluster.describe_cluster().await?))
    }

    /// All partitions of which somebody, and no majority, is heard.
    async fn without_majority(cluster: &Cluster) -> Result<Vec<Self>, CliError> {
        let metadata = cluster.refresh(None).await?;
        let described = cluster.describe_cluster().await?;
        let mut left: Vec<Self> = Vec::new();
        for topic in metadata.topics.values() {
            let of = |known: &PartitionMetadata| Partition::new(&topic.name, known.index);
            left.extend(topic.partitions.iter().map(|known| Self::new(&of(known), known, &described)));
        }
        left.retain(|one| !one.heard.is_empty() && one.heard.len() <= one.silent.len());
        left.sort_by(|a, b| {
            (&a.partition.topic, a.partition.index).cmp(&(&b.partition.topic, b.partition.index))
        });
        Ok(left)
    }

    async fn recover(&self, cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
        let partition = &self.partition;
        let has_changed = cluster.elect_unclean(partition).await?;
        let (leader, epoch) = leader(cluster, partition).await?;
        if out.is_json {
            let result = if has_changed { "recovered" } else { "not needed" };
            return out.json_line(&json!({
                "topic": &*partition.topic, "partition": partition.index, "result": result,
                "leader": leader, "epoch": epoch, "heard": self.heard, "silent": self.silent,
            }));
        }
        out.line(&match has_changed {
            true => format!("{partition}: node {leader} leads in epoch {epoch}"),
            false => format!(
                "{partition}: nothing was given up; node {leader} leads in epoch {epoch} with a majority"
            ),
        })
    }
}

async fn look(cluster: &Cluster, partition: &Partition) -> Result<PartitionMetadata, CliError> {
    let name: &str = &partition.topic;
    let metadata = cluster.refresh(Some(&[name])).await?;
    let topic = metadata.topics.get(name).filter(|topic| topic.error.is_none());
    let topic = topic.ok_or_else(|| CliError::Failed(format!("topic {name}: the cluster has none")))?;
    let found = topic.partitions.iter().find(|known| known.index == partition.index).cloned();
    found.ok_or_else(|| {
        let (index, count) = (partition.index, topic.partitions.len());
        CliError::Failed(format!("{name} has no partition {index}, only {count} from 0 on"))
    })
}

/// Who leads, once somebody does, and in which epoch.
async fn leader(cluster: &Cluster, partition: &Partition) -> Result<(i32, i32), CliError> {
    for _ in 0..LOOKS_MAX {
        let known = look(cluster, partition).await?;
        // Without an epoch it is only whom to ask first.
        if let Some(leader) = known.leader.filter(|_| known.leader_epoch >= 0) {
            return Ok((leader, known.leader_epoch));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(CliError::Failed(format!("{partition}: no leader is known; give the same command again")))
}

fn warning(left: &[Left]) -> String {
    let nodes = |nodes: &[i32]| match nodes {
        [] => "none".to_owned(),
        nodes => nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut said = String::new();
    for one in left {
        let (heard, silent) = (nodes(&one.heard), nodes(&one.silent));
        _ = writeln!(
            said,
            "{}: nodes with a replica that are heard: {heard}; not heard: {silent}",
            one.partition
        );
    }
    said + "If a majority of its voters is gone, the replica that has most of what is left goes on alone. Then\n\
         - records that were acknowledged, and that only others have, are lost, and consumers see other offsets again;\n\
         - all other nodes lose their copy, also those that come back later: theirs is made anew from that one.\n\
         If nodes that are not heard may still come back with their disks, start them instead: nothing is lost then.\n\
         While a majority of the voters lives, nothing is given up."
}

fn named(left: &[Left]) -> String {
    match left {
        [one] => one.partition.to_string(),
        more => format!("{} partitions", more.len()),
    }
}

/// Asks, if somebody sits there.
async fn is_wanted(left: &[Left]) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("Recover {}? Type yes: ", named(left));
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
        let left = |heard: &[i32], silent: &[i32]| {
            let partition = Partition::new("sky", 3);
            [Left { partition, heard: heard.to_vec(), silent: silent.to_vec() }]
        };
        let said = warning(&left(&[2], &[1, 4]));
        assert!(
            said.starts_with("sky-3: nodes with a replica that are heard: 2; not heard: 1, 4\n"),
            "{said}"
        );
        assert!(said.contains("are lost"), "{said}");
        assert!(warning(&left(&[], &[])).contains("heard: none; not heard: none"));
    }
}
