//! What a replica starts from when its leader has no longer the entries that it lacks.
//!
//! # How a leader comes by it
//!
//! A log is purged only as far as a snapshot of agreed entries covers it, and one that does stays: as
//! of some entry S at or behind the last purged one, P. A foundation is that state taken back to P:
//!
//! - *Producers*: of each window, the batches below the end of P. The replica appends the entries
//!   from P to S again, and has S's windows then, exactly: what counts of a window is its newest
//!   batches, and those below P that are among the newest at S are in S's window. Between P and S
//!   its windows may be shorter than they were, and nobody asks: it leads only with all that was
//!   agreed on, so not before it has S.
//! - *Epochs*: what is purged lies below the log start, so the one epoch that covers the end of P is
//!   all there is: the term of P. Later ones come with their markers.
//! - *Membership*: the newest at or before P. A partition remembers them from there on.
//! - *Log start*: the end of P; a later one comes with its marker.
//!
//! Layout (big endian): version u16 · check u32 (CRC-32C of what follows) · term u64 and Raft index
//! u64 of P · offset i64 · the partition's state, as in a `.snapshot`.

use std::sync::atomic::Ordering::{AcqRel, Acquire};

use bytes::{Buf, BufMut};

use super::epochs::{EpochCache, EpochStart};
use super::error::PartitionError;
use super::partition::Partition;
use super::state::{PartitionState, StateError};
use super::writer::{Writer, state_in};
use crate::model::{LeaderEpoch, Offset, RaftIndex};
use crate::storage::SegmentStart;

const VERSION: u16 = 1;
/// Greatest Raft index and offset that are believed: far above any, far from where sums overflow.
const POSITION_MAX: u64 = 1 << 62;
/// How often a purge may come between before a foundation is given up.
const TRIES: usize = 3;

/// Everything as of one Raft index, the last before the log's first entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foundation {
    /// Term and index of that entry.
    pub before: (u64, RaftIndex),
    /// Of the next record.
    pub offset: Offset,
    pub state: PartitionState,
}

impl Foundation {
    /// The state as of `before`, out of one as of a later entry. See the module.
    fn taken_back(before: (u64, RaftIndex), offset: Offset, later: PartitionState) -> Self {
        let (term, index) = before;
        let epoch = LeaderEpoch(i32::try_from(term).unwrap_or(i32::MAX));
        let mut epochs = EpochCache::default();
        if term > 0 {
            let known = later.epochs.iter().find(|start| start.epoch == epoch);
            epochs.begin(EpochStart { epoch, raft_index: known.map_or(index, |s| s.raft_index), offset });
        }
        let memberships = later.earlier.into_iter().chain(later.membership);
        let membership = memberships.take_while(|(_, at, _)| *at <= index).last();
        let mut producers = later.producers;
        producers.forget_from(offset);
        let state = PartitionState {
            log_start: offset,
            committed: Some(index),
            membership,
            earlier: Vec::new(),
            epochs,
            producers,
        };
        Self { before, offset, state }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        rest.put_u64(self.before.0);
        rest.put_u64(self.before.1);
        rest.put_i64(self.offset.0);
        rest.put_slice(&self.state.encode());
        let mut out = Vec::with_capacity(6 + rest.len());
        out.put_u16(VERSION);
        out.put_u32(crc32c::crc32c(&rest));
        out.put_slice(&rest);
        out
    }

    /// # Errors
    /// [`StateError`] for every byte string that [`Self::encode`] does not make.
    pub fn decode(mut input: &[u8]) -> Result<Self, StateError> {
        let of = "foundation";
        let short = |_| StateError::Short { of };
        let version = input.try_get_u16().map_err(short)?;
        if version != VERSION {
            return Err(StateError::Version { found: version });
        }
        let check = input.try_get_u32().map_err(short)?;
        if crc32c::crc32c(input) != check {
            return Err(StateError::Impossible { of: "checksum" });
        }
        let term = input.try_get_u64().map_err(short)?;
        let index = input.try_get_u64().map_err(short)?;
        let offset = Offset(input.try_get_i64().map_err(short)?);
        let state = PartitionState::decode(input)?;
        if i32::try_from(term).is_err() {
            return Err(StateError::Impossible { of: "term" });
        }
        if index > POSITION_MAX || !u64::try_from(offset.0).is_ok_and(|at| at <= POSITION_MAX) {
            return Err(StateError::Impossible { of: "position" });
        }
        if state.log_start != offset || state.committed != Some(index) {
            return Err(StateError::Impossible { of: "log start or commit" });
        }
        if state.membership.as_ref().is_some_and(|(_, at, _)| *at > index) || !state.earlier.is_empty() {
            return Err(StateError::Impossible { of: "membership" });
        }
        Ok(Self { before: (term, index), offset, state })
    }
}

