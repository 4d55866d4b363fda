//! The note that what this replica acknowledged may be gone.
//!
//! A file beside the log that names a boot of the machine: what was acknowledged since may be in the memory of that boot
//! only, so under another one the replica may have *forgotten* what others count on. Without a boot it has. The note is
//! written before the first acknowledgement that does not wait for the disk, and before recovery cuts what may have been
//! acknowledged; it goes once everything is there again. Not here: what a replica that forgot may do (`cluster::raft`).

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};

use super::disk::Disk;
use super::error::{During, StorageError};

const NAME: &str = "doubt";
/// No boot id is longer, in bytes.
const BOOT_ID_MAX: u64 = 256;

/// See the module. One for each open log.
#[derive(Debug)]
pub struct Doubt {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    noted: AtomicBool,
    forgot: AtomicBool,
}

impl Doubt {
    /// Reads the note beside the log in `dir`, if there is one. A note that is not whole counts as one without a boot.
    pub(super) fn read(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, StorageError> {
        let path = dir.join(NAME);
        let noted = disk.exists(&path).during("look for", &path)?;
        let mut forgot = false;
        if noted {
            let file = disk.open(&path, false).during("open", &path)?;
            let len = file.len().during("measure", &path)?;
            let mut found = vec![0; len.min(BOOT_ID_MAX) as usize];
            file.read_at(&mut found, 0).during("read", &path)?;
            let boot_id = disk.boot_id();
            forgot = boot_id.is_empty() || found != boot_id.as_bytes();
        }
        Ok(Self { disk, path, noted: noted.into(), forgot: forgot.into() })
    }

    /// Whether this replica may lack what it acknowledged.
    pub fn has_forgotten(&self) -> bool {
        self.forgot.load(Acquire)
    }

    /// From now on acknowledgements may be in memory only. Durable when this returns.
    pub fn relax(&self) -> Result<(), StorageError> {
        if self.noted.load(Acquire) {
            return Ok(());
        }
        self.write(self.disk.boot_id().as_bytes())?;
        self.noted.store(true, Release);
        Ok(())
    }

    /// What may have been acknowledged is about to be cut. Durable when this returns.
    pub(super) fn forget(&self) -> Result<(), StorageError> {
        self.write(b"")?;
        self.noted.store(true, Release);
        self.forgot.store(true, Release);
        Ok(())
    }

    /// Everything that was ever acknowledged is there again; what comes may be in memory only if `relaxed`.
    pub fn recollect(&self, relaxed: bool) -> Result<(), StorageError> {
        match relaxed {
            true => self.write(self.disk.boot_id().as_bytes())?,
            false => self.remove()?,
        }
        self.forgot.store(false, Release);
        Ok(())
    }

    /// Everything is on the disk, and nothing more is acknowledged before [`Self::relax`] is asked again.
    pub fn settle(&self) -> Result<(), StorageError> {
        match self.noted.load(Acquire) && !self.has_forgotten() {
            true => self.remove(),
            false => Ok(()),
        }
    }

    fn write(&self, boot_id: &[u8]) -> Result<(), StorageError> {
        let path = &self.path;
        let file = self.disk.open(path, true).during("create", path)?;
        // Cut first: half a note names no boot.
        file.set_len(0).during("cut", path)?;
        if !boot_id.is_empty() {
            file.write_at(&[IoSlice::new(boot_id)], 0).during("write", path)?;
        }
        file.sync().during("sync", path)?;
        self.sync_dir()
    }

    fn remove(&self) -> Result<(), StorageError> {
        if self.noted.load(Acquire) {
            self.disk.remove_file(&self.path).during("remove", &self.path)?;
            self.sync_dir()?;
            self.noted.store(false, Release);
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        self.disk.sync_dir(dir).during("sync", dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{CrashPolicy, MemDisk};

    fn doubt(disk: &MemDisk) -> Doubt {
        let dir = Path::new("/p");
        disk.create_dir(dir).expect("room");
        disk.sync_dir(Path::new("/")).expect("a disk that works");
        Doubt::read(Arc::new(disk.clone()), dir).expect("a disk that works")
    }

    #[test]
    fn what_was_in_memory_only_is_forgotten_with_the_boot_and_not_with_the_process() {
        let disk = MemDisk::new();
        assert!(!doubt(&disk).has_forgotten());
        doubt(&disk).relax().expect("room");
        assert!(!doubt(&disk.crash(CrashPolicy::Killed, 1)).has_forgotten());
        let disk = disk.crash(CrashPolicy::Synced, 1);
        assert!(doubt(&disk).has_forgotten());
        assert!(doubt(&disk.crash(CrashPolicy::Killed, 1)).has_forgotten(), "still, in the same boot");
    }

    #[test]
    fn a_replica_that_is_whole_again_forgets_with_the_next_boot_only_if_it_is_relaxed() {
        for relaxed in [false, true] {
            let disk = MemDisk::new();
            let found = doubt(&disk);
            found.forget().expect("room");
            assert!(doubt(&disk).has_forgotten(), "a note without a boot");
            found.recollect(relaxed).expect("room");
            assert!(!found.has_forgotten() && !doubt(&disk).has_forgotten());
            assert_eq!(doubt(&disk.crash(CrashPolicy::Synced, 1)).has_forgotten(), relaxed);
        }
    }

    #[test]
    fn a_clean_stop_leaves_no_doubt_unless_something_is_missing() {
        let disk = MemDisk::new();
        doubt(&disk).relax().expect("room");
        doubt(&disk).settle().expect("room");
        assert!(!doubt(&disk.crash(CrashPolicy::Synced, 1)).has_forgotten());
        doubt(&disk).forget().expect("room");
        doubt(&disk).settle().expect("room");
        assert!(doubt(&disk).has_forgotten());
    }
}
