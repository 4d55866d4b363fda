//! One member of a group, as the coordinator knows it between two of its requests.

use std::collections::HashSet;

use bytes::Bytes;

use super::effects::ReplyTo;
use super::event::{JoinGroup, JoinedMember, Now};
use super::record::MemberMetadata;

/// How long a member that never finished a round may wait for one. Source: Kafka `NEW_MEMBER_JOIN_TIMEOUT_MS`.
const NEW_MEMBER_WAITS_MS: u64 = 5 * 60 * 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    /// Best first.
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    /// Waits for the round to complete.
    pub(super) joining: Option<ReplyTo>,
    /// Waits for the leader's assignment.
    pub(super) syncing: Option<ReplyTo>,
    /// Whether it has asked for this generation's assignment.
    pub(super) synced: bool,
    /// Whether it has yet to finish its first round.
    pub(super) is_new: bool,
    /// When it is given up unless it is heard of, by the monotonic clock.
    pub(super) deadline: u64,
}

impl Member {
    /// Somebody new, who waits for the round as `to`.
    pub(super) fn new(now: Now, join: JoinGroup, to: ReplyTo) -> Self {
        Self {
            id: join.member_id,
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: kept(join.protocols),
            assignment: Bytes::new(),
            joining: Some(to),
            syncing: None,
            synced: false,
            is_new: true,
            deadline: now.monotonic_ms.saturating_add(NEW_MEMBER_WAITS_MS),
        }
    }

    /// A member of a stable group, as the log has it. It has a whole session to be heard of.
    pub(super) fn restored(now: Now, kept: &MemberMetadata, protocol: &str) -> Self {
        let mut member = Self {
            id: kept.member_id.clone(),
            instance_id: kept.instance_id.clone(),
            client_id: kept.client_id.clone(),
            client_host: kept.client_host.clone(),
            session_timeout_ms: kept.session_timeout_ms,
            rebalance_timeout_ms: kept.rebalance_timeout_ms,
            protocols: vec![(protocol.to_owned(), kept.subscription.clone())],
            assignment: kept.assignment.clone(),
            joining: None,
            syncing: None,
            synced: true,
            is_new: false,
            deadline: 0,
        };
        member.heard(now);
        member
    }

    /// As the log keeps it, in a group that chose `protocol`.
    pub(super) fn metadata(&self, protocol: &str) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.subscription(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// Takes what a member that joins again brings, and lets it wait as `to`.
    pub(super) fn joins_again(&mut self, join: JoinGroup, to: ReplyTo) {
        self.protocols = kept(join.protocols);
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.client_id = join.client_id;
        self.client_host = join.client_host;
        self.joining = Some(to);
    }

    /// Gives it another session. One that never finished a round has more time than that.
    pub(super) fn heard(&mut self, now: Now) {
        if self.is_new {
            return;
        }
        self.deadline = now.monotonic_ms.saturating_add(millis(self.session_timeout_ms));
    }

    /// When it is given up, if it can be now: whoever waits for a reply of ours is not expected to send anything.
    pub(super) fn expires_at(&self) -> Option<u64> {
        let waits = self.joining.is_some() || self.syncing.is_some();
        (self.is_new || !waits).then_some(self.deadline)
    }

    pub(super) fn protocol_names(&self) -> HashSet<&str> {
        self.protocols.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// What it takes in memory, nearly.
    pub(super) fn held_bytes(&self) -> usize {
        let protocols = self.protocols.iter().map(|(name, data)| name.len() + data.len() + 64);
        protocols.sum::<usize>() + self.assignment.len() + 2 * self.id.len() + self.client_id.len() + 512
    }

    pub(super) fn subscription(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, data)| data.clone())
            .unwrap_or_default()
    }

    /// For the leader's list.
    pub(super) fn joined(&self, protocol: &str) -> JoinedMember {
        JoinedMember {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            subscription: self.subscription(protocol),
        }
    }
}

/// A timeout that was checked to be positive.
pub(super) fn millis(timeout: i32) -> u64 {
    u64::try_from(timeout).unwrap_or(0)
}

/// Copies, so that a few bytes do not keep a whole request in memory.
fn kept(protocols: Vec<(String, Bytes)>) -> Vec<(String, Bytes)> {
    protocols.into_iter().map(|(name, data)| (name, Bytes::copy_from_slice(&data))).collect()
}
