//! A disk in memory that forgets on demand: for the simulation and the crash tests.
//!
//! Pessimistic: a file's bytes are durable after its own sync only, a name after a sync of its
//! directory only, and a crash may keep any of the rest. Deterministic by seed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};
use super::mmap::{MemoryOwner, Region, WORD};

/// What a device writes whole or not at all.
const SECTOR: usize = 512;

/// What survives a crash beyond what was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashPolicy {
    /// Nothing.
    Synced,
    /// All of it.
    Everything,
    /// Files keep a prefix of what was appended, directories a prefix of their changes.
    Torn,
    /// Each sector, length and name by itself: sectors that are lost are as before, or zero.
    Scattered,
    /// The process died and the kernel lives: all of it, and the boot id stays.
    Killed,
}

impl CrashPolicy {
    pub const ALL: [Self; 5] = [Self::Synced, Self::Everything, Self::Torn, Self::Scattered, Self::Killed];
}

/// The disk; clones are the same disk.
#[derive(Clone, Debug)]
pub struct MemDisk {
    root: Arc<Mutex<Dir>>,
    faults: Arc<Mutex<Faults>>,
    boot: u64,
}

#[derive(Debug, Default)]
struct Dir {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Node {
    File(MemFile),
    Dir(Arc<Mutex<Dir>>),
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, Node),
    Remove(String),
    Rename(String, String, Node),
}

/// Errors to come.
#[derive(Debug, Default)]
struct Faults {
    syncs: Option<u64>,
    writes: Option<u64>,
    /// Changes that may still be made before the disk stands still.
    changes: Option<u64>,
    capacity: Option<u64>,
    used: u64,
}

#[derive(Clone, Debug)]
struct MemFile {
    content: Arc<Mutex<Content>>,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Content {
    data: Vec<u8>,
    durable: Vec<u8>,
    /// Below it, `data` is `durable`, or was lost by a failed sync.
    dirty_from: usize,
    /// The newest mapping; what stands in it is what stands in the file.
    mapped: Option<Arc<[AtomicU64]>>,
}

impl Default for MemDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemDisk {
    /// An empty disk with a root directory.
    pub fn new() -> Self {
        Self { root: Arc::default(), faults: Arc::default(), boot: 1 }
    }

    /// The disk that comes back after a crash now. This one stays as it is.
    #[must_use]
    pub fn crash(&self, policy: CrashPolicy, seed: u64) -> Self {
        let faults = Arc::new(Mutex::new(Faults::default()));
        if policy == CrashPolicy::Killed {
            let mut copy = Copy { faults: Arc::clone(&faults), files: HashMap::new() };
            let root = copy.dir(&self.root.lock());
            return Self { root: Arc::new(Mutex::new(root)), faults, boot: self.boot };
        }
        let mut chance = Chance(seed);
        let survivor = Survivor { policy, faults: Arc::clone(&faults) };
        let root = survivor.dir(&self.root.lock(), &mut chance);
        Self { root: Arc::new(Mutex::new(root)), faults, boot: self.boot + 1 }
    }

    /// Lets the sync after `count` further ones fail, and lose what it should have kept.
    pub fn fail_sync_after(&self, count: u64) {
        self.faults.lock().syncs = Some(count);
    }

    /// Lets the write after `count` further ones fail half-way.
    pub fn fail_write_after(&self, count: u64) {
        self.faults.lock().writes = Some(count);
    }

    /// Lets writes fail once so many bytes are on the disk; `None` ends that.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.faults.lock().capacity = bytes;
    }

    /// Lets every change after `count` further ones fail, for good: the moment of a crash.
    pub fn halt_after(&self, count: u64) {
        self.faults.lock().changes = Some(count);
    }

