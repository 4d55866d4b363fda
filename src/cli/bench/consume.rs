//! `bateau bench consume`: how fast records are read.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::clock::now_ms;
use crate::cli::duration::parse_duration;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::number::{grouped, per_second};
use crate::cli::position::Position;
use crate::cli::progress::Progress;
use crate::client::{Cluster, Fetched, Fetcher, FetcherOptions, OffsetSpec, RecordsError, batches};

use super::cpu::CpuMeter;
use super::report::Report;

#[derive(Args, Debug)]
pub(super) struct ConsumeBench {
    /// What to read
    #[arg(default_value = "bateau-bench")]
    topic: String,
    /// End after so many records [default: at the end as it is now]
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// End after this time
    #[arg(long, short = 't', value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    time: Duration,
    /// Where to begin, as for `bateau consume`
    #[arg(long, value_name = "WHERE", default_value = "beginning", allow_hyphen_values = true)]
    from: Position,
    /// Bytes that one fetch may bring
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20, value_parser = clap::value_parser!(i32).range(1..))]
    fetch_bytes: i32,
    /// Count batches and do not look into them: what is packed counts as payload
    #[arg(long)]
    shallow: bool,
}

#[derive(Debug, Default)]
struct Counted {
    records: u64,
    payload_bytes: u64,
    wire_bytes: u64,
}

impl Counted {
    fn add(&mut self, fetched: &Fetched, is_shallow: bool) -> Result<(), RecordsError> {
        self.wire_bytes += fetched.bytes.len() as u64;
        for batch in batches(&fetched.bytes) {
            let batch = batch?;
            if is_shallow {
                self.records += u64::try_from(batch.header.record_count).unwrap_or(0);
                self.payload_bytes += u64::from(batch.header.size);
                continue;
            }
            let unpacked = batch.unpacked()?;
            let offset = batch.header.base_offset.0;
            for record in batch.records(&unpacked)? {
                let record = record.map_err(|source| RecordsError::Record { offset, source })?;
                let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
                self.records += 1;
                self.payload_bytes += length(record.key) + length(record.value);
            }
        }
        Ok(())
    }
}

impl ConsumeBench {
    pub(super) async fn run(&self, cluster: &Cluster, pid: Option<u32>) -> Result<Report, CliError> {
        let topic = cluster.topic(&self.topic).await?;
        let partitions = topic.all_partitions();
        let mut left = self.from.resolve(cluster, &partitions, now_ms()).await?;
        let ends = cluster.offsets_of(&partitions, OffsetSpec::Latest).await?;
        left.retain(|partition, from| ends.get(partition).is_some_and(|end| *from < *end));
        let options = FetcherOptions {
            max_bytes: self.fetch_bytes,
            partition_max_bytes: self.fetch_bytes.min(4 << 20),
            ..FetcherOptions::default()
        };
        let (interrupt, cpu) = (Interrupt::listen(), CpuMeter::start(pid)?);
        let begin = Instant::now();
        let mut fetcher = Fetcher::start(cluster, options, left.clone());
        let mut counted = Counted::default();
        let mut progress = Progress::new(true);
        let wanted = self.records.unwrap_or(u64::MAX);
        let over = begin + self.time;
        while !left.is_empty() && counted.records < wanted && !interrupt.is_told() {
            let Ok(fetched) = tokio::time::timeout_at(over, fetcher.next()).await else { break };
            let fetched = fetched?;
            let subject = || fetched.partition.to_string();
            let added = counted.add(&fetched, self.shallow);
            added.map_err(|source| CliError::Records { subject: subject(), source })?;
            if ends.get(&fetched.partition).is_none_or(|end| fetched.next >= *end) {
                left.remove(&fetched.partition);
                fetcher.remove(&fetched.partition);
            }
            progress.show(|| {
                let rate = per_second(counted.payload_bytes, begin.elapsed()) / 1e6;
                format!("{} records, {rate:.0} MB a second", grouped(counted.records))
            });
        }
        let took = begin.elapsed();
        progress.clear();
        Ok(Report {
            what: "consume",
            topic: self.topic.clone(),
            partitions: partitions.len(),
            how: vec![("fetch_bytes", json!(self.fetch_bytes)), ("shallow", json!(self.shallow))],
            took,
            records: counted.records,
            payload_bytes: counted.payload_bytes,
            wire_bytes: counted.wire_bytes,
            latencies: Vec::new(),
            cpu: cpu.and_then(|cpu| cpu.used()),
        })
    }
}
