//! The `votes` file: what every Raft group of a data directory promised last.
//!
//! One append-only file for all groups, so that many votes share one sync. Not here: who may vote
//! (`cluster`). A failed sync closes it for good: the node must stop.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use super::disk::{Disk, DiskFile};
use super::error::{Damage, During, StorageError};
use super::flusher::{FlushHandle, FlushTarget, Flusher, SyncDone};
use super::marker::Reader;
use crate::model::{PartitionId, TopicId};

/// The file's name in a data directory.
pub const FILE_NAME: &str = "votes";
const MAGIC: [u8; 8] = *b"BATEAUV\x01";
/// Bytes of the head and of each record; a divisor of a sector, so that none straddles two.
const RECORD_LEN: usize = 64;
const CHECK_AT: usize = RECORD_LEN - 4;
/// First byte of a record, so that zeroes are none.
const RECORD: u8 = b'V';
const COMMITTED: u8 = 1;
const FORGOTTEN: u8 = 2;
/// Below so many records the file is not worth rewriting.
const REWRITE_FROM: u64 = 1024;
/// Rewritten once there are so many records for each that counts.
const REWRITE_RATIO: u64 = 4;

/// One Raft group's replica here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    pub topic_id: TopicId,
    pub partition: PartitionId,
    pub replica_id: u64,
}

/// A group's vote: openraft's, in our words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VoteRecord {
    pub term: u64,
    /// Replica id.
    pub voted_for: u64,
    /// Whether a majority granted it.
    pub committed: bool,
}

/// The votes of one data directory; clones are the same votes.
#[derive(Clone, Debug)]
pub struct Votes {
    inner: Arc<Inner>,
    flusher: Arc<Flusher>,
    handle: FlushHandle,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    directory_id: Uuid,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Arc<dyn DiskFile>,
    votes: BTreeMap<GroupId, VoteRecord>,
    /// Where the next record goes.
    end: u64,
    synced: u64,
    failed: bool,
}

impl Votes {
    /// Opens the votes of `directory_id`, or makes the file.
    ///
    /// # Errors
    /// [`StorageError::ForeignDirectory`] if they are another directory's,
    /// [`StorageError::Corrupt`] if a record that was synced is damaged.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        directory_id: Uuid,
        flusher: Arc<Flusher>,
    ) -> Result<Self, StorageError> {
        if !disk.exists(path).during("look for", path)? {
            write_whole(&*disk, path, directory_id, &BTreeMap::new())?;
        }
        let file = disk.open(path, false).during("open", path)?;
        let state = read(file, path, directory_id)?;
        let state = Mutex::new(state);
        let path = path.to_path_buf();
        let inner = Arc::new(Inner { disk, path, directory_id, state });
        let handle = FlushHandle::new(Target(Arc::clone(&inner)));
        Ok(Self { inner, flusher, handle })
    }

    /// The newest vote of a group, durable or not yet.
    pub fn get(&self, group: &GroupId) -> Option<VoteRecord> {
        self.inner.state.lock().votes.get(group).copied()
    }

    /// Writes a group's vote and calls `done` when it is durable.
    pub fn save(&self, group: GroupId, record: VoteRecord, done: SyncDone) {
        match self.inner.put(group, Some(record)) {
            Ok(()) => self.flusher.sync(&self.handle, done),
            Err(error) => done(Err(Arc::new(error))),
        }
    }

    /// Drops a group's vote; durable sometime.
    pub fn forget(&self, group: &GroupId) -> Result<(), StorageError> {
        self.inner.put(*group, None)
    }

    /// Whether a write (but for want of room) or a sync failed: no vote can be given any more, the node must stop.
    pub fn failed(&self) -> bool {
        self.inner.state.lock().failed
    }
}

#[derive(Debug)]
struct Target(Arc<Inner>);

impl FlushTarget for Target {
    fn flush(&self) -> Result<(), StorageError> {
        self.0.flush()
    }
}

