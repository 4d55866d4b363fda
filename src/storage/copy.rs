//! Copies of entries, for a follower: whatever was appended, committed or not.
//!
//! What is not committed may be cut and written anew while it is read, so it is copied and never
//! lent, and a copy that a cut met is an error. Not here: reads for consumers (`reader`).

use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use bytes::{Bytes, BytesMut};

use super::error::{Damage, StorageError};
use super::index::IndexView;
use super::reader::{LogReader, segment_of_index};
use super::segment::Segment;
use super::shared::Segments;
use crate::model::{BatchHeader, RaftIndex};

/// Entries side by side, as they stand in their Stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopiedEntries {
    /// (term, index) of each, contiguous.
    pub entries: Vec<(u64, RaftIndex)>,
    /// Their batches and markers, one behind the other.
    pub bytes: Bytes,
}

impl LogReader {
    /// Copies the entries of `range`, up to the first that is not here. At most `max_bytes`, but at
    /// least one entry. Checksums are the receiver's to check.
    ///
    /// # Errors
    /// [`StorageError::IndexOutOfRange`] if the first is not here, [`StorageError::CutWhileRead`]
    /// if the log was truncated meanwhile: what was read may be of another term.
    pub fn copy(&self, range: Range<RaftIndex>, max_bytes: usize) -> Result<CopiedEntries, StorageError> {
        let cuts = self.shared.cuts.load(Ordering::Acquire);
        let segments = self.shared.segments.load();
        let copied = copied(&segments, range, max_bytes);
        fence(Ordering::Acquire);
        if !cuts.is_multiple_of(2) || self.shared.cuts.load(Ordering::Relaxed) != cuts {
            return Err(StorageError::CutWhileRead);
        }
        copied
    }
}

fn copied(
    segments: &Segments,
    range: Range<RaftIndex>,
    max_bytes: usize,
) -> Result<CopiedEntries, StorageError> {
    let (mut entries, mut bytes) = (Vec::new(), BytesMut::new());
    let mut next = range.start;
    while next < range.end
        && let Some(segment) = segment_of_index(segments, next)
        && let Some(first) = segment.ordinal(next)
    {
        let view = segment.view();
        let wanted = u64::from(first).saturating_add(range.end - next).min(view.count.into()) as u32;
        let left = max_bytes.saturating_sub(bytes.len()) as u64;
        let start = view.position(first.min(view.count));
        let fits = |view: &IndexView, at: u32| u64::from(view.position(at + 1).saturating_sub(start)) <= left;
        let after = view.partition_point(first.min(wanted)..wanted, fits);
        // The first entry goes whatever its size, or a follower would never get it.
        let after = if bytes.is_empty() { after.max((first + 1).min(wanted)) } else { after };
        if after <= first {
            break;
        }
        copy_stretch(segment, &view, first..after, &mut bytes, &mut entries)?;
        next += u64::from(after - first);
        if after < wanted {
            break;
        }
    }
    if entries.is_empty() && !range.is_empty() {
        let first = segments[0].start.first_raft_index;
        let next = segments[segments.len() - 1].next_raft_index();
        return Err(StorageError::IndexOutOfRange { asked: range.start, first, next });
    }
    Ok(CopiedEntries { entries, bytes: bytes.freeze() })
}

/// Appends the entries at `ordinals` of one segment to `bytes` and `entries`.
fn copy_stretch(
    segment: &Segment,
    view: &IndexView,
    ordinals: Range<u32>,
    bytes: &mut BytesMut,
    entries: &mut Vec<(u64, RaftIndex)>,
) -> Result<(), StorageError> {
    let (position, end) = (view.position(ordinals.start), view.position(ordinals.end));
    let damage = |reason: Damage, position: u32| reason.at(segment.store.path(), position.into());
    let whole = segment.end().position;
    let Some(length) = end.checked_sub(position).filter(|_| end <= whole) else {
        let need = end.max(position).into();
        return Err(damage(Damage::Ends { have: whole.into(), need }, position));
    };
    let from = bytes.len();
    bytes.resize(from + length as usize, 0);
    segment.store.read_at(&mut bytes[from..], position.into())?;
    let first = segment.start.first_raft_index + u64::from(ordinals.start);
    for (index, ordinal) in (first..).zip(ordinals) {
        let at = view.position(ordinal);
        let skip = at.checked_sub(position).map(|skip| from + skip as usize);
        let rest = skip.and_then(|skip| bytes.get(skip..)).unwrap_or_default();
        let header = BatchHeader::parse(rest).map_err(|e| damage(e.into(), at))?;
        let Some(listed) = view.entry(ordinal) else { return Err(damage(Damage::Header, at)) };
        if header.base_offset != listed.offset {
            let wanted = listed.offset;
            return Err(damage(Damage::Offset { found: header.base_offset, wanted }, at));
        }
        let term = header.leader_epoch.0.cast_unsigned();
        if term != listed.term {
            return Err(damage(Damage::Term { found: term.into(), before: listed.term.into() }, at));
        }
        if header.size != listed.length {
            return Err(damage(Damage::Length { length: header.size.into() }, at));
        }
        entries.push((term.into(), index));
    }
    Ok(())
}
