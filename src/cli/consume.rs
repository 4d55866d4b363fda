//! `bateau consume`: prints records, of partitions or as a member of a group.

mod format;
mod print;
mod reading;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::client::{
    Cluster, Fetched, FetcherOptions, GroupMember, GroupOptions, OffsetSpec, Partition, TopicMetadata,
};

use super::clock::now_ms;
use super::connect::Connect;
use super::duration::parse_duration;
use super::error::CliError;
use super::escape::{Text, unescape};
use super::interrupt::Interrupt;
use super::position::Position;
use format::Format;
use print::Printer;
use reading::Reading;

/// How often a member of a group commits what it has printed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub struct ConsumeCommand {
    #[command(flatten)]
    connect: Connect,
    /// What to read
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Go on when everything is printed, and print what comes
    #[arg(long)]
    follow: bool,
    /// Consume as a member of this group, from where it has committed, and commit what is printed
    #[arg(long, short = 'g', conflicts_with = "partition")]
    group: Option<String>,
    /// Where to begin: beginning, end, OFFSET, -N (the last N), a time (RFC 3339, @MILLISECONDS, or -1h); for a group
    /// only where it has committed nothing
    #[arg(long, value_name = "WHERE", default_value = "beginning", allow_hyphen_values = true)]
    from: Position,
    /// Where to end, exclusive, as --from has it [default: the end as it is now]
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true, conflicts_with = "follow")]
    until: Option<Position>,
    /// End after so many records
    #[arg(long, short = 'n', value_name = "N")]
    max: Option<u64>,
    /// Only these partitions, with commas between
    #[arg(long, short = 'p', value_name = "N", value_delimiter = ',')]
    partition: Vec<i32>,
    /// What is printed of a record
    #[arg(long, short = 'o', default_value = "value")]
    output: Shape,
    /// What stands between key and value with --output key-value
    #[arg(long, short = 'K', value_name = "TEXT", default_value = "\\t", value_parser = unescape)]
    key_separator: Text,
    /// Print by a pattern: %t topic, %p partition, %o offset, %T time, %k key, %s value, %h headers, %K %S their
    /// lengths, %% a %; \n \t \xNN
    #[arg(long, short = 'f', value_name = "PATTERN", conflicts_with = "output")]
    format: Option<Format>,
    /// What a null key or value is printed as, except in JSON
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = unescape)]
    null: Text,
    /// With --group: be a static member of this name
    #[arg(long, value_name = "NAME", requires = "group")]
    instance_id: Option<String>,
    /// With --group: after how long without a heartbeat the coordinator gives this member up
    #[arg(long, value_name = "TIME", default_value = "45s", value_parser = parse_duration)]
    session_timeout: Duration,
    /// With --group: commit nothing
    #[arg(long, requires = "group")]
    no_commit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// The value and a line feed
    Value,
    /// Key, separator, value and a line feed
    KeyValue,
    /// One JSON object a line
    Json,
}

/// Why reading paused.
enum Pause {
    /// All was read, or enough.
    Done,
    Interrupted,
    /// The group rebalances.
    Rebalance,
}

/// Those of `topic`'s partitions that `wanted` names; all of them if it names none.
///
/// # Errors
/// [`CliError::Failed`] for one that the topic does not have.
pub(super) fn chosen_partitions(topic: &TopicMetadata, wanted: &[i32]) -> Result<Vec<Partition>, CliError> {
    let mut partitions = topic.all_partitions();
    if let Some(absent) = wanted.iter().find(|index| partitions.iter().all(|p| p.index != **index)) {
        let (name, count) = (&topic.name, partitions.len());
        let what = format!("topic {name} has no partition {absent}: it has {count}, counted from 0");
        return Err(CliError::Failed(what));
    }
    partitions.retain(|partition| wanted.is_empty() || wanted.contains(&partition.index));
    Ok(partitions)
}

