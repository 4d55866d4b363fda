//! A follower is what its log says, however it came to be: compared with one that took the same
//! entries in one go.

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::model::{BatchHeader, LeaderEpoch, TopicId, TopicName, TopicPartition};
use crate::partition::received::MARKER_BYTES_MAX;
use crate::partition::{EntryError, EpochCache, Foundation, Identity, Membership, ReceivedEntry};
use crate::storage::{CrashPolicy, LogIdentity, LogOptions, Marker, MemDisk};

const SMALL: LogOptions =
    LogOptions { segment_bytes: 900, segment_index_bytes: 8192, segment_ms: i64::MAX, segment_jitter_ms: 0 };

pub(crate) fn open(disk: &MemDisk) -> (Partition, Option<RaftIndex>) {
    let log = LogIdentity {
        cluster_id: uuid::Uuid::from_u128(1),
        topic_id: TopicId(uuid::Uuid::from_u128(2)),
        partition: 0,
        replica_id: 1,
    };
    let name = TopicPartition { topic: TopicName::new("t").unwrap(), partition: 0 };
    let identity = Identity { name, log };
    Partition::open(Arc::new(disk.clone()), Path::new("/t-0"), identity, SMALL).unwrap()
}

pub(crate) fn batch(
    offset: Offset,
    epoch: u64,
    records: i32,
    (id, producer_epoch, first): (i64, i16, i32),
) -> Bytes {
    let body = vec![u8::try_from(offset.0 % 251).unwrap(); 40];
    let mut facts = BatchHeader::marker(offset, LeaderEpoch(i32::try_from(epoch).unwrap()), body.len());
    facts.attributes = 0;
    facts.record_count = records;
    facts.last_offset_delta = records - 1;
    facts.max_timestamp = offset.0;
    (facts.producer_id, facts.producer_epoch, facts.base_sequence) = (id, producer_epoch, first);
    facts.seal(&body);
    [&facts.to_bytes()[..], &body].concat().into()
}

pub(crate) fn marker(marker: &Marker, offset: Offset, term: u64) -> Bytes {
    marker.encode(offset, LeaderEpoch(i32::try_from(term).unwrap()))
}

fn received(bytes: &Bytes) -> ReceivedEntry {
    let mut rest = bytes.clone();
    let entry = ReceivedEntry::read(&mut rest).unwrap();
    assert!(rest.is_empty());
    entry
}

/// What the leaders of all terms wrote, as far as it was not overruled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaders {
    /// Term, bytes, and the log end behind it.
    pub(crate) entries: Vec<(u64, Bytes, Offset)>,
    pub(crate) term: u64,
}

impl Leaders {
    pub(crate) fn end(&self) -> Offset {
        self.entries.last().map_or(Offset::ZERO, |e| e.2)
    }

    fn push(&mut self, bytes: Bytes) {
        let end = BatchHeader::parse(&bytes).unwrap().next_offset();
        self.entries.push((self.term, bytes, end));
    }

    pub(crate) fn elect(&mut self) {
        self.term = self.entries.last().map_or(0, |e| e.0) + 1;
        let raft_index = self.entries.len() as u64;
        self.push(marker(&Marker::Term { term: self.term, raft_index }, self.end(), self.term));
    }

    /// Something new of the leader in office.
    pub(crate) fn write(&mut self, draw: u32) {
        let (offset, small) = (self.end(), draw >> 8 & 0xFF);
        let raft_index = self.entries.len() as u64;
        let bytes = match draw % 16 {
            0 => {
                let ids: Vec<u64> = (0..u64::from(small % 4)).collect();
                let mut body = Vec::new();
                Membership { configs: vec![ids.clone()], replicas: ids }.encode(&mut body);
                marker(&Marker::Membership { raft_index, body: body.into() }, offset, self.term)
            }
            1 => {
                let start = Offset(offset.0 * i64::from(small) / 256);
                marker(&Marker::LogStart { offset: start }, offset, self.term)
            }
            2 => marker(&Marker::Void { reason: 1 }, offset, self.term),
            3 => batch(offset, self.term, 2, (-1, -1, -1)),
            _ => {
                let (id, epoch) = (i64::from(small % 3), i16::try_from(small / 3 % 40 / 39).unwrap());
                let records = 1 + (draw >> 16 & 3).cast_signed();
                // Now and then a producer that the leader has forgotten begins anew.
                let first = if (draw >> 20).is_multiple_of(16) { 0 } else { self.next_sequence(id, epoch) };
                batch(offset, self.term, records, (id, epoch, first))
            }
        };
        self.push(bytes);
    }

