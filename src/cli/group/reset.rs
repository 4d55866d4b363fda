//! `bateau group reset-offsets`: to where, by how much; a dry run unless it is executed, as Kafka's tool has it.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::clock::now_ms;
use crate::cli::duration::parse_duration;
use crate::cli::error::CliError;
use crate::cli::output::{Output, Table};
use crate::cli::position::Position;
use crate::cli::time::parse_rfc3339;
use crate::client::{Cluster, CommittedOffset, OffsetSpec, Partition};
use crate::wire::ErrorCode;

use super::{TopicPartitions, partitions_of, topic_partitions};

/// The states of a group whose offsets can be moved: nobody reads.
const WITHOUT_MEMBERS: [&str; 2] = ["Empty", "Dead"];

#[derive(Args, Debug)]
pub(super) struct ResetFlags {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    to: Target,
    /// Do it
    #[arg(long, conflicts_with = "dry_run")]
    execute: bool,
    /// Only show what would be done, which is the default
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Which {
    /// A topic, or some of its partitions; repeatable
    #[arg(long, short = 't', value_name = "TOPIC[:N,N...]", value_parser = topic_partitions)]
    topic: Vec<TopicPartitions>,
    /// Everything that the group has committed
    #[arg(long, conflicts_with = "topic")]
    all_topics: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the first record that is kept
    #[arg(long)]
    to_earliest: bool,
    /// Behind the last record
    #[arg(long)]
    to_latest: bool,
    /// To where it is, within what the partition still holds; behind the last record where nothing is committed
    #[arg(long)]
    to_current: bool,
    /// To an offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// To the first record at or after a time, RFC 3339 (UTC without an offset)
    #[arg(long, value_name = "TIME", value_parser = datetime)]
    to_datetime: Option<i64>,
    /// Forward by so many records, or back with -N
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the first record of the last so long, as in 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    by_duration: Option<Duration>,
}

fn datetime(text: &str) -> Result<i64, String> {
    parse_rfc3339(text).ok_or_else(|| format!("'{text}' is no time such as 2026-11-22T08:30:00Z"))
}

/// What a partition's offset becomes.
struct Move {
    partition: Partition,
    from: Option<i64>,
    to: i64,
}

/// A group that is not there is fine: it is made with the offsets, as by Kafka's tool.
async fn check_nobody_reads(cluster: &Cluster, group: &str) -> Result<(), CliError> {
    let described = match cluster.describe_group(group).await {
        Ok(described) => described,
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if WITHOUT_MEMBERS.contains(&described.state.as_str()) {
        return Ok(());
    }
    let (state, count) = (described.state, described.members.len());
    Err(CliError::Failed(format!(
        "group {group} is {state} with {count} members: offsets can be moved when nobody reads; stop them first"
    )))
}

impl ResetFlags {
    pub(super) async fn reset(
        &self,
        cluster: &Cluster,
        out: &mut Output,
        group: &str,
    ) -> Result<(), CliError> {
        check_nobody_reads(cluster, group).await?;
        let committed = cluster.committed_offsets(group).await?;
        let partitions = if self.which.all_topics {
            committed.keys().cloned().collect()
        } else {
            partitions_of(cluster, &self.which.topic).await?
        };
        if partitions.is_empty() {
            return Err(CliError::Failed(format!("group {group} has committed nothing; name a --topic")));
        }
        let moves = self.to.moves(cluster, &partitions, &committed).await?;
        if self.execute {
            let offsets = moves.iter().map(|one| (one.partition.clone(), one.to)).collect();
            cluster.commit_offsets(group, &offsets).await?;
        }
        self.show(out, group, &moves)
    }

    fn show(&self, out: &mut Output, group: &str, moves: &[Move]) -> Result<(), CliError> {
        if out.is_json {
            let list = moves.iter().map(|one| {
                json!({
                    "topic": &*one.partition.topic, "partition": one.partition.index, "old_offset": one.from,
                    "new_offset": one.to,
                })
            });
            let list: Vec<_> = list.collect();
            return out.json(&json!({ "group": group, "executed": self.execute, "offsets": list }));
        }
        let mut table = Table::new(&["TOPIC", "PARTITION", "OLD", "NEW"]);
        for one in moves {
            let old = one.from.map_or_else(|| "-".into(), |from| from.to_string());
            let (topic, index) = (one.partition.topic.to_string(), one.partition.index.to_string());
            table.row(vec![topic, index, old, one.to.to_string()]);
        }
        out.table(&table)?;
        out.flush()?;
        if !self.execute {
            eprintln!("bateau: nothing was changed; --execute does it");
        }
        Ok(())
    }
}

impl Target {
    async fn moves(
        &self,
        cluster: &Cluster,
        partitions: &[Partition],
        committed: &BTreeMap<Partition, CommittedOffset>,
    ) -> Result<Vec<Move>, CliError> {
        let targets = match self.position() {
            Some(position) => position.resolve(cluster, partitions, now_ms()).await?,
            None => self.shifted(cluster, partitions, committed).await?,
        };
        let moves = targets.into_iter().map(|(partition, to)| {
            let from = committed.get(&partition).map(|committed| committed.offset);
            Move { partition, from, to }
        });
        Ok(moves.collect())
    }

    /// None: relative to what is committed.
    fn position(&self) -> Option<Position> {
        if self.to_earliest {
            return Some(Position::Beginning);
        }
        if self.to_latest {
            return Some(Position::End);
        }
        let offset = self.to_offset.map(Position::Offset);
        let time = self.to_datetime.map(Position::Time);
        offset.or(time).or(self.by_duration.map(Position::Ago))
    }

    /// What is committed, moved, and kept within what the partition holds.
    async fn shifted(
        &self,
        cluster: &Cluster,
        partitions: &[Partition],
        committed: &BTreeMap<Partition, CommittedOffset>,
    ) -> Result<BTreeMap<Partition, i64>, CliError> {
        let first = cluster.offsets_of(partitions, OffsetSpec::Earliest).await?;
        let end = cluster.offsets_of(partitions, OffsetSpec::Latest).await?;
        let mut targets = BTreeMap::new();
        for partition in partitions {
            let (first, end) = (first.get(partition).copied(), end.get(partition).copied());
            let (first, end) = (first.unwrap_or(0), end.unwrap_or(i64::MAX));
            let to = match (committed.get(partition), self.shift_by) {
                (Some(committed), by) => committed.offset.saturating_add(by.unwrap_or(0)),
                (None, None) => end,
                (None, Some(_)) => {
                    let what = format!("{partition}: the group has committed nothing that could be shifted");
                    return Err(CliError::Failed(what));
                }
            };
            targets.insert(partition.clone(), to.max(first).min(end));
        }
        Ok(targets)
    }
}