    fn dir(&self, path: &Path) -> io::Result<Arc<Mutex<Dir>>> {
        let mut dir = Arc::clone(&self.root);
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let next = match dir.lock().live.get(name.to_str().unwrap_or_default()) {
                Some(Node::Dir(next)) => Arc::clone(next),
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            };
            dir = next;
        }
        Ok(dir)
    }

    /// The directory that holds `path`, and its name there.
    fn parent(&self, path: &Path) -> io::Result<(Arc<Mutex<Dir>>, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        Ok((self.dir(path.parent().unwrap_or(Path::new("/")))?, name))
    }

    fn remove(&self, path: &Path, wanted: fn(&Node) -> bool) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let mut dir = dir.lock();
        if !dir.live.get(&name).is_some_and(wanted) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.faults.lock().change()?;
        dir.change(Change::Remove(name));
        Ok(())
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let (dir, name) = self.parent(path)?;
        let mut dir = dir.lock();
        match dir.live.get(&name) {
            Some(Node::File(file)) => Ok(Arc::new(file.clone())),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None if create => {
                self.faults.lock().change()?;
                let faults = Arc::clone(&self.faults);
                let file = MemFile { content: Arc::default(), faults };
                dir.change(Change::Set(name, Node::File(file.clone())));
                Ok(Arc::new(file))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let mut dir = dir.lock();
        if !dir.live.contains_key(&name) {
            self.faults.lock().change()?;
            dir.change(Change::Set(name, Node::Dir(Arc::default())));
        }
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.dir(path)?.lock().live.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (dir, old) = self.parent(from)?;
        let (other, new) = self.parent(to)?;
        if !Arc::ptr_eq(&dir, &other) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let mut dir = dir.lock();
        self.faults.lock().change()?;
        let node = dir.live.get(&old).cloned().ok_or(io::ErrorKind::NotFound)?;
        dir.change(Change::Rename(old, new, node));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.remove(path, |node| matches!(node, Node::File(_)))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.remove(path, |node| matches!(node, Node::Dir(_)))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let dir = self.dir(path)?;
        self.faults.lock().sync()?;
        let mut dir = dir.lock();
        dir.durable = dir.live.clone();
        dir.pending.clear();
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let (dir, name) = match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        Ok(dir.lock().live.contains_key(&name))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let faults = self.faults.lock();
        Ok(faults.capacity.unwrap_or(u64::MAX).saturating_sub(faults.used))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        Ok(self.faults.lock().capacity.unwrap_or(u64::MAX))
    }

    fn boot_id(&self) -> String {
        format!("boot-{}", self.boot)
    }
}

impl Dir {
    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.live);
        self.pending.push(change);
    }
}

impl Change {
    fn apply(self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Set(name, node) => {
                names.insert(name, node);
            }
            Self::Remove(name) => {
                names.remove(&name);
            }
            Self::Rename(old, new, node) => {
                names.remove(&old);
                names.insert(new, node);
            }
        }
    }
}

impl Faults {
    fn sync(&mut self) -> io::Result<()> {
        self.change()?;
        tick(&mut self.syncs)
    }