impl ConsumeCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let cluster = self.connect.cluster()?;
        let mut printer = self.printer();
        match &self.group {
            None => self.read_partitions(&cluster, &mut printer).await?,
            Some(group) => self.read_in_group(&cluster, group, &mut printer).await?,
        }
        printer.flush()
    }

    fn printer(&self) -> Printer {
        let format = match (&self.format, self.output) {
            (Some(format), _) => format.clone(),
            (None, Shape::Json) => Format::Json,
            (None, _) if self.connect.json => Format::Json,
            (None, Shape::Value) => Format::value(),
            (None, Shape::KeyValue) => Format::key_value(&self.key_separator),
        };
        Printer::new(self.connect.output(), format, self.null.0.clone(), self.max)
    }

    async fn read_partitions(&self, cluster: &Cluster, printer: &mut Printer) -> Result<(), CliError> {
        let partitions = self.partitions(cluster).await?;
        let from = self.from.resolve(cluster, &partitions, now_ms()).await?;
        let mut reading = self.reading(cluster, from).await?;
        let mut interrupt = Interrupt::listen();
        while !reading.is_done() && !printer.is_full() {
            let fetched = tokio::select! {
                fetched = reading.next() => fetched?,
                () = interrupt.told() => return Ok(()),
            };
            printer.print(&fetched, reading.until(&fetched.partition))?;
            reading.have_read(&fetched);
        }
        Ok(())
    }

    /// The partitions of all topics, or those that were asked for.
    async fn partitions(&self, cluster: &Cluster) -> Result<Vec<Partition>, CliError> {
        let mut partitions = Vec::new();
        for name in &self.topics {
            partitions.extend(chosen_partitions(&cluster.topic(name).await?, &self.partition)?);
        }
        Ok(partitions)
    }

    /// Reads from `from` to where this command ends.
    async fn reading(&self, cluster: &Cluster, from: BTreeMap<Partition, i64>) -> Result<Reading, CliError> {
        let partitions: Vec<_> = from.keys().cloned().collect();
        let until = match (self.follow, self.until) {
            (true, _) => BTreeMap::new(),
            (false, Some(until)) => until.resolve(cluster, &partitions, now_ms()).await?,
            (false, None) => cluster.offsets_of(&partitions, OffsetSpec::Latest).await?,
        };
        Ok(Reading::start(cluster, FetcherOptions::default(), from, until))
    }

    async fn read_in_group(
        &self,
        cluster: &Cluster,
        group: &str,
        printer: &mut Printer,
    ) -> Result<(), CliError> {
        for topic in &self.topics {
            cluster.topic(topic).await?;
        }
        let mut member = GroupMember::new(
            cluster,
            GroupOptions {
                group: group.to_owned(),
                topics: self.topics.clone(),
                instance_id: self.instance_id.clone(),
                session_timeout: self.session_timeout,
                rebalance_timeout: Duration::from_mins(1),
                heartbeat_interval: (self.session_timeout / 3).min(Duration::from_secs(3)),
            },
        );
        let read = self.read_as(&mut member, cluster, printer).await;
        // Goodbye also after an error, so that the others need not wait for the session timeout.
        let left = member.leave().await;
        read?;
        if let Err(error) = left {
            eprintln!("bateau: {error}; the group will miss this member after its session timeout");
        }
        Ok(())
    }

    async fn read_as(
        &self,
        member: &mut GroupMember,
        cluster: &Cluster,
        printer: &mut Printer,
    ) -> Result<(), CliError> {
        let mut interrupt = Interrupt::listen();
        loop {
            let partitions = tokio::select! {
                partitions = member.join() => partitions?,
                () = interrupt.told() => return Ok(()),
            };
            let mut reading = self.reading_of_group(cluster, &partitions).await?;
            let pause = loop {
                if printer.is_full() || (reading.is_done() && !self.follow) {
                    break Pause::Done;
                }
                let commit_due = reading.commit_due(COMMIT_EVERY);
                let fetched: Fetched = tokio::select! {
                    fetched = reading.next() => fetched?,
                    news = member.must_rejoin() => { news?; break Pause::Rebalance }
                    () = interrupt.told() => break Pause::Interrupted,
                    () = tokio::time::sleep_until(commit_due) => {
                        self.commit(member, &mut reading).await?;
                        continue;
                    }
                };
                let printed = printer.print(&fetched, reading.until(&fetched.partition))?;
                // Only what has left this process may be committed.
                printer.flush()?;
                reading.have_printed(&fetched, printed);
            };
            self.commit(member, &mut reading).await?;
            match pause {
                Pause::Done | Pause::Interrupted => return Ok(()),
                Pause::Rebalance => {}
            }
        }
    }

    /// From where the group has committed, else from where this command says.
    async fn reading_of_group(
        &self,
        cluster: &Cluster,
        partitions: &[Partition],
    ) -> Result<Reading, CliError> {
        let group = self.group.as_deref().unwrap_or_default();
        let committed = cluster.committed_offsets(group).await?;
        let mut from = self.from.resolve(cluster, partitions, now_ms()).await?;
        let first = cluster.offsets_of(partitions, OffsetSpec::Earliest).await?;
        let mut new = BTreeMap::new();
        for (partition, offset) in &mut from {
            match committed.get(partition) {
                // What retention has taken cannot be read any more.
                Some(committed) => *offset = committed.offset.max(first.get(partition).copied().unwrap_or(0)),
                None => _ = new.insert(partition.clone(), *offset),
            }
        }
        let mut reading = self.reading(cluster, from).await?;
        // As Kafka's consumers do, so that the lag of a partition is known before it brings anything.
        reading.commit_later(new);
        Ok(reading)
    }

    async fn commit(&self, member: &GroupMember, reading: &mut Reading) -> Result<(), CliError> {
        let offsets = reading.take_uncommitted();
        if self.no_commit || offsets.is_empty() {
            return Ok(());
        }
        match member.commit(&offsets).await {
            // The partitions' next owners print them again: at least once.
            Err(error) if GroupMember::has_moved_on(&error) => {
                eprintln!("bateau: the group has moved on before a commit; some records will be read again");
                Ok(())
            }
            committed => Ok(committed?),
        }
    }
}