impl Partition {
    /// What a replica needs to follow from this log's first entry on; `None` if nothing was ever
    /// purged, so that it needs nothing. Waits for a snapshot that is being written, and reads one.
    ///
    /// # Errors
    /// [`PartitionError::Storage`] if the disk refuses. [`PartitionError::NoSnapshot`] if purges come
    /// between again and again, or somebody took the snapshot away that covers them.
    pub fn foundation(&self) -> Result<Option<Foundation>, PartitionError> {
        let begin = || {
            let log = &self.writer.lock().log;
            log.before_first().map(|before| (before, log.base_offset()))
        };
        let mut tries = 0;
        while let Some(begun) = begin() {
            // Without the writer's lock, so that appends go on meanwhile; so may a purge.
            let snapshot = self.reader().oldest_snapshot_from(begun.0.1)?;
            if let Some(snapshot) = snapshot.filter(|_| begin() == Some(begun)) {
                let later = state_in(self.reader().dir(), Some(&snapshot))?;
                return Ok(Some(Foundation::taken_back(begun.0, begun.1, later)));
            }
            tries += 1;
            if tries == TRIES {
                return Err(PartitionError::NoSnapshot { before: begun.0.1 });
            }
        }
        Ok(None)
    }

    /// Starts over at `foundation`, durably: every entry goes, and a crash leaves the old log or the
    /// new one. The high watermark and the log start become its offset; runs that were lent stay
    /// readable.
    ///
    /// If the entry that it stands for is here, nothing goes: what follows it may have been
    /// acknowledged, and Raft counts on it. Only the lines move.
    ///
    /// # Errors
    /// [`PartitionError::Behind`] if that would take an entry that was agreed on.
    pub fn rebuild(&self, foundation: Foundation, _now_ms: i64) -> Result<(), PartitionError> {
        let Foundation { before: (term, before), offset, state } = foundation;
        let mut writer = self.writer.lock();
        writer.check_in_step()?;
        let committed = self.committed_next.load(Acquire);
        match self.end_of_matching(&writer, (term, before)) {
            Some(wanted) if wanted != offset => {
                return Err(PartitionError::Offset { index: before, found: offset, wanted });
            }
            Some(_) => {}
            None if before.saturating_add(1) < committed || offset < self.lines.high_watermark() => {
                return Err(PartitionError::Behind { before, committed: committed.saturating_sub(1) });
            }
            None => {
                let first_raft_index = before.saturating_add(1);
                let start = SegmentStart { base_offset: offset, first_raft_index, term_before: Some(term) };
                writer.log.rebuild(start, state.encode())?;
                writer.restore(state);
                self.refusals.lock().clear();
            }
        }
        self.committed_next.fetch_max(before.saturating_add(1), AcqRel);
        // Not earlier: the old log may go past its high watermark with what was never agreed on.
        self.lines.advance_high_watermark(offset);
        self.lines.advance_log_start(offset);
        writer.epochs.trim(self.lines.log_start());
        Ok(())
    }

    /// The offset behind the entry of that term and index, if this log has it or began behind it.
    fn end_of_matching(&self, writer: &Writer, (term, index): (u64, RaftIndex)) -> Option<Offset> {
        if writer.log.before_first() == Some((term, index)) {
            return Some(writer.log.base_offset());
        }
        let entry = self.reader().entry(index)?;
        if u64::from(entry.term) == term { self.reader().end_of(index) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::Membership;

    fn later() -> PartitionState {
        let mut later = PartitionState { log_start: Offset(90), committed: Some(40), ..Default::default() };
        let of = |replica| Membership { configs: vec![vec![replica]], replicas: vec![replica] };
        later.earlier = vec![(0, 0, of(1)), (2, 19, of(2))];
        later.membership = Some((3, 30, of(3)));
        for (epoch, raft_index, offset) in [(2, 15, 90), (3, 25, 95)] {
            later.epochs.begin(EpochStart { epoch: LeaderEpoch(epoch), raft_index, offset: Offset(offset) });
        }
        later
    }

    #[test]
    fn a_foundation_is_the_state_as_of_the_last_purged_entry() {
        let taken = Foundation::taken_back((2, 20), Offset(50), later());
        assert_eq!(taken.state.membership.as_ref().map(|m| m.1), Some(19));
        let epochs: Vec<_> = taken.state.epochs.iter().copied().collect();
        assert_eq!(epochs, [EpochStart { epoch: LeaderEpoch(2), raft_index: 15, offset: Offset(50) }]);
        assert_eq!((taken.state.log_start, taken.state.committed), (Offset(50), Some(20)));
    }

    #[test]
    fn a_foundation_survives_its_own_bytes_and_no_others_make_one() {
        let taken = Foundation::taken_back((2, 20), Offset(50), later());
        let whole = taken.encode();
        assert_eq!(Foundation::decode(&whole), Ok(taken.clone()));
        for end in 0..whole.len() {
            assert!(Foundation::decode(&whole[..end]).is_err(), "cut at {end}");
            let mut flipped = whole.clone();
            flipped[end] ^= 1;
            assert!(Foundation::decode(&flipped).is_err(), "flipped at {end}");
        }
        let wrong = [
            Foundation { before: (1 << 31, 20), ..taken.clone() },
            Foundation { before: (2, u64::MAX), ..taken.clone() },
            Foundation { offset: Offset(-1), ..taken.clone() },
            Foundation { offset: Offset(49), ..taken },
        ];
        for wrong in wrong {
            assert!(matches!(Foundation::decode(&wrong.encode()), Err(StateError::Impossible { .. })));
        }
    }
}
