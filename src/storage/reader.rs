//! Reads of a log: by Raft index, by offset, by time. No lock, and no copy on the way of a Fetch.
//!
//! A reader sees what the writer published. What is committed is the caller's knowledge: it says
//! `below`, and only entries below it are searched for and lent.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};

use super::error::{Damage, StorageError};
use super::index::{EntryKind, IndexEntry, IndexView};
use super::segment::Segment;
use super::shared::{Segments, Shared};
use super::store::Store;
use crate::model::batch::HEADER_LEN;
use crate::model::{BatchHeader, Offset, RaftIndex};

/// A reader of one log; cheap to clone, outlives the writer.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(super) shared: Arc<Shared>,
}

/// Batches lying side by side in one Store. Holding it keeps the file alive, not its name.
#[derive(Clone, Debug)]
pub struct Run {
    pub store: Arc<Store>,
    pub position: u64,
    pub length: usize,
    /// Of the first batch, which may begin before the offset that was asked for.
    pub base_offset: Offset,
    pub next_offset: Offset,
}

impl Run {
    /// Descriptor, position and length for `sendfile`; none in memory.
    pub fn fd_range(&self) -> Option<(BorrowedFd<'_>, u64, usize)> {
        self.store.fd().map(|fd| (fd, self.position, self.length))
    }

    /// Fills `buffer` with the run's bytes from `skip` on.
    pub fn copy_into(&self, skip: usize, buffer: &mut [u8]) -> Result<(), StorageError> {
        assert!(skip + buffer.len() <= self.length, "within the run");
        self.store.read_at(buffer, self.position + skip as u64)
    }

    /// The run's bytes.
    pub fn copy(&self) -> Result<Bytes, StorageError> {
        let mut out = BytesMut::zeroed(self.length);
        self.copy_into(0, &mut out)?;
        Ok(out.freeze())
    }
}

impl LogReader {
    /// The entry at a Raft index, if it is here.
    pub fn entry(&self, index: RaftIndex) -> Option<IndexEntry> {
        let segments = self.shared.segments.load();
        let segment = segment_of_index(&segments, index)?;
        segment.view().entry(segment.ordinal(index)?)
    }

    /// The offset behind the entry at a Raft index, if it is here.
    ///
    /// Of an entry that stays it is always the same, whatever is appended or cut behind it: the
    /// slot after an entry says so from the entry's own publication on.
    pub fn end_of(&self, index: RaftIndex) -> Option<Offset> {
        let segments = self.shared.segments.load();
        let segment = segment_of_index(&segments, index)?;
        let (view, at) = (segment.view(), segment.ordinal(index)?);
        (at < view.count).then(|| view.offset(at + 1))
    }

    /// The entries of a range, up to the first that is not here.
    pub fn entries(&self, range: Range<RaftIndex>) -> Vec<IndexEntry> {
        let segments = self.shared.segments.load();
        let mut out = Vec::new();
        let mut next = range.start;
        while next < range.end
            && let Some(segment) = segment_of_index(&segments, next)
            && let Some(mut at) = segment.ordinal(next)
        {
            let view = segment.view();
            let before = out.len();
            while next < range.end
                && let Some(entry) = view.entry(at)
            {
                out.push(entry);
                next += 1;
                at += 1;
            }
            if out.len() == before {
                break;
            }
        }
        out
    }

    /// The batch header of the entry at `index`.
    ///
    /// # Errors
    /// [`StorageError::IndexOutOfRange`] if it is not here, [`StorageError::CutWhileRead`] if it
    /// was truncated meanwhile, [`StorageError::Corrupt`] if Store and Index disagree.
    pub fn header(&self, index: RaftIndex) -> Result<BatchHeader, StorageError> {
        let mut bytes = [0; HEADER_LEN];
        self.fill(index, |_| &mut bytes[..])
    }

    /// The whole batch of the entry at `index`, copied. Errors as [`Self::header`].
    pub fn bytes(&self, index: RaftIndex) -> Result<Bytes, StorageError> {
        let mut out = BytesMut::new();
        self.fill(index, |length| {
            out.resize(length, 0);
            &mut out[..]
        })?;
        Ok(out.freeze())
    }

