//! What a replica knows of its group's leadership: the term, who leads, and whether the leader is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::storage::GroupId;

/// Who leads a group, as one of its replicas knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub term: u64,
    /// The leader's replica id; `None` while there is none, or none was heard.
    pub leader: Option<u64>,
    /// Whether the leader's `Term` marker is agreed on, as far as it is known here: only then are the high watermark
    /// and everything before it known.
    pub ready: bool,
}

/// Why a replica asks for votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Candidacy {
    /// Nobody leads.
    #[default]
    Usual,
    /// The leader itself asked for it.
    TakesOver,
    /// Nobody leads, some voters have forgotten what they acknowledged, all answered, and none has more.
    AllWereAsked,
}

/// Is told when a replica knows something else of its leader.
pub(in crate::cluster) trait RoleListener: Send + Sync {
    fn changed(&self, group: &GroupId, role: Role);
}

/// See the module. Changed by what openraft stores and applies, so it is never ahead of it.
pub(in crate::cluster) struct Standing {
    group: GroupId,
    listener: Weak<dyn RoleListener>,
    role: watch::Sender<Role>,
    /// The greatest term whose `Term` marker is agreed on.
    applied_term: AtomicU64,
    candidacy: Mutex<Candidacy>,
    /// Replicas that a message was lost to: what is agreed on may not be known there.
    missed: Mutex<BTreeSet<u64>>,
    /// When each replica last took an append.
    taken: Mutex<BTreeMap<u64, Instant>>,
}

impl Standing {
    /// `term` is that of the last vote; who led then need not lead now.
    pub(in crate::cluster) fn new(group: GroupId, term: u64, listener: Weak<dyn RoleListener>) -> Self {
        let role = Role { term, leader: None, ready: false };
        Self {
            group,
            listener,
            role: watch::Sender::new(role),
            applied_term: 0.into(),
            candidacy: Mutex::default(),
            missed: Mutex::default(),
            taken: Mutex::default(),
        }
    }

    fn change(&self, how: impl FnOnce(&mut Role) -> bool) {
        if self.role.send_if_modified(how)
            && let Some(listener) = self.listener.upgrade()
        {
            listener.changed(&self.group, self.role());
        }
    }

    /// The leader is not heard any more, or said that it cannot lead.
    pub(in crate::cluster) fn forget_leader(&self, leader: u64) {
        if leader == self.group.replica_id {
            return;
        }
        self.change(|role| {
            let is_news = role.leader == Some(leader);
            role.leader = role.leader.filter(|known| *known != leader);
            is_news
        });
    }

    pub(in crate::cluster) fn group(&self) -> GroupId {
        self.group
    }

    pub(in crate::cluster) fn role(&self) -> Role {
        *self.role.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Role> {
        self.role.subscribe()
    }

    /// The term under which this replica leads and is ready.
    pub(super) fn leads(&self) -> Option<u64> {
        let role = self.role();
        (role.leader == Some(self.group.replica_id) && role.ready).then_some(role.term)
    }

    /// A vote is about to be kept; `leader` if a majority granted it.
    pub(super) fn on_vote(&self, term: u64, leader: Option<u64>) {
        self.change(|role| {
            let known =
                term < role.term || (term == role.term && (leader.is_none() || role.leader == leader));
            if !known {
                *role = Role { term, leader, ready: self.applied_term.load(Acquire) >= term };
            }
            !known
        });
    }

    /// The `Term` marker of a leader was agreed on.
    pub(super) fn on_term_applied(&self, term: u64) {
        self.applied_term.fetch_max(term, AcqRel);
        self.change(|role| {
            let is_news = role.term == term && !role.ready;
            role.ready |= is_news;
            is_news
        });
    }

    /// `replica` took an append.
    pub(super) fn take(&self, replica: u64) {
        self.taken.lock().insert(replica, Instant::now());
    }

    pub(super) fn taken_at(&self, replica: u64) -> Option<Instant> {
        self.taken.lock().get(&replica).copied()
    }

    /// A message to `replica` was lost.
    pub(super) fn miss(&self, replica: u64) {
        self.missed.lock().insert(replica);
    }

    /// Those that messages were lost to since the last call.
    pub(super) fn take_missed(&self) -> BTreeSet<u64> {
        std::mem::take(&mut *self.missed.lock())
    }

    /// What the others are told when this replica asks for their votes.
    pub(super) fn candidacy(&self) -> Candidacy {
        *self.candidacy.lock()
    }

    pub(super) fn set_candidacy(&self, candidacy: Candidacy) {
        *self.candidacy.lock() = candidacy;
    }
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing")
            .field("group", &self.group)
            .field("role", &self.role())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    struct Nobody;

    impl RoleListener for Nobody {
        fn changed(&self, _group: &GroupId, _role: Role) {}
    }

    fn standing(term: u64) -> Standing {
        let group = GroupId { topic_id: TopicId(uuid::Uuid::nil()), partition: 0, replica_id: 1 };
        Standing::new(group, term, Weak::<Nobody>::new())
    }

    #[test]
    fn a_leader_is_ready_once_its_own_term_is_agreed_on() {
        let standing = standing(4);
        standing.on_vote(5, None);
        standing.on_vote(5, Some(1));
        assert_eq!(standing.leads(), None);
        standing.on_term_applied(4);
        assert_eq!(standing.leads(), None, "an earlier leader's marker says nothing");
        standing.on_term_applied(5);
        assert_eq!(standing.leads(), Some(5));
    }

    #[test]
    fn a_higher_term_ends_leadership_and_an_older_one_changes_nothing() {
        let standing = standing(0);
        standing.on_vote(5, Some(1));
        standing.on_term_applied(5);
        standing.on_vote(4, Some(2));
        assert_eq!(standing.leads(), Some(5));
        standing.on_vote(6, None);
        assert_eq!(standing.role(), Role { term: 6, leader: None, ready: false });
    }
}
