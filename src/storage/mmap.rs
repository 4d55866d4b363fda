//! Shared mappings seen as atomic words: the only `unsafe` of the crate.
//!
//! A mapping is never handed out as bytes: the writer and its readers would race in the
//! language's sense. Not here: what the words mean (`index`).
#![allow(unsafe_code)]

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

/// Bytes of a word.
pub const WORD: usize = size_of::<u64>();

/// A run of words that a file backs; little-endian on disk is the caller's business.
#[derive(Debug)]
pub struct Region(Backing);

#[derive(Debug)]
enum Backing {
    Mapped(MmapRaw),
    Memory { words: Arc<[AtomicU64]>, owner: Arc<dyn MemoryOwner> },
}

/// The in-memory file behind a [`Region`]: told when words must count as synced.
pub trait MemoryOwner: Debug + Send + Sync {
    /// Makes the words of `range` durable.
    fn flush_words(&self, range: Range<usize>) -> io::Result<()>;
}

impl Region {
    /// Maps the first `len` bytes of `file`, which must be allocated, readable and writable.
    ///
    /// The descriptor may be closed afterwards. Nobody may shorten the file while it is mapped.
    pub fn map(file: &File, len: usize) -> io::Result<Self> {
        assert!(len > 0 && len.is_multiple_of(WORD), "a region of {len} bytes");
        Ok(Self(Backing::Mapped(MmapOptions::new().len(len).map_raw(file)?)))
    }

    /// A region without a mapping, for [`MemDisk`](super::MemDisk).
    pub fn memory(words: Arc<[AtomicU64]>, owner: Arc<dyn MemoryOwner>) -> Self {
        Self(Backing::Memory { words, owner })
    }

    pub fn words(&self) -> &[AtomicU64] {
        match &self.0 {
            #[allow(clippy::cast_ptr_alignment)] // pages are aligned for more than a word
            // SAFETY: the mapping is page-aligned, so aligned for u64, is `len` bytes long, readable
            // and writable, and lives as long as `self`. Any bit pattern is a u64, and every access
            // of this process goes through these atomics. Other processes are kept out by the data
            // directory's lock.
            Backing::Mapped(map) => unsafe {
                std::slice::from_raw_parts(map.as_mut_ptr().cast::<AtomicU64>(), map.len() / WORD)
            },
            Backing::Memory { words, .. } => words,
        }
    }

    /// Makes the words of `range` durable.
    pub fn flush(&self, range: Range<usize>) -> io::Result<()> {
        match &self.0 {
            Backing::Mapped(map) => map.flush_range(range.start * WORD, range.len() * WORD),
            Backing::Memory { owner, .. } => owner.flush_words(range),
        }
    }
}
