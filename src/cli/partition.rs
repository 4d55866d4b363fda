//! `bateau partition`: recover. Partitions as parts of a topic are `bateau topic`'s.

mod recover;

use clap::{Args, Subcommand};

use super::connect::Connect;
use super::error::CliError;

#[derive(Args, Debug)]
pub struct PartitionCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Have a partition go on with what is left of it, when most of its replicas are gone for good
    Recover(recover::Recover),
}

impl PartitionCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        match self.verb {
            Verb::Recover(command) => command.run(&cluster, &mut out).await?,
        }
        out.flush()
    }
}
