//! `bateau bench produce`: how many records are acknowledged, and how soon.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::clock::now_ms;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::number::{grouped, per_second};
use crate::cli::produce::{DEFAULT_LINGER, HowToProduce};
use crate::cli::progress::Progress;
use crate::client::{Cluster, Delivery, Producer};

use super::cpu::CpuMeter;
use super::load::{Schedule, Values, send};
use super::report::{Latencies, Report};
use super::{Amount, Target};

#[derive(Args, Debug)]
pub(super) struct ProduceBench {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    amount: Amount,
    /// Records a second [default: as many as are taken]
    #[arg(long, short = 'r', value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    #[command(flatten)]
    how: HowToProduce,
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("'{text}' is no number of records a second"))
}

/// What was acknowledged.
#[derive(Debug)]
pub(super) struct Acknowledged {
    pub(super) latencies: Latencies,
    pub(super) records: u64,
    pub(super) wire_bytes: u64,
}

impl Acknowledged {
    pub(super) fn new() -> Result<Self, CliError> {
        Ok(Self { latencies: Latencies::new()?, records: 0, wire_bytes: 0 })
    }

    /// Counts records that were due after `from`.
    pub(super) fn count(&mut self, delivery: &Delivery<'_>, from: Instant) {
        let now = Instant::now();
        self.records += delivery.records as u64;
        self.wire_bytes += delivery.bytes as u64;
        for due in delivery.dues.iter().filter(|due| **due >= from) {
            self.latencies.record(now.saturating_duration_since(*due));
        }
    }
}

impl ProduceBench {
    pub(super) async fn run(&self, cluster: &Cluster, pid: Option<u32>) -> Result<Report, CliError> {
        let partitions = self.target.prepare(cluster).await?;
        let acknowledged = Arc::new(Mutex::new(Acknowledged::new()?));
        let counting = Arc::clone(&acknowledged);
        let begin = Instant::now();
        let options = self.how.options(DEFAULT_LINGER);
        let acks = options.acks;
        let count = move |delivery: Delivery<'_>| counting.lock().count(&delivery, begin);
        let producer = Arc::new(Producer::start(cluster, &self.target.topic, options, count).await?);
        let values = Values::new(now_ms().unsigned_abs(), self.amount.size as usize);
        let cpu = CpuMeter::start(pid)?;
        let begin = Instant::now();
        let records = self.amount.records.unwrap_or(u64::MAX);
        let schedule = Schedule { begin, rate: self.rate, records, time: self.amount.time };
        let sending = tokio::spawn(send(Arc::clone(&producer), values, schedule, Interrupt::listen()));
        let mut progress = Progress::new(true);
        let outcome = watch(sending, || {
            let acknowledged = acknowledged.lock();
            let (records, p99) = (acknowledged.records, acknowledged.latencies.percentile(99.0));
            let rate = per_second(records, begin.elapsed());
            progress.show(|| format!("{} records, {rate:.0} a second, p99 {p99:.1} ms", grouped(records)));
        });
        outcome.await?;
        finish(producer).await?;
        let took = begin.elapsed();
        progress.clear();
        let acknowledged = acknowledged.lock();
        Ok(Report {
            what: "produce",
            topic: self.target.topic.clone(),
            partitions: partitions.len(),
            how: vec![
                ("acks", json!(if acks < 0 { "all".to_owned() } else { acks.to_string() })),
                ("codec", json!(self.how.codec_name())),
                ("size", json!(self.amount.size)),
                ("rate", json!(self.rate)),
            ],
            took,
            records: acknowledged.records,
            payload_bytes: acknowledged.records * u64::from(self.amount.size),
            wire_bytes: acknowledged.wire_bytes,
            latencies: vec![(
                if self.rate.is_some() { "due to acknowledged" } else { "sent to acknowledged" },
                acknowledged.latencies.clone(),
            )],
            cpu: cpu.and_then(|cpu| cpu.used()),
        })
    }
}

/// Waits for the load's end, and calls `look` meanwhile.
pub(super) async fn watch(
    sending: tokio::task::JoinHandle<Result<(), crate::client::ClientError>>,
    mut look: impl FnMut(),
) -> Result<(), CliError> {
    const EVERY: Duration = Duration::from_millis(200);
    let mut sending = std::pin::pin!(sending);
    loop {
        tokio::select! {
            ended = &mut sending => {
                return match ended {
                    Ok(outcome) => Ok(outcome?),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                };
            }
            () = tokio::time::sleep(EVERY) => look(),
        }
    }
}

/// The last of its owners waits until all is acknowledged.
pub(super) async fn finish(producer: Arc<Producer>) -> Result<(), CliError> {
    match Arc::try_unwrap(producer) {
        Ok(producer) => producer.finish().await.map(drop).map_err(CliError::from),
        Err(_) => Err(CliError::Failed("the load did not end".into())),
    }
}