    /// Counts one change of the disk.
    fn change(&mut self) -> io::Result<()> {
        match &mut self.changes {
            Some(0) => Err(io::Error::other("the disk stands still")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How many of `wanted` further bytes there is room for.
    fn take(&mut self, wanted: u64) -> u64 {
        let free = self.capacity.unwrap_or(u64::MAX).saturating_sub(self.used);
        let taken = wanted.min(free);
        self.used += taken;
        taken
    }
}

/// Counts down, and fails once when it was at nought.
fn tick(counter: &mut Option<u64>) -> io::Result<()> {
    match counter {
        Some(0) => {
            *counter = None;
            Err(io::Error::other("injected"))
        }
        Some(left) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

impl DiskFile for MemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().data.len() as u64)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let whole: usize = slices.iter().map(|s| s.len()).sum();
        let mut content = self.content.lock();
        content.absorb();
        assert!(content.mapped.is_none() || whole == 0, "a mapped file is written by its mapping");
        let start = position as usize;
        let mut faults = self.faults.lock();
        let injected = faults.change().and_then(|()| tick(&mut faults.writes));
        let asked = if injected.is_err() { whole / 2 } else { whole };
        let more = (start + asked).saturating_sub(content.data.len());
        let missing = more - faults.take(more as u64) as usize;
        let written = asked.saturating_sub(missing);
        content.put(start, slices, written);
        injected?;
        if missing > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let mut content = self.content.lock();
        content.absorb();
        let start = position as usize;
        let found = content.data.get(start..start + buffer.len());
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut content = self.content.lock();
        content.absorb();
        let mut faults = self.faults.lock();
        faults.change()?;
        if let Err(error) = tick(&mut faults.syncs) {
            // As Linux has it: the pages count as clean now, and the next sync succeeds.
            content.dirty_from = content.data.len();
            return Err(error);
        }
        let Content { data, durable, dirty_from, .. } = &mut *content;
        durable.resize(*dirty_from, 0);
        durable.extend_from_slice(&data[*dirty_from..]);
        *dirty_from = data.len();
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        let mut content = self.content.lock();
        content.absorb();
        let Content { data, durable, dirty_from, .. } = &mut *content;
        let clean = *dirty_from;
        let known = clean.min(durable.len());
        data[..known].copy_from_slice(&durable[..known]);
        data[known..clean].fill(0);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content.lock();
        content.absorb();
        let len = len as usize;
        let mut faults = self.faults.lock();
        faults.change()?;
        let have = content.data.len();
        faults.used = (faults.used + len as u64).saturating_sub(have as u64);
        content.dirty_from = content.dirty_from.min(len).min(have);
        content.data.resize(len, 0);
        content.mapped = None;
        Ok(())
    }

    fn map(&self, len: usize) -> io::Result<Region> {
        let mut content = self.content.lock();
        content.absorb();
        let more = len.saturating_sub(content.data.len());
        if self.faults.lock().take(more as u64) < more as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let grown = content.data.len().max(len);
        content.data.resize(grown, 0);
        let (chunks, _) = content.data[..len].as_chunks::<WORD>();
        let words: Arc<[AtomicU64]> =
            chunks.iter().map(|chunk| AtomicU64::new(u64::from_ne_bytes(*chunk))).collect();
        content.mapped = Some(Arc::clone(&words));
        Ok(Region::memory(words, Arc::new(self.clone())))
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, durable) = (self.data.len(), self.durable.len());
        f.debug_struct("Content").field("len", &len).field("durable", &durable).finish_non_exhaustive()
    }
}

impl Content {
    /// Takes over what was written through the mapping.
    fn absorb(&mut self) {
        let Some(words) = &self.mapped else { return };
        for (at, word) in words.iter().enumerate() {
            let bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            let place = &mut self.data[at * WORD..(at + 1) * WORD];
            if place != bytes {
                place.copy_from_slice(&bytes);
                self.dirty_from = self.dirty_from.min(at * WORD);
            }
        }
    }

    /// Writes the first `len` bytes of `slices`.
    fn put(&mut self, start: usize, slices: &[IoSlice<'_>], len: usize) {
        self.dirty_from = self.dirty_from.min(start).min(self.data.len());
        if self.data.len() < start + len {
            self.data.resize(start + len, 0);
        }
        let mut at = start;
        for slice in slices {
            let n = slice.len().min(start + len - at);
            self.data[at..at + n].copy_from_slice(&slice[..n]);
            at += n;
        }
    }
}

impl MemoryOwner for MemFile {
    fn flush_words(&self, range: Range<usize>) -> io::Result<()> {
        let mut content = self.content.lock();
        content.absorb();
        self.faults.lock().sync()?;
        let Content { data, durable, .. } = &mut *content;
        let (start, end) = (range.start * WORD, (range.end * WORD).min(data.len()));
        if durable.len() < data.len() {
            durable.resize(data.len(), 0);
        }
        durable[start..end].copy_from_slice(&data[start..end]);
        Ok(())
    }
}

/// Copies a disk with all that is not synced yet.
struct Copy {
    faults: Arc<Mutex<Faults>>,
    /// What was copied, by address: a file has several names, durable and not.
    files: HashMap<usize, Node>,
}

impl Copy {
    fn dir(&mut self, dir: &Dir) -> Dir {
        let live = dir.live.iter().map(|(name, node)| (name.clone(), self.node(node))).collect();
        let durable = dir.durable.iter().map(|(name, node)| (name.clone(), self.node(node))).collect();
        let pending = dir.pending.iter().map(|change| match change {
            Change::Set(name, node) => Change::Set(name.clone(), self.node(node)),
            Change::Remove(name) => Change::Remove(name.clone()),
            Change::Rename(old, new, node) => Change::Rename(old.clone(), new.clone(), self.node(node)),
        });
        Dir { live, durable, pending: pending.collect() }
    }

