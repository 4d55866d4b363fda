//! What members ask of a group, and the answers that are more than a yes.

use bytes::Bytes;
use uuid::Uuid;

/// The time of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since any moment, never going back: sessions and rounds are measured by it.
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch: written into records, and the measure of retention.
    pub wall_ms: i64,
}

/// Limits of all groups, as they are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    pub session_timeout_min_ms: i32,
    pub session_timeout_max_ms: i32,
    /// How long an empty group waits for more members than its first.
    pub initial_rebalance_delay_ms: u64,
    pub members_max: usize,
    /// In UTF-16 units.
    pub offset_metadata_length_max: usize,
    /// What one record may take, and so a group's membership.
    pub record_bytes_max: usize,
    pub offsets_retention_ms: i64,
}

/// Somebody wants to be a member, or a member takes part in the next round.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    pub group: String,
    /// Empty: none yet.
    pub member_id: String,
    /// Makes a static member. Source: KIP-345.
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocol_type: String,
    /// What the member can do, best first, with its own data for each. Opaque.
    pub protocols: Vec<(String, Bytes)>,
    /// Whether a new dynamic member is told its id and must come again (v4 and later, KIP-394).
    pub id_required: bool,
    /// Whether the client knows what `Joined::skip_assignment` means (v9 and later, KIP-814).
    pub knows_skip: bool,
    /// Fresh, for an id if one is needed.
    pub fresh: Uuid,
}

/// The member is in the round's generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: String,
    /// The leader need not assign anew: nothing changed. Source: KIP-814.
    pub skip_assignment: bool,
    pub member_id: String,
    /// All members, for the leader; empty for others.
    pub members: Vec<JoinedMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub subscription: Bytes,
}

/// A member wants its assignment; the leader brings all of them.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    pub group: String,
    pub generation: i32,
    pub member_id: String,
    pub instance_id: Option<String>,
    /// Checked if given (v5 and later, KIP-559).
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignments: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignment: Bytes,
}

#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub group: String,
    pub generation: i32,
    pub member_id: String,
    pub instance_id: Option<String>,
}

#[derive(Clone, Debug)]
pub struct LeaveGroup {
    pub group: String,
    pub members: Vec<Leaving>,
}

#[derive(Clone, Debug)]
pub struct Leaving {
    /// Empty: whoever `instance_id` is.
    pub member_id: String,
    pub instance_id: Option<String>,
}

#[derive(Clone, Debug)]
pub struct CommitOffsets {
    pub group: String,
    /// -1: not a member, just somebody who keeps offsets here.
    pub generation: i32,
    pub member_id: String,
    pub instance_id: Option<String>,
    /// How long the offsets are kept whatever the group does (v2-4).
    pub retention_ms: Option<i64>,
    pub offsets: Vec<CommitOffset>,
}

#[derive(Clone, Debug)]
pub struct CommitOffset {
    pub topic: String,
    pub topic_id: Option<Uuid>,
    pub partition: i32,
    pub offset: i64,
    /// -1: not known.
    pub leader_epoch: i32,
    pub metadata: String,
}
