//! How a node with an empty data directory comes to a cluster: it forms one, or joins one.
//!
//! Alone it forms one. Told of others, it joins whichever cluster they have; if they have none, and it may, it forms
//! one once a majority of them is there: of several that may, the one with the lowest node id. So a node whose disk was
//! wiped never founds a second cluster beside the first.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::StartError;
use super::neighbours::Neighbours;
use crate::broker::controller::{Join, join_message, joined};
use crate::cluster::metadata_replica;
use crate::config::Config;
use crate::gossip::Tags;
use crate::storage::{DataDir, Identity};

/// Pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often it is said what is waited for.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// How long the answer to a join may take.
const JOINED_WITHIN: Duration = Duration::from_secs(20);
/// How long everybody there must have been seen without a cluster before one is formed: somebody who has one may only
/// be late.
const FORMED_AFTER: Duration = Duration::from_secs(1);
/// A node alone that was never told its id.
const DEFAULT_NODE_ID: i32 = 1;

/// What this node is to its cluster; made and kept if it was nothing yet. Waits as long as it takes.
pub(super) async fn identity(
    config: &Config,
    data_dir: &DataDir,
    neighbours: &Neighbours,
) -> Result<Identity, StartError> {
    if let Some(known) = data_dir.meta().identity {
        return match config.node_id.filter(|wanted| *wanted != known.node_id) {
            Some(wanted) => {
                let path = data_dir.path().to_path_buf();
                Err(StartError::OtherNode { path, found: known.node_id, wanted })
            }
            None => Ok(known),
        };
    }
    let others = config.cluster.as_ref().map_or(0, |cluster| cluster.start_join_addrs.len());
    let identity = if others == 0 { founded(config) } else { wait(config, data_dir, neighbours).await? };
    let kept = data_dir.set_identity(identity);
    kept.map_err(|source| StartError::Data { path: data_dir.path().to_path_buf(), source })?;
    Ok(identity)
}

fn founded(config: &Config) -> Identity {
    let node_id = config.node_id.unwrap_or(DEFAULT_NODE_ID);
    let cluster_id = Uuid::new_v4();
    tracing::info!(node_id, cluster = %cluster_id, "a cluster is formed");
    Identity { cluster_id, node_id, metadata_replica: metadata_replica(node_id, 1), is_founder: true }
}

async fn wait(config: &Config, data_dir: &DataDir, neighbours: &Neighbours) -> Result<Identity, StartError> {
    let mut said = Instant::now();
    let mut unformed_since = None;
    loop {
        let members = neighbours.members();
        let formed: Vec<&Tags> = members.iter().filter(|tags| tags.cluster_id.is_some()).collect();
        for tags in &formed {
            match join(config, data_dir, neighbours, tags).await {
                Ok(identity) => return Ok(identity),
                Err(reason) => tracing::warn!(at = tags.rpc_addr, reason, "this node cannot join yet"),
            }
        }
        if formed.is_empty() && may_form(config, data_dir.meta().directory_id, &members) {
            let since = *unformed_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= FORMED_AFTER {
                return Ok(founded(config));
            }
        } else {
            unformed_since = None;
        }
        if said.elapsed() >= SAID_EVERY {
            said = Instant::now();
            let heard: Vec<&str> = members.iter().map(|tags| tags.rpc_addr.as_str()).collect();
            tracing::info!(
                ?heard,
                "waiting for a cluster to join; a first one is formed by a node with --bootstrap"
            );
        }
        sleep(AGAIN_AFTER).await;
    }
}

async fn join(
    config: &Config,
    data_dir: &DataDir,
    neighbours: &Neighbours,
    tags: &Tags,
) -> Result<Identity, String> {
    let join = Join {
        directory_id: data_dir.meta().directory_id.as_bytes().to_vec(),
        node_id: config.node_id,
        rpc_addr: neighbours.rpc_addr.clone(),
    };
    let asked =
        neighbours.exchange.peers().call_address(&tags.rpc_addr, vec![join_message(join)], JOINED_WITHIN);
    let (_, answer) = asked.await.map_err(|error| error.to_string())?;
    let joined = joined(&answer).map_err(|error| error.to_string())?;
    let cluster_id = Uuid::from_slice(&joined.cluster_id).map_err(|error| error.to_string())?;
    tracing::info!(node_id = joined.node_id, cluster = %cluster_id, "joined a cluster");
    let (node_id, metadata_replica) = (joined.node_id, joined.metadata_replica);
    Ok(Identity { cluster_id, node_id, metadata_replica, is_founder: false })
}

/// Whether this node may form the cluster with those that are there, none of which has one.
fn may_form(config: &Config, directory_id: Uuid, members: &[Tags]) -> bool {
    let Some(cluster) = config.cluster.as_ref().filter(|cluster| cluster.bootstrap) else { return false };
    // One's own address may be among those to be joined.
    let expected = cluster.start_join_addrs.len().max(1);
    let there = members.len() + 1;
    // `None` is greatest here: whoever has an id goes first.
    let rank = |node_id: Option<i32>, directory_id: Uuid| (node_id.unwrap_or(i32::MAX), directory_id);
    let mine = rank(config.node_id, directory_id);
    let is_first =
        members.iter().filter(|tags| tags.may_form).all(|t| mine < rank(t.node_id, t.directory_id));
    is_first && there * 2 > expected
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::ServeFlags;

    #[derive(Debug, Parser)]
    struct Serve {
        #[command(flatten)]
        flags: ServeFlags,
    }

    fn config(args: &[&str]) -> Config {
        let args = ["bateau"].iter().chain(args);
        Config::gather(Serve::try_parse_from(args).unwrap().flags).unwrap()
    }

    fn member(n: u128) -> Tags {
        Tags {
            node_id: None,
            directory_id: Uuid::from_u128(n),
            cluster_id: None,
            rpc_addr: format!("n{n}:8400"),
            version: String::new(),
            may_form: false,
        }
    }

    #[test]
    fn a_cluster_is_formed_by_who_may_and_sees_a_majority() {
        let may = config(&["--bootstrap", "--start-join-addrs", "a:1,b:1,c:1"]);
        let me = Uuid::from_u128(9);
        assert!(!may_form(&may, me, &[]), "one of three is no majority");
        assert!(may_form(&may, me, &[member(2)]));
        let must_not = config(&["--start-join-addrs", "a:1,b:1,c:1"]);
        assert!(!may_form(&must_not, me, &[member(2), member(3)]));
    }

    #[test]
    fn of_several_that_may_the_lowest_node_id_forms() {
        let second = config(&["--bootstrap", "--node-id", "2", "--start-join-addrs", "a:1,b:1,c:1"]);
        let other = |node_id| Tags { node_id: Some(node_id), may_form: true, ..member(1) };
        let me = Uuid::from_u128(9);
        assert!(!may_form(&second, me, &[other(1)]));
        assert!(may_form(&second, me, &[other(3)]));
        assert!(may_form(&second, me, &[Tags { may_form: false, ..other(1) }, other(3)]));
    }
}
