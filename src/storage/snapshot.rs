//! The `.snapshot` file: the caller's state as of one Raft index, and where recovery starts.
//!
//! Not here: what the state means (`partition` encodes it).

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{BufMut, Bytes, BytesMut};

use super::disk::Disk;
use super::error::{Damage, During, StorageError};
use super::marker::{FORMAT_VERSION, LogIdentity, Reader, STORE_HEADER_LEN};
use super::reader::LogReader;
use super::segment::{Segment, SegmentStart, index_path};
use super::shared::{Segments, Shared, bytes_after};
use super::sync::SyncJob;
use crate::model::{Offset, RaftIndex};

const MAGIC: [u8; 8] = *b"BATEAUS\x01";
/// Where the bytes under the checksum begin.
const CHECKED_FROM: usize = 12;
/// The largest snapshot: far above any, far below what a damaged length could ask for.
const LEN_MAX: u64 = 1 << 30;
pub(super) const TEMPORARY: &str = "snapshot.tmp";

/// A recovery point as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The last entry that `body` covers.
    pub raft_index: RaftIndex,
    pub term: u64,
    /// The log end after that entry.
    pub log_end_offset: Offset,
    /// The caller's.
    pub body: Bytes,
    pub(super) boot_id: String,
    pub(super) segments: Vec<SegmentNote>,
}

/// What a snapshot says of a segment: its entries up to the snapshot's Raft index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentNote {
    pub(super) start: SegmentStart,
    pub(super) entries: u32,
    /// Behind the last of them.
    pub(super) position: u32,
    pub(super) next_offset: Offset,
}

impl SnapshotFile {
    pub(super) fn encode(&self, identity: &LogIdentity) -> Vec<u8> {
        let mut out = BytesMut::with_capacity(256 + self.body.len());
        out.put_slice(&MAGIC);
        out.put_u32(0);
        out.put_u16(FORMAT_VERSION);
        identity.encode(&mut out);
        out.put_u64(self.raft_index);
        out.put_u64(self.term);
        out.put_i64(self.log_end_offset.0);
        out.put_u8(self.boot_id.len() as u8);
        out.put_slice(self.boot_id.as_bytes());
        out.put_u32(self.segments.len() as u32);
        for note in &self.segments {
            out.put_i64(note.start.base_offset.0);
            out.put_u64(note.start.first_raft_index);
            out.put_u8(u8::from(note.start.term_before.is_some()));
            out.put_u64(note.start.term_before.unwrap_or(0));
            out.put_u32(note.entries);
            out.put_u32(note.position);
            out.put_i64(note.next_offset.0);
        }
        out.put_u64(self.body.len() as u64);
        out.put_slice(&self.body);
        let mut out = Vec::from(out);
        let check = crc32c::crc32c(&out[CHECKED_FROM..]);
        out[8..CHECKED_FROM].copy_from_slice(&check.to_be_bytes());
        out
    }