    fn node(&mut self, node: &Node) -> Node {
        let address = match node {
            Node::File(file) => Arc::as_ptr(&file.content).addr(),
            Node::Dir(dir) => Arc::as_ptr(dir).addr(),
        };
        if let Some(known) = self.files.get(&address) {
            return known.clone();
        }
        let copy = match node {
            Node::File(file) => Node::File(self.file(file)),
            Node::Dir(dir) => Node::Dir(Arc::new(Mutex::new(self.dir(&dir.lock())))),
        };
        self.files.insert(address, copy.clone());
        copy
    }

    fn file(&self, file: &MemFile) -> MemFile {
        let mut content = file.content.lock();
        content.absorb();
        let Content { data, durable, dirty_from, .. } = &*content;
        self.faults.lock().used += data.len() as u64;
        let (data, durable, dirty_from) = (data.clone(), durable.clone(), *dirty_from);
        let content = Content { data, durable, dirty_from, mapped: None };
        MemFile { content: Arc::new(Mutex::new(content)), faults: Arc::clone(&self.faults) }
    }
}

/// Decides what of a disk comes back.
struct Survivor {
    policy: CrashPolicy,
    faults: Arc<Mutex<Faults>>,
}

impl Survivor {
    fn dir(&self, dir: &Dir, chance: &mut Chance) -> Dir {
        let mut names = dir.durable.clone();
        let kept = match self.policy {
            CrashPolicy::Synced => 0,
            CrashPolicy::Torn => chance.below(dir.pending.len() + 1),
            CrashPolicy::Everything | CrashPolicy::Killed | CrashPolicy::Scattered => dir.pending.len(),
        };
        for change in &dir.pending[..kept] {
            if self.policy != CrashPolicy::Scattered || chance.below(2) == 0 {
                change.clone().apply(&mut names);
            }
        }
        let mut live = BTreeMap::new();
        for (name, node) in names {
            let node = match node {
                Node::File(file) => Node::File(self.file(&file, chance)),
                Node::Dir(dir) => Node::Dir(Arc::new(Mutex::new(self.dir(&dir.lock(), chance)))),
            };
            live.insert(name, node);
        }
        Dir { durable: live.clone(), live, pending: Vec::new() }
    }

    fn file(&self, file: &MemFile, chance: &mut Chance) -> MemFile {
        let mut content = file.content.lock();
        content.absorb();
        let Content { data, durable, .. } = &*content;
        let between = chance.between(durable.len(), data.len());
        let data = match self.policy {
            CrashPolicy::Synced => durable.clone(),
            CrashPolicy::Everything | CrashPolicy::Killed => data.clone(),
            CrashPolicy::Torn if between <= data.len() => data[..between].to_vec(),
            CrashPolicy::Torn => durable[..between].to_vec(),
            CrashPolicy::Scattered => {
                let len = [data.len(), durable.len(), between][chance.below(3)];
                scattered(data, durable, len, chance)
            }
        };
        self.faults.lock().used += data.len() as u64;
        let (durable, dirty_from) = (data.clone(), data.len());
        let content = Content { data, durable, dirty_from, mapped: None };
        MemFile { content: Arc::new(Mutex::new(content)), faults: Arc::clone(&self.faults) }
    }
}

/// A file of `len` bytes whose every sector is the new one or the old one.
fn scattered(new: &[u8], old: &[u8], len: usize, chance: &mut Chance) -> Vec<u8> {
    let mut out = vec![0; len];
    for (at, sector) in out.chunks_mut(SECTOR).enumerate() {
        let source = if chance.below(2) == 0 { new } else { old };
        let source = source.get(at * SECTOR..).unwrap_or_default();
        let n = source.len().min(sector.len());
        sector[..n].copy_from_slice(&source[..n]);
    }
    out
}

/// Deterministic choices. Source: Steele et al., `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn between(&mut self, a: usize, b: usize) -> usize {
        a.min(b) + self.below(a.abs_diff(b) + 1)
    }
}