    fn next_sequence(&self, id: i64, epoch: i16) -> i32 {
        let headers = self.entries.iter().rev().map(|e| BatchHeader::parse(&e.1).unwrap());
        let mut same = headers.filter(|h| h.producer_id == id && h.producer_epoch == epoch);
        same.next().map_or(0, |h| h.base_sequence + h.record_count)
    }

    pub(crate) fn replicated(&self, from: usize) -> Vec<Replicated> {
        let entries = (from..).zip(&self.entries[from..]);
        entries
            .map(|(index, (term, bytes, _))| Replicated {
                term: *term,
                index: index as u64,
                entry: received(bytes),
            })
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Elect,
    Write(Vec<u32>),
    Overrule(u8),
    Sync,
    Apply(u8),
    Snapshot,
    Purge(u8),
    Crash(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Elect),
        8 => prop::collection::vec(any::<u32>(), 1..9).prop_map(Step::Write),
        3 => any::<u8>().prop_map(Step::Overrule),
        2 => Just(Step::Sync),
        4 => any::<u8>().prop_map(Step::Apply),
        3 => Just(Step::Snapshot),
        3 => any::<u8>().prop_map(Step::Purge),
        2 => (0..CrashPolicy::ALL.len(), any::<u64>()).prop_map(|(at, seed)| Step::Crash(at, seed)),
    ]
}

struct World {
    disk: MemDisk,
    follower: Partition,
    leaders: Leaders,
    synced: usize,
    applied: usize,
}

impl World {
    fn new() -> Self {
        let disk = MemDisk::new();
        let follower = open(&disk).0;
        Self { disk, follower, leaders: Leaders::default(), synced: 0, applied: 0 }
    }

    fn take(&mut self, step: &Step) {
        let len = self.leaders.entries.len();
        let share = |part: u8, of: usize| (of * usize::from(part)).div_ceil(255);
        match step {
            Step::Elect => {
                self.leaders.elect();
                self.follow(len);
            }
            Step::Write(draws) => {
                for draw in draws {
                    self.leaders.write(*draw);
                }
                self.follow(len);
            }
            Step::Overrule(part) => {
                let keep = self.applied + share(*part, len - self.applied);
                if let Some(committed) = self.applied.checked_sub(1) {
                    let below = (committed as u64).checked_sub(1);
                    let refused = self.follower.truncate_after(below);
                    assert!(matches!(refused, Err(PartitionError::Committed { .. })), "{refused:?}");
                }
                self.follower.truncate_after((keep as u64).checked_sub(1)).unwrap();
                self.leaders.entries.truncate(keep);
                self.synced = self.synced.min(keep);
                self.leaders.elect();
                self.follow(keep);
            }
            Step::Sync => {
                self.follower.writer.lock().log.sync_job().run().unwrap();
                self.synced = len;
            }
            Step::Apply(part) => {
                self.follower.writer.lock().log.sync_job().run().unwrap();
                self.synced = len;
                self.apply(share(*part, len));
            }
            Step::Snapshot => {
                let applied = (self.applied as u64).checked_sub(1);
                if let Some(job) = self.follower.snapshot(applied) {
                    job.run().unwrap();
                    self.synced = len;
                }
            }
            Step::Purge(part) => {
                if let Some(upto) = share(*part, self.applied).checked_sub(1) {
                    drop(self.follower.purge(upto as u64).unwrap());
                }
            }
            Step::Crash(at, seed) => self.crash(CrashPolicy::ALL[*at], *seed),
        }
    }

    fn follow(&mut self, from: usize) {
        self.follower.append_replicated(self.leaders.replicated(from), 0).unwrap();
    }

