//! Opening a log: what the newest snapshot says is trusted, everything behind it is walked.
//!
//! Decides first and changes after: a log that is refused as damaged or foreign keeps its Stores
//! as they were. The rules are in `docs/disk-format.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::Disk;
use super::doubt::Doubt;
use super::error::{Damage, During, StorageError};
use super::index::Index;
use super::log::{Recovery, Tail, Truncated};
use super::marker::{FORMAT_VERSION, LogIdentity, Marker, MarkerError, STORE_HEADER_LEN, StoreHeader};
use super::rebuild;
use super::segment::{Segment, SegmentStart, index_path, number_in, store_path};
use super::shared::Shared;
use super::snapshot::{self, SegmentNote, SnapshotFile, snapshot_path};
use super::store::Store;
use super::walk::{Bad, Checksums, Walk};
use crate::model::{BatchHeader, Offset, RaftIndex};

/// How far behind a bad batch others are looked for, in bytes.
const LOOKED_THROUGH_MAX: u64 = 4 << 20;
/// How many bytes of what may be batches are checked then.
const CHECKED_MAX: usize = 256 << 20;

/// Where a log begins that nothing was purged from.
const ORIGIN: SegmentStart =
    SegmentStart { base_offset: Offset::ZERO, first_raft_index: 0, term_before: None };

/// Makes a log that begins at `start` in a directory without one.
pub(super) fn create(
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: LogIdentity,
    start: SegmentStart,
) -> Result<Shared, StorageError> {
    disk.create_dir(&dir).during("create", &dir)?;
    let segment = Segment::create(&*disk, &dir, &identity, start)?;
    Ok(Shared::new(disk, dir, identity, vec![Arc::new(segment)]))
}

/// Opens the log in `dir`, or makes one that begins at nought.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: LogIdentity,
) -> Result<(Shared, Recovery), StorageError> {
    disk.create_dir(&dir).during("create", &dir)?;
    rebuild::finish(&*disk, &dir, &identity)?;
    let files = Files::list(&*disk, &dir)?;
    let snapshot = match files.snapshots.last() {
        Some(index) => Some(SnapshotFile::read(&*disk, &snapshot_path(&dir, *index), &identity)?),
        None => None,
    };
    let doubt = Doubt::read(Arc::clone(&disk), &dir)?;
    let boot_id = disk.boot_id();
    let same_boot = !boot_id.is_empty() && snapshot.as_ref().is_some_and(|s| s.boot_id == boot_id);
    let mut opening = Opening::new(&*disk, &dir, &identity, same_boot);
    let replay_from = snapshot.as_ref().map(|s| s.raft_index + 1);
    if let Some(snapshot) = &snapshot {
        opening.open_noted(snapshot, &files)?;
    }
    opening.open_rest(&files)?;
    opening.settle()?;
    opening.walk()?;
    let walked = opening.walked;
    let fresh = opening.fresh();
    let (segments, truncated) = opening.finish(&files, snapshot.as_ref(), &doubt)?;
    let named = walked || snapshot.is_some();
    let shared = if segments.is_empty() {
        create(disk, dir, identity, ORIGIN)?
    } else {
        Shared::new(disk, dir, identity, segments.into_iter().map(Arc::new).collect())
    };
    shared.syncing.lock().0 = named;
    shared.snapshots.lock().clone_from(&files.snapshots);
    shared.since_snapshot.store(fresh, Ordering::Release);
    let first = shared.segments.load()[0].start.first_raft_index;
    let replay_from = replay_from.unwrap_or(first);
    Ok((shared, Recovery { snapshot, replay_from, truncated, same_boot, doubt }))
}

/// The files of a partition's directory, by number, ascending.
#[derive(Debug, Default)]
struct Files {
    stores: Vec<Offset>,
    indexes: Vec<Offset>,
    snapshots: Vec<RaftIndex>,
    /// What is left of a snapshot or a reset record whose writing was cut short.
    temporaries: Vec<String>,
}

