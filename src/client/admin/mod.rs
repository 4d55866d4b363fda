//! What is asked about topics, configurations, offsets, groups, nodes, replicas, users and ACLs, a file for each. All of them are `impl Cluster`.

pub(super) mod acls;
pub(super) mod configs;
pub(super) mod groups;
pub(super) mod nodes;
pub(super) mod offsets;
pub(super) mod placement;
pub(super) mod quorum;
pub(super) mod topics;
pub(super) mod users;

use crate::wire::StrBytes;

/// How long a broker may take for a change, and is told so.
const CHANGE_WITHIN_MS: i32 = 30_000;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
