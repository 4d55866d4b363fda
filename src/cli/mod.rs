//! The command line for people: topics, records, groups, configurations, nodes, users, ACLs, benchmarks. Talks to a broker through `client`.
//!
//! Tables or, with `--json`, JSON go to standard output, everything else to standard error.
//! Exit codes: 0 done; 1 the broker, the network or a file said no; 2 the command line is wrong.

mod acl;
mod bench;
mod certs;
mod clock;
mod cluster;
mod completions;
mod config;
mod connect;
mod consume;
mod duration;
mod error;
mod escape;
mod group;
mod interrupt;
mod number;
mod output;
mod partition;
mod position;
mod produce;
mod progress;
mod time;
mod topic;
mod user;

use std::process::ExitCode;

use clap::Subcommand;

pub use cluster::{OnStopped, StoppedNode};
pub use completions::write_completions;
use error::CliError;
use output::printable;

/// What people ask of a broker.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create, list, describe, alter and delete topics
    Topic(Box<topic::TopicCommand>),
    /// Send lines of standard input as records
    Produce(Box<produce::ProduceCommand>),
    /// Print records
    Consume(Box<consume::ConsumeCommand>),
    /// List and describe consumer groups, move and delete their offsets
    Group(Box<group::GroupCommand>),
    /// Read and change the configuration of a topic, a broker or a group
    Config(Box<config::ConfigCommand>),
    /// Show the nodes and how partitions are; empty a node that goes
    Cluster(Box<cluster::ClusterCommand>),
    /// Recover a partition that lost most of its replicas for good
    Partition(Box<partition::PartitionCommand>),
    /// Measure rates and latencies of a broker
    Bench(Box<bench::BenchCommand>),
    /// List, make and delete users, who log in by SCRAM
    User(Box<user::UserCommand>),
    /// List, add and remove ACLs: who may do what
    Acl(Box<acl::AclCommand>),
    /// Make a development CA and certificates of it; show what is in a certificate
    Certs(certs::CertsCommand),
}

/// Runs one command to its end. `on_stopped` is for the one that is about a node that does not run.
pub async fn run(command: Command, on_stopped: OnStopped) -> ExitCode {
    let done = match command {
        Command::Topic(command) => command.run().await,
        Command::Produce(command) => command.run().await,
        Command::Consume(command) => command.run().await,
        Command::Group(command) => command.run().await,
        Command::Config(command) => command.run().await,
        Command::Cluster(command) => command.run(on_stopped).await,
        Command::Partition(command) => command.run().await,
        Command::Bench(command) => command.run().await,
        Command::User(command) => command.run().await,
        Command::Acl(command) => command.run().await,
        Command::Certs(command) => command.run(),
    };
    match done {
        Ok(()) | Err(CliError::ReaderGone) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bateau: {}", printable(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}
