//! What an event leads to: records to be written, and replies for after that.

use super::error::GroupError;
use super::event::{Joined, Synced};
use super::record::GroupRecord;

/// Who waits for a reply. Numbers are the caller's and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyTo(pub u64);

/// What somebody who joined or synced waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Joined(Joined),
    Synced(Synced),
    Refused(GroupError),
}

/// To be carried out in this order: `records` are written and agreed on, then `replies` are sent.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "records that nobody writes are lost"]
pub struct Effects {
    pub records: Vec<GroupRecord>,
    pub replies: Vec<(ReplyTo, Reply)>,
}

impl Effects {
    pub(super) fn refuse(to: ReplyTo, error: GroupError) -> Self {
        Self { records: Vec::new(), replies: vec![(to, Reply::Refused(error))] }
    }

    /// Does `other` after this.
    pub(super) fn and(&mut self, other: Self) {
        self.records.extend(other.records);
        self.replies.extend(other.replies);
    }

    pub(super) fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.replies.push((to, reply));
    }

    pub(super) fn write(&mut self, record: GroupRecord) {
        self.records.push(record);
    }
}