impl Files {
    fn list(disk: &dyn Disk, dir: &Path) -> Result<Self, StorageError> {
        let mut files = Self::default();
        let offset = |number: u64| i64::try_from(number).ok().map(Offset);
        for name in disk.read_dir(dir).during("list", dir)? {
            if let Some(base) = number_in(&name, "log").and_then(offset) {
                files.stores.push(base);
            } else if let Some(base) = number_in(&name, "index").and_then(offset) {
                files.indexes.push(base);
            } else if let Some(index) = number_in(&name, "snapshot") {
                files.snapshots.push(index);
            }
            if [snapshot::TEMPORARY, rebuild::TEMPORARY].contains(&&*name) {
                files.temporaries.push(name);
            }
        }
        Ok(files)
    }
}

/// A segment on its way to be opened.
#[derive(Debug)]
struct Candidate {
    segment: Segment,
    /// Bytes of its Store.
    len: u64,
    /// How far it is listed and trusted; the walk moves it on.
    tail: Tail,
    /// A lower bound of what was acknowledged.
    synced: u64,
}

/// Where the log is to be cut.
#[derive(Debug)]
struct Cut {
    /// Candidates that stay.
    keep: usize,
    /// Stores that go, beside the candidates behind `keep`.
    torn: Vec<Offset>,
    /// One of those, whose header is not whole, has whole batches.
    torn_batches: bool,
}

struct Opening<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    identity: &'a LogIdentity,
    has_snapshot: bool,
    same_boot: bool,
    candidates: Vec<Candidate>,
    /// How many of them the snapshot notes: only the last of these has anything to walk.
    noted: usize,
    /// Stores of purged segments that a power loss brought back.
    stale: Vec<Offset>,
    cut: Cut,
    walked: bool,
}

impl<'a> Opening<'a> {
    fn new(disk: &'a dyn Disk, dir: &'a Path, identity: &'a LogIdentity, same_boot: bool) -> Self {
        let cut = Cut { keep: 0, torn: Vec::new(), torn_batches: false };
        let (candidates, stale) = (Vec::new(), Vec::new());
        let (noted, has_snapshot, walked) = (0, false, false);
        Self { disk, dir, identity, has_snapshot, same_boot, candidates, noted, stale, cut, walked }
    }

    /// Opens the segments that the snapshot notes. Those purged since are missing from the front.
    fn open_noted(&mut self, snapshot: &SnapshotFile, files: &Files) -> Result<(), StorageError> {
        self.has_snapshot = true;
        let here = |note: &SegmentNote| files.stores.binary_search(&note.start.base_offset).is_ok();
        let purged = snapshot.segments.iter().take_while(|note| !here(note)).count();
        let notes = &snapshot.segments[purged..];
        for (at, note) in notes.iter().enumerate() {
            let path = store_path(self.dir, note.start.base_offset);
            if !here(note) {
                return Err(Damage::Missing.at(&path, 0));
            }
            let last = at + 1 == notes.len();
            let candidate = self.open_one_noted(note, last)?;
            self.candidates.push(candidate);
        }
        self.noted = self.candidates.len();
        let oldest = match notes.first() {
            Some(note) => note.start.base_offset,
            None => snapshot.log_end_offset,
        };
        self.stale = files.stores.iter().copied().take_while(|base| *base < oldest).collect();
        Ok(())
    }

    fn open_one_noted(&self, note: &SegmentNote, last: bool) -> Result<Candidate, StorageError> {
        let base = note.start.base_offset;
        let (store, len) = self.open_store(base)?;
        let (have, need) = (len, u64::from(note.position));
        if have < need {
            return Err(Damage::Ends { have, need }.at(store.path(), have));
        }
        if !last && have > need {
            return Err(Damage::Trailing.at(store.path(), need));
        }
        let head = note.start.index_head(self.identity);
        let path = index_path(self.dir, base);
        let index = Index::open(self.disk, &path, last.then_some(&head), note.entries)?
            .filter(|index| !last || index.view().end().agrees(note));
        let segment = match index {
            Some(index) => Segment::new(note.start, store, index),
            None => self.rebuild(note, store)?,
        };
        // Only the last one's pages are touched: opening many segments must not read many pages.
        let tail = if last { Tail::after(&segment, note.entries) } else { Tail::noted(note) };
        let synced = if last { need.max(segment.index.noted_synced().into()) } else { need };
        segment.assume_synced(note.position);
        segment.set_linked();
        segment.indexed.store(note.entries, Ordering::Release);
        Ok(Candidate { segment, len, tail, synced })
    }

