//! Topics, with their partitions, offsets and own configurations, as tables and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::error::{CliError, Refusals};
use crate::cli::output::{Output, Table};
use crate::client::{
    ClientError, Cluster, ConfigEntry, OffsetSpec, Partition, Resource, ResourceKind, TopicMetadata,
};
use crate::model::uuid_text;

pub(super) async fn list(cluster: &Cluster, out: &mut Output, internal: bool) -> Result<(), CliError> {
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

/// A topic and all that is shown of it.
struct Described {
    topic: TopicMetadata,
    own_configs: Vec<ConfigEntry>,
    first: BTreeMap<Partition, i64>,
    end: BTreeMap<Partition, i64>,
}

pub(super) async fn describe(cluster: &Cluster, out: &mut Output, topics: &[String]) -> Result<(), CliError> {
    let (mut described, mut refused) = (Vec::new(), Refusals::default());
    for name in topics {
        match Described::ask(cluster, name).await {
            Ok(topic) => described.push(topic),
            Err(error) => refused.keep(error),
        }
    }
    if out.is_json {
        out.json(&described.iter().map(Described::as_json).collect())?;
    } else {
        for (at, topic) in described.iter().enumerate() {
            if at > 0 {
                out.line("")?;
            }
            topic.show(out)?;
        }
    }
    out.flush()?;
    refused.outcome()
}

impl Described {
    async fn ask(cluster: &Cluster, name: &str) -> Result<Self, ClientError> {
        let topic = cluster.topic(name).await?;
        let resource = Resource { kind: ResourceKind::Topic, name: name.to_owned() };
        let mut own_configs = cluster.describe_configs(&resource, None).await?;
        own_configs.retain(|config| config.is_own);
        let partitions = topic.all_partitions();
        let first = cluster.offsets_of(&partitions, OffsetSpec::Earliest).await?;
        let end = cluster.offsets_of(&partitions, OffsetSpec::Latest).await?;
        Ok(Self { topic, own_configs, first, end })
    }

    /// Where `partition` begins and ends.
    fn offsets(&self, partition: i32) -> (i64, i64) {
        let partition = Partition::new(&self.topic.name, partition);
        let of = |offsets: &BTreeMap<Partition, i64>| offsets.get(&partition).copied().unwrap_or(0);
        (of(&self.first), of(&self.end))
    }

    fn as_json(&self) -> Value {
        let partitions = self.topic.partitions.iter().map(|p| {
            let (first, end) = self.offsets(p.index);
            json!({
                "partition": p.index, "leader": p.leader, "leader_epoch": p.leader_epoch, "replicas": p.replicas,
                "isr": p.in_sync, "start_offset": first, "end_offset": end,
            })
        });
        let configs = self.own_configs.iter().map(|config| (config.name.clone(), json!(config.value)));
        json!({
            "name": self.topic.name, "id": uuid_text(self.topic.id), "internal": self.topic.is_internal,
            "partitions": partitions.collect::<Vec<_>>(), "configs": configs.collect::<serde_json::Map<_, _>>(),
        })
    }

    fn show(&self, out: &mut Output) -> Result<(), CliError> {
        out.line(&format!("topic {}, id {}", self.topic.name, uuid_text(self.topic.id)))?;
        for config in &self.own_configs {
            out.line(&format!("  {}={}", config.name, config.value.as_deref().unwrap_or_default()))?;
        }
        let headings = ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "END", "OFFSETS"];
        let mut table = Table::new(&headings);
        for p in &self.topic.partitions {
            let leader = p.leader.map_or_else(|| "none".into(), |leader| leader.to_string());
            let (first, end) = self.offsets(p.index);
            let mut row = vec![p.index.to_string(), leader, p.leader_epoch.to_string()];
            row.extend([ids(&p.replicas), ids(&p.in_sync), first.to_string(), end.to_string()]);
            row.push((end - first).to_string());
            table.row(row);
        }
        out.table(&table)
    }
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
