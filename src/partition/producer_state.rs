//! What a partition remembers of idempotent producers: the last five batches of each.
//!
//! Pure: the caller brings the time. Source: KIP-98; Kafka `ProducerStateEntry`,
//! `ProducerAppendInfo`.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{BatchHeader, Offset};

/// How many batches a producer may have in flight and still be told of duplicates.
pub(super) const WINDOW: usize = 5;
/// The most producers that one partition remembers; beyond it the longest silent one is forgotten.
const PRODUCERS_MAX: usize = 20_000;

/// One batch that was appended, by its sequences (both inclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencedBatch {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub base_offset: Offset,
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub epoch: i16,
    /// Oldest first, at most [`WINDOW`], all of `epoch`.
    pub batches: VecDeque<SequencedBatch>,
    /// When it last appended, by the leader's clock, in milliseconds since the epoch.
    pub last_append_ms: i64,
}

/// What an append of a checked batch would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    Fresh,
    /// Appended before, at this base offset.
    Duplicate {
        base_offset: Offset,
    },
}

/// Why a batch may not follow what its producer sent before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    #[error("epoch {found} of producer {producer_id} is older than {current}")]
    FencedEpoch { producer_id: i64, found: i16, current: i16 },
    #[error("sequence {found} of producer {producer_id} does not follow {last}")]
    OutOfOrder { producer_id: i64, found: i32, last: i32 },
}

/// All producers of a partition. Follows appends, committed or not; a truncation rebuilds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerTable {
    by_id: BTreeMap<i64, Producer>,
}

impl ProducerTable {
    /// Whether `batch` may be appended now.
    ///
    /// # Errors
    /// An older epoch is fenced; a gap, or a new epoch that does not begin at 0, is out of order.
    /// A producer that is not known may begin anywhere.
    pub fn check(&self, batch: &BatchHeader) -> Result<Accept, ProducerError> {
        let (producer_id, first) = (batch.producer_id, batch.base_sequence);
        let Some(known) = self.by_id.get(&producer_id) else {
            return Ok(Accept::Fresh);
        };
        if batch.producer_epoch < known.epoch {
            return Err(ProducerError::FencedEpoch {
                producer_id,
                found: batch.producer_epoch,
                current: known.epoch,
            });
        }
        if batch.producer_epoch > known.epoch {
            return match first {
                0 => Ok(Accept::Fresh),
                found => Err(ProducerError::OutOfOrder { producer_id, found, last: -1 }),
            };
        }
        let last = last_sequence(batch);
        let same = |b: &&SequencedBatch| b.first_sequence == first && b.last_sequence == last;
        if let Some(earlier) = known.batches.iter().find(same) {
            return Ok(Accept::Duplicate { base_offset: earlier.base_offset });
        }
        match known.batches.back() {
            Some(newest) if !follows(newest.last_sequence, first) => {
                Err(ProducerError::OutOfOrder { producer_id, found: first, last: newest.last_sequence })
            }
            _ => Ok(Accept::Fresh),
        }
    }

    /// Remembers a batch that was appended at `base_offset`: the log's order is the truth, also where
    /// [`Self::check`] would refuse it. One that does not follow what is known here was accepted by
    /// a leader that had forgotten the producer, and that one's table began anew with it: older
    /// sequences, told as duplicates, would swallow batches that use them again.
    pub fn record(&mut self, batch: &BatchHeader, base_offset: Offset, now_ms: i64) {
        if !batch.has_producer() {
            return;
        }
        if !self.by_id.contains_key(&batch.producer_id) && self.by_id.len() >= PRODUCERS_MAX {
            self.forget_the_longest_silent();
        }
        let fresh =
            Producer { epoch: batch.producer_epoch, batches: VecDeque::new(), last_append_ms: now_ms };
        let known = self.by_id.entry(batch.producer_id).or_insert(fresh);
        let newest = known.batches.back().map(|newest| newest.last_sequence);
        let follows = newest.is_none_or(|last| follows(last, batch.base_sequence));
        if known.epoch != batch.producer_epoch || !follows {
            known.epoch = batch.producer_epoch;
            known.batches.clear();
        }
        if known.batches.len() == WINDOW {
            known.batches.pop_front();
        }
        known.batches.push_back(SequencedBatch {
            first_sequence: batch.base_sequence,
            last_sequence: last_sequence(batch),
            base_offset,
        });
        known.last_append_ms = now_ms;
    }

