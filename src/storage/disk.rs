//! The seam under storage: files and directories, real or in memory.
//!
//! Not here: what stands in a file. One [`Disk`] serves one data directory.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};

use super::mmap::Region;

/// Slices that one `pwritev` takes. Source: Linux `UIO_MAXIOV`.
const SLICES_MAX: usize = 1024;
/// Zeroes written at a time where a file system cannot allocate.
const ZEROES: [u8; 4096] = [0; 4096];
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A file system as storage sees it.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file to read and write; `create` makes an absent one, empty.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes one directory; one that is there already is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted; those that are not UTF-8 are left out, being none of ours.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Renames within one directory, over whatever has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Bytes that this process may still write.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Bytes that the disk has, free or not.
    fn total_bytes(&self) -> io::Result<u64>;
    /// Names this run of the kernel; empty if unknown, which equals no other.
    fn boot_id(&self) -> String;
}

/// An open file. All positions and lengths are bytes.
pub trait DiskFile: Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Writes all slices, side by side, at `position`. After an error any part may be there.
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Fills `buffer`; an end of file before that is an error.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()>;
    /// Makes content and length durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// Forgets cached content that is not dirty, so that the next read comes from the medium.
    fn forget_cached(&self) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Maps `len` bytes, growing the file by allocated zeroes first: a full disk is an error here
    /// and never a fault later. The region stays valid when the file is closed.
    fn map(&self, len: usize) -> io::Result<Region>;
    /// Takes the exclusive lock for as long as the file is open; false if another has it.
    fn try_lock(&self) -> io::Result<bool>;
    /// The descriptor, for `sendfile`; none in memory.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}

/// The operating system's file system under one directory.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    boot_id: String,
}

impl RealDisk {
    /// The disk that holds `root`, which must exist before [`Disk::free_bytes`] is asked.
    pub fn new(root: &Path) -> Self {
        let boot_id = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        Self { root: root.to_path_buf(), boot_id }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(create).truncate(false).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(&self.root)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(&self.root)?;
        Ok(facts.f_blocks.saturating_mul(facts.f_frsize))
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn write_at(&self, slices: &[IoSlice<'_>], mut position: u64) -> io::Result<()> {
        for chunk in slices.chunks(SLICES_MAX) {
            let whole: usize = chunk.iter().map(|s| s.len()).sum();
            let written = pwritev(&self.0, chunk, position)?;
            if written < whole {
                self.write_rest(chunk, written, position)?;
            }
            position += whole as u64;
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.0, 0, None, Advice::DontNeed)?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn map(&self, len: usize) -> io::Result<Region> {
        let have = self.len()?;
        if have < len as u64 {
            self.allocate(have, len as u64)?;
        }
        Region::map(&self.0, len)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

impl RealFile {
    /// The way of a short write, which regular files take only when the disk is nearly full.
    fn write_rest(&self, chunk: &[IoSlice<'_>], done: usize, position: u64) -> io::Result<()> {
        let mut start = 0;
        for slice in chunk {
            let end = start + slice.len();
            if end > done {
                let skip = done.saturating_sub(start);
                self.0.write_all_at(&slice[skip..], position + (start + skip) as u64)?;
            }
            start = end;
        }
        Ok(())
    }

    fn allocate(&self, have: u64, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), have, len - have) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut position = have;
        while position < len {
            let n = ZEROES.len().min(usize::try_from(len - position).unwrap_or(usize::MAX));
            self.0.write_all_at(&ZEROES[..n], position)?;
            position += n as u64;
        }
        Ok(())
    }
}

fn pwritev(file: &File, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
    loop {
        match rustix::io::pwritev(file, slices, position) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
