//! A rebuild that a crash cuts short anywhere leaves the old log or the new one.

use std::path::PathBuf;

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::model::{BatchHeader, LeaderEpoch, Offset, TopicId};
use crate::storage::{CrashPolicy, LogOptions, MemDisk, RealDisk, Recovery, StampedEntry};

const SMALL: LogOptions =
    LogOptions { segment_bytes: 600, segment_index_bytes: 8192, segment_ms: i64::MAX, segment_jitter_ms: 0 };
const OLD: u64 = 12;

fn identity() -> LogIdentity {
    LogIdentity {
        cluster_id: Uuid::from_u128(1),
        topic_id: TopicId(Uuid::from_u128(2)),
        partition: 3,
        replica_id: 4,
    }
}

fn open(disk: &MemDisk) -> Result<(Log, Recovery), StorageError> {
    Log::open(Arc::new(disk.clone()), PathBuf::from("/t-3"), identity(), SMALL)
}

/// Batches of two records, each of a term.
fn batches(from: Offset, term: i32, count: u64) -> Vec<StampedEntry> {
    let batch = |at: i64| {
        let body = Bytes::from(vec![7; 90]);
        let mut facts = BatchHeader::marker(from.plus(at * 2), LeaderEpoch(term), body.len());
        facts.attributes = 0;
        (facts.record_count, facts.last_offset_delta) = (2, 1);
        facts.seal(&body);
        StampedEntry::batch(facts, body)
    };
    (0..count.cast_signed()).map(batch).collect()
}

/// A log of [`OLD`] entries in several segments, all synced, with a snapshot if it is wanted.
fn old(with_snapshot: bool) -> (MemDisk, Log) {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&batches(Offset(0), 1, OLD), 1).unwrap();
    log.sync_job().run().unwrap();
    if with_snapshot {
        log.snapshot_writer(OLD - 3, b"old".to_vec()).run().unwrap();
    }
    assert!(log.segments().len() > 3);
    (disk, log)
}

fn starts() -> [SegmentStart; 3] {
    // Elsewhere, where an old segment begins, and where nothing but markers was.
    [(500, 70), (log_base(), 70), (0, 70)].map(|(offset, first_raft_index)| SegmentStart {
        base_offset: Offset(offset),
        first_raft_index,
        term_before: Some(6),
    })
}

fn log_base() -> i64 {
    old(false).1.segments()[2].base_offset.0
}

/// Asserts that `disk` holds one of the two, and that it lives on; true if it is the new one.
fn opened(disk: &MemDisk, start: SegmentStart, story: &str) -> bool {
    let (mut log, recovery) = open(disk).unwrap_or_else(|e| panic!("{story}: {e}"));
    let is_new = log.before_first().is_some();
    if is_new {
        assert_eq!(log.before_first(), Some((6, start.first_raft_index - 1)), "{story}");
        assert_eq!(log.next_raft_index(), start.first_raft_index, "{story}");
        assert_eq!((log.base_offset(), log.log_end_offset()), (start.base_offset, start.base_offset));
        assert_eq!(recovery.snapshot.map(|s| s.body), Some(Bytes::from_static(b"new")), "{story}");
        assert_eq!(recovery.replay_from, start.first_raft_index);
    } else {
        assert_eq!(log.next_raft_index(), OLD, "{story}");
        assert!(recovery.snapshot.is_none_or(|s| &s.body[..] == b"old"), "{story}");
    }
    let names = log.shared.disk.read_dir(&log.shared.dir).unwrap();
    assert!(!names.iter().any(|name| name.starts_with("reset")), "{story}: {names:?}");
    let (next, end) = (log.next_raft_index(), log.log_end_offset());
    log.append(&batches(end, 7, 9), 1).unwrap();
    log.sync_job().run().unwrap();
    let (again, _) = open(&disk.crash(CrashPolicy::Synced, 0)).unwrap_or_else(|e| panic!("{story}: {e}"));
    assert_eq!(again.next_raft_index(), next + 9, "{story}: what was acknowledged afterwards");
    is_new
}

#[test]
fn a_crash_at_any_change_of_the_disk_leaves_the_old_log_or_the_new_one() {
    for (at, start) in starts().into_iter().enumerate() {
        let (mut changes, mut seen) = (0, [false; 2]);
        loop {
            let (disk, mut log) = old(at != 1);
            disk.halt_after(changes);
            let done = log.rebuild(start, b"new".to_vec()).is_ok();
            for (policy, seed) in CrashPolicy::ALL.into_iter().flat_map(|p| (0..4).map(move |seed| (p, seed)))
            {
                let story = format!("start {at}, {changes} changes, {policy:?} {seed}");
                let is_new = opened(&disk.crash(policy, seed), start, &story);
                assert!(is_new || !done, "{story}");
                seen[usize::from(is_new)] = true;
            }
            changes += 1;
            if done {
                break;
            }
        }
        assert!(changes > 10 && seen == [true; 2], "{changes} {seen:?}");
    }
}

