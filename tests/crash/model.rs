//! A log does what a plain list does, whatever happens to it in whatever order.

use std::path::PathBuf;
use std::sync::Arc;

use bateau::model::Offset;
use bateau::storage::{CrashPolicy, Disk, EntryKind, Log, LogOptions, MemDisk};
use proptest::prelude::*;

use crate::fixture::{Plain, identity};

const SMALL: LogOptions =
    LogOptions { segment_bytes: 1500, segment_index_bytes: 1024, segment_ms: 1000, segment_jitter_ms: 0 };

#[derive(Clone, Debug)]
enum Step {
    /// Entries by their draws, and how many ms later.
    Append(Vec<u64>, i64),
    Truncate(u8),
    Purge(u8),
    Snapshot(u8),
    Sync,
    Reopen,
    Read(u8, u8, u16),
    Time(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::collection::vec(any::<u64>(), 1..12), 0..400i64).prop_map(|(d, t)| Step::Append(d, t)),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => any::<u8>().prop_map(Step::Purge),
        1 => any::<u8>().prop_map(Step::Snapshot),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
        4 => (any::<u8>(), any::<u8>(), 0..4000u16).prop_map(|(f, b, m)| Step::Read(f, b, m)),
        2 => (0..1000u16).prop_map(Step::Time),
    ]
}

struct World {
    disk: MemDisk,
    log: Log,
    plain: Plain,
    first: usize,
    now_ms: i64,
}

impl World {
    fn new() -> Self {
        let disk = MemDisk::new();
        let log = open(&disk);
        Self { disk, log, plain: Plain::default(), first: 0, now_ms: 1 }
    }

    fn take(&mut self, step: &Step) {
        let len = self.plain.entries.len();
        let share = |part: u8, of: usize| of * usize::from(part) / 256;
        match step {
            Step::Append(draws, later) => {
                self.now_ms += later;
                let entries: Vec<_> = draws.iter().map(|draw| self.plain.next(*draw)).collect();
                self.log.append(&entries, self.now_ms).unwrap();
            }
            Step::Truncate(part) => {
                let oldest = self.log.snapshot_index().map_or(self.first, |s| s as usize + 1);
                let keep = oldest + share(*part, len - oldest);
                self.log.truncate_after((keep as u64).checked_sub(1)).unwrap();
                self.plain.truncate(keep);
            }
            Step::Purge(part) => {
                let upto = share(*part, len) as u64;
                drop(self.log.purge(upto).unwrap());
                let first = self.log.first_raft_index() as usize;
                assert!(first >= self.first && first <= (upto as usize + 1).max(self.first));
                self.first = first;
            }
            Step::Snapshot(part) if len > self.first => {
                let index = (self.first + share(*part, len - self.first)) as u64;
                self.log.snapshot_writer(index, index.to_be_bytes().to_vec()).run().unwrap();
            }
            Step::Snapshot(_) => {}
            Step::Sync => self.log.sync_job().run().unwrap(),
            Step::Reopen => {
                self.disk = self.disk.crash(CrashPolicy::Killed, 0);
                self.log = open(&self.disk);
            }
            Step::Read(from, below, max) => self.read(*from, *below, (*max).into()),
            Step::Time(at) => self.look_up((*at).into()),
        }
    }

    fn read(&self, from: u8, below: u8, max: usize) {
        let (start, end) = (self.log.base_offset(), self.plain.end());
        let span = end.0 - start.0;
        let from = start.plus(span * i64::from(from) / 255);
        // A bound that lies between batches, as a high watermark does.
        let entries = &self.plain.entries;
        let ordinal = entries.len() * usize::from(below) / 255;
        let below = entries.get(ordinal).map_or(end, |e| e.facts.base_offset);
        let found = self.log.reader().read(from, below, max, true).unwrap();
        let wanted = self.plain.run(entries.len(), from, below, max);
        let wanted = wanted.filter(|_| from < below);
        let Some(found) = found else {
            assert!(wanted.is_none(), "a batch lies between {from} and {below}");
            return;
        };
        let (first, bytes) = wanted.unwrap();
        assert_eq!(found.base_offset, entries[first].facts.base_offset);
        let copy = found.copy().unwrap();
        // The end of a segment may end a run early.
        assert!(bytes.starts_with(&copy) && !copy.is_empty());
        if copy.len() < bytes.len() {
            let ends = self.log.segments().iter().any(|s| s.next_offset == found.next_offset);
            assert!(ends, "a run of {} bytes could have {}", copy.len(), bytes.len());
        }
        if copy.len() > max {
            assert_eq!(copy.len(), entries[first].facts.size as usize, "more than was asked for");
        }
    }

    fn look_up(&self, timestamp: i64) {
        let (reader, end) = (self.log.reader(), self.plain.end());
        let here = &self.plain.entries[self.first.min(self.plain.entries.len())..];
        let batches = || here.iter().filter(|e| e.kind == EntryKind::Batch);
        let wanted = batches().find(|e| e.facts.max_timestamp >= timestamp);
        let found = reader.offset_for_timestamp(timestamp, self.log.base_offset(), end);
        assert_eq!(found.map(|e| e.offset), wanted.map(|e| e.facts.base_offset));
        let greatest = batches().map(|e| e.facts.max_timestamp).max();
        let wanted = batches().find(|e| Some(e.facts.max_timestamp) == greatest);
        let found = reader.max_timestamp_entry(end);
        assert_eq!(found.map(|e| e.offset), wanted.map(|e| e.facts.base_offset));
    }

    fn check(&self) {
        let len = self.plain.entries.len();
        self.plain.assert_same(&self.log.reader(), self.first, len);
        assert_eq!(self.log.next_raft_index(), len as u64);
        let term = |index: usize| self.plain.entries[index].facts.leader_epoch.0 as u64;
        assert_eq!(self.log.last_entry(), len.checked_sub(1).map(|i| (term(i), i as u64)));
        assert_eq!(self.log.before_first(), self.first.checked_sub(1).map(|i| (term(i), i as u64)));
        let segments = self.log.segments();
        for pair in segments.windows(2) {
            assert_eq!(pair[0].next_offset, pair[1].base_offset);
            assert!(pair[0].has_batch, "a segment without a batch never rolls");
        }
        assert_eq!(segments.iter().map(|s| s.bytes).sum::<u64>(), self.log.size_bytes());
        let start = self.log.base_offset();
        let before = self.log.reader().read(Offset(start.0 - 1), self.plain.end(), 1, true);
        assert!(before.is_err(), "what was purged is out of range");
    }
}

fn open(disk: &MemDisk) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, PathBuf::from("/t-3"), identity(), SMALL).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn a_log_is_a_list_of_entries(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
    }
}
