//! A small data directory whose files a fuzzer damages, and what must hold when it is opened again.
//!
//! Not here: what a power loss may leave (`tests/crash`): there nothing acknowledged may be missing. Here anything may
//! have happened to the bytes, so an error is a good answer; a panic or an absurd allocation is none.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bateau::model::{BatchHeader, LeaderEpoch, Offset, TopicId};
use bateau::storage::{
    CrashPolicy, Disk, Flusher, GroupId, Log, LogIdentity, LogOptions, Marker, MemDisk, StampedEntry,
    StorageError, VoteRecord, Votes,
};
use bytes::Bytes;

const DIR: &str = "/t-3";
const VOTES: &str = "/votes";
const OPTIONS: LogOptions =
    LogOptions { segment_bytes: 1500, segment_index_bytes: 8192, segment_ms: i64::MAX, segment_jitter_ms: 0 };
/// Entries of the log before it is damaged; the snapshot covers the first half.
const ENTRIES: u64 = 24;
/// Bytes of one edit: file, what to do, place (two), value.
const EDIT_LEN: usize = 5;
const EDITS_MAX: usize = 16;
/// No damaged length may make a reader ask for more.
const ENTRY_BYTES_MAX: u32 = 1 << 20;
/// Bits of the first byte of an input.
const OTHER_BOOT: u8 = 1;
const SEALED: u8 = 2;

fn identity() -> LogIdentity {
    let topic_id = TopicId(uuid(2));
    LogIdentity { cluster_id: uuid(1), topic_id, partition: 3, replica_id: 4 }
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

fn open(disk: &MemDisk) -> Result<Log, StorageError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, PathBuf::from(DIR), identity(), OPTIONS).map(|(log, _)| log)
}

fn open_votes(disk: &MemDisk) -> Result<Votes, StorageError> {
    Votes::open(Arc::new(disk.clone()), Path::new(VOTES), uuid(9), Flusher::inline())
}

fn group(partition: i32) -> GroupId {
    GroupId { topic_id: TopicId(uuid(2)), partition, replica_id: 4 }
}

fn entry(index: u64, offset: Offset, term: u64) -> StampedEntry {
    let epoch = LeaderEpoch(i32::try_from(term).unwrap_or(i32::MAX));
    match index % 8 {
        0 => Marker::Term { term, raft_index: index }.entry(offset, epoch),
        5 => Marker::LogStart { offset }.entry(offset, epoch),
        _ => {
            let body = Bytes::from(vec![index as u8; 40 + index as usize * 5]);
            let mut facts = BatchHeader::marker(offset, epoch, body.len());
            facts.attributes = 0;
            facts.record_count = 2;
            facts.last_offset_delta = 1;
            facts.base_timestamp = 1000 + index.cast_signed();
            facts.max_timestamp = facts.base_timestamp;
            facts.seal(&body);
            StampedEntry::batch(facts, body)
        }
    }
}

fn append(log: &mut Log) {
    let term = log.last_entry().map_or(1, |(term, _)| term);
    let entry = entry(log.next_raft_index(), log.log_end_offset(), term);
    log.append(&[entry], 1).expect("a log that opened goes on");
}

/// The directory as it was before anything happened to it.
fn whole() -> &'static MemDisk {
    static WHOLE: OnceLock<MemDisk> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let disk = MemDisk::new();
        let mut log = open(&disk).expect("an empty disk");
        for at in 0..ENTRIES {
            append(&mut log);
            if at == ENTRIES / 2 {
                log.sync_job().run().expect("a good disk");
                log.snapshot_writer(at, b"state".to_vec()).run().expect("a good disk");
            }
        }
        log.sync_job().run().expect("a good disk");
        let votes = open_votes(&disk).expect("a good disk");
        for partition in 0..6 {
            let record = VoteRecord { term: 7, voted_for: 4, committed: partition % 2 == 0 };
            votes.save(group(partition), record, Box::new(|_| ()));
        }
        disk
    })
}

