//! Which leader epoch began where: the leader-epoch cache.
//!
//! One entry for each `Term` marker of the log, also if no record follows it.
//! Source: KIP-101, KIP-320; Kafka `LeaderEpochFileCache`.

use crate::model::{LeaderEpoch, Offset, RaftIndex};

/// Where an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: LeaderEpoch,
    /// Of its marker; a later one, if all that is known is that the marker was purged.
    pub raft_index: RaftIndex,
    /// The log end offset when it began: its first record's offset, if it has one.
    pub offset: Offset,
}

/// Epoch starts, oldest first. Epochs and Raft indexes grow; offsets never fall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    starts: Vec<EpochStart>,
}

impl EpochCache {
    /// Notes a new epoch. One that is known already changes nothing.
    pub fn begin(&mut self, start: EpochStart) {
        match self.starts.last() {
            Some(last) if last.epoch >= start.epoch => {}
            _ => self.starts.push(start),
        }
    }

    /// The newest epoch, if any began.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.starts.last().map(|s| s.epoch)
    }

    /// The largest epoch that is at most `asked`, and the offset at which it ended (exclusive);
    /// the newest one ends at `log_end`. `None` if `asked` is newer than all or nothing is known.
    ///
    /// An epoch before all known ones ends where the first known one begins, under its own name.
    /// Source: Kafka `LeaderEpochFileCache.endOffsetFor`.
    pub fn end_of(&self, asked: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if asked > latest {
            return None;
        }
        let after = self.starts.partition_point(|s| s.epoch <= asked);
        let end = self.starts.get(after).map_or(log_end, |s| s.offset);
        let epoch = after.checked_sub(1).map_or(asked, |i| self.starts[i].epoch);
        Some((epoch, end))
    }

    /// The epoch under which `offset` was, or will be, written.
    pub fn covering(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.starts.partition_point(|s| s.offset <= offset);
        self.starts.get(after.checked_sub(1)?).map(|s| s.epoch)
    }

    /// Drops epochs that ended before `log_start`, keeping the one that covers it.
    pub fn trim(&mut self, log_start: Offset) {
        let covering = self.starts.partition_point(|s| s.offset <= log_start);
        self.starts.drain(..covering.saturating_sub(1));
        if let Some(first) = self.starts.first_mut() {
            first.offset = first.offset.max(log_start);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &EpochStart> {
        self.starts.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, raft_index, offset) in [(1, 0, 0), (3, 20, 15), (4, 30, 15), (7, 40, 40)] {
            cache.begin(EpochStart { epoch: LeaderEpoch(epoch), raft_index, offset: Offset(offset) });
        }
        cache
    }

    fn end(cache: &EpochCache, asked: i32) -> Option<(i32, i64)> {
        cache.end_of(LeaderEpoch(asked), Offset(99)).map(|(e, o)| (e.0, o.0))
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        let cache = cache();
        assert_eq!(end(&cache, 1), Some((1, 15)));
        assert_eq!(end(&cache, 2), Some((1, 15)));
        assert_eq!(end(&cache, 4), Some((4, 40)));
        assert_eq!(end(&cache, 7), Some((7, 99)));
        assert_eq!(end(&cache, 8), None);
        assert_eq!(end(&cache, 0), Some((0, 0)), "before all: where the first one begins");
        assert_eq!(end(&EpochCache::default(), 0), None);
    }

    #[test]
    fn trimming_keeps_the_epoch_that_covers_the_log_start() {
        let mut cache = cache();
        cache.trim(Offset(20));
        assert_eq!(cache.iter().map(|s| (s.epoch.0, s.offset.0)).collect::<Vec<_>>(), [(4, 20), (7, 40)]);
    }
}
