//! `bateau topic`: create, list, describe, alter, reassign, delete.

mod reassign;
mod show;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{Cluster, ConfigChange, NewTopic, Resource, ResourceKind};
use crate::wire::ErrorCode;

use super::connect::Connect;
use super::error::{CliError, Refusals};
use super::output::Output;

#[derive(Args, Debug)]
pub struct TopicCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make topics
    Create {
        /// Their names
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
        /// How many partitions [default: the broker's num.partitions]
        #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// How many replicas [default: the broker's]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,
        /// A configuration of the topic; repeatable
        #[arg(long, short = 'c', value_name = "KEY=VALUE", value_parser = key_value)]
        config: Vec<(String, String)>,
        /// Do not mind a topic that is there already
        #[arg(long)]
        if_not_exists: bool,
    },
    /// List topics
    #[command(visible_alias = "ls")]
    List {
        /// Kafka's own topics as well
        #[arg(long)]
        internal: bool,
    },
    /// Show partitions, offsets and own configuration of topics
    Describe {
        /// Their names
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
    },
    /// Give a topic more partitions, change its configuration
    Alter {
        /// Its name
        topic: String,
        /// How many partitions it shall have; never fewer than before
        #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// A configuration to set; repeatable
        #[arg(long, short = 'c', value_name = "KEY=VALUE", value_parser = key_value)]
        config: Vec<(String, String)>,
        /// A configuration to take back to its default; repeatable
        #[arg(long, value_name = "KEY")]
        delete_config: Vec<String>,
    },
    /// Say which nodes shall have the replicas of a topic's partitions
    Reassign(reassign::Reassign),
    /// Delete topics with all their records
    #[command(visible_alias = "rm")]
    Delete {
        /// Their names
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
        /// Do not mind a topic that is not there
        #[arg(long)]
        if_exists: bool,
    },
}

/// `KEY=VALUE`, where the value may be empty.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

impl TopicCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        match self.verb {
            Verb::Create { topics, partitions, replication_factor, config, if_not_exists } => {
                let new =
                    |name: String| NewTopic { name, partitions, replication_factor, configs: config.clone() };
                create(&cluster, &mut out, topics.into_iter().map(new).collect(), if_not_exists).await?;
            }
            Verb::List { internal } => show::list(&cluster, &mut out, internal).await?,
            Verb::Describe { topics } => show::describe(&cluster, &mut out, &topics).await?,
            Verb::Alter { topic, partitions, config, delete_config } => {
                let set = config.into_iter().map(|(name, value)| ConfigChange::Set { name, value });
                let unset = delete_config.into_iter().map(|name| ConfigChange::Unset { name });
                alter(&cluster, &mut out, &topic, partitions, set.chain(unset).collect()).await?;
            }
            Verb::Reassign(command) => command.run(&cluster, &mut out).await?,
            Verb::Delete { topics, if_exists } => delete(&cluster, &mut out, &topics, if_exists).await?,
        }
        out.flush()
    }
}

async fn create(
    cluster: &Cluster,
    out: &mut Output,
    topics: Vec<NewTopic>,
    if_not_exists: bool,
) -> Result<(), CliError> {
    let mut refused = Refusals::default();
    for topic in &topics {
        match cluster.create_topic(topic).await {
            Ok(()) => said(out, &topic.name, "created")?,
            Err(error) if if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                said(out, &topic.name, "exists")?;
            }
            Err(error) => refused.keep(error),
        }
    }
    out.flush()?;
    refused.outcome()
}

async fn delete(
    cluster: &Cluster,
    out: &mut Output,
    topics: &[String],
    if_exists: bool,
) -> Result<(), CliError> {
    let mut refused = Refusals::default();
    for topic in topics {
        match cluster.delete_topic(topic).await {
            Ok(()) => said(out, topic, "deleted")?,
            Err(error) if if_exists && error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                said(out, topic, "absent")?;
            }
            Err(error) => refused.keep(error),
        }
    }
    out.flush()?;
    refused.outcome()
}

fn said(out: &mut Output, topic: &str, what: &str) -> Result<(), CliError> {
    if out.is_json {
        return out.json_line(&json!({ "topic": topic, "result": what }));
    }
    match what {
        "exists" => out.line(&format!("topic {topic} exists already")),
        "absent" => out.line(&format!("topic {topic} is not there")),
        _ => out.line(&format!("topic {topic} {what}")),
    }
}

async fn alter(
    cluster: &Cluster,
    out: &mut Output,
    topic: &str,
    partitions: Option<i32>,
    changes: Vec<ConfigChange>,
) -> Result<(), CliError> {
    if partitions.is_none() && changes.is_empty() {
        let what = "topic alter: say what to alter, with --partitions, --config or --delete-config";
        return Err(CliError::Usage(what.into()));
    }
    if !changes.is_empty() {
        let resource = Resource { kind: ResourceKind::Topic, name: topic.to_owned() };
        cluster.change_configs(&resource, &changes).await?;
    }
    if let Some(total) = partitions {
        cluster.grow_topic(topic, total).await?;
    }
    said(out, topic, "altered")
}
