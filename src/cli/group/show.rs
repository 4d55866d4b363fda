//! Groups and their lag, as tables and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::cli::error::{CliError, Refusals};
use crate::cli::output::{Output, Table, printable};
use crate::client::{ClientError, Cluster, GroupDescription, OffsetSpec, Partition};
use crate::wire::ErrorCode;

/// The state of a group that does not exist.
const DEAD: &str = "Dead";
/// Groups that are asked for at a time.
const AT_ONCE: usize = 16;

pub(super) async fn list(cluster: &Cluster, out: &mut Output) -> Result<(), CliError> {
    let groups = cluster.list_groups().await?;
    if out.is_json {
        let list = groups.iter().map(|group| {
            json!({
                "group": group.group, "state": group.state, "type": group.kind,
                "protocol_type": group.protocol_type,
            })
        });
        return out.json(&list.collect());
    }
    let mut table = Table::new(&["GROUP", "STATE", "TYPE", "PROTOCOL"]);
    for group in groups {
        table.row(vec![group.group, group.state, group.kind, group.protocol_type]);
    }
    if table.is_empty() {
        eprintln!("bateau: there are no groups");
        return Ok(());
    }
    out.table(&table)
}

/// A partition that a group has committed for or reads now.
struct Line {
    partition: Partition,
    committed: Option<i64>,
    end: Option<i64>,
    /// Index into the members.
    member: Option<usize>,
}

impl Line {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

pub(super) async fn describe(
    cluster: &Cluster,
    out: &mut Output,
    groups: &[String],
    members: bool,
) -> Result<(), CliError> {
    let mut asked = stream::iter(groups).map(|group| described(cluster, group)).buffered(AT_ONCE);
    let (mut all, mut refused, mut shown) = (Vec::new(), Refusals::default(), 0);
    while let Some(answer) = asked.next().await {
        let (described, lines) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                refused.keep(error);
                continue;
            }
        };
        if out.is_json {
            all.push(as_json(&described, &lines));
            continue;
        }
        if shown > 0 {
            out.line("")?;
        }
        shown += 1;
        let total: i64 = lines.iter().filter_map(Line::lag).sum();
        let with =
            if described.protocol.is_empty() { String::new() } else { format!(", {}", described.protocol) };
        out.line(&format!(
            "group {}: {}{with}, {} members, lag {total}, coordinator {}",
            described.group,
            described.state,
            described.members.len(),
            described.coordinator
        ))?;
        let table = if members { members_table(&described) } else { lines_table(&described, &lines) };
        if !table.is_empty() {
            out.table(&table)?;
        }
    }
    if out.is_json {
        out.json(&all.into())?;
    }
    out.flush()?;
    refused.outcome()
}

/// All groups of the kind that can be described; which others there are is told.
pub(super) async fn describable(cluster: &Cluster) -> Result<Vec<String>, CliError> {
    let is_classic = |kind: &str| kind.is_empty() || kind.eq_ignore_ascii_case("classic");
    let (classic, others): (Vec<_>, Vec<_>) =
        cluster.list_groups().await?.into_iter().partition(|listing| is_classic(&listing.kind));
    for other in others {
        eprintln!("bateau: group {} is of type {} and not described", printable(&other.group), other.kind);
    }
    Ok(classic.into_iter().map(|listing| listing.group).collect())
}

/// A group that is not there is an error, though to Kafka it is one that is dead.
async fn described(cluster: &Cluster, group: &str) -> Result<(GroupDescription, Vec<Line>), CliError> {
    let described = cluster.describe_group(group).await?;
    if described.state == DEAD {
        return Err(CliError::Failed(format!("group {group}: there is no such group")));
    }
    let lines = lines(cluster, &described).await?;
    Ok((described, lines))
}

async fn lines(cluster: &Cluster, group: &GroupDescription) -> Result<Vec<Line>, CliError> {
    let committed = cluster.committed_offsets(&group.group).await?;
    let mut owners = BTreeMap::new();
    for (at, member) in group.members.iter().enumerate() {
        owners.extend(member.partitions.iter().map(|partition| (partition.clone(), at)));
    }
    let partitions: BTreeSet<Partition> = committed.keys().chain(owners.keys()).cloned().collect();
    let ends = ends(cluster, &partitions).await?;
    let line = |partition: Partition| Line {
        committed: committed.get(&partition).map(|committed| committed.offset),
        end: ends.get(&partition).copied(),
        member: owners.get(&partition).copied(),
        partition,
    };
    Ok(partitions.into_iter().map(line).collect())
}

/// Of the topics that still exist.
async fn ends(
    cluster: &Cluster,
    partitions: &BTreeSet<Partition>,
) -> Result<BTreeMap<Partition, i64>, ClientError> {
    let topics: BTreeSet<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
    let mut existing = Vec::new();
    for topic in topics {
        match cluster.topic(topic).await {
            Ok(topic) => existing.extend(topic.all_partitions()),
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error),
        }
    }
    existing.retain(|partition| partitions.contains(partition));
    cluster.offsets_of(&existing, OffsetSpec::Latest).await
}

fn lines_table(group: &GroupDescription, lines: &[Line]) -> Table {
    let headings = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "HOST", "CLIENT"];
    let mut table = Table::new(&headings);
    for line in lines {
        let mut row = vec![line.partition.topic.to_string(), line.partition.index.to_string()];
        row.extend([number(line.committed), number(line.end), number(line.lag())]);
        match line.member.and_then(|at| group.members.get(at)) {
            Some(member) => {
                row.extend([member.member_id.clone(), member.host.clone(), member.client_id.clone()]);
            }
            None => row.extend(["-".to_owned(), "-".to_owned(), "-".to_owned()]),
        }
        table.row(row);
    }
    table
}

fn members_table(group: &GroupDescription) -> Table {
    let mut table = Table::new(&["MEMBER", "INSTANCE", "HOST", "CLIENT", "PARTITIONS"]);
    for member in &group.members {
        let partitions: Vec<_> = member.partitions.iter().map(ToString::to_string).collect();
        let instance = member.instance_id.clone().unwrap_or_else(|| "-".into());
        let mut row = vec![member.member_id.clone(), instance, member.host.clone(), member.client_id.clone()];
        row.push(partitions.join(" "));
        table.row(row);
    }
    table
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "-".into(), |number| number.to_string())
}

fn as_json(group: &GroupDescription, lines: &[Line]) -> Value {
    let partitions = lines.iter().map(|line| {
        let member = line.member.and_then(|at| group.members.get(at));
        json!({
            "topic": &*line.partition.topic, "partition": line.partition.index, "committed_offset": line.committed,
            "end_offset": line.end, "lag": line.lag(), "member_id": member.map(|member| &member.member_id),
        })
    });
    let members = group.members.iter().map(|member| {
        let partitions = member
            .partitions
            .iter()
            .map(|partition| json!({ "topic": &*partition.topic, "partition": partition.index }));
        json!({
            "member_id": member.member_id, "instance_id": member.instance_id, "client_id": member.client_id,
            "host": member.host, "partitions": partitions.collect::<Vec<_>>(),
        })
    });
    json!({
        "group": group.group, "state": group.state, "protocol_type": group.protocol_type,
        "protocol": group.protocol, "coordinator": group.coordinator,
        "lag": lines.iter().filter_map(Line::lag).sum::<i64>(),
        "partitions": partitions.collect::<Vec<_>>(), "members": members.collect::<Vec<_>>(),
    })
}
