//! `bateau cluster`: status, decommission, elect-leaders, recover. Where one topic's replicas are is `bateau topic reassign`'s.

mod decommission;
mod drain;
mod recover;
mod status;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{Cluster, Partition};

use super::connect::Connect;
use super::error::{CliError, Refusals};
use super::output::Output;
pub use recover::{OnStopped, StoppedNode};

#[derive(Args, Debug)]
pub struct ClusterCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the nodes, what they lead and hold, and the quorum that keeps the metadata
    Status,
    /// Move all replicas away from a node; once it is stopped, take it out of the cluster
    #[command(visible_alias = "leave")]
    Decommission(decommission::Decommission),
    /// Have the preferred leaders lead, of topics or of all
    ElectLeaders {
        /// Only these topics
        #[arg(value_name = "TOPIC")]
        topics: Vec<String>,
    },
    /// Have one stopped node keep the metadata alone, when most nodes that vote on it are gone for good
    Recover(recover::Recover),
}

impl ClusterCommand {
    pub(super) async fn run(self, on_stopped: OnStopped) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        match self.verb {
            Verb::Status => status::show(&cluster, &mut out).await?,
            Verb::Decommission(command) => command.run(&cluster, &mut out).await?,
            Verb::Recover(command) => command.run(&mut out, on_stopped).await?,
            Verb::ElectLeaders { topics } => elect(&cluster, &mut out, &topics).await?,
        }
        out.flush()
    }
}

async fn elect(cluster: &Cluster, out: &mut Output, topics: &[String]) -> Result<(), CliError> {
    let mut partitions: Vec<Partition> = Vec::new();
    for name in topics {
        partitions.extend(cluster.topic(name).await?.all_partitions());
    }
    let asked = Some(&partitions[..]).filter(|_| !topics.is_empty());
    let (mut refused, mut elected) = (Refusals::default(), 0);
    for (partition, result) in cluster.elect_preferred(asked).await? {
        match result {
            Ok(()) if out.is_json => {
                out.json_line(&json!({
                    "topic": &*partition.topic, "partition": partition.index, "result": "elected",
                }))?;
            }
            Ok(()) => elected += 1,
            Err(error) => refused.keep(error),
        }
    }
    if !out.is_json {
        out.line(&match elected {
            0 => "no leader had to change".to_owned(),
            1 => "1 preferred leader leads again".to_owned(),
            more => format!("{more} preferred leaders lead again"),
        })?;
    }
    out.flush()?;
    refused.outcome()
}
