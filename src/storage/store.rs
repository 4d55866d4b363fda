//! One `.log` file: batches side by side, the truth that the index is derived from.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::DiskFile;
use super::error::{During, StorageError};

/// The file of a segment's batches; stays readable for its holders after it was unlinked.
#[derive(Debug)]
pub struct Store {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
}

impl Store {
    pub(super) fn new(file: Arc<dyn DiskFile>, path: PathBuf) -> Self {
        Self { file, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor for `sendfile`; none in memory.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.fd()
    }

    /// Fills `buffer` from `position` on.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<(), StorageError> {
        self.file.read_at(buffer, position).during("read", &self.path)
    }

    pub(super) fn write_at(&self, slices: &[IoSlice<'_>], at: u64) -> Result<(), StorageError> {
        self.file.write_at(slices, at).during("write", &self.path)
    }

    pub(super) fn len(&self) -> Result<u64, StorageError> {
        self.file.len().during("stat", &self.path)
    }

    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.file.sync().during("sync", &self.path)
    }

    pub(super) fn forget_cached(&self) -> Result<(), StorageError> {
        self.file.forget_cached().during("forget", &self.path)
    }

    /// Cuts the file and makes that durable: stale bytes past the end could pass every check later.
    pub(super) fn cut(&self, len: u64) -> Result<(), StorageError> {
        self.file.set_len(len).during("cut", &self.path)?;
        self.sync()
    }
}