    fn apply(&mut self, upto: usize) {
        for index in self.applied as u64..upto as u64 {
            let entry = self.follower.reader().entry(index).unwrap();
            self.follower.apply(index, &entry).unwrap();
            assert_eq!(self.follower.lines.high_watermark(), self.leaders.entries[index as usize].2);
        }
        self.applied = self.applied.max(upto);
    }

    fn crash(&mut self, policy: CrashPolicy, seed: u64) {
        self.disk = self.disk.crash(policy, seed);
        let (follower, committed) = open(&self.disk);
        self.follower = follower;
        let len = self.follower.writer.lock().log.next_raft_index() as usize;
        assert!(len >= self.synced && len <= self.leaders.entries.len());
        self.leaders.entries.truncate(len);
        self.leaders.term = self.leaders.entries.last().map_or(0, |e| e.0);
        self.synced = len;
        // Raft says again what was agreed on since the snapshot.
        let first = self.follower.reader().raft_range().start;
        let applied = self.applied;
        self.applied = committed.map_or(0, |c| c + 1).max(first) as usize;
        assert!(self.applied <= applied);
        self.apply(applied);
    }

    fn check(&self) {
        let (len, follower) = (self.leaders.entries.len(), &self.follower);
        let first = follower.reader().raft_range().start as usize;
        assert_eq!(follower.reader().raft_range().end as usize, len);
        assert_eq!(follower.reader().log_end_offset(), self.leaders.end());
        assert!(follower.lines.high_watermark() <= self.leaders.end());
        let copied = follower.copy_entries(first as u64, u64::MAX, usize::MAX);
        if first < len {
            let copied = copied.unwrap();
            let mut all = BytesMut::new();
            self.leaders.entries[first..].iter().for_each(|e| all.extend_from_slice(&e.1));
            assert_eq!(copied.bytes, all);
            let ids = (first..).zip(&self.leaders.entries[first..]).map(|(i, e)| (e.0, i as u64));
            assert_eq!(copied.entries, ids.collect::<Vec<_>>());
        }
        let plain = open(&MemDisk::new()).0;
        plain.append_replicated(self.leaders.replicated(0), 0).unwrap();
        assert_eq!(follower.membership(), plain.membership());
        assert_eq!(follower.last_entry(), plain.last_entry());
        let start = follower.lines.log_start();
        assert_eq!(trimmed(follower, start), trimmed(&plain, start));
        assert_eq!(windows(follower), windows(&plain));
        self.check_newcomer(&plain);
    }

    /// A replica that has only the first entries catches up behind what was purged here.
    fn check_newcomer(&self, plain: &Partition) {
        let Some(foundation) = self.follower.foundation().unwrap() else { return };
        let foundation = Foundation::decode(&foundation.encode()).unwrap();
        let first = foundation.before.1 as usize + 1;
        assert_eq!(first as u64, self.follower.reader().raft_range().start);
        let disk = MemDisk::new();
        let newcomer = open(&disk).0;
        let mut old = self.leaders.replicated(0);
        old.truncate(first / 2);
        newcomer.append_replicated(old, 0).unwrap();
        newcomer.rebuild(foundation.clone(), 0).unwrap();
        assert_eq!(newcomer.last_entry(), Some(foundation.before));
        let offset = self.leaders.entries[first - 1].2;
        let lines = &newcomer.lines;
        assert_eq!((lines.log_start(), lines.high_watermark(), foundation.offset), (offset, offset, offset));
        newcomer.append_replicated(self.leaders.replicated(first), 0).unwrap();
        newcomer.writer.lock().log.sync_job().run().unwrap();
        for replica in [newcomer, open(&disk.crash(CrashPolicy::Synced, 0)).0] {
            assert_eq!(replica.membership(), plain.membership());
            assert_eq!(replica.last_entry(), plain.last_entry());
            assert_eq!(epochs_from(&replica, offset), epochs_from(plain, offset));
            assert_eq!(windows(&replica), windows(plain));
            assert_eq!(replica.lines.log_start(), offset);
        }
    }
}

fn trimmed(partition: &Partition, log_start: Offset) -> EpochCache {
    let mut epochs = partition.writer.lock().epochs.clone();
    epochs.trim(log_start);
    epochs
}

