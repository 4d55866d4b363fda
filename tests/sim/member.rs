//! A consumer as the protocol wants it, more or less: some are slow, and some die.

use bateau::coordinator::{GroupError, JoinGroup, Joined, ReplyTo, SyncGroup};
use bytes::Bytes;
use uuid::Uuid;

pub(crate) const SESSION_MS: i32 = 1_000;
pub(crate) const REBALANCE_MS: i32 = 3_000;
pub(crate) const HEARTBEAT_MS: u64 = 300;

/// What it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nobody runs it.
    Gone,
    /// Has to join, as soon as it gets to it.
    Outside,
    Joining(ReplyTo),
    /// Has joined, and has to sync.
    Joined(Joined),
    Syncing(ReplyTo),
    /// Owns its partitions.
    Consuming(Vec<i32>),
}

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) instance_id: Option<String>,
    /// What the coordinator calls it; empty until it does.
    pub(crate) id: String,
    pub(crate) generation: i32,
    pub(crate) doing: Doing,
    /// Does nothing until then, by the monotonic clock.
    pub(crate) busy_until: u64,
    pub(crate) beats_at: u64,
    /// Whether it wants to lead a round that nobody asked for.
    pub(crate) data: u8,
}

impl Member {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            name: format!("m{number}"),
            instance_id: number.is_multiple_of(3).then(|| format!("i{number}")),
            id: String::new(),
            generation: -1,
            doing: Doing::Gone,
            busy_until: 0,
            beats_at: 0,
            data: 0,
        }
    }

    pub(crate) fn join(&self, fresh: u64) -> JoinGroup {
        JoinGroup {
            group: "g".into(),
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.name.clone(),
            client_host: "/sim".into(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".into(),
            protocols: vec![(
                "range".into(),
                Bytes::copy_from_slice(&[0, 0, 0, 0, 0, 1, 0, 1, b't', self.data]),
            )],
            id_required: true,
            knows_skip: true,
            fresh: Uuid::from_u128(u128::from(fresh)),
        }
    }

    /// The leader deals `partitions` out, round and round.
    pub(crate) fn sync(&self, joined: &Joined, partitions: i32) -> SyncGroup {
        let count = i32::try_from(joined.members.len().max(1)).unwrap();
        let dealt = |number: i32| -> Bytes {
            (0..partitions).filter(|p| p % count == number).map(|p| u8::try_from(p).unwrap()).collect()
        };
        let assignments = (0..).zip(&joined.members).map(|(n, m)| (m.member_id.clone(), dealt(n)));
        SyncGroup {
            group: "g".into(),
            generation: joined.generation,
            member_id: joined.member_id.clone(),
            instance_id: self.instance_id.clone(),
            protocol_type: None,
            protocol: None,
            assignments: if joined.skip_assignment { Vec::new() } else { assignments.collect() },
        }
    }

    /// What a real client does when it is refused.
    pub(crate) fn refused(&mut self, error: &GroupError) {
        match error {
            GroupError::MemberIdRequired { member, .. } => self.id.clone_from(member),
            GroupError::UnknownMember { .. } => {
                self.id.clear();
                self.generation = -1;
            }
            GroupError::RebalanceInProgress { .. } | GroupError::IllegalGeneration { .. } => {}
            // Another process has its name: this one is over.
            GroupError::FencedInstance { .. } => {
                self.doing = Doing::Gone;
                return;
            }
            other => panic!("{} was refused: {other}", self.name),
        }
        self.doing = Doing::Outside;
    }
}