    /// Forgets producers that were silent for longer than `expiration_ms` (`producer.id.expiration.ms`).
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_id.retain(|_, p| now_ms.saturating_sub(p.last_append_ms) <= expiration_ms);
    }

    /// Forgets every batch at or past `offset`, and the producers of which none is left.
    pub(super) fn forget_from(&mut self, offset: Offset) {
        self.by_id.retain(|_, producer| {
            producer.batches.retain(|batch| batch.base_offset < offset);
            !producer.batches.is_empty()
        });
    }

    pub fn knows(&self, producer_id: i64) -> bool {
        self.by_id.contains_key(&producer_id)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All producers, by id, for a snapshot.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, p)| (*id, p))
    }

    /// Puts back what a snapshot held.
    pub fn restore(&mut self, producer_id: i64, producer: Producer) {
        self.by_id.insert(producer_id, producer);
    }

    fn forget_the_longest_silent(&mut self) {
        let oldest = self.by_id.iter().min_by_key(|(_, p)| p.last_append_ms).map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.by_id.remove(&id);
        }
    }
}

/// Sequences wrap from `i32::MAX` to 0. Source: Kafka `DefaultRecordBatch.incrementSequence`.
fn last_sequence(batch: &BatchHeader) -> i32 {
    let last = i64::from(batch.base_sequence) + i64::from(batch.last_offset_delta);
    let wrapped = if last > i64::from(i32::MAX) { last - i64::from(i32::MAX) - 1 } else { last };
    i32::try_from(wrapped).unwrap_or(i32::MAX)
}

fn follows(last: i32, next: i32) -> bool {
    next == last.wrapping_add(1) || (next == 0 && last == i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LeaderEpoch;

    fn batch(id: i64, epoch: i16, first: i32, records: i32) -> BatchHeader {
        let mut b = BatchHeader::marker(Offset(0), LeaderEpoch(0), 0);
        b.attributes = 0;
        b.producer_id = id;
        b.producer_epoch = epoch;
        b.base_sequence = first;
        b.record_count = records;
        b.last_offset_delta = records - 1;
        b
    }

    fn appended(table: &mut ProducerTable, b: &BatchHeader, at: i64) {
        assert_eq!(table.check(b), Ok(Accept::Fresh));
        table.record(b, Offset(at), at);
    }

    #[test]
    fn the_last_five_batches_are_known_again_with_their_offsets() {
        let mut table = ProducerTable::default();
        for i in 0..7 {
            appended(&mut table, &batch(1, 0, i * 10, 10), i64::from(i) * 10);
        }
        for i in 2..7 {
            let found = table.check(&batch(1, 0, i * 10, 10));
            assert_eq!(found, Ok(Accept::Duplicate { base_offset: Offset(i64::from(i) * 10) }));
        }
        assert!(matches!(table.check(&batch(1, 0, 10, 10)), Err(ProducerError::OutOfOrder { .. })));
    }

    #[test]
    fn a_gap_is_refused_and_the_next_in_order_is_not() {
        let mut table = ProducerTable::default();
        appended(&mut table, &batch(1, 0, 0, 3), 0);
        let gap = ProducerError::OutOfOrder { producer_id: 1, found: 4, last: 2 };
        assert_eq!(table.check(&batch(1, 0, 4, 1)), Err(gap));
        appended(&mut table, &batch(1, 0, 3, 1), 3);
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
        let mut table = ProducerTable::default();
        appended(&mut table, &batch(1, 4, 7, 1), 0);
        assert!(matches!(table.check(&batch(1, 5, 8, 1)), Err(ProducerError::OutOfOrder { .. })));
        appended(&mut table, &batch(1, 5, 0, 1), 1);
        let fenced = ProducerError::FencedEpoch { producer_id: 1, found: 4, current: 5 };
        assert_eq!(table.check(&batch(1, 4, 8, 1)), Err(fenced));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut table = ProducerTable::default();
        appended(&mut table, &batch(1, 0, i32::MAX - 1, 2), 0);
        appended(&mut table, &batch(1, 0, 0, 1), 2);
        let mut other = ProducerTable::default();
        appended(&mut other, &batch(1, 0, i32::MAX, 3), 0);
        appended(&mut other, &batch(1, 0, 2, 1), 3);
    }

    #[test]
    fn sequences_that_a_forgetful_leader_took_again_are_no_duplicates_of_the_old_ones() {
        let mut table = ProducerTable::default();
        for i in 0..3 {
            appended(&mut table, &batch(1, 0, i * 10, 10), i64::from(i) * 10);
        }
        table.record(&batch(1, 0, 0, 10), Offset(30), 0);
        assert_eq!(table.check(&batch(1, 0, 10, 10)), Ok(Accept::Fresh));
        assert_eq!(table.check(&batch(1, 0, 0, 10)), Ok(Accept::Duplicate { base_offset: Offset(30) }));
    }

    #[test]
    fn silent_producers_are_forgotten_and_their_number_is_bounded() {
        let mut table = ProducerTable::default();
        let most = i64::try_from(PRODUCERS_MAX).unwrap();
        for id in 0..=most {
            table.record(&batch(id, 0, 0, 1), Offset(id), id);
        }
        assert_eq!(table.len(), PRODUCERS_MAX);
        assert_eq!(table.check(&batch(0, 0, 55, 1)), Ok(Accept::Fresh), "the first one is gone");
        table.expire(most + 10, 10);
        assert_eq!(table.len(), 1);
    }
}