/// Without the Raft indexes: that of the oldest epoch is not always known behind a foundation.
fn epochs_from(partition: &Partition, log_start: Offset) -> Vec<(LeaderEpoch, Offset)> {
    trimmed(partition, log_start).iter().map(|start| (start.epoch, start.offset)).collect()
}

/// A producer's id and epoch, and its batches: first and last sequence, base offset.
type Window = (i64, i16, Vec<(i32, i32, Offset)>);

/// What is known of producers but for the times, which a replay takes from the batches.
pub(crate) fn windows(partition: &Partition) -> Vec<Window> {
    let of = |p: &crate::partition::producer_state::Producer| {
        p.batches.iter().map(|b| (b.first_sequence, b.last_sequence, b.base_offset)).collect()
    };
    let mut all: Vec<_> = partition.producers().iter().map(|(id, p)| (*id, p.epoch, of(p))).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_follower_is_what_its_log_says(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
    }
}

fn written(draws: u32) -> Leaders {
    let mut leaders = Leaders::default();
    leaders.elect();
    (0..draws).for_each(|draw| leaders.write(draw.wrapping_mul(2_654_435_761)));
    leaders
}

#[test]
fn what_does_not_continue_the_log_is_refused_and_nothing_of_it_stays() {
    let disk = MemDisk::new();
    let follower = open(&disk).0;
    let leaders = written(20);
    let mut all = leaders.replicated(0);
    let rest = all.split_off(10);
    follower.append_replicated(all, 0).unwrap();
    let before = (follower.last_entry(), windows(&follower));
    let wrong = |change: fn(&mut Replicated)| {
        let mut wrong = rest.clone();
        change(&mut wrong[5]);
        let refused = follower.append_replicated(wrong, 0).unwrap_err();
        assert_eq!((follower.last_entry(), windows(&follower)), before, "{refused}");
        refused
    };
    assert!(matches!(wrong(|e| e.index += 1), PartitionError::Index { found: 16, wanted: 15 }));
    assert!(matches!(wrong(|e| e.term += 1), PartitionError::Epoch { epoch: 1, .. }));
    let shifted = |e: &mut Replicated| e.entry = received(&batch(Offset(1), 1, 1, (-1, -1, -1)));
    assert!(matches!(wrong(shifted), PartitionError::Offset { found: Offset(1), .. }));
    let old = |e: &mut Replicated| {
        let offset = e.entry.stamped.facts.base_offset;
        (e.term, e.entry) = (0, received(&batch(offset, 0, 1, (-1, -1, -1))));
    };
    assert!(matches!(wrong(old), PartitionError::Term { found: 0, before: 1, .. }));
    let elsewhere = |e: &mut Replicated| {
        let offset = e.entry.stamped.facts.base_offset;
        e.entry = received(&marker(&Marker::Term { term: 1, raft_index: 3 }, offset, 1));
    };
    assert!(matches!(wrong(elsewhere), PartitionError::Named { named: 3, .. }));
    follower.append_replicated(rest.clone(), 0).unwrap();
    assert_eq!(follower.last_entry(), Some((1, 20)));
}

#[test]
fn bytes_that_are_no_entry_are_errors_and_stay_where_they_are() {
    let whole = batch(Offset(7), 1, 2, (1, 0, 0));
    for end in 0..whole.len() {
        let mut cut = whole.slice(..end);
        assert!(matches!(ReceivedEntry::read(&mut cut), Err(EntryError::Batch(_))), "{end}");
        assert_eq!(cut.len(), end);
    }
    let fault = |bytes: Bytes| ReceivedEntry::read(&mut bytes.clone()).unwrap_err();
    let mut flipped = whole.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(fault(flipped.into()), EntryError::Batch(_)));
    assert!(matches!(fault(batch(Offset(7), 1, 0, (1, 0, 0))), EntryError::Empty));
    let term = Marker::Term { term: 2, raft_index: 3 };
    assert_eq!(fault(marker(&term, Offset(7), 1)), EntryError::Term { value: 2, epoch: 1 });
    let ahead = Marker::LogStart { offset: Offset(8) };
    assert!(matches!(fault(marker(&ahead, Offset(7), 1)), EntryError::LogStart { .. }));
    let of = |body: &[u8]| Marker::Membership { raft_index: 3, body: Bytes::copy_from_slice(body) };
    assert!(matches!(fault(marker(&of(&[0, 9]), Offset(7), 1)), EntryError::Membership(_)));
    assert_eq!(fault(marker(&of(&[0; 5]), Offset(7), 1)), EntryError::Trailing { len: 1 });
    let huge = marker(&of(&vec![0; MARKER_BYTES_MAX]), Offset(7), 1);
    assert!(matches!(fault(huge), EntryError::MarkerSize { .. }));
}