impl Inner {
    fn put(&self, group: GroupId, record: Option<VoteRecord>) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        self.check(&state)?;
        if record.is_none() && !state.votes.contains_key(&group) {
            return Ok(());
        }
        let bytes = encode(&group, record, state.synced);
        let written = state.file.write_at(&[IoSlice::new(&bytes)], state.end);
        // Without room nothing was promised: the next record goes over what there may be of this one.
        state.failed = written.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::StorageFull);
        written.during("write", &self.path)?;
        state.end += RECORD_LEN as u64;
        match record {
            Some(record) => state.votes.insert(group, record),
            None => state.votes.remove(&group),
        };
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        self.check(&state)?;
        let records = state.end / RECORD_LEN as u64;
        let stale = records / (state.votes.len() as u64 + 1) >= REWRITE_RATIO;
        if records >= REWRITE_FROM && stale {
            match self.rewrite(&mut state) {
                Err(StorageError::Io { action: "write", source, .. })
                    if source.kind() == io::ErrorKind::StorageFull =>
                {
                    tracing::warn!("no room to rewrite the votes; the old file goes on");
                }
                result => {
                    state.failed = result.is_err();
                    return result;
                }
            }
        }
        let (file, end) = (Arc::clone(&state.file), state.end);
        drop(state);
        let synced = file.sync();
        let mut state = self.state.lock();
        state.failed |= synced.is_err();
        synced.during("sync", &self.path)?;
        state.synced = state.synced.max(end);
        Ok(())
    }

    fn rewrite(&self, state: &mut State) -> Result<(), StorageError> {
        let end = write_whole(&*self.disk, &self.path, self.directory_id, &state.votes)?;
        state.file = self.disk.open(&self.path, false).during("open", &self.path)?;
        state.end = end;
        state.synced = end;
        Ok(())
    }

    fn check(&self, state: &State) -> Result<(), StorageError> {
        if state.failed {
            return Err(StorageError::Poisoned { path: self.path.clone() });
        }
        Ok(())
    }
}

/// Writes a file with these votes, durable and whole or not at all. Returns its length.
fn write_whole(
    disk: &dyn Disk,
    path: &Path,
    directory_id: Uuid,
    votes: &BTreeMap<GroupId, VoteRecord>,
) -> Result<u64, StorageError> {
    let temporary = path.with_extension("tmp");
    let mut bytes = head(directory_id).to_vec();
    // In a fixed order, so that a simulation repeats itself.
    let mut votes: Vec<_> = votes.iter().collect();
    votes.sort_by_key(|(group, _)| (group.topic_id, group.partition, group.replica_id));
    for (group, record) in votes {
        bytes.extend_from_slice(&encode(group, Some(*record), 0));
    }
    let file = disk.open(&temporary, true).during("create", &temporary)?;
    file.set_len(0).during("cut", &temporary)?;
    file.write_at(&[IoSlice::new(&bytes)], 0).during("write", &temporary)?;
    file.sync().during("sync", &temporary)?;
    disk.rename(&temporary, path).during("rename", &temporary)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    disk.sync_dir(dir).during("sync", dir)?;
    Ok(bytes.len() as u64)
}