    /// Consecutive batches below `below`, starting with the one that contains `from`.
    ///
    /// At most `max_bytes`, except for a first batch that is larger, if `at_least_one`. `None` if
    /// `from` is `below` or no whole batch lies below it.
    ///
    /// # Errors
    /// [`StorageError::OffsetOutOfRange`] below the first segment or above the log end.
    pub fn read(
        &self,
        from: Offset,
        below: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<Run>, StorageError> {
        let segments = self.shared.segments.load();
        let start = segments[0].start.base_offset;
        let end = segments[segments.len() - 1].end().offset;
        if from < start || from > end {
            return Err(StorageError::OffsetOutOfRange { asked: from, start, end });
        }
        let below = below.min(end);
        if from >= below {
            return Ok(None);
        }
        let segment = &segments[segment_at(&segments, from)];
        let view = segment.view();
        let after = view.partition_point(0..view.count, |view, at| view.offset(at) <= from);
        // The last entry that begins at or before `from` contains it, since the log goes on.
        let Some(first) = after.checked_sub(1).filter(|at| is_batch(&view, *at)) else {
            return Ok(None);
        };
        run(segment, &view, first, Bounds { below, max_bytes, at_least_one })
    }

    /// The first batch at or after `from`, below `below`, by which its segment reached `timestamp`.
    ///
    /// Such a batch may hold no such record if a batch before `from` did: look inside, then ask
    /// again from the batch's end.
    pub fn offset_for_timestamp(&self, timestamp: i64, from: Offset, below: Offset) -> Option<IndexEntry> {
        let segments = self.shared.segments.load();
        for segment in &segments[segment_at(&segments, from)..] {
            let view = segment.view();
            let low = first_from(&view, from);
            let high = first_at_or_past(&view, below);
            if low >= high || view.max_timestamp(high - 1) < timestamp {
                continue;
            }
            let mut at = view.partition_point(low..high, |view, at| view.max_timestamp(at) < timestamp);
            while at < high && !is_batch(&view, at) {
                at += 1;
            }
            if at < high {
                return view.entry(at);
            }
        }
        None
    }

    /// The first batch below `below` that reaches the greatest timestamp there.
    pub fn max_timestamp_entry(&self, below: Offset) -> Option<IndexEntry> {
        let segments = self.shared.segments.load();
        let mut best: Option<(i64, IndexEntry)> = None;
        for segment in segments.iter() {
            let view = segment.view();
            let Some(last) = first_at_or_past(&view, below).checked_sub(1) else { break };
            let reached = view.max_timestamp(last);
            if best.is_none_or(|(known, _)| reached > known) {
                let at = view.partition_point(0..last, |view, at| view.max_timestamp(at) < reached);
                let batch = (at..=last).find(|at| is_batch(&view, *at));
                best = batch.and_then(|at| view.entry(at)).map(|entry| (reached, entry)).or(best);
            }
        }
        best.map(|(_, entry)| entry)
    }

    /// The log's directory, to say whose an error is.
    pub fn dir(&self) -> &std::path::Path {
        &self.shared.dir
    }

    /// The published log end, exclusive.
    pub fn log_end_offset(&self) -> Offset {
        let segments = self.shared.segments.load();
        segments[segments.len() - 1].end().offset
    }

    /// Offset at which the first segment begins: reads before it are out of range.
    pub fn base_offset(&self) -> Offset {
        self.shared.segments.load()[0].start.base_offset
    }

    /// Raft indexes that are here; the end is exclusive.
    pub fn raft_range(&self) -> Range<RaftIndex> {
        let segments = self.shared.segments.load();
        segments[0].start.first_raft_index..segments[segments.len() - 1].next_raft_index()
    }

    /// Reads the entry's first bytes into what `buffer` returns for its length, and checks them.
    fn fill<'a>(
        &self,
        index: RaftIndex,
        buffer: impl FnOnce(usize) -> &'a mut [u8],
    ) -> Result<BatchHeader, StorageError> {
        let cuts = self.shared.cuts.load(Ordering::Acquire);
        let segments = self.shared.segments.load();
        let found =
            segment_of_index(&segments, index).and_then(|s| Some((s, s.view().entry(s.ordinal(index)?)?)));
        let Some((segment, entry)) = found else {
            let Range { start: first, end: next } = self.raft_range();
            return Err(StorageError::IndexOutOfRange { asked: index, first, next });
        };
        let result = read_entry(segment, &entry, buffer);
        std::sync::atomic::fence(Ordering::Acquire);
        let same = cuts.is_multiple_of(2) && self.shared.cuts.load(Ordering::Relaxed) == cuts;
        if result.is_err() && !same {
            return Err(StorageError::CutWhileRead);
        }
        result
    }
}