#[test]
fn a_second_crash_while_the_first_one_is_mended_changes_nothing() {
    let start = starts()[0];
    for begun in 0.. {
        let (disk, mut log) = old(true);
        disk.halt_after(begun);
        if log.rebuild(start, b"new".to_vec()).is_ok() {
            break;
        }
        for policy in CrashPolicy::ALL {
            for mended in 0.. {
                let left = disk.crash(policy, begun);
                let committed = left.exists(&Path::new("/t-3").join(RECORD)).unwrap();
                left.halt_after(mended);
                let done = open(&left).is_ok();
                for second in CrashPolicy::ALL {
                    let story = format!("{begun} changes, {policy:?}, {mended} mending, {second:?}");
                    let is_new = opened(&left.crash(second, mended), start, &story);
                    // Of a process alone that ended, the medium may have seen nothing yet.
                    assert!(is_new || !committed || policy == CrashPolicy::Killed, "{story}");
                }
                if done {
                    break;
                }
            }
        }
    }
}

#[test]
fn before_its_record_stands_a_rebuild_that_fails_changes_nothing() {
    let start = starts()[0];
    let (disk, mut log) = old(true);
    disk.fail_write_after(0);
    log.rebuild(start, b"new".to_vec()).unwrap_err();
    log.append(&batches(log.log_end_offset(), 2, 3), 1).unwrap();
    log.rebuild(start, b"new".to_vec()).unwrap();
    assert_eq!(log.last_entry(), Some((6, 69)));
}

#[test]
fn after_its_record_stands_a_rebuild_that_fails_closes_the_log() {
    let start = starts()[0];
    let (disk, mut log) = old(true);
    // The record's own sync and the directory's are done by then.
    disk.fail_sync_after(2);
    log.rebuild(start, b"new".to_vec()).unwrap_err();
    let refused = log.append(&batches(log.log_end_offset(), 2, 3), 1);
    assert!(matches!(refused, Err(StorageError::Poisoned { .. })));
    assert!(opened(&disk, start, "opened again"));
}

#[test]
fn what_was_lent_before_stays_readable_and_readers_go_on_in_the_new_log() {
    let (_, mut log) = old(true);
    let reader = log.reader();
    let run = reader.read(Offset(0), Offset(24), usize::MAX, true).unwrap().unwrap();
    let bytes = run.copy().unwrap();
    let job = log.snapshot_writer(OLD - 1, b"late".to_vec());
    log.rebuild(starts()[2], b"new".to_vec()).unwrap();
    job.run().unwrap();
    assert_eq!(log.snapshot_index(), Some(69), "a snapshot of the old log is void");
    assert_eq!(run.copy().unwrap(), bytes);
    assert_eq!(reader.raft_range(), 70..70);
    log.append(&batches(Offset(0), 7, 2), 1).unwrap();
    assert_eq!(reader.log_end_offset(), Offset(4));
    log.truncate_after(Some(70)).unwrap();
    assert_eq!((log.last_entry(), log.snapshot_index()), (Some((7, 70)), Some(69)));
    let below = log.truncate_after(None).map(|()| log.last_entry());
    assert_eq!(below.unwrap(), Some((6, 69)), "to its beginning, where the snapshot is");
}

#[test]
fn the_record_of_another_log_or_a_damaged_one_is_refused_with_nothing_changed() {
    let (disk, mut log) = old(true);
    // The rename, and nothing after it.
    disk.halt_after(5);
    log.rebuild(starts()[0], b"new".to_vec()).unwrap_err();
    let left = disk.crash(CrashPolicy::Everything, 0);
    let record = Path::new("/t-3").join(RECORD);
    assert!(left.exists(&record).unwrap());
    let names = left.read_dir(Path::new("/t-3")).unwrap();
    let other = LogIdentity { replica_id: 5, ..identity() };
    let foreign = Log::open(Arc::new(left.clone()), PathBuf::from("/t-3"), other, SMALL);
    assert!(matches!(foreign, Err(StorageError::Foreign { .. })));
    let file = left.open(&record, false).unwrap();
    file.write_at(&[IoSlice::new(b"x")], 60).unwrap();
    assert!(matches!(open(&left), Err(StorageError::Corrupt { .. })));
    assert_eq!(left.read_dir(Path::new("/t-3")).unwrap(), names);
}

#[test]
fn on_a_real_disk_a_lent_run_outlives_the_log_that_it_is_of() {
    let root = std::env::temp_dir().join(format!("bateau-rebuild-{}", std::process::id()));
    std::fs::create_dir(&root).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&root));
    let open = || Log::open(Arc::clone(&disk), root.join("t-3"), identity(), SMALL).unwrap();
    let (mut log, _) = open();
    log.append(&batches(Offset(0), 1, OLD), 1).unwrap();
    let run = log.reader().read(Offset(0), Offset(24), 1 << 20, true).unwrap().unwrap();
    let bytes = run.copy().unwrap();
    // Behind markers alone, and so under the names of the first old segment.
    log.rebuild(starts()[2], b"new".to_vec()).unwrap();
    assert_eq!(run.copy().unwrap(), bytes);
    log.append(&batches(Offset(0), 7, OLD), 1).unwrap();
    log.sync_job().run().unwrap();
    assert_eq!(run.copy().unwrap(), bytes);
    drop(log);
    let (log, recovery) = open();
    assert_eq!((log.before_first(), log.next_raft_index()), (Some((6, 69)), 70 + OLD));
    assert_eq!(recovery.snapshot.map(|s| s.body), Some(Bytes::from_static(b"new")));
    std::fs::remove_dir_all(&root).unwrap();
}
