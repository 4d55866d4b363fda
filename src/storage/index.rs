//! One `.index` file: a fixed-width entry per Raft entry of its segment, memory-mapped.
//!
//! Layout in 8-byte little-endian words: a header of 8, then slots of 4. The slot after the last
//! entry already holds the log end offset and position, so that an entry's end is the next slot's
//! start and one published count is all that readers need. Not here: how an index is rebuilt
//! (`walk`), and which entries are committed (`partition`).

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::disk::Disk;
use super::error::{During, StorageError};
use super::mmap::{Region, WORD};
use crate::model::{Offset, RaftIndex};

/// Bytes of the first step of an index; further steps double.
pub const FIRST_STEP: usize = 4096;
/// Words before the first slot.
const HEADER_WORDS: usize = 8;
const SLOT_WORDS: usize = 4;
/// Bytes of a slot.
pub const SLOT_LEN: usize = SLOT_WORDS * WORD;
/// "BATEAUI" and the version of this layout.
const MAGIC: u64 = u64::from_be_bytes(*b"BATEAUI\x01");
/// Markers that a segment can count: 24 bits of a slot.
pub(super) const MARKERS_MAX: u32 = (1 << 24) - 1;

const MAGIC_AT: usize = 0;
const RAFT_INDEX_AT: usize = 1;
const OFFSET_AT: usize = 2;
const NOTE_AT: usize = 3;
const APPENDED_AT: usize = 4;
const IDENTITY_AT: usize = 5;
const UNSETTLED_AT: usize = 6;

/// What a Raft entry is, as its slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    Batch = 1,
    Term = 2,
    Membership = 3,
    LogStart = 4,
    Void = 5,
}

impl EntryKind {
    fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Batch),
            2 => Some(Self::Term),
            3 => Some(Self::Membership),
            4 => Some(Self::LogStart),
            5 => Some(Self::Void),
            _ => None,
        }
    }
}

/// One Raft entry: where it is, and what a search needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Base offset; a marker's is the log end offset at its place.
    pub offset: Offset,
    /// Bytes before it in its Store.
    pub position: u32,
    pub length: u32,
    /// The greatest timestamp of its segment up to and with it; -1 if there is none.
    pub max_timestamp: i64,
    pub term: u32,
    pub kind: EntryKind,
}

/// The end of a segment after `count` entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) count: u32,
    pub(super) offset: Offset,
    pub(super) position: u32,
}

/// Which segment of which log an index serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexHead {
    pub(super) base_offset: Offset,
    pub(super) first_raft_index: RaftIndex,
    pub(super) fingerprint: u32,
}

/// The mapped index. One writer; any number of readers below the published count.
#[derive(Debug)]
pub(super) struct Index {
    region: ArcSwap<Region>,
    count: AtomicU32,
}

/// A reader's hold on one state of the index: `count` entries that are whole.
#[derive(Debug)]
pub(super) struct IndexView {
    region: arc_swap::Guard<Arc<Region>>,
    pub(super) count: u32,
}