    /// Reads the snapshot of `identity` in `path`.
    pub(super) fn read(disk: &dyn Disk, path: &Path, identity: &LogIdentity) -> Result<Self, StorageError> {
        let file = disk.open(path, false).during("open", path)?;
        let len = file.len().during("stat", path)?;
        if len > LEN_MAX {
            return Err(Damage::Length { length: len }.at(path, 0));
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(&mut bytes, 0).during("read", path)?;
        let (found, snapshot) = Self::decode(&bytes).map_err(|damage| damage.at(path, 0))?;
        if found != *identity {
            let (found, wanted) = (Box::new(found), Box::new(*identity));
            return Err(StorageError::Foreign { path: path.into(), found, wanted });
        }
        Ok(snapshot)
    }

    fn decode(bytes: &[u8]) -> Result<(LogIdentity, Self), Damage> {
        let Some((head, checked)) = bytes.split_first_chunk::<CHECKED_FROM>() else {
            return Err(Damage::Header);
        };
        if head[..8] != MAGIC {
            return Err(Damage::Header);
        }
        if head[8..] != crc32c::crc32c(checked).to_be_bytes() {
            return Err(Damage::Checksum);
        }
        let mut from = Reader(checked);
        match from.u16() {
            Some(FORMAT_VERSION) => {}
            Some(version) => return Err(Damage::Version { version }),
            None => return Err(Damage::Header),
        }
        Self::decode_fields(&mut from).ok_or(Damage::Length { length: bytes.len() as u64 })
    }

    fn decode_fields(from: &mut Reader<'_>) -> Option<(LogIdentity, Self)> {
        let identity = LogIdentity::decode(from)?;
        let raft_index = from.u64()?;
        let term = from.u64()?;
        let log_end_offset = Offset(from.u64()?.cast_signed());
        let boot_len = from.u8()?.into();
        let boot_id = String::from_utf8_lossy(from.bytes(boot_len)?).into_owned();
        let mut segments = Vec::new();
        for _ in 0..from.u32()? {
            segments.push(SegmentNote::decode(from)?);
        }
        let body_len = usize::try_from(from.u64()?).ok()?;
        let body = Bytes::copy_from_slice(from.bytes(body_len)?);
        let whole = from.0.is_empty();
        whole.then_some((identity, Self { raft_index, term, log_end_offset, body, boot_id, segments }))
    }
}

impl SegmentNote {
    /// Of a segment that begins at `start` and has no entry.
    pub(super) fn of_empty(start: SegmentStart) -> Self {
        Self { start, entries: 0, position: STORE_HEADER_LEN, next_offset: start.base_offset }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let base_offset = Offset(from.u64()?.cast_signed());
        let first_raft_index = from.u64()?;
        let has_before = from.u8()? != 0;
        let term_before = from.u64()?;
        Some(Self {
            start: SegmentStart {
                base_offset,
                first_raft_index,
                term_before: has_before.then_some(term_before),
            },
            entries: from.u32()?,
            position: from.u32()?,
            next_offset: Offset(from.u64()?.cast_signed()),
        })
    }
}

impl LogReader {
    /// Reads the oldest snapshot at or behind `index`, if there is one. Waits for a snapshot that is
    /// being written.
    ///
    /// At or behind the last purged entry it is one of agreed entries, whatever is known of
    /// agreement now: what covers a purge was agreed on, and stays until a newer such one is there.
    pub fn oldest_snapshot_from(&self, index: RaftIndex) -> Result<Option<SnapshotFile>, StorageError> {
        let shared = &self.shared;
        let _alone = shared.snapshotting.lock();
        let known = shared.snapshots.lock().iter().copied().find(|known| *known >= index);
        let Some(found) = known else { return Ok(None) };
        SnapshotFile::read(&*shared.disk, &snapshot_path(&shared.dir, found), &shared.identity).map(Some)
    }
}

/// Writes a recovery point, when run; may run on another thread beside appends.
#[derive(Debug)]
pub struct SnapshotJob {
    shared: Arc<Shared>,
    snapshot: SnapshotFile,
    covered: Vec<Arc<Segment>>,
    /// State of the log when the job was made: if it was cut since, the job is void.
    cuts: u64,
    /// What the job took off the log's counters, to be given back if it fails.
    bytes: u64,
    rolled: bool,
}

impl SnapshotJob {
    pub(super) fn new(shared: &Arc<Shared>, raft_index: RaftIndex, body: Vec<u8>) -> Self {
        let segments = shared.segments.load_full();
        let (covered, notes, term) = cover(&segments, raft_index);
        let end = notes.last().map_or(Offset::ZERO, |note| note.next_offset);
        let after = bytes_after(&segments, Some(raft_index));
        let before = shared.since_snapshot.swap(after, Ordering::AcqRel);
        let rolled = shared.rolled.swap(covered.len() < segments.len(), Ordering::AcqRel);
        let boot_id = shared.disk.boot_id();
        debug_assert!(u8::try_from(boot_id.len()).is_ok());
        Self {
            shared: Arc::clone(shared),
            cuts: shared.cuts.load(Ordering::Acquire),
            snapshot: SnapshotFile {
                raft_index,
                term,
                log_end_offset: end,
                body: body.into(),
                boot_id,
                segments: notes,
            },
            covered,
            bytes: before.saturating_sub(after),
            rolled,
        }
    }

    pub fn raft_index(&self) -> RaftIndex {
        self.snapshot.raft_index
    }

    /// Syncs the log and its indexes up to the point, writes the file, removes older ones.
    ///
    /// Does nothing if the log was truncated since the job was made, or a newer one is there.
    pub fn run(&self) -> Result<(), StorageError> {
        let result = self.write();
        if !matches!(result, Ok(true)) {
            self.shared.since_snapshot.fetch_add(self.bytes, Ordering::AcqRel);
            self.shared.rolled.fetch_or(self.rolled, Ordering::AcqRel);
        }
        result.map(|_| ())
    }