    /// Lists a Store again whose index is missing or is not its own.
    fn rebuild(&self, note: &SegmentNote, store: Store) -> Result<Segment, StorageError> {
        let path = index_path(self.dir, note.start.base_offset);
        tracing::info!(path = %path.display(), "index rebuilt");
        let head = note.start.index_head(self.identity);
        let index = Index::create(self.disk, &path, &head, STORE_HEADER_LEN)?;
        let segment = Segment::new(note.start, store, index);
        let mut tail = Tail::of_empty(&note.start);
        let end = u64::from(note.position);
        let bad = self.walk_one(&segment, end, Checksums::None, &mut tail)?;
        if let Some(Bad { position, reason, .. }) = bad {
            return Err(reason.at(segment.store.path(), position.into()));
        }
        if tail.count != note.entries || tail.offset != note.next_offset {
            let (entries, bytes) = (tail.count.into(), tail.position.into());
            let (wanted_entries, wanted_bytes) = (note.entries.into(), end);
            let damage = Damage::Disagrees { entries, bytes, wanted_entries, wanted_bytes };
            return Err(damage.at(segment.store.path(), end));
        }
        Ok(segment)
    }

    /// Opens the segments behind the noted ones, up to the first whose header is not whole.
    fn open_rest(&mut self, files: &Files) -> Result<(), StorageError> {
        let after = self.candidates.last().map(|c| c.segment.start.base_offset);
        let oldest = self.stale.len();
        for base in files.stores[oldest..].iter().copied().filter(|base| Some(*base) > after) {
            let (store, len) = self.open_store(base)?;
            let start = match self.read_header(&store, base, len)? {
                Ok(start) if self.cut.torn.is_empty() => start,
                Ok(start) if !self.was_acknowledged(&start)? => {
                    self.cut.torn.push(base);
                    continue;
                }
                Ok(_) => return Err(Damage::Gap.at(store.path(), 0)),
                Err(damage) if self.may_be_torn(base)? => {
                    self.cut.torn_batches |= has_batches(&store, u64::from(STORE_HEADER_LEN), len, base)?;
                    tracing::warn!(path = %store.path().display(), %damage, "header is torn");
                    self.cut.torn.push(base);
                    continue;
                }
                Err(damage) => return Err(damage.at(store.path(), 0)),
            };
            let candidate = self.open_one(start, store, len)?;
            self.candidates.push(candidate);
        }
        Ok(())
    }

    fn open_one(&self, start: SegmentStart, store: Store, len: u64) -> Result<Candidate, StorageError> {
        let head = start.index_head(self.identity);
        let path = index_path(self.dir, start.base_offset);
        let index = match Index::open(self.disk, &path, Some(&head), 0)? {
            Some(index) => index,
            None => Index::create(self.disk, &path, &head, STORE_HEADER_LEN)?,
        };
        let synced = index.noted_synced().into();
        let segment = Segment::new(start, store, index);
        let tail = Tail::of_empty(&start);
        Ok(Candidate { segment, len, tail, synced })
    }

    /// Whether a segment whose header is not whole can be what a power loss left of a roll.
    fn may_be_torn(&self, base: Offset) -> Result<bool, StorageError> {
        let path = index_path(self.dir, base);
        let index = Index::open(self.disk, &path, None, 0)?;
        Ok(index.is_none_or(|index| index.noted_synced() == 0))
    }

    fn was_acknowledged(&self, start: &SegmentStart) -> Result<bool, StorageError> {
        let head = start.index_head(self.identity);
        let path = index_path(self.dir, start.base_offset);
        let index = Index::open(self.disk, &path, Some(&head), 0)?;
        Ok(index.is_some_and(|index| index.noted_synced() > 0))
    }