#[test]
fn a_copy_has_at_least_one_entry_and_otherwise_no_more_than_asked_for() {
    let follower = open(&MemDisk::new()).0;
    let leaders = written(40);
    follower.append_replicated(leaders.replicated(0), 0).unwrap();
    let (mut next, mut bytes) = (0, BytesMut::new());
    while next < 41 {
        let most = 1 + (next as usize * 37) % 500;
        let copied = follower.copy_entries(next, 41, most).unwrap();
        assert!(copied.bytes.len() <= most || copied.entries.len() == 1);
        assert_eq!(copied.entries.first(), Some(&(1, next)));
        next += copied.entries.len() as u64;
        bytes.extend_from_slice(&copied.bytes);
    }
    let all: Vec<u8> = leaders.entries.iter().flat_map(|e| e.1.to_vec()).collect();
    assert_eq!(bytes, all);
    assert_eq!(follower.copy_entries(5, 5, 1).unwrap(), CopiedEntries::default());
    let none = follower.copy_entries(41, 42, 1);
    assert!(matches!(none, Err(StorageError::IndexOutOfRange { asked: 41, next: 41, .. })));
}

#[test]
fn every_replica_of_a_new_partition_begins_with_the_same_bytes() {
    let membership = Membership { configs: vec![vec![1, 2, 3]], replicas: vec![1, 2, 3] };
    let [one, other] = [0, 77].map(|now_ms| {
        let replica = open(&MemDisk::new()).0;
        replica.found(membership.clone(), now_ms).unwrap();
        replica
    });
    let bytes = |p: &Partition| p.copy_entries(0, 1, 1).unwrap();
    assert_eq!(bytes(&one), bytes(&other));
    assert_eq!(one.membership(), Some((0, 0, membership.clone())));
    assert_eq!(one.last_entry(), Some((0, 0)));
    let again = one.found(membership, 0);
    assert!(matches!(again, Err(PartitionError::Founded { last: 0 })));
}

#[test]
fn entries_behind_an_applied_one_do_not_move_its_end_when_they_are_cut() {
    let follower = open(&MemDisk::new()).0;
    let leaders = written(3);
    follower.append_replicated(leaders.replicated(0), 0).unwrap();
    let ends: Vec<_> = (0..4).map(|index| follower.reader().end_of(index)).collect();
    assert_eq!(ends, leaders.entries.iter().map(|e| Some(e.2)).collect::<Vec<_>>());
    follower.truncate_after(Some(1)).unwrap();
    assert_eq!(follower.reader().end_of(1), ends[1]);
    assert_eq!(follower.reader().end_of(2), None);
}

#[test]
fn a_copy_that_a_cut_meets_is_an_error_and_never_bytes_of_another_term() {
    let follower = open(&MemDisk::new()).0;
    let mut leaders = written(8);
    follower.append_replicated(leaders.replicated(0), 0).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copier = scope.spawn(|| {
            let (mut copies, mut met) = (0, 0);
            while !done.load(Acquire) || copies == 0 {
                let copied = match follower.copy_entries(3, u64::MAX, usize::MAX) {
                    Ok(copied) => copied,
                    Err(StorageError::CutWhileRead) => {
                        met += 1;
                        continue;
                    }
                    Err(other) => panic!("{other}"),
                };
                copies += 1;
                let mut rest = copied.bytes;
                for (term, index) in copied.entries {
                    let entry = ReceivedEntry::read(&mut rest).unwrap();
                    assert_eq!(entry.term(), term, "of {index}");
                }
                assert!(rest.is_empty());
            }
            (copies, met)
        });
        for draw in 0..400 {
            follower.truncate_after(Some(3)).unwrap();
            leaders.entries.truncate(4);
            leaders.elect();
            (0..6).for_each(|more| leaders.write(draw * 977 + more * 31));
            follower.append_replicated(leaders.replicated(4), 0).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        copier.join().unwrap();
    });
}

