//! The same log on the operating system's file system, with its threads, mappings and descriptors.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use bateau::model::Offset;
use bateau::storage::{DataDir, Disk, Flusher, Identity, Log, LogOptions, RealDisk, StorageError};
use uuid::Uuid;

use crate::fixture::{Draw, Plain, batch, identity};

/// A directory of this test alone, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bateau-crash-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(RealDisk::new(&self.0))
    }

    fn open(&self, options: LogOptions) -> Log {
        Log::open(self.disk(), self.0.join("t-3"), identity(), options).unwrap().0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Descriptors of this process that lie below `dir`.
fn descriptors(dir: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
    links.filter(|link| fs::read_link(link.path()).is_ok_and(|to| to.starts_with(dir))).count()
}

#[test]
fn a_log_on_a_real_disk_is_what_it_was_when_it_is_opened_again() {
    let scratch = Scratch::new();
    let options = LogOptions { segment_bytes: 20_000, ..LogOptions::default() };
    let (mut plain, mut draw) = (Plain::default(), Draw(3));
    let mut log = scratch.open(options);
    for round in 0..200 {
        let entries: Vec<_> = (0..=draw.below(9)).map(|_| plain.next(draw.next())).collect();
        log.append(&entries, 1).unwrap();
        if round % 40 == 39 {
            let last = plain.entries.len() - 1;
            log.snapshot_writer(last as u64, vec![1, 2, 3]).run().unwrap();
            drop(log);
            log = scratch.open(options);
            plain.assert_same(&log.reader(), 0, plain.entries.len());
        }
    }
    let segments = log.segments().len();
    assert!(segments > 3);
    assert_eq!(descriptors(&scratch.0), segments, "one descriptor a segment");
    let run = log.reader().read(Offset(0), plain.end(), 1, true).unwrap().unwrap();
    drop(log.purge(plain.entries.len() as u64).unwrap());
    assert_eq!(log.segments().len(), 1);
    assert_eq!(run.copy().unwrap(), plain.run(plain.entries.len(), Offset(0), plain.end(), 1).unwrap().1);
    drop(run);
    assert_eq!(descriptors(&scratch.0), 1, "what was purged is closed with its last reader");
}

#[test]
fn a_large_append_of_many_entries_is_written_whole() {
    let scratch = Scratch::new();
    let mut log = scratch.open(LogOptions::default());
    let entries: Vec<_> = (0..3000).map(|n| batch(Offset(n), 0, 1, n, 40)).collect();
    let plain = Plain { entries, term: 0 };
    log.append(&plain.entries, 1).unwrap();
    plain.assert_same(&log.reader(), 0, 3000);
    let run = log.reader().read(Offset(5), Offset(2000), usize::MAX >> 8, true).unwrap().unwrap();
    assert_eq!((run.base_offset, run.next_offset, run.length), (Offset(5), Offset(2000), 1995 * 101));
    assert!(run.fd_range().is_some());
}

#[test]
fn syncs_of_many_logs_are_completed_in_the_order_of_each() {
    let scratch = Scratch::new();
    let flusher = Flusher::new(4);
    let (told, heard) = mpsc::channel();
    let mut logs: Vec<_> = (0..8)
        .map(|n| {
            let dir = scratch.0.join(format!("t-{n}"));
            Log::open(scratch.disk(), dir, identity(), LogOptions::default()).unwrap().0
        })
        .collect();
    for round in 0..50 {
        for (number, log) in logs.iter_mut().enumerate() {
            let entry = batch(log.log_end_offset(), 0, 1, round, 10);
            log.append(&[entry], 1).unwrap();
            let told = told.clone();
            let done = move |result: Result<(), Arc<StorageError>>| {
                result.unwrap();
                told.send((number, round)).unwrap();
            };
            flusher.sync(&log.flush_handle(), Box::new(done));
        }
    }
    let (ran, job) = mpsc::channel();
    flusher.run(Box::new(move || ran.send(()).unwrap()));
    job.recv().unwrap();
    flusher.stop();
    drop(told);
    let mut next = [0; 8];
    for (number, round) in heard {
        assert_eq!(next[number], round, "log {number}");
        next[number] += 1;
    }
    assert_eq!(next, [50; 8]);
    // After the stop everything runs on the caller's thread.
    let (ran, job) = mpsc::channel();
    flusher.sync(&logs[0].flush_handle(), Box::new(move |result| ran.send(result.is_ok()).unwrap()));
    assert!(job.recv().unwrap());
}

#[test]
fn readers_see_whole_entries_while_the_writer_appends() {
    let scratch = Scratch::new();
    let mut log = scratch.open(LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() });
    let reader = log.reader();
    let watching = std::thread::spawn(move || {
        let mut seen = HashSet::new();
        let mut from = Offset(0);
        while from < Offset(20_000) {
            let end = reader.log_end_offset();
            let Some(run) = reader.read(from, end, 10_000, true).unwrap() else { continue };
            assert_eq!(run.base_offset, from);
            let bytes = run.copy().unwrap();
            let header = bateau::model::BatchHeader::parse(&bytes).unwrap();
            assert_eq!(header.base_offset, from);
            header.check_crc(&bytes).unwrap();
            assert!(seen.insert(from));
            from = run.next_offset;
        }
        from
    });
    for n in 0..20_000 {
        log.append(&[batch(Offset(n), 0, 1, n, 40)], 1).unwrap();
    }
    assert_eq!(watching.join().unwrap(), Offset(20_000));
}

#[test]
fn a_data_directory_has_one_user_and_remembers_who_it_is() {
    let scratch = Scratch::new();
    let path = scratch.0.join("data");
    let open = |id| DataDir::open(scratch.disk(), &path, Uuid::from_u128(id));
    let dir = open(1).unwrap();
    assert!(matches!(open(2), Err(StorageError::Locked { .. })));
    let identity =
        Identity { cluster_id: Uuid::from_u128(5), node_id: 3, metadata_replica: 1, is_founder: true };
    dir.set_identity(identity).unwrap();
    assert!(!dir.lost_votes());
    fs::write(dir.votes_path(), b"").unwrap();
    let meta = dir.meta();
    drop(dir);
    let dir = open(2).unwrap();
    assert_eq!(dir.meta(), meta);
    assert_eq!(meta.directory_id, Uuid::from_u128(1));
    fs::remove_file(dir.votes_path()).unwrap();
    drop(dir);
    let dir = open(2).unwrap();
    assert!(dir.lost_votes());
    assert_eq!(dir.meta().directory_id, Uuid::from_u128(2), "without its votes it is another directory");
    assert_eq!(dir.meta().identity, Some(identity));
}