    /// If the process ended during a cut or after a failed sync, the page cache is no witness: what
    /// the snapshot does not cover is read from the medium and checked as after a power loss.
    fn settle(&mut self) -> Result<(), StorageError> {
        let doubtful = &self.candidates[self.noted.saturating_sub(1)..];
        if !doubtful.iter().any(|c| c.segment.index.is_unsettled()) {
            return Ok(());
        }
        for candidate in doubtful {
            candidate.segment.store.forget_cached()?;
        }
        self.same_boot = false;
        self.walked = true;
        Ok(())
    }

    /// Walks all that the snapshot does not cover and decides where the log ends.
    fn walk(&mut self) -> Result<(), StorageError> {
        let acknowledged = self.candidates.iter().rposition(|c| c.synced > 0);
        if acknowledged.is_none() && self.lacks_origin() {
            // Names are synced before anything is acknowledged: a lost one says that nothing was.
            return Ok(());
        }
        let first = self.noted.saturating_sub(1);
        self.cut.keep = self.candidates.len();
        for at in first..self.candidates.len() {
            if at >= self.noted
                && let Err(damage) = self.follows(at)
            {
                let path = self.candidates[at].segment.store.path();
                if self.same_boot || at == 0 || acknowledged.is_some_and(|known| at <= known) {
                    return Err(damage.at(path, 0));
                }
                self.cut.keep = at;
                return Ok(());
            }
            let must_reach = acknowledged.is_some_and(|known| at < known);
            if self.walk_candidate(at, must_reach)? {
                self.cut.keep = at + 1;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the first segment is not where a log without a snapshot begins.
    fn lacks_origin(&self) -> bool {
        let first = self.candidates.first().map(|c| c.segment.start);
        !self.has_snapshot && first.is_some_and(|start| start != ORIGIN)
    }

    /// Walks one candidate to its end; true if the log ends in it, at its tail.
    fn walk_candidate(&mut self, at: usize, must_reach: bool) -> Result<bool, StorageError> {
        let last = at + 1 == self.candidates.len();
        let candidate = &self.candidates[at];
        let (len, mut tail) = (candidate.len, candidate.tail);
        let path = candidate.segment.store.path();
        let required = if must_reach { len } else { candidate.synced };
        if len < required {
            return Err(Damage::Ends { have: len, need: required }.at(path, len));
        }
        if len == u64::from(tail.position) && at < self.noted {
            return Ok(false);
        }
        let checksums = match (self.same_boot, last) {
            (false, _) => Checksums::All,
            (true, true) => Checksums::Last,
            (true, false) => Checksums::None,
        };
        let bad = self.walk_one(&candidate.segment, len, checksums, &mut tail)?;
        if let Some(Bad { position, reason, torn }) = &bad {
            let position = u64::from(*position);
            let unfinished = *torn && last;
            if position < required || (self.same_boot && !unfinished) {
                return Err(reason.clone().at(path, position));
            }
            tracing::warn!(path = %path.display(), position, %reason, "log ends before a bad batch");
        }
        self.walked = true;
        self.candidates[at].tail = tail;
        Ok(bad.is_some())
    }

    fn walk_one(
        &self,
        segment: &Segment,
        end: u64,
        checksums: Checksums,
        tail: &mut Tail,
    ) -> Result<Option<Bad>, StorageError> {
        Walk { disk: self.disk, dir: self.dir, segment, end, checksums }.run(tail)
    }

    /// Whether candidate `at` begins where the one before ends.
    fn follows(&self, at: usize) -> Result<(), Damage> {
        let Some(before) = at.checked_sub(1).map(|at| &self.candidates[at]) else { return Ok(()) };
        let start = &self.candidates[at].segment.start;
        let next = before.segment.start.first_raft_index + u64::from(before.tail.count);
        let tail = &before.tail;
        let agrees = start.base_offset == tail.offset
            && start.first_raft_index == next
            && start.term_before == tail.term;
        if agrees { Ok(()) } else { Err(Damage::Gap) }
    }

    /// Bytes that the snapshot does not cover.
    fn fresh(&self) -> u64 {
        let walked = &self.candidates[self.noted.saturating_sub(1)..self.cut.keep];
        let all: u64 = walked.iter().map(|c| u64::from(c.tail.position)).sum();
        let covered = if self.noted > 0 { walked[0].segment.synced() } else { 0 };
        all - u64::from(covered)
    }

    /// Carries out what was decided, makes what was walked durable, and sweeps leftovers.
    fn finish(
        mut self,
        files: &Files,
        snapshot: Option<&SnapshotFile>,
        doubt: &Doubt,
    ) -> Result<(Vec<Segment>, Option<Truncated>), StorageError> {
        self.check_reach(snapshot)?;
        let dropped = self.candidates.split_off(self.cut.keep);
        if !self.same_boot && (!dropped.is_empty() || self.cut.torn_batches || self.has_more()?) {
            doubt.forget()?;
        }
        let truncated = self.cut_end(&dropped)?;
        let mut gone = self.stale.clone();
        gone.extend(dropped.iter().map(|c| c.segment.start.base_offset));
        gone.extend(&self.cut.torn);
        self.sweep_indexes(files, &gone)?;
        for name in &files.temporaries {
            self.remove(&self.dir.join(name))?;
        }
        if self.walked {
            self.sync_walked()?;
        }
        Ok((self.candidates.into_iter().map(|c| c.segment).collect(), truncated))
    }

    /// A log that begins behind its snapshot's entry, or behind nought without one, has a hole.
    fn check_reach(&self, snapshot: Option<&SnapshotFile>) -> Result<(), StorageError> {
        let Some(first) = self.candidates.first().filter(|_| self.cut.keep > 0) else {
            if snapshot.is_some() {
                return Err(Damage::Missing.at(self.dir, 0));
            }
            return Ok(());
        };
        let start = &first.segment.start;
        let hole = snapshot.is_some_and(|s| start.first_raft_index > s.raft_index + 1);
        if hole || self.lacks_origin() { Err(Damage::Gap.at(first.segment.store.path(), 0)) } else { Ok(()) }
    }

    /// Whether a whole batch lies behind the log's end. What was written last and is torn was not acknowledged yet; what
    /// others follow may have been, and was damaged.
    fn has_more(&self) -> Result<bool, StorageError> {
        let Some(last) = self.candidates.last() else { return Ok(false) };
        has_batches(&last.segment.store, u64::from(last.tail.position) + 1, last.len, last.tail.offset)
    }

    /// Removes what lies behind the log's end, the newest first, and cuts the Store that has it.
    fn cut_end(&self, dropped: &[Candidate]) -> Result<Option<Truncated>, StorageError> {
        let mut bytes = 0;
        for base in self.cut.torn.iter().rev() {
            bytes += self.open_store(*base)?.1;
            self.remove(&store_path(self.dir, *base))?;
        }
        for candidate in dropped.iter().rev() {
            bytes += candidate.len;
            self.remove(candidate.segment.store.path())?;
        }
        let Some(last) = self.candidates.last() else {
            let path = self.dir.to_path_buf();
            return Ok((bytes > 0).then_some(Truncated { path, position: 0, bytes }));
        };
        let position = u64::from(last.tail.position);
        if last.len > position {
            bytes += last.len - position;
            last.segment.store.cut(position)?;
        }
        let path = last.segment.store.path().to_path_buf();
        Ok((bytes > 0).then_some(Truncated { path, position, bytes }))
    }

    fn sweep_indexes(&self, files: &Files, gone: &[Offset]) -> Result<(), StorageError> {
        for base in &self.stale {
            self.remove(&store_path(self.dir, *base))?;
        }
        for base in &files.indexes {
            if gone.contains(base) || files.stores.binary_search(base).is_err() {
                let path = index_path(self.dir, *base);
                self.disk.remove_file(&path).during("remove", &path)?;
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.disk.remove_file(path).during("remove", path)?;
        self.disk.sync_dir(self.dir).during("sync", self.dir)
    }

    /// Raft counts on every entry that it finds: what only the page cache holds is synced now.
    fn sync_walked(&self) -> Result<(), StorageError> {
        for candidate in &self.candidates[self.noted.saturating_sub(1)..] {
            candidate.segment.store.sync()?;
        }
        self.disk.sync_dir(self.dir).during("sync", self.dir)?;
        if let Some(parent) = self.dir.parent() {
            self.disk.sync_dir(parent).during("sync", parent)?;
        }
        for candidate in &self.candidates[self.noted.saturating_sub(1)..] {
            candidate.segment.set_linked();
            candidate.segment.set_synced(candidate.tail.position);
            candidate.segment.index.set_unsettled(false);
        }
        Ok(())
    }

    fn open_store(&self, base: Offset) -> Result<(Store, u64), StorageError> {
        let path = store_path(self.dir, base);
        let file = self.disk.open(&path, false).during("open", &path)?;
        let store = Store::new(file, path);
        let len = store.len()?;
        if u32::try_from(len).is_err() {
            return Err(Damage::Length { length: len }.at(store.path(), 0));
        }
        Ok((store, len))
    }

    /// Reads a Store's header. Not whole: the inner error. Whole, but another log's: refused.
    fn read_header(
        &self,
        store: &Store,
        base: Offset,
        len: u64,
    ) -> Result<Result<SegmentStart, Damage>, StorageError> {
        let need = u64::from(STORE_HEADER_LEN);
        if len < need {
            return Ok(Err(Damage::Ends { have: len, need }));
        }
        let mut bytes = [0; STORE_HEADER_LEN as usize];
        store.read_at(&mut bytes, 0)?;
        let header = match decode_header(&bytes, base) {
            Ok(header) => header,
            Err(damage) => return Ok(Err(damage)),
        };
        if header.format_version != FORMAT_VERSION {
            let version = header.format_version;
            return Err(Damage::Version { version }.at(store.path(), 0));
        }
        if header.identity != *self.identity {
            let (found, wanted) = (Box::new(header.identity), Box::new(*self.identity));
            return Err(StorageError::Foreign { path: store.path().into(), found, wanted });
        }
        Ok(Ok(SegmentStart {
            base_offset: base,
            first_raft_index: header.first_raft_index,
            term_before: header.has_before.then_some(header.term_before),
        }))
    }
}

/// Whether there are whole batches from position `from` on that could come behind offset `after`.
fn has_batches(store: &Store, from: u64, to: u64, after: Offset) -> Result<bool, StorageError> {
    if from >= to {
        return Ok(false);
    }
    let mut bytes = vec![0; (to - from).min(LOOKED_THROUGH_MAX) as usize];
    store.read_at(&mut bytes, from)?;
    let mut checked = 0;
    let found = (0..bytes.len()).any(|at| is_whole(&bytes[at..], after, &mut checked));
    // Bytes that only look like batches, over and over: better one doubt too many.
    Ok(found || checked >= CHECKED_MAX)
}

/// Whether a batch begins here that could come behind offset `after`. Adds the bytes that it takes to know to `checked`.
fn is_whole(bytes: &[u8], after: Offset, checked: &mut usize) -> bool {
    let Ok(header) = BatchHeader::parse(bytes) else { return false };
    let size = header.size as usize;
    if header.base_offset < after || size > bytes.len() || *checked >= CHECKED_MAX {
        return false;
    }
    *checked += size;
    header.check_crc(&bytes[..size]).is_ok()
}

impl Tail {
    /// As much of a noted segment's end as following it needs.
    fn noted(note: &SegmentNote) -> Self {
        Self {
            count: note.entries,
            offset: note.next_offset,
            position: note.position,
            ..Self::of_empty(&note.start)
        }
    }
}

impl super::index::End {
    fn agrees(&self, note: &SegmentNote) -> bool {
        self.position == note.position && self.offset == note.next_offset
    }
}

fn decode_header(bytes: &[u8], base: Offset) -> Result<StoreHeader, Damage> {
    let batch = BatchHeader::parse(bytes)?;
    batch.check_crc(bytes)?;
    if batch.base_offset != base {
        return Err(Damage::Offset { found: batch.base_offset, wanted: base });
    }
    match Marker::decode(bytes)? {
        Marker::Header(header) => Ok(header),
        Marker::Term { .. } | Marker::Membership { .. } | Marker::LogStart { .. } | Marker::Void { .. } => {
            Err(MarkerError::Kind { kind: bytes[61] }.into())
        }
    }
}
