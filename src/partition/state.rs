//! What a partition's `.snapshot` holds beside the Log's own facts, and its bytes.
//!
//! Layout (big endian, version 2): version u16 · log start i64 · committed Raft index + 1 u64 ·
//! memberships, newest first (each: present u8 = 1, log id, sets, replicas; then 0) ·
//! epochs (count u32, entries) · producers (count u32, entries). Version 1 has the newest
//! membership only, or a 0. The file around it has its own checksum.

use bytes::{Buf, BufMut};

use super::epochs::{EpochCache, EpochStart};
use super::producer_state::{Producer, ProducerTable, SequencedBatch, WINDOW};
use crate::model::{LeaderEpoch, Offset, RaftIndex};

const VERSION: u16 = 2;
/// A state with one membership at most.
const VERSION_OF_ONE: u16 = 1;

/// A Raft membership in our own words: the configurations (one, or two while joint), and learners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Voter sets by replica id.
    pub configs: Vec<Vec<u64>>,
    /// All replicas, voters and learners.
    pub replicas: Vec<u64>,
}

/// A membership with the term and Raft index of its entry.
pub type StoredMembership = (u64, RaftIndex, Membership);

/// A partition's soft state as of one Raft index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionState {
    pub log_start: Offset,
    /// The greatest Raft index known to be committed then.
    pub committed: Option<RaftIndex>,
    /// The newest membership.
    pub membership: Option<StoredMembership>,
    /// Those before it, ascending, from the last one on that the log's first entry follows.
    pub earlier: Vec<StoredMembership>,
    pub epochs: EpochCache,
    pub producers: ProducerTable,
}

/// Bytes that are no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("version {found} of a partition snapshot is not {VERSION}")]
    Version { found: u16 },
    #[error("a partition snapshot ends in the middle of its {of}")]
    Short { of: &'static str },
    #[error("a partition snapshot announces {count} {of}")]
    Count { of: &'static str, count: usize },
    #[error("an impossible {of}")]
    Impossible { of: &'static str },
}

impl Membership {
    /// Version 1: count of sets u16, each count u16 and ids u64; count of replicas u16 and ids.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let ids = |out: &mut Vec<u8>, ids: &[u64]| {
            out.put_u16(u16::try_from(ids.len()).expect("a partition has few replicas"));
            for id in ids {
                out.put_u64(*id);
            }
        };
        out.put_u16(u16::try_from(self.configs.len()).expect("one or two configurations"));
        self.configs.iter().for_each(|set| ids(out, set));
        ids(out, &self.replicas);
    }

    pub fn decode(input: &mut &[u8]) -> Result<Self, StateError> {
        let of = "membership";
        let ids = |input: &mut &[u8]| -> Result<Vec<u64>, StateError> {
            let count = usize::from(input.try_get_u16().map_err(|_| StateError::Short { of })?);
            if count * 8 > input.remaining() {
                return Err(StateError::Count { of, count });
            }
            Ok((0..count).map(|_| input.get_u64()).collect())
        };
        let sets = input.try_get_u16().map_err(|_| StateError::Short { of })?;
        let mut configs = Vec::new();
        for _ in 0..sets {
            configs.push(ids(input)?);
        }
        Ok(Self { configs, replicas: ids(input)? })
    }
}

impl PartitionState {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u16(VERSION);
        out.put_i64(self.log_start.0);
        out.put_u64(self.committed.map_or(0, |c| c + 1));
        for (term, index, membership) in self.membership.iter().chain(self.earlier.iter().rev()) {
            out.put_u8(1);
            out.put_u64(*term);
            out.put_u64(*index);
            membership.encode(&mut out);
        }
        out.put_u8(0);
        out.put_u32(count_of(self.epochs.iter().count()));
        for start in self.epochs.iter() {
            out.put_i32(start.epoch.0);
            out.put_u64(start.raft_index);
            out.put_i64(start.offset.0);
        }
        out.put_u32(count_of(self.producers.len()));
        for (id, producer) in self.producers.iter() {
            encode_producer(&mut out, id, producer);
        }
        out
    }

    /// # Errors
    /// [`StateError`] for every byte string that [`Self::encode`] does not make.
    pub fn decode(mut input: &[u8]) -> Result<Self, StateError> {
        let input = &mut input;
        let short = |of| move |_| StateError::Short { of };
        let version = input.try_get_u16().map_err(short("version"))?;
        if version != VERSION && version != VERSION_OF_ONE {
            return Err(StateError::Version { found: version });
        }
        let log_start = Offset(input.try_get_i64().map_err(short("log start"))?);
        let committed = input.try_get_u64().map_err(short("commit"))?.checked_sub(1);
        let mut earlier = Vec::new();
        while input.try_get_u8().map_err(short("membership"))? != 0 {
            let term = input.try_get_u64().map_err(short("membership"))?;
            let index = input.try_get_u64().map_err(short("membership"))?;
            earlier.push((term, index, Membership::decode(input)?));
            if version == VERSION_OF_ONE {
                break;
            }
        }
        earlier.reverse();
        let membership = earlier.pop();
        let mut epochs = EpochCache::default();
        for _ in 0..input.try_get_u32().map_err(short("epochs"))? {
            epochs.begin(EpochStart {
                epoch: LeaderEpoch(input.try_get_i32().map_err(short("epochs"))?),
                raft_index: input.try_get_u64().map_err(short("epochs"))?,
                offset: Offset(input.try_get_i64().map_err(short("epochs"))?),
            });
        }
        let mut producers = ProducerTable::default();
        for _ in 0..input.try_get_u32().map_err(short("producers"))? {
            let (id, producer) = decode_producer(input)?;
            producers.restore(id, producer);
        }
        if !input.is_empty() {
            return Err(StateError::Impossible { of: "length" });
        }
        Ok(Self { log_start, committed, membership, earlier, epochs, producers })
    }
}