fn read_entry<'a>(
    segment: &Segment,
    entry: &IndexEntry,
    buffer: impl FnOnce(usize) -> &'a mut [u8],
) -> Result<BatchHeader, StorageError> {
    let position = u64::from(entry.position);
    let (whole, need) = (segment.end().position, position + u64::from(entry.length));
    if need > whole.into() {
        return Err(Damage::Ends { have: whole.into(), need }.at(segment.store.path(), position));
    }
    let buffer = buffer(entry.length as usize);
    segment.store.read_at(buffer, position)?;
    let damage = |reason: Damage| reason.at(segment.store.path(), position);
    let header = BatchHeader::parse(buffer).map_err(|e| damage(e.into()))?;
    if header.base_offset != entry.offset {
        return Err(damage(Damage::Offset { found: header.base_offset, wanted: entry.offset }));
    }
    if header.size != entry.length {
        return Err(damage(Damage::Length { length: header.size.into() }));
    }
    Ok(header)
}

#[derive(Clone, Copy)]
struct Bounds {
    below: Offset,
    max_bytes: usize,
    at_least_one: bool,
}

/// The longest run from batch `first` on that stays in bounds and meets no marker.
///
/// # Errors
/// [`StorageError::Corrupt`] if the index speaks of places that its Store does not have.
fn run(segment: &Segment, view: &IndexView, first: u32, bounds: Bounds) -> Result<Option<Run>, StorageError> {
    let position = view.position(first);
    let markers = view.markers_before(first);
    let limit = u64::from(position).saturating_add(bounds.max_bytes as u64);
    // Monotonic: once an entry lies beyond a bound or behind a marker, all later ones do.
    // Its own offset, too, lies below: what is not committed, and may be cut and rewritten while
    // it is looked at, never does.
    let after = view.partition_point(first..view.count, |view, at| {
        view.offset(at) < bounds.below
            && view.offset(at + 1) <= bounds.below
            && view.markers_before(at) == markers
            && is_batch(view, at)
            && u64::from(view.position(at + 1)) <= limit
    });
    let whole = view.offset(first + 1) <= bounds.below;
    let after = if after == first && bounds.at_least_one && whole { first + 1 } else { after };
    if after == first {
        return Ok(None);
    }
    let (end, whole) = (view.position(after), segment.end().position);
    let Some(length) = end.checked_sub(position).filter(|_| end <= whole) else {
        let damage = Damage::Ends { have: whole.into(), need: end.max(position).into() };
        return Err(damage.at(segment.store.path(), position.into()));
    };
    Ok(Some(Run {
        store: Arc::clone(&segment.store),
        position: position.into(),
        length: length as usize,
        base_offset: view.offset(first),
        next_offset: view.offset(after),
    }))
}

fn is_batch(view: &IndexView, at: u32) -> bool {
    view.kind(at) == Some(EntryKind::Batch)
}

/// The first entry that ends after `from`.
fn first_from(view: &IndexView, from: Offset) -> u32 {
    view.partition_point(0..view.count, |view, at| view.offset(at + 1) <= from)
}

fn first_at_or_past(view: &IndexView, below: Offset) -> u32 {
    view.partition_point(0..view.count, |view, at| view.offset(at) < below)
}

/// The segment that holds `offset`; the first one for offsets before it.
fn segment_at(segments: &Segments, offset: Offset) -> usize {
    segments.partition_point(|s| s.start.base_offset <= offset).saturating_sub(1)
}

pub(super) fn segment_of_index(segments: &Segments, index: RaftIndex) -> Option<&Arc<Segment>> {
    let after = segments.partition_point(|s| s.start.first_raft_index <= index);
    segments.get(after.checked_sub(1)?)
}
