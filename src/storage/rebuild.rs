//! Starting a log over behind a state that came from elsewhere: every entry goes, or none.
//!
//! The reset record is the new log's first snapshot under another name. From the moment that
//! `reset` is durable every other file of the log is void, and opening it finishes what was begun;
//! before that, the old files are the log. Not here: what the state means (`partition`).

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::Disk;
use super::error::{Damage, During, StorageError};
use super::log::{Log, Tail};
use super::marker::{LogIdentity, STORE_HEADER_LEN};
use super::segment::{Segment, SegmentStart, number_in};
use super::snapshot::{self, SegmentNote, SnapshotFile, snapshot_path};
use crate::model::RaftIndex;

const RECORD: &str = "reset";
pub(super) const TEMPORARY: &str = "reset.tmp";

impl Log {
    /// Throws every entry away and starts over at `start`, with `body` as the state as of the entry
    /// before it. Durable on return. Runs that were lent before stay readable.
    ///
    /// # Errors
    /// [`StorageError`] if the disk refuses. Before the reset record has its name the log is as it
    /// was; from then on it is poisoned, and opening it finds the old log or the new one.
    ///
    /// # Panics
    /// If there is no entry before `start`.
    pub fn rebuild(&mut self, start: SegmentStart, body: Vec<u8>) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        let (Some(raft_index), Some(term)) = (start.first_raft_index.checked_sub(1), start.term_before)
        else {
            panic!("no entry before {start:?}")
        };
        let _snapshotting = shared.snapshotting.lock();
        let mut named = shared.syncing.lock();
        shared.check_usable()?;
        if !named.0
            && let Some(parent) = shared.dir.parent()
        {
            // Who finds a record or a snapshot counts on the directory's own name.
            shared.disk.sync_dir(parent).during("sync", parent)?;
            named.0 = true;
        }
        let record = SnapshotFile {
            raft_index,
            term,
            log_end_offset: start.base_offset,
            body: body.into(),
            boot_id: shared.disk.boot_id(),
            segments: vec![SegmentNote::of_empty(start)],
        };
        stage(&*shared.disk, &shared.dir, &record.encode(&shared.identity))?;
        // Snapshots of the old log that are under way are void.
        shared.cuts.fetch_add(1, Ordering::AcqRel);
        let made = commit(&*shared.disk, &shared.dir)
            .and_then(|()| replace(&*shared.disk, &shared.dir, &shared.identity, (raft_index, start)));
        if made.is_err() {
            shared.poison();
        }
        let made = made.map(|segment| self.put_over(segment, raft_index));
        shared.cuts.fetch_add(1, Ordering::AcqRel);
        made
    }

    /// Lets writer and readers go on in `segment`, the only one.
    fn put_over(&mut self, segment: Segment, snapshot: RaftIndex) {
        let shared = &self.shared;
        segment.set_linked();
        segment.set_synced(STORE_HEADER_LEN);
        self.tail = Tail::of_empty(&segment.start);
        self.segments = vec![Arc::new(segment)];
        *shared.snapshots.lock() = vec![snapshot];
        shared.note_committed(snapshot);
        shared.segments.store(Arc::new(self.segments.clone()));
        shared.since_snapshot.store(0, Ordering::Release);
        shared.rolled.store(false, Ordering::Release);
    }
}

/// Finishes a rebuild that a crash cut short, if its record stands.
///
/// # Errors
/// [`StorageError::Foreign`] or [`StorageError::Corrupt`], with nothing changed.
pub(super) fn finish(disk: &dyn Disk, dir: &Path, identity: &LogIdentity) -> Result<(), StorageError> {
    let path = dir.join(RECORD);
    if !disk.exists(&path).during("look for", &path)? {
        return Ok(());
    }
    let record = SnapshotFile::read(disk, &path, identity)?;
    let start = match record.segments[..] {
        [note] if note == SegmentNote::of_empty(note.start) => note.start,
        _ => return Err(Damage::Header.at(&path, 0)),
    };
    if start.first_raft_index.checked_sub(1) != Some(record.raft_index) {
        let (found, wanted) = (start.first_raft_index, record.raft_index + 1);
        return Err(Damage::RaftIndex { found, wanted }.at(&path, 0));
    }
    tracing::warn!(dir = %dir.display(), raft_index = record.raft_index, "an unfinished rebuild goes on");
    // A process may have died between the name and its sync: nothing old goes before.
    disk.sync_dir(dir).during("sync", dir)?;
    replace(disk, dir, identity, (record.raft_index, start)).map(|_| ())
}

/// Writes the record under a name that says nothing yet.
fn stage(disk: &dyn Disk, dir: &Path, record: &[u8]) -> Result<(), StorageError> {
    let path = dir.join(TEMPORARY);
    let file = disk.open(&path, true).during("create", &path)?;
    file.set_len(0).during("cut", &path)?;
    file.write_at(&[IoSlice::new(record)], 0).during("write", &path)?;
    file.sync().during("sync", &path)
}

/// The point of no return.
fn commit(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    let temporary = dir.join(TEMPORARY);
    disk.rename(&temporary, &dir.join(RECORD)).during("rename", &temporary)?;
    disk.sync_dir(dir).during("sync", dir)
}

/// Removes the old files, makes the new segment, and turns the record into its snapshot; from
/// whatever an earlier try left. The old Stores are unlinked and never cut: readers may hold them.
fn replace(
    disk: &dyn Disk,
    dir: &Path,
    identity: &LogIdentity,
    (raft_index, start): (RaftIndex, SegmentStart),
) -> Result<Segment, StorageError> {
    for name in disk.read_dir(dir).during("list", dir)? {
        let is_ours = ["log", "index", "snapshot"].iter().any(|suffix| number_in(&name, suffix).is_some());
        if is_ours || name == snapshot::TEMPORARY {
            let path = dir.join(name);
            disk.remove_file(&path).during("remove", &path)?;
        }
    }
    let segment = Segment::create(disk, dir, identity, start)?;
    segment.store.sync()?;
    disk.sync_dir(dir).during("sync", dir)?;
    let record = dir.join(RECORD);
    disk.rename(&record, &snapshot_path(dir, raft_index)).during("rename", &record)?;
    disk.sync_dir(dir).during("sync", dir)?;
    Ok(segment)
}

#[cfg(test)]
mod tests;
