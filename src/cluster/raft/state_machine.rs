//! What agreement does: it moves the high watermark, wakes who waits, and answers.
//!
//! For the metadata group it also hands each command batch to [`Commands`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, SnapshotMeta};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use tokio::sync::watch;

use super::standing::Standing;
use super::types::{
    LogId, Outcome, Payload, Proposal, StoredMembership, Types, log_id, membership_from, term_of,
};
use crate::cluster::durability::Durability;
use crate::model::RaftIndex;
use crate::partition::{Foundation, Membership, Partition};
use crate::storage::{EntryKind, IndexEntry, StorageError};

/// Where the metadata group's agreed commands go.
pub(in crate::cluster) trait Commands: Send + Sync {
    /// Applies the records of one agreed batch. Called in order; what was applied before may come
    /// again after the group was started anew.
    ///
    /// # Errors
    /// If it cannot be applied: the group stops, since going on would make another state than the
    /// log says.
    fn apply(&self, index: RaftIndex, batch: &Bytes) -> io::Result<()>;

    /// From where on commands of this log are to be applied (exclusive).
    ///
    /// # Errors
    /// [`StorageError`] if the log begins behind what is known: commands are missing.
    fn applied(&self, partition: &Partition) -> Result<Option<RaftIndex>, StorageError>;

    /// Everything that was applied, for a replica that starts from it.
    fn image(&self) -> Bytes;

    /// Takes over what [`Self::image`] made elsewhere, unless more is known here; durable when this returns.
    ///
    /// # Errors
    /// If it cannot be read.
    fn install(&self, image: &[u8]) -> io::Result<()>;
}

/// What the machine shares with its group's handle.
#[derive(Debug)]
pub(in crate::cluster) struct Progress {
    /// The greatest applied Raft index plus one; 0 before any.
    applied_next: AtomicU64,
    /// The Raft index up to which (inclusive) a snapshot may say the log is covered, plus one.
    purge_next: AtomicU64,
}

impl Progress {
    pub(super) fn new(applied: Option<RaftIndex>) -> Self {
        Self { applied_next: AtomicU64::new(applied.map_or(0, |a| a + 1)), purge_next: AtomicU64::new(0) }
    }

    pub(in crate::cluster) fn applied(&self) -> Option<RaftIndex> {
        self.applied_next.load(Acquire).checked_sub(1)
    }

    pub(super) fn allow_purge(&self, upto: RaftIndex) {
        self.purge_next.fetch_max(upto + 1, AcqRel);
    }

    fn purge_upto(&self) -> Option<RaftIndex> {
        self.purge_next.load(Acquire).checked_sub(1)
    }
}

/// See the module.
pub(super) struct Machine {
    pub partition: Arc<Partition>,
    pub commands: Option<Arc<dyn Commands>>,
    pub progress: Arc<Progress>,
    pub standing: Arc<Standing>,
    pub rebuilds: watch::Sender<u64>,
    /// What a rebuilt log is stamped with.
    pub durability: Arc<Durability>,
    /// The log id of the last applied entry, and the newest applied membership.
    pub last_applied: Option<LogId>,
    pub membership: StoredMembership,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("last_applied", &self.last_applied).finish_non_exhaustive()
    }
}

pub(super) fn stored_membership(at: Option<(u64, RaftIndex, Membership)>) -> StoredMembership {
    match at {
        None => StoredMembership::default(),
        Some((term, index, membership)) => {
            StoredMembership::new(Some(log_id(term, index)), membership_from(&membership))
        }
    }
}

impl Machine {
    fn apply_stored(&self, index: RaftIndex, entry: &IndexEntry) -> io::Result<Outcome> {
        let refusal = self.partition.apply(index, entry).map_err(io::Error::other)?;
        if let Some(refusal) = refusal {
            return Ok(Outcome::Refused(refusal));
        }
        if entry.kind != EntryKind::Batch {
            return Ok(Outcome::Done);
        }
        if let Some(commands) = &self.commands {
            let batch = self.partition.reader().bytes(index).map_err(io::Error::other)?;
            commands.apply(index, &batch)?;
        }
        Ok(Outcome::Appended { base_offset: entry.offset })
    }