impl Index {
    /// Makes an empty index whose first entry will stand at `position` of the Store.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        head: &IndexHead,
        position: u32,
    ) -> Result<Self, StorageError> {
        let file = disk.open(path, true).during("create", path)?;
        file.set_len(0).during("cut", path)?;
        let region = file.map(FIRST_STEP).during("map", path)?;
        let words = region.words();
        words[MAGIC_AT].store(MAGIC.to_le(), Ordering::Relaxed);
        words[RAFT_INDEX_AT].store(head.first_raft_index.to_le(), Ordering::Relaxed);
        words[OFFSET_AT].store(head.base_offset.0.cast_unsigned().to_le(), Ordering::Relaxed);
        words[IDENTITY_AT].store(u64::from(head.fingerprint).to_le(), Ordering::Relaxed);
        let index = Self { region: ArcSwap::from_pointee(region), count: AtomicU32::new(0) };
        index.put_end(0, head.base_offset, position);
        Ok(index)
    }

    /// Maps an index that is there and has room for `count` entries; `None` if it is not that.
    ///
    /// `check` also compares its head, which costs a page that opening many segments should not.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        head: Option<&IndexHead>,
        count: u32,
    ) -> Result<Option<Self>, StorageError> {
        if !disk.exists(path).during("look for", path)? {
            return Ok(None);
        }
        let file = disk.open(path, false).during("open", path)?;
        let len = file.len().during("stat", path)?;
        let Ok(len) = usize::try_from(len) else { return Ok(None) };
        if len < bytes_for(count) || len < FIRST_STEP || !len.is_multiple_of(FIRST_STEP) {
            return Ok(None);
        }
        let region = file.map(len).during("map", path)?;
        if head.is_some_and(|head| !matches_head(&region, head)) {
            return Ok(None);
        }
        Ok(Some(Self { region: ArcSwap::from_pointee(region), count: AtomicU32::new(count) }))
    }

    /// Makes room for `count` entries.
    pub(super) fn reserve(
        &self,
        disk: &dyn Disk,
        path: impl FnOnce() -> PathBuf,
        count: u32,
    ) -> Result<(), StorageError> {
        let have = self.region.load().words().len() * WORD;
        let need = bytes_for(count);
        if need <= have {
            return Ok(());
        }
        let path = path();
        let file = disk.open(&path, false).during("open", &path)?;
        let len = need.next_multiple_of(FIRST_STEP).max(have * 2);
        self.region.store(Arc::new(file.map(len).during("grow", &path)?));
        Ok(())
    }

    /// Writes entry `at` and the end behind it. Room was reserved; readers don't see it yet.
    pub(super) fn put(&self, at: u32, entry: &IndexEntry, markers_before: u32, next: Offset) {
        debug_assert!(markers_before <= MARKERS_MAX);
        let region = self.region.load();
        let slot = slot(&region, at);
        slot[0].store(entry.offset.0.cast_unsigned().to_le(), Ordering::Relaxed);
        let place = u64::from(entry.position) << 32 | u64::from(entry.length);
        slot[1].store(place.to_le(), Ordering::Relaxed);
        slot[2].store(entry.max_timestamp.cast_unsigned().to_le(), Ordering::Relaxed);
        let kind = u64::from(entry.kind as u8) << 24;
        let last = u64::from(entry.term) << 32 | kind | u64::from(markers_before);
        slot[3].store(last.to_le(), Ordering::Relaxed);
        drop(region);
        self.put_end(at + 1, next, entry.position + entry.length);
    }

    /// Writes what stands behind the last of `count` entries: the log end.
    pub(super) fn put_end(&self, count: u32, offset: Offset, position: u32) {
        let region = self.region.load();
        let slot = slot(&region, count);
        slot[0].store(offset.0.cast_unsigned().to_le(), Ordering::Relaxed);
        slot[1].store((u64::from(position) << 32).to_le(), Ordering::Relaxed);
    }

    /// Lets readers see the first `count` entries.
    pub(super) fn publish(&self, count: u32) {
        self.count.store(count, Ordering::Release);
    }

    pub(super) fn view(&self) -> IndexView {
        // The count first: a region loaded after it has room for it.
        let count = self.count.load(Ordering::Acquire);
        IndexView { region: self.region.load(), count }
    }

    /// Notes that the Store is durable up to `position`. The note itself reaches the disk sometime:
    /// it is a lower bound.
    pub(super) fn note_synced(&self, position: u32) {
        let note = u64::from(position) << 32 | u64::from(note_check(position));
        self.region.load().words()[NOTE_AT].store(note.to_le(), Ordering::Relaxed);
    }

    /// The noted end, 0 if none was noted or the note is not whole.
    pub(super) fn noted_synced(&self) -> u32 {
        let note = u64::from_le(self.region.load().words()[NOTE_AT].load(Ordering::Relaxed));
        let (position, check) = ((note >> 32) as u32, note as u32);
        if check == note_check(position) { position } else { 0 }
    }

    /// Makes the note durable, before the Store is cut below an older one.
    pub(super) fn flush_note(&self, path: &Path) -> Result<(), StorageError> {
        self.region.load().flush(0..HEADER_WORDS).during("sync", path)
    }

    /// Marks, while the kernel lives, that the page cache and the disk may differ without being
    /// dirty: during a cut, and for good after a failed sync.
    pub(super) fn set_unsettled(&self, on: bool) {
        self.region.load().words()[UNSETTLED_AT].store(u64::from(on).to_le(), Ordering::Release);
    }

    pub(super) fn is_unsettled(&self) -> bool {
        self.region.load().words()[UNSETTLED_AT].load(Ordering::Acquire) != 0
    }

    /// When the first batch was appended, in ms; `None` if not known.
    pub(super) fn first_append_ms(&self) -> Option<i64> {
        let at = u64::from_le(self.region.load().words()[APPENDED_AT].load(Ordering::Relaxed));
        (at != 0).then_some(at.cast_signed())
    }

    pub(super) fn set_first_append_ms(&self, at: i64) {
        self.region.load().words()[APPENDED_AT].store(at.cast_unsigned().to_le(), Ordering::Relaxed);
    }

    /// Makes the first `count` entries and the header durable.
    pub(super) fn flush(&self, path: &Path, count: u32) -> Result<(), StorageError> {
        let region = self.region.load();
        region.flush(0..bytes_for(count) / WORD).during("sync", path)
    }
}