/// A follower of 21 entries that has applied the first 11, and foundations for it.
fn half_applied() -> (Partition, Leaders, impl Fn(u64, usize) -> Foundation) {
    let follower = open(&MemDisk::new()).0;
    let leaders = written(20);
    follower.append_replicated(leaders.replicated(0), 0).unwrap();
    for index in 0..=10 {
        let entry = follower.reader().entry(index).unwrap();
        follower.apply(index, &entry).unwrap();
    }
    let ends: Vec<_> = leaders.entries.iter().map(|e| e.2).collect();
    let at = move |term: u64, index: usize| {
        let (offset, committed) = (ends[index], Some(index as u64));
        let state = crate::partition::PartitionState { log_start: offset, committed, ..Default::default() };
        Foundation { before: (term, index as u64), offset, state }
    };
    (follower, leaders, at)
}

#[test]
fn a_foundation_that_would_take_what_was_agreed_on_is_refused() {
    let (follower, leaders, at) = half_applied();
    let refused = follower.rebuild(at(2, 9), 0);
    assert!(matches!(refused, Err(PartitionError::Behind { before: 9, committed: 10 })));
    assert_eq!(follower.last_entry(), Some((1, 20)));
    follower.rebuild(at(2, 15), 0).unwrap();
    assert_eq!(follower.last_entry(), Some((2, 15)), "another leader's: what was not agreed on is gone");
    assert_eq!(follower.lines.high_watermark(), leaders.entries[15].2);
    let old = follower.append_replicated(leaders.replicated(16), 0);
    assert!(matches!(old, Err(PartitionError::Term { found: 1, before: 2, .. })));
}

#[test]
fn a_foundation_whose_entry_is_here_takes_nothing_that_follows_it() {
    let (follower, leaders, at) = half_applied();
    follower.rebuild(at(1, 15), 0).unwrap();
    assert_eq!(follower.last_entry(), Some((1, 20)), "some of it may have been acknowledged");
    assert_eq!(follower.copy_entries(0, 21, usize::MAX).unwrap().entries.len(), 21);
    let end = leaders.entries[15].2;
    assert_eq!((follower.lines.log_start(), follower.lines.high_watermark()), (end, end));
    assert!(matches!(follower.truncate_after(Some(14)), Err(PartitionError::Committed { .. })));
    follower.truncate_after(Some(15)).unwrap();
    let wrong = Foundation { offset: end.plus(1), ..at(1, 15) };
    assert!(matches!(follower.rebuild(wrong, 0), Err(PartitionError::Offset { index: 15, .. })));
}

#[test]
fn a_purged_log_has_a_foundation_also_where_its_snapshot_knows_little_of_agreement() {
    let disk = MemDisk::new();
    let follower = open(&disk).0;
    follower.append_replicated(written(40).replicated(0), 0).unwrap();
    let apply = |indexes: std::ops::Range<u64>| {
        for index in indexes {
            let entry = follower.reader().entry(index).unwrap();
            follower.apply(index, &entry).unwrap();
        }
    };
    apply(0..20);
    follower.snapshot(Some(19)).unwrap().run().unwrap();
    // It is made when entry 21 is applied, and written when all are: the older one goes.
    apply(20..22);
    follower.append_replicated(written(50).replicated(41), 0).unwrap();
    let job = follower.snapshot(Some(21)).unwrap();
    apply(22..51);
    drop(follower.purge(30).unwrap());
    job.run().unwrap();
    drop(follower.purge(30).unwrap());
    assert_eq!(follower.snapshot_index(), Some(50));
    let (again, committed) = open(&disk.crash(CrashPolicy::Synced, 0));
    assert_eq!(committed, Some(21));
    let foundation = again.foundation().unwrap().unwrap();
    assert_eq!(Some(foundation.before), again.before_first());
    assert!(foundation.before.1 > 21);
}
