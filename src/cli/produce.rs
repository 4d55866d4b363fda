//! `bateau produce`: lines of standard input as records.

mod input;
mod line;

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::time::Instant;

use crate::client::{OutgoingRecord, Producer, ProducerOptions};
use crate::model::compression::Compression;

use super::clock::now_ms;
use super::connect::Connect;
use super::duration::parse_duration;
use super::error::CliError;
use super::interrupt::Interrupt;
use super::number::{grouped, per_second, real};
use super::progress::{Progress, bar};
use super::topic::key_value;
use input::Input;
use line::LineFormat;

/// Long enough for batches, too short to be noticed.
pub(super) const DEFAULT_LINGER: Duration = Duration::from_millis(5);

#[derive(Args, Debug)]
pub struct ProduceCommand {
    #[command(flatten)]
    connect: Connect,
    /// Where to; it has to be there
    topic: String,
    #[command(flatten)]
    line: LineFormat,
    /// A header of every record; repeatable
    #[arg(long, short = 'H', value_name = "KEY=VALUE", value_parser = key_value)]
    header: Vec<(String, String)>,
    /// The partition of every record [default: by the key; without a key any]
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    #[command(flatten)]
    how: HowToProduce,
    /// No progress, no summary
    #[arg(long, short = 'q')]
    quiet: bool,
}

/// What producing and its benchmark have in common.
#[derive(Args, Clone, Debug)]
pub(super) struct HowToProduce {
    /// How batches are compressed
    #[arg(long, short = 'z', value_name = "CODEC", default_value = "none")]
    codec: Codec,
    /// Who must have a record before it counts as sent
    #[arg(long, default_value = "all")]
    acks: Acks,
    /// How long a batch waits for more records [default: 5ms; when latency is measured 0ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    linger: Option<Duration>,
    /// Bytes of records, unpacked, that fill a batch
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1..))]
    batch_bytes: u32,
    /// Let the broker take what it gets twice for two records
    #[arg(long)]
    no_idempotence: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Acks {
    /// Nobody
    #[value(name = "0")]
    Nobody,
    /// The leader
    #[value(name = "1")]
    Leader,
    /// All in-sync replicas
    #[value(name = "all", alias = "-1")]
    All,
}

impl HowToProduce {
    pub(super) fn codec_name(&self) -> &'static str {
        self.options(DEFAULT_LINGER).codec.name()
    }

    /// With `linger` if none was asked for.
    pub(super) fn options(&self, linger: Duration) -> ProducerOptions {
        let codec = match self.codec {
            Codec::None => Compression::None,
            Codec::Gzip => Compression::Gzip,
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4,
            Codec::Zstd => Compression::Zstd,
        };
        let acks = match self.acks {
            Acks::Nobody => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        };
        ProducerOptions {
            acks,
            codec,
            linger: self.linger.unwrap_or(linger),
            batch_bytes: self.batch_bytes as usize,
            is_idempotent: self.acks == Acks::All && !self.no_idempotence,
            ..ProducerOptions::default()
        }
    }
}

impl ProduceCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        self.line.check()?;
        let cluster = self.connect.cluster()?;
        let producer =
            Producer::start(&cluster, &self.topic, self.how.options(DEFAULT_LINGER), |_| {}).await?;
        let mut input = Input::start();
        let began = Instant::now();
        let mut progress = Progress::new(!self.quiet && !std::io::stdin().is_terminal());
        let sent = self.send_all(&producer, &mut input, &mut progress, began).await;
        let (bytes, interrupted) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // What came before the bad line is delivered all the same.
                let delivered = producer.finish().await?;
                progress.clear();
                if delivered > 0 {
                    eprintln!("bateau: {} records were delivered before this:", grouped(delivered));
                }
                return Err(error);
            }
        };
        let delivered = producer.finish().await?;
        progress.clear();
        self.sum_up(delivered, bytes, began.elapsed(), interrupted)
    }

    /// Until the input ends, or Ctrl-C. Returns the bytes that were read, and whether it was Ctrl-C.
    async fn send_all(
        &self,
        producer: &Producer,
        input: &mut Input,
        progress: &mut Progress,
        began: Instant,
    ) -> Result<(u64, bool), CliError> {
        let mut interrupt = Interrupt::listen();
        let mut line_number = 0;
        let mut bytes = 0;
        loop {
            let block = tokio::select! {
                block = input.next() => block,
                () = interrupt.told() => return Ok((bytes, true)),
            };
            let Some(block) = block else { return Ok((bytes, false)) };
            let block = block.map_err(CliError::Input)?;
            bytes += block.len() as u64;
            for line in block.strip_suffix(b"\n").unwrap_or(&block).split(|byte| *byte == b'\n') {
                line_number += 1;
                self.send(producer, line).await.map_err(|error| match error {
                    CliError::Failed(what) => CliError::Failed(format!("line {line_number}: {what}")),
                    other => other,
                })?;
            }
            progress.show(|| shown(producer.delivered(), bytes, input.total(), began.elapsed()));
        }
    }

    async fn send(&self, producer: &Producer, line: &[u8]) -> Result<(), CliError> {
        let parsed = self.line.parse(line).map_err(CliError::Failed)?;
        let fixed = self.header.iter().map(|(key, value)| (key.as_bytes(), Some(value.as_bytes())));
        let headers: Vec<_> = fixed.chain(parsed.headers).collect();
        let record = OutgoingRecord {
            partition: self.partition,
            key: parsed.key,
            value: parsed.value,
            headers: &headers,
            timestamp: now_ms(),
            due: None,
        };
        Ok(producer.send(&record).await?)
    }

    fn sum_up(&self, delivered: u64, bytes: u64, took: Duration, interrupted: bool) -> Result<(), CliError> {
        let mut out = self.connect.output();
        if out.is_json {
            out.json_line(&json!({
                "topic": self.topic, "records": delivered, "input_bytes": bytes, "seconds": took.as_secs_f64(),
                "interrupted": interrupted,
            }))?;
        } else if !self.quiet {
            let rate = per_second(delivered, took);
            let (stopped, records) = (if interrupted { "stopped; " } else { "" }, grouped(delivered));
            let seconds = took.as_secs_f64();
            eprintln!(
                "bateau: {stopped}{records} records to {} in {seconds:.2} s ({rate:.0} a second)",
                self.topic
            );
        }
        out.flush()
    }
}

fn shown(delivered: u64, read: u64, total: Option<u64>, took: Duration) -> String {
    let rate = per_second(delivered, took);
    let records = format!("{} records, {rate:.0} a second", grouped(delivered));
    match total {
        Some(total) if total > 0 => format!("{}  {records}", bar(real(read) / real(total))),
        _ => records,
    }
}
