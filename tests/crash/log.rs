//! Whatever a power loss leaves: nothing acknowledged is lost, nothing is invented.

use std::path::PathBuf;
use std::sync::Arc;

use bateau::storage::{
    CrashPolicy, Disk, Log, LogIdentity, LogOptions, MemDisk, Recovery, StampedEntry, StorageError,
};

use crate::fixture::{Draw, Plain, identity};

const SMALL: LogOptions =
    LogOptions { segment_bytes: 1200, segment_index_bytes: 8192, segment_ms: i64::MAX, segment_jitter_ms: 0 };
const STEPS: usize = 24;

/// What a log may hold after a crash.
#[derive(Debug, Default)]
struct Bounds {
    /// Everything that was ever asked for and not cut.
    most: Plain,
    /// Entries that were acknowledged as durable.
    acknowledged: usize,
    /// Entries that may be purged.
    purged: usize,
}

/// Runs a workload until the disk stands still. Returns what may be found then.
fn run(disk: &MemDisk, seed: u64) -> Result<Bounds, Bounds> {
    let mut bounds = Bounds::default();
    let mut draw = Draw(seed);
    let Ok((mut log, _)) = open(disk) else { return Err(bounds) };
    for _ in 0..STEPS {
        if step(&mut log, &mut bounds, &mut draw).is_err() {
            return Err(bounds);
        }
    }
    Ok(bounds)
}

fn step(log: &mut Log, bounds: &mut Bounds, draw: &mut Draw) -> Result<(), StorageError> {
    let len = bounds.most.entries.len();
    match draw.below(12) {
        0..=4 => {
            let count = 1 + draw.below(6);
            let entries: Vec<StampedEntry> = (0..count).map(|_| bounds.most.next(draw.next())).collect();
            log.append(&entries, 1)?;
        }
        5..=7 => {
            log.sync_job().run()?;
            bounds.acknowledged = len;
        }
        8 if len > 0 => {
            let oldest =
                (log.first_raft_index() as usize).max(log.snapshot_index().map_or(0, |s| s as usize + 1));
            let keep = oldest + draw.below(len - oldest.min(len) + 1);
            bounds.acknowledged = bounds.acknowledged.min(keep);
            log.truncate_after((keep as u64).checked_sub(1))?;
            bounds.most.truncate(keep);
            // What is left is as durable as it was; what was cut is gone for good.
            assert_eq!(log.next_raft_index() as usize, keep.min(len));
        }
        9 | 10 if len > log.first_raft_index() as usize => {
            let first = log.first_raft_index() as usize;
            let index = if draw.below(2) == 0 { len - 1 } else { first + draw.below(len - first) };
            log.snapshot_writer(index as u64, body(index)).run()?;
            bounds.acknowledged = bounds.acknowledged.max(index + 1);
        }
        11 => {
            let upto = if draw.below(2) == 0 { len } else { draw.below(len + 1) };
            let removal = log.purge(upto as u64)?;
            bounds.purged = log.first_raft_index() as usize;
            drop(removal);
        }
        _ => {}
    }
    Ok(())
}

fn body(index: usize) -> Vec<u8> {
    format!("state as of {index}").into_bytes()
}

fn open(disk: &MemDisk) -> Result<(Log, Recovery), StorageError> {
    open_as(disk, identity())
}

fn open_as(disk: &MemDisk, identity: LogIdentity) -> Result<(Log, Recovery), StorageError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, PathBuf::from("/t-3"), identity, SMALL)
}