impl IndexView {
    pub(super) fn offset(&self, at: u32) -> Offset {
        Offset(self.word(at, 0).cast_signed())
    }

    pub(super) fn position(&self, at: u32) -> u32 {
        (self.word(at, 1) >> 32) as u32
    }

    pub(super) fn max_timestamp(&self, at: u32) -> i64 {
        self.word(at, 2).cast_signed()
    }

    pub(super) fn markers_before(&self, at: u32) -> u32 {
        self.word(at, 3) as u32 & MARKERS_MAX
    }

    pub(super) fn kind(&self, at: u32) -> Option<EntryKind> {
        EntryKind::from_id((self.word(at, 3) >> 24) as u8)
    }

    pub(super) fn entry(&self, at: u32) -> Option<IndexEntry> {
        if at >= self.count {
            return None;
        }
        let place = self.word(at, 1);
        let last = self.word(at, 3);
        Some(IndexEntry {
            offset: self.offset(at),
            position: (place >> 32) as u32,
            length: place as u32,
            max_timestamp: self.max_timestamp(at),
            term: (last >> 32) as u32,
            kind: EntryKind::from_id((last >> 24) as u8)?,
        })
    }

    pub(super) fn end(&self) -> End {
        let (offset, position) = (self.offset(self.count), self.position(self.count));
        End { count: self.count, offset, position }
    }

    /// The first entry of `range` for which `before` is false; `before` must be monotonic.
    pub(super) fn partition_point(&self, range: Range<u32>, before: impl Fn(&Self, u32) -> bool) -> u32 {
        debug_assert!(range.end <= self.count);
        let (mut low, mut high) = (range.start, range.end.max(range.start));
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self, middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn word(&self, at: u32, word: usize) -> u64 {
        u64::from_le(slot(&self.region, at)[word].load(Ordering::Relaxed))
    }
}

/// Bytes of an index with room for `count` entries and the end behind them.
pub(super) fn bytes_for(count: u32) -> usize {
    HEADER_WORDS * WORD + (count as usize + 1) * SLOT_LEN
}

fn slot(region: &Region, at: u32) -> &[AtomicU64] {
    let start = HEADER_WORDS + at as usize * SLOT_WORDS;
    &region.words()[start..start + SLOT_WORDS]
}

fn matches_head(region: &Region, head: &IndexHead) -> bool {
    let word = |at: usize| u64::from_le(region.words()[at].load(Ordering::Relaxed));
    word(MAGIC_AT) == MAGIC
        && word(RAFT_INDEX_AT) == head.first_raft_index
        && word(OFFSET_AT) == head.base_offset.0.cast_unsigned()
        && word(IDENTITY_AT) == u64::from(head.fingerprint)
}

fn note_check(position: u32) -> u32 {
    crc32c::crc32c_append(0x5EED, &position.to_be_bytes())
}
