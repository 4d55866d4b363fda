//! `bateau bench latency`: how long a record takes from when it was due until a consumer has it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::clock::now_ms;
use crate::cli::duration::parse_duration;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::number::grouped;
use crate::cli::produce::HowToProduce;
use crate::cli::progress::Progress;
use crate::client::{
    Cluster, Delivery, Fetched, Fetcher, FetcherOptions, OffsetSpec, Producer, RecordsError, batches,
};

use super::cpu::CpuMeter;
use super::load::{Schedule, Values, send};
use super::produce::{Acknowledged, finish, rate, watch};
use super::report::{Latencies, Report};
use super::{Amount, Target};

/// How long what was acknowledged may take to come to the consumer.
const LAST_WITHIN: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub(super) struct LatencyBench {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    amount: Amount,
    /// Records a second
    #[arg(long, short = 'r', value_name = "N", default_value = "1000", value_parser = rate)]
    rate: f64,
    /// Time at the beginning that does not count
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    warmup: Duration,
    #[command(flatten)]
    how: HowToProduce,
}

/// What a consumer has got.
#[derive(Debug)]
struct Received {
    latencies: Latencies,
    records: u64,
}

impl Received {
    fn count(
        &mut self,
        fetched: &Fetched,
        values: &Values,
        schedule: &Schedule,
        from: Instant,
    ) -> Result<(), RecordsError> {
        let now = Instant::now();
        for batch in batches(&fetched.bytes) {
            let batch = batch?;
            let unpacked = batch.unpacked()?;
            let offset = batch.header.base_offset.0;
            for record in batch.records(&unpacked)? {
                let record = record.map_err(|source| RecordsError::Record { offset, source })?;
                let number = record.value.and_then(|value| values.number(value));
                let Some(due) = number.and_then(|number| schedule.due(number)) else { continue };
                self.records += 1;
                if due >= from {
                    self.latencies.record(now.saturating_duration_since(due));
                }
            }
        }
        Ok(())
    }
}

impl LatencyBench {
    pub(super) async fn run(&self, cluster: &Cluster, pid: Option<u32>) -> Result<Report, CliError> {
        let partitions = self.target.prepare(cluster).await?;
        let ends = cluster.offsets_of(&partitions, OffsetSpec::Latest).await?;
        let values = Values::new(now_ms().unsigned_abs(), self.amount.size as usize);
        // A moment to connect, so that the first record is not late.
        let begin = Instant::now() + Duration::from_millis(200);
        let records = self.amount.records.unwrap_or(u64::MAX);
        let time = self.warmup + self.amount.time;
        let schedule = Schedule { begin, rate: Some(self.rate), records, time };
        let counts_from = begin + self.warmup;

        let received = Arc::new(Mutex::new(Received { latencies: Latencies::new()?, records: 0 }));
        let fetcher = Fetcher::start(cluster, FetcherOptions::default(), ends);
        let receiving =
            tokio::spawn(receive(fetcher, values.clone(), schedule, counts_from, Arc::clone(&received)));

        let acknowledged = Arc::new(Mutex::new(Acknowledged::new()?));
        let counting = Arc::clone(&acknowledged);
        let count = move |delivery: Delivery<'_>| counting.lock().count(&delivery, counts_from);
        let options = self.how.options(Duration::ZERO);
        let producer = Arc::new(Producer::start(cluster, &self.target.topic, options, count).await?);
        let cpu = CpuMeter::start(pid)?;
        let sending = tokio::spawn(send(Arc::clone(&producer), values, schedule, Interrupt::listen()));
        let mut progress = Progress::new(true);
        let outcome = watch(sending, || {
            let received = received.lock();
            let (p50, p99) = (received.latencies.percentile(50.0), received.latencies.percentile(99.0));
            let records = grouped(received.records);
            progress.show(|| format!("{records} records, p50 {p50:.2} ms, p99 {p99:.2} ms"));
        });
        outcome.await?;
        finish(producer).await?;
        let wanted = acknowledged.lock().records;
        wait_for(&received, wanted, receiving).await?;
        progress.clear();
        let took = begin.elapsed();
        let (received, acknowledged) = (received.lock(), acknowledged.lock());
        Ok(Report {
            what: "latency",
            topic: self.target.topic.clone(),
            partitions: partitions.len(),
            how: vec![
                ("rate", json!(self.rate)),
                ("codec", json!(self.how.codec_name())),
                ("size", json!(self.amount.size)),
                ("warmup_seconds", json!(self.warmup.as_secs_f64())),
            ],
            took,
            records: received.records,
            payload_bytes: received.records * u64::from(self.amount.size),
            wire_bytes: acknowledged.wire_bytes,
            latencies: vec![
                ("due to acknowledged", acknowledged.latencies.clone()),
                ("due to consumed", received.latencies.clone()),
            ],
            cpu: cpu.and_then(|cpu| cpu.used()),
        })
    }
}

async fn receive(
    mut fetcher: Fetcher,
    values: Values,
    schedule: Schedule,
    from: Instant,
    received: Arc<Mutex<Received>>,
) -> Result<(), CliError> {
    loop {
        let fetched = fetcher.next().await?;
        let counted = received.lock().count(&fetched, &values, &schedule, from);
        counted.map_err(|source| CliError::Records { subject: fetched.partition.to_string(), source })?;
    }
}

/// Until the consumer has all that was acknowledged.
async fn wait_for(
    received: &Mutex<Received>,
    wanted: u64,
    receiving: tokio::task::JoinHandle<Result<(), CliError>>,
) -> Result<(), CliError> {
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + LAST_WITHIN;
    while received.lock().records < wanted {
        if receiving.is_finished() {
            return match receiving.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) | Err(_) => Err(CliError::Failed("the consumer ended before all was read".into())),
            };
        }
        if Instant::now() > deadline {
            let missing = wanted - received.lock().records;
            return Err(CliError::Failed(format!(
                "{missing} of {wanted} acknowledged records did not come within {LAST_WITHIN:?}"
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    receiving.abort();
    Ok(())
}
