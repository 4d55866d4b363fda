//! `bateau bench`: what a broker takes, gives, and how long a record is on its way.
//!
//! With a rate, a record's latency counts from when it was due, not from when it could be sent: a broker that stalls
//! also delays what should have been sent meanwhile (no coordinated omission).

mod consume;
mod cpu;
mod latency;
mod load;
mod produce;
mod report;

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::client::{Cluster, NewTopic, Partition};
use crate::wire::ErrorCode;

use super::connect::Connect;
use super::duration::parse_duration;
use super::error::CliError;

/// How often, and how long each time, a new topic is waited for.
const LOOKS_MAX: u32 = 50;
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
pub struct BenchCommand {
    #[command(flatten)]
    connect: Connect,
    /// A broker's process, on this machine: its CPU time is measured, too
    #[arg(long, value_name = "PID", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How many records are acknowledged, and how soon
    Produce(produce::ProduceBench),
    /// How fast records are read
    Consume(consume::ConsumeBench),
    /// How long a record takes from when it was due until a consumer has it
    Latency(latency::LatencyBench),
}

/// Which topic, made if it is not there.
#[derive(Args, Clone, Debug)]
struct Target {
    /// Where to; made if it is not there
    #[arg(default_value = "bateau-bench")]
    topic: String,
    /// Partitions of the topic, if it has to be made
    #[arg(long, short = 'p', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// A configuration of the topic, if it has to be made; repeatable
    #[arg(long, short = 'c', value_name = "KEY=VALUE", value_parser = super::topic::key_value)]
    config: Vec<(String, String)>,
}

/// How many records, how large, how often.
#[derive(Args, Clone, Debug)]
struct Amount {
    /// End after so many records [default: as many as the time allows]
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// End after this time
    #[arg(long, short = 't', value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    time: Duration,
    /// Bytes of a record's value
    #[arg(long, short = 's', value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=64 << 20))]
    size: u32,
}

impl Target {
    /// All partitions of the topic.
    async fn prepare(&self, cluster: &Cluster) -> Result<Vec<Partition>, CliError> {
        let new = NewTopic {
            name: self.topic.clone(),
            partitions: Some(self.partitions),
            replication_factor: None,
            configs: self.config.clone(),
        };
        match cluster.create_topic(&new).await {
            Ok(()) => eprintln!("bateau: topic {} made, partitions: {}", self.topic, self.partitions),
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
            Err(error) => return Err(error.into()),
        }
        // A topic that was just made takes a moment until all brokers know it.
        let mut looks = 0..LOOKS_MAX;
        loop {
            match cluster.topic(&self.topic).await {
                Ok(topic) => return Ok(topic.all_partitions()),
                Err(error) => {
                    let is_new = error.code() == Some(ErrorCode::UnknownTopicOrPartition);
                    if !is_new || looks.next().is_none() {
                        return Err(error.into());
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl BenchCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let cluster = self.connect.cluster()?;
        let report = match &self.what {
            What::Produce(bench) => bench.run(&cluster, self.pid).await?,
            What::Consume(bench) => bench.run(&cluster, self.pid).await?,
            What::Latency(bench) => bench.run(&cluster, self.pid).await?,
        };
        let mut out = self.connect.output();
        report.print(&mut out)?;
        out.flush()
    }
}