fn count_of(n: usize) -> u32 {
    u32::try_from(n).expect("bounded far below")
}

fn encode_producer(out: &mut Vec<u8>, id: i64, producer: &Producer) {
    out.put_i64(id);
    out.put_i16(producer.epoch);
    out.put_i64(producer.last_append_ms);
    out.put_u8(u8::try_from(producer.batches.len()).expect("at most WINDOW"));
    for batch in &producer.batches {
        out.put_i32(batch.first_sequence);
        out.put_i32(batch.last_sequence);
        out.put_i64(batch.base_offset.0);
    }
}

fn decode_producer(input: &mut &[u8]) -> Result<(i64, Producer), StateError> {
    let of = "producers";
    let short = |_| StateError::Short { of };
    let id = input.try_get_i64().map_err(short)?;
    let epoch = input.try_get_i16().map_err(short)?;
    let last_append_ms = input.try_get_i64().map_err(short)?;
    let count = usize::from(input.try_get_u8().map_err(short)?);
    if count > WINDOW {
        return Err(StateError::Count { of: "batches", count });
    }
    let mut batches = std::collections::VecDeque::with_capacity(count);
    for _ in 0..count {
        batches.push_back(SequencedBatch {
            first_sequence: input.try_get_i32().map_err(short)?,
            last_sequence: input.try_get_i32().map_err(short)?,
            base_offset: Offset(input.try_get_i64().map_err(short)?),
        });
    }
    Ok((id, Producer { epoch, batches, last_append_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PartitionState {
        let mut state = PartitionState { log_start: Offset(5), committed: Some(0), ..Default::default() };
        state.membership =
            Some((3, 9, Membership { configs: vec![vec![1, 2], vec![2]], replicas: vec![1, 2, 7] }));
        state.earlier = vec![(0, 0, Membership::default()), (3, 8, Membership::default())];
        state.epochs.begin(EpochStart { epoch: LeaderEpoch(3), raft_index: 8, offset: Offset(5) });
        let batches = [SequencedBatch { first_sequence: 0, last_sequence: 4, base_offset: Offset(5) }].into();
        state.producers.restore(77, Producer { epoch: 2, batches, last_append_ms: 1234 });
        state
    }

    #[test]
    fn a_state_survives_its_own_bytes() {
        assert_eq!(PartitionState::decode(&sample().encode()), Ok(sample()));
        let empty = PartitionState::default();
        assert_eq!(PartitionState::decode(&empty.encode()), Ok(empty));
    }

    #[test]
    fn a_state_of_the_first_version_has_one_membership() {
        let mut old = sample();
        old.earlier.clear();
        let mut bytes = old.encode();
        bytes[..2].copy_from_slice(&VERSION_OF_ONE.to_be_bytes());
        let membership = {
            let mut out = Vec::new();
            old.membership.as_ref().unwrap().2.encode(&mut out);
            out.len()
        };
        // That version had no 0 behind the one membership.
        let end = 2 + 8 + 8 + 1 + 8 + 8 + membership;
        assert_eq!(bytes.remove(end), 0);
        assert_eq!(PartitionState::decode(&bytes), Ok(old));
    }

    #[test]
    fn every_cut_of_a_state_is_an_error() {
        let whole = sample().encode();
        for end in 0..whole.len() {
            assert!(PartitionState::decode(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}