/// Opens what a crash left, and asserts that it is between the bounds, and stays what it is.
fn check(bounds: &Bounds, left: &MemDisk, story: &str) {
    let (mut log, recovery) =
        open(left).unwrap_or_else(|e| panic!("{story}: {e}: {:?}", std::error::Error::source(&e)));
    let (first, len) = (log.first_raft_index() as usize, log.next_raft_index() as usize);
    assert!(len >= bounds.acknowledged, "{story}: {} acknowledged, {len} found", bounds.acknowledged);
    assert!(len <= bounds.most.entries.len(), "{story}: {len} found");
    assert!(first <= bounds.purged, "{story}: {first} purged");
    bounds.most.assert_same(&log.reader(), first, len);
    let replay_from = recovery.replay_from as usize;
    match recovery.snapshot {
        Some(snapshot) => {
            assert_eq!(&snapshot.body[..], body(snapshot.raft_index as usize), "{story}");
            assert_eq!(replay_from, snapshot.raft_index as usize + 1);
            assert!(first <= replay_from && replay_from <= len, "{story}: replay from {replay_from}");
        }
        None => assert_eq!((first, replay_from), (0, 0), "{story}"),
    }
    // Raft counts on what it finds: a second power loss takes nothing of it.
    let again = left.crash(CrashPolicy::Synced, 0);
    let (second, recovery) = open(&again).unwrap_or_else(|e| panic!("{story}, again: {e}"));
    assert_eq!(second.next_raft_index() as usize, len, "{story}: the second time");
    assert_eq!(recovery.truncated, None, "{story}: cut a second time");
    // And it goes on.
    let mut plain = bounds.most.clone();
    plain.truncate(len);
    plain.term = plain.entries.last().map_or(0, |e| e.facts.leader_epoch.0);
    let more: Vec<_> = (0..9).map(|draw| plain.next(draw * 977)).collect();
    log.append(&more, 1).unwrap();
    log.sync_job().run().unwrap();
    let (third, _) = open(&left.crash(CrashPolicy::Synced, 0)).unwrap();
    plain.assert_same(&third.reader(), first, len + 9);
}

#[test]
fn a_power_loss_at_any_change_of_the_disk_keeps_what_was_acknowledged() {
    for seed in 0..seeds(12) {
        for halt in 0.. {
            let disk = MemDisk::new();
            disk.halt_after(halt);
            let (bounds, done) = match run(&disk, seed) {
                Ok(bounds) => (bounds, true),
                Err(bounds) => (bounds, false),
            };
            for policy in CrashPolicy::ALL {
                let tries = if matches!(policy, CrashPolicy::Torn | CrashPolicy::Scattered) { 4 } else { 1 };
                for chance in 0..tries {
                    let left = disk.crash(policy, seed * 1_000_003 + halt * 101 + chance);
                    let story = format!("seed {seed}, halt {halt}, {policy:?} {chance}");
                    check(&bounds, &left, &story);
                }
            }
            if done {
                break;
            }
        }
    }
}

fn appended(disk: &MemDisk, draws: u64) -> (Log, Plain) {
    let (mut log, _) = open(disk).unwrap();
    let mut plain = Plain::default();
    let entries: Vec<_> = (0..draws).map(|draw| plain.next(draw * 977 + 5)).collect();
    log.append(&entries, 1).unwrap();
    (log, plain)
}

/// The file of the segment that begins at `base`.
fn store(disk: &MemDisk, base: i64, suffix: &str) -> Arc<dyn bateau::storage::DiskFile> {
    disk.open(&PathBuf::from(format!("/t-3/{base:020}.{suffix}")), false).unwrap()
}

fn flip(file: &dyn bateau::storage::DiskFile, position: u64) {
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    file.write_at(&[std::io::IoSlice::new(&[byte[0] ^ 0x40])], position).unwrap();
}