fn read(file: Arc<dyn DiskFile>, path: &Path, directory_id: Uuid) -> Result<State, StorageError> {
    // A sync that failed before the last stop left pages that look written and are not.
    file.forget_cached().during("forget", path)?;
    let len = file.len().during("stat", path)?;
    let mut bytes = vec![0; len as usize];
    file.read_at(&mut bytes, 0).during("read", path)?;
    let (records, rest) = bytes.as_chunks::<RECORD_LEN>();
    let Some((first, records)) = records.split_first() else {
        return Err(Damage::Header.at(path, 0));
    };
    let found = decode_head(first).ok_or_else(|| Damage::Header.at(path, 0))?;
    if found != directory_id {
        let (path, wanted) = (path.to_path_buf(), directory_id);
        return Err(StorageError::ForeignDirectory { path, found, wanted });
    }
    let decoded: Vec<_> = records.iter().map(decode).collect();
    let synced = decoded.iter().flatten().map(|record| record.synced).max().unwrap_or(0);
    let mut votes = BTreeMap::new();
    let mut end = RECORD_LEN as u64;
    for record in &decoded {
        let Some(record) = record else { break };
        match record.vote {
            Some(vote) => votes.insert(record.group, vote),
            None => votes.remove(&record.group),
        };
        end += RECORD_LEN as u64;
    }
    if end < synced {
        return Err(Damage::Checksum.at(path, end));
    }
    if end < len || !rest.is_empty() {
        tracing::warn!(path = %path.display(), position = end, bytes = len - end, "votes cut");
        file.set_len(end).during("cut", path)?;
    }
    // What was read may be in the page cache only.
    file.sync().during("sync", path)?;
    Ok(State { file, votes, end, synced: end, failed: false })
}

fn head(directory_id: Uuid) -> [u8; RECORD_LEN] {
    let mut out = [0; RECORD_LEN];
    out[..8].copy_from_slice(&MAGIC);
    out[8..24].copy_from_slice(directory_id.as_bytes());
    seal(&mut out);
    out
}

fn decode_head(bytes: &[u8; RECORD_LEN]) -> Option<Uuid> {
    let mut from = Reader(checked(bytes)?);
    (from.array()? == MAGIC).then_some(())?;
    Some(Uuid::from_bytes(from.array()?))
}

struct Decoded {
    group: GroupId,
    vote: Option<VoteRecord>,
    synced: u64,
}

fn encode(group: &GroupId, record: Option<VoteRecord>, synced: u64) -> [u8; RECORD_LEN] {
    let mut out = [0; RECORD_LEN];
    let vote = record.unwrap_or_default();
    out[0] = RECORD;
    out[1] = if record.is_none() { FORGOTTEN } else { u8::from(vote.committed) * COMMITTED };
    out[4..8].copy_from_slice(&group.partition.to_be_bytes());
    out[8..24].copy_from_slice(group.topic_id.0.as_bytes());
    out[24..32].copy_from_slice(&group.replica_id.to_be_bytes());
    out[32..40].copy_from_slice(&vote.term.to_be_bytes());
    out[40..48].copy_from_slice(&vote.voted_for.to_be_bytes());
    out[48..56].copy_from_slice(&synced.to_be_bytes());
    seal(&mut out);
    out
}

fn decode(bytes: &[u8; RECORD_LEN]) -> Option<Decoded> {
    let mut from = Reader(checked(bytes)?);
    (from.u8()? == RECORD).then_some(())?;
    let flags = from.u8()?;
    from.u16()?;
    let partition = i32::from_be_bytes(from.array()?);
    let topic_id = TopicId(Uuid::from_bytes(from.array()?));
    let group = GroupId { topic_id, partition, replica_id: from.u64()? };
    let (term, voted_for) = (from.u64()?, from.u64()?);
    let vote = VoteRecord { term, voted_for, committed: flags & COMMITTED != 0 };
    let vote = (flags & FORGOTTEN == 0).then_some(vote);
    Some(Decoded { group, vote, synced: from.u64()? })
}

fn seal(bytes: &mut [u8; RECORD_LEN]) {
    let check = crc32c::crc32c(&bytes[..CHECK_AT]);
    bytes[CHECK_AT..].copy_from_slice(&check.to_be_bytes());
}

/// The bytes under the checksum, if it holds.
fn checked(bytes: &[u8; RECORD_LEN]) -> Option<&[u8]> {
    let (body, check) = bytes.split_at(CHECK_AT);
    (crc32c::crc32c(body).to_be_bytes() == check).then_some(body)
}