    fn apply_entry(&mut self, entry: &openraft::type_config::alias::EntryOf<Types>) -> io::Result<Outcome> {
        let index = entry.log_id.index;
        let outcome = match &entry.payload {
            Payload::Normal(Proposal::Stored(at)) => self.apply_stored(index, at)?,
            Payload::Blank => {
                let outcome = self.apply_marker(index)?;
                self.standing.on_term_applied(term_of(&entry.log_id));
                outcome
            }
            Payload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                self.apply_marker(index)?
            }
            other @ (Payload::Normal(_) | Payload::Received { .. }) => {
                return Err(io::Error::other(format!(
                    "{other} at raft index {index} was not read from the log"
                )));
            }
        };
        self.last_applied = Some(entry.log_id);
        self.progress.applied_next.store(index + 1, std::sync::atomic::Ordering::Release);
        Ok(outcome)
    }

    fn apply_marker(&self, index: RaftIndex) -> io::Result<Outcome> {
        if let Some(entry) = self.partition.reader().entry(index) {
            self.partition.apply(index, &entry).map_err(io::Error::other)?;
        }
        Ok(Outcome::Done)
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = CoveredPrefix;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let outcome = self.apply_entry(&entry)?;
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        self.partition.announce();
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> CoveredPrefix {
        CoveredPrefix {
            partition: Arc::clone(&self.partition),
            upto: self.progress.purge_upto(),
            membership: self.membership.clone(),
        }
    }

    /// The log starts over at what the leader sent: everything before is gone there.
    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types>,
        data: Vec<u8>,
    ) -> Result<(), io::Error> {
        let invalid = |e: String| io::Error::new(io::ErrorKind::InvalidData, e);
        let Some(last) = meta.last_log_id else {
            return Err(invalid("a snapshot of nothing".into()));
        };
        let mut rest = &data[..];
        let foundation = Foundation::decode(part(&mut rest)?).map_err(|e| invalid(e.to_string()))?;
        if foundation.before != (term_of(&last), last.index) {
            return Err(invalid(format!(
                "a snapshot of {last} holds the state as of {:?}",
                foundation.before
            )));
        }
        // Before the log: one that begins behind its image has lost commands.
        if let Some(commands) = &self.commands {
            commands.install(part(&mut rest)?)?;
        }
        self.partition.rebuild(foundation, self.durability.now_ms()).map_err(io::Error::other)?;
        self.rebuilds.send_modify(|count| *count += 1);
        self.last_applied = Some(last);
        self.membership = meta.last_membership.clone();
        self.progress.applied_next.store(last.index + 1, std::sync::atomic::Ordering::Release);
        self.standing.on_term_applied(term_of(&last));
        self.partition.announce();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, Vec<u8>>>, io::Error> {
        // What was purged counts as covered, or openraft would take the log for one with a hole.
        let Some(foundation) = self.partition.foundation().map_err(io::Error::other)? else {
            return Ok(None);
        };
        let (term, index) = foundation.before;
        let membership = stored_membership(foundation.state.membership.clone());
        let mut snapshot = covered(Some(log_id(term, index)), &membership);
        put_part(&mut snapshot.snapshot, &foundation.encode());
        if let Some(commands) = &self.commands {
            put_part(&mut snapshot.snapshot, &commands.image());
        }
        Ok(Some(snapshot))
    }
}

/// Parts of a snapshot's data go one after the other, each behind its length.
fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u64).to_be_bytes());
    out.extend_from_slice(part);
}

fn part<'a>(input: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "a snapshot ends early");
    let (length, rest) = input.split_first_chunk::<8>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| short())?;
    let (part, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    *input = rest;
    Ok(part)
}

/// The snapshot of a group up to `last`: nothing but how far it reaches.
fn covered(last: Option<LogId>, membership: &StoredMembership) -> SnapshotOf<Types, Vec<u8>> {
    let is_covered =
        |id: &LogId| last.as_ref().is_some_and(|last| term_of(id) <= term_of(last) && id.index <= last.index);
    let last_membership = match membership.log_id() {
        Some(id) if is_covered(id) => membership.clone(),
        _ => StoredMembership::default(),
    };
    openraft::storage::Snapshot {
        meta: SnapshotMeta { last_log_id: last, last_membership },
        snapshot: Vec::new(),
    }
}

/// Says which prefix of the log is not needed any more: the snapshot point of a group is the raft
/// start index that retention chose, never what was applied last (a replica that lags would skip
/// records).
#[derive(Debug)]
pub(super) struct CoveredPrefix {
    partition: Arc<Partition>,
    upto: Option<RaftIndex>,
    membership: StoredMembership,
}

impl RaftSnapshotBuilder<Types> for CoveredPrefix {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, Vec<u8>>, io::Error> {
        let last_log_id = self
            .upto
            .and_then(|index| self.partition.reader().entry(index).map(|e| log_id(u64::from(e.term), index)));
        Ok(covered(last_log_id, &self.membership))
    }
}