/// Damages a copy of the directory as `input` says, and opens what is left.
pub(crate) fn reopened(input: &[u8], only: Option<&str>) {
    let Some((flags, edits)) = input.split_first() else {
        return;
    };
    let policy = if flags & OTHER_BOOT == 0 { CrashPolicy::Killed } else { CrashPolicy::Everything };
    let disk = whole().crash(policy, 0);
    let names = disk.read_dir(Path::new(DIR)).expect("the directory");
    let paths = names.iter().map(|name| Path::new(DIR).join(name)).chain([PathBuf::from(VOTES)]);
    let fits = |path: &PathBuf| only.is_none_or(|end| path.extension().is_some_and(|e| e == end));
    let paths: Vec<PathBuf> = paths.filter(fits).collect();
    for edit in edits.chunks_exact(EDIT_LEN).take(EDITS_MAX) {
        damage(&disk, &paths[usize::from(edit[0]) % paths.len()], edit);
    }
    if flags & SEALED != 0 {
        for path in &paths {
            seal(&disk, path);
        }
    }
    if let Ok(log) = open(&disk) {
        examine(log, &disk);
    }
    if let Ok(votes) = open_votes(&disk) {
        (0..7).for_each(|partition| _ = votes.get(&group(partition)));
        votes.save(group(99), VoteRecord::default(), Box::new(|done| done.expect("a good disk")));
        assert!(open_votes(&disk).expect("what opened opens again").get(&group(99)).is_some());
    }
}

fn damage(disk: &MemDisk, path: &Path, edit: &[u8]) {
    let Ok(file) = disk.open(path, false) else { return };
    let len = file.len().expect("a good disk");
    let place = u64::from(u16::from_be_bytes([edit[2], edit[3]])) % (len + 1);
    let width = [1, 2, 4, 8][usize::from(edit[1] >> 4) % 4];
    let bytes = vec![edit[4]; width.min((len - place) as usize)];
    let done = match edit[1] % 6 {
        0..=2 => file.write_at(&[IoSlice::new(&bytes)], place),
        3 => file.set_len(place),
        4 => file.set_len(len + u64::from(edit[4])),
        _ => disk.remove_file(path),
    };
    done.expect("a good disk");
}

/// Makes the checksums right again, so that what lies is not only what is torn.
fn seal(disk: &MemDisk, path: &Path) {
    let Ok(file) = disk.open(path, false) else { return };
    let mut bytes = vec![0; file.len().expect("a good disk") as usize];
    file.read_at(&mut bytes, 0).expect("a good disk");
    if path == Path::new(VOTES) {
        for record in bytes.chunks_exact_mut(64) {
            let check = crc32c::crc32c(&record[..60]);
            record[60..].copy_from_slice(&check.to_be_bytes());
        }
    } else if path.extension().is_some_and(|end| end == "log") {
        let mut at = 0;
        while let Ok(mut header) = BatchHeader::parse(&bytes[at..]) {
            let end = at + header.size as usize;
            let Some(batch) = bytes.get_mut(at..end) else { break };
            header.seal(&batch[61..]);
            batch[..61].copy_from_slice(&header.to_bytes());
            at = end;
        }
    } else {
        return;
    }
    file.write_at(&[IoSlice::new(&bytes)], 0).expect("a good disk");
}

/// Everything that is there can be asked for, and the log goes on, now and after the next start.
fn examine(mut log: Log, disk: &MemDisk) {
    let reader = log.reader();
    let range = reader.raft_range();
    assert!(range.end - range.start <= ENTRIES + 16, "{range:?}");
    for index in range.clone() {
        let Some(entry) = reader.entry(index) else { continue };
        if entry.length <= ENTRY_BYTES_MAX {
            _ = reader.bytes(index);
        }
        _ = reader.header(index);
    }
    let end = reader.log_end_offset();
    if end.0 > i64::MAX / 2 || log.last_entry().is_some_and(|(term, _)| i32::try_from(term).is_err()) {
        return; // a sealed lie: no log grows that far
    }
    for from in [reader.base_offset(), Offset(0), Offset(9), end, Offset(i64::MAX)] {
        _ = reader
            .read(from, end, 1000, true)
            .map(|run| run.map(|r| (r.length <= 1 << 20).then(|| r.copy())));
        _ = reader.offset_for_timestamp(1010, from, end);
    }
    _ = reader.max_timestamp_entry(end);
    append(&mut log);
    log.sync_job().run().expect("a good disk");
    let next = log.next_raft_index();
    drop(log);
    assert_eq!(open(disk).expect("what opened opens again").next_raft_index(), next);
}
