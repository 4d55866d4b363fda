//! `bateau group`: list, describe with lag, reset offsets, delete.

mod reset;
mod show;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{Cluster, Partition};

use super::connect::Connect;
use super::consume::chosen_partitions;
use super::error::{CliError, Refusals};
use super::output::Output;
use reset::ResetFlags;

#[derive(Args, Debug)]
pub struct GroupCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List groups
    #[command(visible_alias = "ls")]
    List,
    /// Show what groups have committed, how far behind they are, and who reads what
    Describe {
        /// Their names
        #[arg(required_unless_present = "all", value_name = "GROUP")]
        groups: Vec<String>,
        /// All groups
        #[arg(long, conflicts_with = "groups")]
        all: bool,
        /// The members instead of the offsets
        #[arg(long, short = 'm')]
        members: bool,
    },
    /// Move what a group without members has committed; only shows what would be done, without --execute
    ResetOffsets {
        /// Its name
        group: String,
        #[command(flatten)]
        flags: Box<ResetFlags>,
    },
    /// Delete groups without members, with their offsets
    #[command(visible_alias = "rm")]
    Delete {
        /// Their names
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Forget what a group has committed for topics that it does not read any more
    DeleteOffsets {
        /// Its name
        group: String,
        /// A topic, or some of its partitions; repeatable
        #[arg(long, short = 't', required = true, value_name = "TOPIC[:N,N...]", value_parser = topic_partitions)]
        topic: Vec<TopicPartitions>,
    },
}

/// A topic, or partitions of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicPartitions {
    topic: String,
    /// Empty: all.
    partitions: Vec<i32>,
}

fn topic_partitions(text: &str) -> Result<TopicPartitions, String> {
    let (topic, list) = text.split_once(':').unwrap_or((text, ""));
    let indexes = list.split(',').filter(|index| !index.is_empty()).map(str::parse::<i32>);
    match indexes.collect::<Result<Vec<_>, _>>() {
        Ok(partitions) if !topic.is_empty() && partitions.iter().all(|index| *index >= 0) => {
            Ok(TopicPartitions { topic: topic.to_owned(), partitions })
        }
        _ => Err(format!("'{text}' is not TOPIC or TOPIC:N,N")),
    }
}

/// The partitions that are named, all of a topic's if none of it are; each once. All of them exist.
async fn partitions_of(cluster: &Cluster, named: &[TopicPartitions]) -> Result<Vec<Partition>, CliError> {
    let mut partitions = BTreeSet::new();
    for one in named {
        let topic = cluster.topic(&one.topic).await?;
        partitions.extend(chosen_partitions(&topic, &one.partitions)?);
    }
    Ok(partitions.into_iter().collect())
}

impl GroupCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        match self.verb {
            Verb::List => show::list(&cluster, &mut out).await?,
            Verb::Describe { mut groups, all, members } => {
                if all {
                    groups = show::describable(&cluster).await?;
                }
                show::describe(&cluster, &mut out, &groups, members).await?;
            }
            Verb::ResetOffsets { group, flags } => flags.reset(&cluster, &mut out, &group).await?,
            Verb::Delete { groups } => delete(&cluster, &mut out, &groups).await?,
            Verb::DeleteOffsets { group, topic } => {
                let partitions = partitions_of(&cluster, &topic).await?;
                cluster.delete_offsets(&group, &partitions).await?;
                let count = partitions.len();
                if out.is_json {
                    out.json_line(
                        &json!({ "group": group, "result": "offsets deleted", "partitions": count }),
                    )?;
                } else {
                    out.line(&format!("group {group}: offsets of {count} partitions deleted"))?;
                }
            }
        }
        out.flush()
    }
}

async fn delete(cluster: &Cluster, out: &mut Output, groups: &[String]) -> Result<(), CliError> {
    let mut refused = Refusals::default();
    for group in groups {
        match cluster.delete_group(group).await {
            Ok(()) if out.is_json => out.json_line(&json!({ "group": group, "result": "deleted" }))?,
            Ok(()) => out.line(&format!("group {group} deleted"))?,
            Err(error) => refused.keep(error),
        }
    }
    out.flush()?;
    refused.outcome()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_a_topic_stand_behind_a_colon() {
        let named = |topic: &str, partitions: &[i32]| {
            Ok(TopicPartitions { topic: topic.into(), partitions: partitions.to_vec() })
        };
        assert_eq!(topic_partitions("t"), named("t", &[]));
        assert_eq!(topic_partitions("t:0,2"), named("t", &[0, 2]));
        for bad in ["", ":1", "t:x", "t:-1"] {
            assert!(topic_partitions(bad).is_err(), "{bad}");
        }
    }
}
