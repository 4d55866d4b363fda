//! `bateau topic`: create, list, describe, alter, delete.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{
    ClientError, Cluster, ConfigChange, NewTopic, OffsetSpec, Partition, Resource, ResourceKind,
    TopicMetadata,
};
use crate::model::uuid_text;
use crate::wire::ErrorCode;

use super::connect::Connect;
use super::error::CliError;
use super::output::{Output, Table};

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
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
    },
    /// Give a topic more partitions, change its configuration
    Alter {
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
    /// Delete topics with all their records
    #[command(visible_alias = "rm")]
    Delete {
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
        let (cluster, mut out) = (self.connect.cluster(), self.connect.output());
        match self.verb {
            Verb::Create { topics, partitions, replication_factor, config, if_not_exists } => {
                let new =
                    |name: String| NewTopic { name, partitions, replication_factor, configs: config.clone() };
                create(&cluster, &mut out, topics.into_iter().map(new).collect(), if_not_exists).await?;
            }
            Verb::List { internal } => list(&cluster, &mut out, internal).await?,
            Verb::Describe { topics } => describe(&cluster, &mut out, &topics).await?,
            Verb::Alter { topic, partitions, config, delete_config } => {
                let set = config.into_iter().map(|(name, value)| ConfigChange::Set { name, value });
                let unset = delete_config.into_iter().map(|name| ConfigChange::Unset { name });
                alter(&cluster, &mut out, &topic, partitions, set.chain(unset).collect()).await?;
            }
            Verb::Delete { topics, if_exists } => delete(&cluster, &mut out, &topics, if_exists).await?,
        }
        out.flush()
    }
}

/// All are tried; the first no is the command's, and further ones are told before.
async fn create(
    cluster: &Cluster,
    out: &mut Output,
    topics: Vec<NewTopic>,
    if_not_exists: bool,
) -> Result<(), CliError> {
    let mut refused = None;
    for topic in &topics {
        match cluster.create_topic(topic).await {
            Ok(()) => said(out, &topic.name, "created")?,
            Err(error) if if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                said(out, &topic.name, "exists")?;
            }
            Err(error) => keep_first(&mut refused, error),
        }
    }
    out.flush()?;
    refused.map_or(Ok(()), |error| Err(error.into()))
}

async fn delete(
    cluster: &Cluster,
    out: &mut Output,
    topics: &[String],
    if_exists: bool,
) -> Result<(), CliError> {
    let mut refused = None;
    for topic in topics {
        match cluster.delete_topic(topic).await {
            Ok(()) => said(out, topic, "deleted")?,
            Err(error) if if_exists && error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                said(out, topic, "absent")?;
            }
            Err(error) => keep_first(&mut refused, error),
        }
    }
    out.flush()?;
    refused.map_or(Ok(()), |error| Err(error.into()))
}

fn keep_first(first: &mut Option<ClientError>, error: ClientError) {
    if first.is_some() {
        eprintln!("bateau: {error}");
    } else {
        *first = Some(error);
    }
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

async fn list(cluster: &Cluster, out: &mut Output, internal: bool) -> Result<(), CliError> {
    let metadata = cluster.refresh(None).await?;
    let topics: Vec<_> = metadata.topics.values().filter(|topic| internal || !topic.is_internal).collect();
    if out.is_json {
        let list = topics.iter().map(|topic| {
            json!({
                "name": topic.name, "id": uuid_text(topic.id), "internal": topic.is_internal,
                "partitions": topic.partitions.len(), "replication_factor": replicas(topic),
            })
        });
        return out.json(&list.collect());
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "ID"]);
    for topic in topics {
        let (partitions, replicas) = (topic.partitions.len().to_string(), replicas(topic).to_string());
        table.row(vec![topic.name.clone(), partitions, replicas, uuid_text(topic.id)]);
    }
    if table.is_empty() {
        eprintln!("bateau: there are no topics");
        return Ok(());
    }
    out.table(&table)
}

fn replicas(topic: &TopicMetadata) -> usize {
    topic.partitions.first().map_or(0, |partition| partition.replicas.len())
}

async fn describe(cluster: &Cluster, out: &mut Output, topics: &[String]) -> Result<(), CliError> {
    let mut described = Vec::new();
    for (at, name) in topics.iter().enumerate() {
        let topic = cluster.topic(name).await?;
        let resource = Resource { kind: ResourceKind::Topic, name: name.clone() };
        let configs = cluster.describe_configs(&resource, None).await?;
        let configs: Vec<_> = configs.into_iter().filter(|config| config.is_own).collect();
        let partitions: Vec<_> = topic.partitions.iter().map(|p| Partition::new(name, p.index)).collect();
        let first = cluster.offsets_of(&partitions, OffsetSpec::Earliest).await?;
        let end = cluster.offsets_of(&partitions, OffsetSpec::Latest).await?;
        let offset = |of: &std::collections::BTreeMap<Partition, i64>, index: i32| {
            of.get(&Partition::new(name, index)).copied().unwrap_or(0)
        };
        if out.is_json {
            let partitions = topic.partitions.iter().map(|p| {
                json!({
                    "partition": p.index, "leader": p.leader, "leader_epoch": p.leader_epoch, "replicas": p.replicas,
                    "isr": p.in_sync, "start_offset": offset(&first, p.index), "end_offset": offset(&end, p.index),
                })
            });
            let configs: serde_json::Map<_, _> =
                configs.into_iter().map(|config| (config.name, json!(config.value))).collect();
            described.push(json!({
                "name": name, "id": uuid_text(topic.id), "internal": topic.is_internal,
                "partitions": partitions.collect::<Vec<_>>(), "configs": configs,
            }));
            continue;
        }
        if at > 0 {
            out.line("")?;
        }
        out.line(&format!("topic {name}, id {}", uuid_text(topic.id)))?;
        for config in configs {
            out.line(&format!("  {}={}", config.name, config.value.unwrap_or_default()))?;
        }
        let headings = ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "END", "OFFSETS"];
        let mut table = Table::new(&headings);
        for p in &topic.partitions {
            let leader = p.leader.map_or_else(|| "none".into(), |leader| leader.to_string());
            let (first, end) = (offset(&first, p.index), offset(&end, p.index));
            let mut row = vec![p.index.to_string(), leader, p.leader_epoch.to_string()];
            row.extend([ids(&p.replicas), ids(&p.in_sync), first.to_string(), end.to_string()]);
            row.push((end - first).to_string());
            table.row(row);
        }
        out.table(&table)?;
    }
    if out.is_json { out.json(&described.into()) } else { Ok(()) }
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
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
