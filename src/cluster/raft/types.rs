//! The openraft type configuration and the small types that travel through it.

use std::collections::BTreeSet;
use std::fmt;

use openraft::entry::RaftPayload;
use openraft::impls::EmptyNode;
use openraft::raft::responder::Responder;
use openraft::type_config::AsyncRuntime;
use openraft::vote::RaftLeaderId;
use openraft_rt_tokio::TokioRuntime;
use tokio::sync::oneshot;

use crate::model::Offset;
use crate::partition::{CheckedBatch, Membership, ReceivedEntry, Refusal};
use crate::storage::{EntryKind, IndexEntry};

/// Replicas are named by replica id; terms are Kafka's leader epochs.
///
/// Spelt out, since the crate's macro cannot name a responder of our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Types;

impl openraft::RaftTypeConfig for Types {
    type D = Proposal;
    type R = Outcome;
    type NodeId = u64;
    type Node = EmptyNode;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = openraft::impls::Vote<LeaderId>;
    type Payload = Payload;
    type Entry = openraft::Entry<<LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = TokioRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// Takes an answer to whoever still waits for it.
#[derive(Debug)]
pub(super) struct Answer<T>(pub oneshot::Sender<T>);

impl<T: Send + 'static> Responder<Types, T> for Answer<T> {
    fn on_complete(self, result: T) {
        // A client that hung up does not wait any more.
        drop(self.0.send(result));
    }
}

type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;
pub(super) type LogId = openraft::type_config::alias::LogIdOf<Types>;
pub(super) type Entry = openraft::type_config::alias::EntryOf<Types>;
pub(super) type Vote = openraft::type_config::alias::VoteOf<Types>;
pub(super) type RaftMembership = openraft::Membership<u64, EmptyNode>;
pub(super) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;

/// Starts a task on the runtime that the groups run on, so that a simulation sees all of them.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(TokioRuntime::spawn(task));
}

/// What is put before a group.
#[derive(Clone, Debug)]
pub(super) enum Proposal {
    Batch {
        batch: Box<CheckedBatch>,
        expected_term: Option<u64>,
    },
    LogStart(Offset),
    /// Read back from the log: where the bytes are, not the bytes.
    Stored(IndexEntry),
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { batch, .. } => write!(f, "batch of {} bytes", batch.header.size),
            Self::LogStart(offset) => write!(f, "log start {offset}"),
            Self::Stored(entry) => write!(f, "{:?} at {}", entry.kind, entry.offset),
        }
    }
}

/// What an entry of the log holds, on its way through openraft.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// A new leader's first entry.
    Blank,
    Membership(RaftMembership),
    Normal(Proposal),
    /// From another leader: its stored bytes, which go into this log as they are.
    Received {
        entry: Box<ReceivedEntry>,
        membership: Option<RaftMembership>,
    },
}

impl Payload {
    /// What a leader sent.
    pub(super) fn received(entry: ReceivedEntry) -> Self {
        let membership = entry.membership().map(membership_from);
        Self::Received { entry: Box::new(entry), membership }
    }

    /// What lies in this log at `entry`; `membership` if it is one.
    pub(super) fn stored(entry: IndexEntry, membership: Option<RaftMembership>) -> Self {
        match (entry.kind, membership) {
            (EntryKind::Term, _) => Self::Blank,
            (_, Some(membership)) => Self::Membership(membership),
            (_, None) => Self::Normal(Proposal::Stored(entry)),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("term"),
            Self::Membership(membership) => write!(f, "membership {membership}"),
            Self::Normal(proposal) => write!(f, "{proposal}"),
            Self::Received { entry, .. } => write!(f, "{:?} of {} bytes", entry.kind(), entry.len()),
        }
    }
}

impl RaftPayload for Payload {
    type D = Proposal;
    type NodeId = u64;
    type Node = EmptyNode;

    fn blank() -> Self {
        Self::Blank
    }

    fn with_normal(self, data: Proposal) -> Self {
        Self::Normal(data)
    }

    fn with_membership(self, membership: RaftMembership) -> Self {
        Self::Membership(membership)
    }

    fn get_membership(&self) -> Option<RaftMembership> {
        match self {
            Self::Membership(membership) => Some(membership.clone()),
            Self::Received { membership, .. } => membership.clone(),
            Self::Blank | Self::Normal(_) => None,
        }
    }
}

/// What became of a proposal once it was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the log at this base offset.
    Appended {
        base_offset: Offset,
    },
    Refused(Refusal),
    /// A membership, a term, or a moved log start.
    Done,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A log id of `leader_id_std` is just (term, index).
pub(super) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 0).to_committed(), index)
}

pub(super) fn term_of(id: &LogId) -> u64 {
    id.committed_leader_id().term
}

pub(super) fn membership_from(ours: &Membership) -> RaftMembership {
    let configs = ours.configs.iter().map(|set| set.iter().copied().collect::<BTreeSet<_>>()).collect();
    let replicas: BTreeSet<u64> = ours.replicas.iter().copied().collect();
    RaftMembership::new(configs, replicas).unwrap_or_default()
}

pub(super) fn membership_to(theirs: &RaftMembership) -> Membership {
    Membership {
        configs: theirs.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect(),
        replicas: theirs.nodes().map(|(id, _)| *id).collect(),
    }
}