    fn write(&self) -> Result<bool, StorageError> {
        let shared = &self.shared;
        let _alone = shared.snapshotting.lock();
        shared.check_usable()?;
        let raft_index = self.snapshot.raft_index;
        if shared.newest_snapshot().is_some_and(|newest| newest >= raft_index) {
            return Ok(true);
        }
        if shared.cuts.load(Ordering::Acquire) != self.cuts {
            return Ok(false);
        }
        SyncJob::new(Arc::clone(shared)).run()?;
        for (segment, note) in self.covered.iter().zip(&self.snapshot.segments) {
            if segment.indexed.load(Ordering::Acquire) < note.entries {
                let path = index_path(&shared.dir, note.start.base_offset);
                segment.index.flush(&path, note.entries)?;
                segment.indexed.store(note.entries, Ordering::Release);
            }
        }
        let bytes = self.snapshot.encode(&shared.identity);
        put(&*shared.disk, &shared.dir, raft_index, &bytes)?;
        shared.snapshots.lock().push(raft_index);
        remove_older(shared)?;
        Ok(true)
    }
}

/// The segments up to `raft_index`, what a snapshot notes of them, and the term there.
fn cover(segments: &Segments, raft_index: RaftIndex) -> (Vec<Arc<Segment>>, Vec<SegmentNote>, u64) {
    let mut covered = Vec::new();
    let mut notes = Vec::new();
    let mut term = None;
    for (at, segment) in segments.iter().enumerate() {
        let start = segment.start;
        if at > 0 && start.first_raft_index > raft_index {
            break;
        }
        let view = segment.view();
        let wanted = raft_index + 1 - start.first_raft_index;
        let entries = wanted.min(view.count.into()) as u32;
        let last = entries.checked_sub(1).and_then(|last| view.entry(last));
        term = last.map(|entry| entry.term.into()).or(start.term_before);
        notes.push(SegmentNote {
            start,
            entries,
            position: view.position(entries),
            next_offset: view.offset(entries),
        });
        covered.push(Arc::clone(segment));
    }
    let end = segments[segments.len() - 1].next_raft_index();
    let Some(term) = term.filter(|_| raft_index < end) else {
        panic!("raft index {raft_index} of a snapshot is in the log, which ends at {end}")
    };
    (covered, notes, term)
}

/// Writes a snapshot file whole or not at all.
fn put(disk: &dyn Disk, dir: &Path, at: RaftIndex, bytes: &[u8]) -> Result<(), StorageError> {
    let temporary = dir.join(TEMPORARY);
    let path = snapshot_path(dir, at);
    let file = disk.open(&temporary, true).during("create", &temporary)?;
    file.set_len(0).during("cut", &temporary)?;
    file.write_at(&[IoSlice::new(bytes)], 0).during("write", &temporary)?;
    file.sync().during("sync", &temporary)?;
    disk.rename(&temporary, &path).during("rename", &temporary)?;
    disk.sync_dir(dir).during("sync", dir)
}

/// Removes all snapshots but the newest and the one to go back to.
fn remove_older(shared: &Shared) -> Result<(), StorageError> {
    let (newest, anchor) = (shared.newest_snapshot(), shared.anchor());
    let old = shared.snapshots.lock().clone();
    for index in old.into_iter().filter(|index| Some(*index) != newest && Some(*index) != anchor) {
        let path = snapshot_path(&shared.dir, index);
        shared.disk.remove_file(&path).during("remove", &path)?;
        shared.snapshots.lock().retain(|known| *known != index);
    }
    Ok(())
}

/// Removes the snapshots, durably, that cover entries from `keep` on, which are to be cut. The
/// caller holds `snapshotting`.
pub(super) fn forget_past(shared: &Shared, keep: RaftIndex, purged: bool) -> Result<(), StorageError> {
    let known = shared.snapshots.lock().clone();
    let stays = known.partition_point(|index| *index < keep);
    if purged
        && stays == 0
        && let Some(snapshot) = known.first().copied()
    {
        let last = keep.saturating_sub(1);
        return Err(StorageError::BelowSnapshot { path: shared.dir.clone(), last, snapshot });
    }
    for index in known[stays..].iter().rev() {
        let path = snapshot_path(&shared.dir, *index);
        shared.disk.remove_file(&path).during("remove", &path)?;
        shared.disk.sync_dir(&shared.dir).during("sync", &shared.dir)?;
        shared.snapshots.lock().pop();
    }
    // Also for one that went before: brought back after the cut it would look like damage.
    shared.disk.sync_dir(&shared.dir).during("sync", &shared.dir)
}

pub(super) fn snapshot_path(dir: &Path, index: RaftIndex) -> PathBuf {
    dir.join(format!("{index:020}.snapshot"))
}