#[test]
fn an_append_that_fails_leaves_nothing_behind() {
    for fail_at in 0..4 {
        let disk = MemDisk::new();
        let (mut log, mut plain) = appended(&disk, 3);
        let mut attempt = plain.clone();
        // Enough for several segments, so that the failure comes before or after a roll.
        let entries: Vec<_> = (0..60).map(|draw| attempt.next(draw * 977 + 5)).collect();
        disk.fail_write_after(fail_at);
        log.append(&entries, 1).unwrap_err();
        assert!(!log.poisoned());
        plain.assert_same(&log.reader(), 0, 3);
        assert_eq!(log.segments().len(), 1);
        assert_eq!(store(&disk, 0, "log").len().unwrap(), log.size_bytes());
        let more = [plain.next(6), plain.next(7)];
        log.append(&more, 1).unwrap();
        plain.assert_same(&log.reader(), 0, 5);
        let (again, _) = open(&disk.crash(CrashPolicy::Killed, 0)).unwrap();
        plain.assert_same(&again.reader(), 0, 5);
    }
}

#[test]
fn a_full_disk_fails_the_append_and_room_heals_it() {
    let disk = MemDisk::new();
    let (mut log, mut plain) = appended(&disk, 3);
    disk.set_capacity(Some(u64::MAX - disk.free_bytes().unwrap() + 300));
    let mut failed = 0;
    for draw in 0..40 {
        let mut attempt = plain.clone();
        let entry = attempt.next(draw * 977 + 5);
        match log.append(&[entry], 1) {
            Ok(()) => plain = attempt,
            Err(StorageError::Io { .. }) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(failed > 0 && !log.poisoned());
    disk.set_capacity(None);
    let entry = plain.next(9);
    log.append(&[entry], 1).unwrap();
    plain.assert_same(&log.reader(), 0, plain.entries.len());
}

#[test]
fn a_failed_sync_closes_the_log_until_it_is_opened_again() {
    let disk = MemDisk::new();
    let (mut log, mut plain) = appended(&disk, 3);
    log.sync_job().run().unwrap();
    let entry = plain.next(6);
    log.append(&[entry], 1).unwrap();
    disk.fail_sync_after(0);
    assert!(matches!(log.sync_job().run(), Err(StorageError::Io { .. })));
    assert!(log.poisoned());
    let refused =
        |result: Result<(), StorageError>| assert!(matches!(result, Err(StorageError::Poisoned { .. })));
    refused(log.sync_job().run());
    refused(log.truncate_after(None));
    refused(log.purge(1).map(drop));
    refused(log.snapshot_writer(1, Vec::new()).run());
    let mut attempt = plain.clone();
    refused(log.append(&[attempt.next(7)], 1));
    // Opened again in the same kernel: the lost pages are seen to be lost, and stay so.
    for policy in [CrashPolicy::Killed, CrashPolicy::Synced] {
        let left = disk.crash(policy, 0);
        for disk in [left.clone(), left.crash(CrashPolicy::Synced, 0)] {
            let (again, _) = open(&disk).unwrap();
            plain.assert_same(&again.reader(), 0, 3);
        }
    }
}

#[test]
fn a_batch_damaged_below_the_synced_end_is_no_torn_write() {
    for policy in [CrashPolicy::Everything, CrashPolicy::Killed] {
        let disk = MemDisk::new();
        let (log, _) = appended(&disk, 5);
        log.sync_job().run().unwrap();
        let left = disk.crash(policy, 0);
        let file = store(&left, 0, "log");
        let end = file.len().unwrap();
        flip(&*file, end - 1);
        let refused = open(&left).map(drop);
        assert!(matches!(refused, Err(StorageError::Corrupt { .. })), "{policy:?}: {refused:?}");
        assert_eq!(file.len().unwrap(), end, "nothing is changed");
    }
}

#[test]
fn a_store_that_ends_below_its_synced_end_is_damage() {
    let disk = MemDisk::new();
    let (log, _) = appended(&disk, 5);
    log.sync_job().run().unwrap();
    let left = disk.crash(CrashPolicy::Everything, 0);
    let file = store(&left, 0, "log");
    file.set_len(file.len().unwrap() - 1).unwrap();
    assert!(matches!(open(&left), Err(StorageError::Corrupt { .. })));
}

#[test]
fn a_store_that_ends_below_its_snapshot_is_damage() {
    let disk = MemDisk::new();
    let (log, _) = appended(&disk, 5);
    log.snapshot_writer(4, body(4)).run().unwrap();
    let left = disk.crash(CrashPolicy::Killed, 0);
    let file = store(&left, 0, "log");
    file.set_len(file.len().unwrap() - 1).unwrap();
    left.remove_file(&PathBuf::from("/t-3/00000000000000000000.index")).unwrap();
    assert!(matches!(open(&left), Err(StorageError::Corrupt { .. })));
}

#[test]
fn after_a_kill_only_the_last_write_may_be_partial() {
    let disk = MemDisk::new();
    let (mut log, mut plain) = appended(&disk, 5);
    log.snapshot_writer(4, body(4)).run().unwrap();
    let start = log.size_bytes();
    let more = [plain.next(6), plain.next(5), plain.next(6)];
    log.append(&more, 1).unwrap();
    let end = log.size_bytes();
    let after_first = start + u64::from(more[0].facts.size);
    for len in start..=end {
        let left = disk.crash(CrashPolicy::Killed, 0);
        store(&left, 0, "log").set_len(len).unwrap();
        let (log, recovery) = open(&left).unwrap();
        assert!(recovery.same_boot);
        assert_eq!(recovery.replay_from, 5);
        plain.assert_same(&log.reader(), 0, log.next_raft_index() as usize);
        assert!(
            log.size_bytes() <= len
                && log.size_bytes() >= if len < after_first { start } else { after_first }
        );
        assert_eq!(recovery.truncated.map_or(0, |t| t.bytes), len - log.size_bytes());
    }
    // A bad header in the middle is no partial write.
    let left = disk.crash(CrashPolicy::Killed, 0);
    flip(&*store(&left, 0, "log"), start + 16);
    assert!(matches!(open(&left), Err(StorageError::Corrupt { position, .. }) if position == start));
    // After a power loss it is: write-back is not in order.
    let left = disk.crash(CrashPolicy::Everything, 0);
    flip(&*store(&left, 0, "log"), start + 16);
    let (log, _) = open(&left).unwrap();
    assert_eq!(log.next_raft_index(), 5);
}

#[test]
fn an_index_is_made_again_from_its_store() {
    let disk = MemDisk::new();
    let (mut log, mut plain) = appended(&disk, 40);
    log.snapshot_writer(39, body(39)).run().unwrap();
    let entry = plain.next(6);
    log.append(&[entry], 1).unwrap();
    let bases: Vec<i64> = log.segments().iter().map(|s| s.base_offset.0).collect();
    assert!(bases.len() > 2);
    for base in bases {
        for harm in ["missing", "short", "foreign"] {
            let left = disk.crash(CrashPolicy::Killed, 0);
            let path = PathBuf::from(format!("/t-3/{base:020}.index"));
            match harm {
                "missing" => left.remove_file(&path).unwrap(),
                "short" => store(&left, base, "index").set_len(64).unwrap(),
                // Of the active segment alone: the others' heads are not looked at.
                _ if base == log.segments().last().unwrap().base_offset.0 => {
                    flip(&*store(&left, base, "index"), 3);
                }
                _ => continue,
            }
            let (log, _) = open(&left).unwrap();
            plain.assert_same(&log.reader(), 0, 41);
            let (log, _) = open(&left.crash(CrashPolicy::Killed, 0)).unwrap();
            plain.assert_same(&log.reader(), 0, 41);
        }
    }
}

#[test]
fn a_closed_store_that_is_missing_or_changed_in_length_is_damage() {
    let disk = MemDisk::new();
    let (log, _) = appended(&disk, 40);
    log.snapshot_writer(39, body(39)).run().unwrap();
    let second = log.segments()[1].base_offset.0;
    for change in [-1i64, 1] {
        let left = disk.crash(CrashPolicy::Killed, 0);
        let file = store(&left, second, "log");
        file.set_len(file.len().unwrap().saturating_add_signed(change)).unwrap();
        assert!(matches!(open(&left), Err(StorageError::Corrupt { .. })), "{change}");
    }
    let left = disk.crash(CrashPolicy::Killed, 0);
    left.remove_file(&PathBuf::from(format!("/t-3/{second:020}.log"))).unwrap();
    assert!(matches!(open(&left), Err(StorageError::Corrupt { .. })));
}

#[test]
fn the_log_of_another_topic_or_replica_is_never_opened() {
    for with_snapshot in [false, true] {
        let disk = MemDisk::new();
        let (log, plain) = appended(&disk, 5);
        if with_snapshot {
            log.snapshot_writer(4, body(4)).run().unwrap();
        }
        let other = LogIdentity { replica_id: 5, ..identity() };
        let refused = open_as(&disk, other).map(drop);
        assert!(matches!(refused, Err(StorageError::Foreign { .. })), "{refused:?}");
        plain.assert_same(&open(&disk).unwrap().0.reader(), 0, 5);
    }
}

#[test]
fn a_truncation_below_a_snapshot_goes_back_to_the_committed_one() {
    let disk = MemDisk::new();
    let (mut log, mut plain) = appended(&disk, 30);
    log.snapshot_writer(19, body(19)).run().unwrap();
    log.note_committed(20);
    log.snapshot_writer(29, body(29)).run().unwrap();
    drop(log.purge(29).unwrap());
    let first = log.first_raft_index() as usize;
    assert!(first > 0 && first <= 20, "purged up to the committed snapshot, not past it: {first}");
    log.truncate_after(Some(24)).unwrap();
    plain.truncate(25);
    plain.assert_same(&log.reader(), first, 25);
    assert_eq!(log.read_snapshot().unwrap().map(|s| (s.raft_index, s.body.to_vec())), Some((19, body(19))));
    for policy in CrashPolicy::ALL {
        let (log, recovery) = open(&disk.crash(policy, 1)).unwrap();
        plain.assert_same(&log.reader(), first, 25);
        assert_eq!(recovery.replay_from, 20);
    }
    let below = log.truncate_after(Some(first as u64 - 1));
    assert!(matches!(below, Err(StorageError::BelowSnapshot { snapshot: 19, .. })));
}

#[test]
fn a_snapshot_job_that_a_truncation_overtook_writes_nothing() {
    let disk = MemDisk::new();
    let (mut log, _) = appended(&disk, 10);
    let job = log.snapshot_writer(9, body(9));
    log.truncate_after(Some(4)).unwrap();
    job.run().unwrap();
    assert_eq!(log.snapshot_index(), None);
}

#[test]
fn a_replica_can_begin_behind_a_snapshot_that_it_was_sent() {
    let disk = MemDisk::new();
    let start = bateau::storage::SegmentStart {
        base_offset: bateau::model::Offset(500),
        first_raft_index: 70,
        term_before: Some(6),
    };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let dir = PathBuf::from("/t-3");
    let log = Log::create_at(shared, dir, identity(), start, b"image".to_vec()).unwrap();
    assert_eq!(log.last_entry(), Some((6, 69)));
    drop(log);
    for policy in CrashPolicy::ALL {
        let (log, recovery) = open(&disk.crash(policy, 3)).unwrap();
        assert_eq!((log.before_first(), log.next_raft_index()), (Some((6, 69)), 70));
        assert_eq!((log.base_offset().0, log.log_end_offset().0), (500, 500));
        assert_eq!(recovery.replay_from, 70);
        assert_eq!(&recovery.snapshot.unwrap().body[..], b"image");
    }
}

/// More of them for a long run: `CRASH_SEEDS=1000`.
fn seeds(default: u64) -> u64 {
    std::env::var("CRASH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}
