//! The metadata of a cluster whose majority is gone for good, on one node that is left and stopped.
//!
//! The one command that works on a data directory and not through a broker, since no broker can do anything then. How
//! that is done is handed in (`OnStopped`): this room knows no disk.

use std::path::PathBuf;

use clap::Args;
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::output::Output;

/// Reads the metadata of the stopped node whose data directory this is; with `true` the node votes alone from then on.
/// An error is words for people.
pub type OnStopped = fn(PathBuf, bool) -> BoxFuture<'static, Result<StoppedNode, String>>;

/// What a stopped node knows of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedNode {
    pub node_id: i32,
    pub cluster_id: String,
    /// (term, index) of the last entry.
    pub last: Option<(u64, u64)>,
    /// The index as of which all is known to be agreed on.
    pub applied: Option<u64>,
    /// The term of the last vote.
    pub voted_term: u64,
    /// The nodes that vote.
    pub voters: Vec<i32>,
    /// (term, index) from which on the node votes alone, if it does now.
    pub alone: Option<(u64, u64)>,
}

#[derive(Args, Debug)]
pub(super) struct Recover {
    /// The data directory of this node, which must be stopped
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Do it; without it, only what the node has and what this may cost is printed
    #[arg(long)]
    yes: bool,
}

impl Recover {
    pub(super) async fn run(self, out: &mut Output, on_stopped: OnStopped) -> Result<(), CliError> {
        let found = on_stopped(self.data_dir.clone(), self.yes).await.map_err(CliError::Failed)?;
        if out.is_json {
            let place =
                |at: Option<(u64, u64)>| at.map(|(term, index)| json!({ "term": term, "index": index }));
            return out.json(&json!({
                "node": found.node_id, "cluster_id": found.cluster_id, "last": place(found.last),
                "applied": found.applied, "voted_term": found.voted_term, "voters": found.voters,
                "alone": place(found.alone),
            }));
        }
        out.line(&found.described())?;
        if found.alone.is_none() {
            out.line(&found.warning())?;
        }
        Ok(())
    }
}

impl StoppedNode {
    fn described(&self) -> String {
        let place = |at: Option<(u64, u64)>| {
            at.map_or_else(|| "none".into(), |(term, index)| format!("term {term}, index {index}"))
        };
        let voters = self.voters.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        let applied =
            self.applied.map_or_else(|| "not known".into(), |index| format!("up to index {index} at least"));
        let alone = self.alone.map_or_else(String::new, |(term, index)| {
            format!(
                "\nfrom index {index}, term {term} on this node alone votes on the metadata: start it, then the others"
            )
        });
        format!(
            "node {} of cluster {}\n  last entry      {}\n  agreed on       {applied}\n  voted in term   {}\n  nodes that vote {voters}{alone}",
            self.node_id,
            self.cluster_id,
            place(self.last),
            self.voted_term
        )
    }

    fn warning(&self) -> String {
        format!(
            "\n--yes makes node {} the only one that votes on the metadata. Do that only if a majority of the nodes that \
             vote is gone for good:\n\
             - changes of the metadata that only those have are lost: topics, configurations, moves;\n\
             - nodes that are given up must never come back with their old data: start them with an empty directory;\n\
             - look at every node that is left first, and do it on one: that of the greatest term, and of those the \
             greatest index.\n\
             Partitions that lost a majority of their replicas are recovered afterwards: bateau partition recover",
            self.node_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_described_with_what_it_takes_to_choose_one() {
        let node = StoppedNode {
            node_id: 3,
            cluster_id: "abc".into(),
            last: Some((7, 41)),
            applied: None,
            voted_term: 8,
            voters: vec![1, 2, 3],
            alone: None,
        };
        let said = node.described();
        for wanted in
            ["node 3 of cluster abc", "term 7, index 41", "voted in term   8", "vote 1, 2, 3", "not known"]
        {
            assert!(said.contains(wanted), "{said}");
        }
        let alone = StoppedNode { alone: Some((108, 42)), ..node };
        assert!(alone.described().contains("from index 42, term 108 on"), "{}", alone.described());
    }
}
