//! `bateau group`: list, describe with lag, reset offsets, delete.

mod reset;
mod show;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{Cluster, Partition};

use super::connect::Connect;
use super::error::CliError;
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
        group: String,
        #[command(flatten)]
        flags: Box<ResetFlags>,
    },
    /// Delete groups without members, with their offsets
    #[command(visible_alias = "rm")]
    Delete {
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Forget what a group has committed for topics that it does not read any more
    DeleteOffsets {
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

/// The partitions that are named, all of a topic's if none of it are.
async fn partitions_of(cluster: &Cluster, named: &[TopicPartitions]) -> Result<Vec<Partition>, CliError> {
    let mut partitions = Vec::new();
    for one in named {
        if one.partitions.is_empty() {
            let topic = cluster.topic(&one.topic).await?;
            partitions.extend(topic.partitions.iter().map(|p| Partition::new(&one.topic, p.index)));
        } else {
            partitions.extend(one.partitions.iter().map(|index| Partition::new(&one.topic, *index)));
        }
    }
    Ok(partitions)
}

impl GroupCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster(), self.connect.output());
        match self.verb {
            Verb::List => show::list(&cluster, &mut out).await?,
            Verb::Describe { mut groups, all, members } => {
                if all {
                    groups = cluster.list_groups().await?.into_iter().map(|listing| listing.group).collect();
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

/// All are tried; the first no is the command's, and further ones are told before.
async fn delete(cluster: &Cluster, out: &mut Output, groups: &[String]) -> Result<(), CliError> {
    let mut refused = None;
    for group in groups {
        match cluster.delete_group(group).await {
            Ok(()) if out.is_json => out.json_line(&json!({ "group": group, "result": "deleted" }))?,
            Ok(()) => out.line(&format!("group {group} deleted"))?,
            Err(error) if refused.is_none() => refused = Some(error),
            Err(error) => eprintln!("bateau: {error}"),
        }
    }
    out.flush()?;
    refused.map_or(Ok(()), |error| Err(error.into()))
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
