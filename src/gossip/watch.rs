//! `Watch`: what memberlist tells us, as it happens, becomes changes of the roster and events in a queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use memberlist::delegate::{AliveDelegate, EventDelegate, NodeDelegate};
use memberlist::proto::{Meta, NodeId, NodeState};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::roster::{Change, Roster, Whereabouts};
use super::tags::{Tags, TagsError};

/// Between two lines in the log about members that cannot be used.
const PACE: Duration = Duration::from_secs(10);

type Member = Arc<NodeState<NodeId, SocketAddr>>;

/// memberlist calls it one event after another, holding its own lock; so the queue has the roster's order, and while
/// the queue is full memberlist stands still.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) own: Whereabouts,
    pub(super) roster: Arc<Mutex<Roster>>,
    /// Our own tags, encoded.
    pub(super) tags: Arc<Mutex<Meta>>,
    pub(super) changes: mpsc::Sender<Change>,
    pub(super) complaints: Mutex<Complaints>,
}

/// Why a member is left out of the roster.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{0} is not how a node of this program calls itself")]
    Identity(String),
    #[error("{name} is not understood: {source}")]
    Tags { name: String, source: TagsError },
    #[error("{0} is one too many: the roster is full")]
    Crowd(String),
}

/// When a line was last written, and how many were not.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    last: Option<Instant>,
    kept_back: u64,
}

impl Complaints {
    /// How many were kept back before this one, if it may be written at `now`.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + PACE) {
            self.kept_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.kept_back))
    }
}

impl Watch {
    fn whereabouts(member: &Member) -> Result<Whereabouts, Unusable> {
        let identity = member.id().as_str();
        let who = Whereabouts::parse(identity).filter(|who| who.address == *member.address());
        who.ok_or_else(|| Unusable::Identity(identity.to_owned()))
    }

    fn hear(&self, member: &Member) -> Result<Option<Change>, Unusable> {
        let who = Self::whereabouts(member)?;
        if who == self.own {
            return Ok(None);
        }
        if who.name == self.own.name {
            tracing::info!(name = who.name, address = %who.address,
                "an earlier start of this node is still known, or another process has its name");
        }
        let tags = Tags::decode(member.meta().as_bytes());
        let tags = tags.map_err(|source| Unusable::Tags { name: who.to_string(), source })?;
        Ok(self.roster.lock().hear(who, tags))
    }

    fn complain(&self, unusable: &Unusable) {
        if let Some(kept_back) = self.complaints.lock().admit(Instant::now()) {
            tracing::warn!(%unusable, kept_back, "a gossip member is ignored");
        }
    }

    async fn heard(&self, member: &Member) {
        let change = match self.hear(member) {
            Ok(change) => change,
            Err(unusable) => return self.complain(&unusable),
        };
        self.queue(change).await;
    }

    async fn queue(&self, change: Option<Change>) {
        if let Some(change) = change {
            // Nobody listens any more only when this gossip is closed.
            let _ = self.changes.send(change).await;
        }
    }
}

impl AliveDelegate for Watch {
    type Id = NodeId;
    type Address = SocketAddr;
    type Error = Unusable;

    /// An error keeps the member out of memberlist itself, not only out of the roster.
    async fn notify_alive(&self, member: Member) -> Result<(), Unusable> {
        let who = Self::whereabouts(&member).inspect_err(|unusable| self.complain(unusable))?;
        if who == self.own || self.roster.lock().admits(&who) {
            return Ok(());
        }
        let unusable = Unusable::Crowd(who.to_string());
        self.complain(&unusable);
        Err(unusable)
    }
}

impl EventDelegate for Watch {
    type Id = NodeId;
    type Address = SocketAddr;

    async fn notify_join(&self, member: Member) {
        self.heard(&member).await;
    }

    async fn notify_update(&self, member: Member) {
        self.heard(&member).await;
    }

    async fn notify_leave(&self, member: Member) {
        if let Ok(who) = Self::whereabouts(&member) {
            let change = self.roster.lock().miss(who);
            self.queue(change).await;
        }
    }
}

impl NodeDelegate for Watch {
    async fn node_meta(&self, _limit: usize) -> Meta {
        self.tags.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn complaints_are_paced_and_counted() {
        let mut complaints = Complaints::default();
        let start = Instant::now();
        assert_eq!(complaints.admit(start), Some(0));
        assert_eq!(complaints.admit(start), None);
        assert_eq!(complaints.admit(start + PACE / 2), None);
        assert_eq!(complaints.admit(start + PACE), Some(2));
    }
}
