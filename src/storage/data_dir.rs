//! A data directory: its lock, its identity, and the names of what lies in it.
//!
//! Not here: what a partition's directory holds (`log`), and which replicas should be here
//! (`cluster`).

use std::fmt::Write as _;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use super::disk::{Disk, DiskFile};
use super::error::{Damage, During, StorageError};
use super::votes;
use crate::model::{PartitionId, TopicName};

/// Version of the directory's layout.
pub const LAYOUT_VERSION: u16 = 1;
const LOCK_FILE: &str = ".lock";
const META_FILE: &str = "meta.properties";
const META_TEMPORARY: &str = "meta.properties.tmp";
/// The largest identity file that is read.
const META_LEN_MAX: u64 = 64 << 10;
const DELETED: &str = ".deleted";
const STRAY: &str = ".stray";
/// The longest file name, in bytes. Source: Linux `NAME_MAX`.
const FILE_NAME_MAX: usize = 255;
/// Names tried before giving up on one that is free.
const NAMES_TRIED_MAX: u32 = 100_000;

/// Whose directory it is; what it is to a cluster is learnt later and then kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryMeta {
    pub directory_id: Uuid,
    pub identity: Option<Identity>,
}

/// What a directory is to its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster_id: Uuid,
    pub node_id: i32,
    /// The replica of the metadata log that is kept here.
    pub metadata_replica: u64,
    /// Whether the cluster was formed here: the metadata log began with this replica.
    pub is_founder: bool,
}

/// An open data directory, locked against other processes.
#[derive(Debug)]
pub struct DataDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    meta: Mutex<DirectoryMeta>,
    /// Whether the votes were gone: the directory has a new id then, and its replicas are not ours.
    lost_votes: bool,
    /// Serialises the choice of a free name.
    naming: Mutex<()>,
    _lock: Arc<dyn DiskFile>,
}

/// A directory under its last name, to be unlinked in the background.
#[derive(Debug)]
#[must_use = "the directory is only renamed until this runs"]
pub struct DeletedDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl DeletedDir {
    /// Unlinks it. What an error or a crash leaves is unlinked at the next start.
    pub fn run(self) {
        if let Err(error) = self.disk.remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "deleted directory stays for now");
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl DataDir {
    /// Opens the data directory at `path`, or makes one there with the id `new_id`.
    ///
    /// The directory's parent must exist. `new_id` also replaces the id of a directory whose votes
    /// are gone: what it promised is not known, so it must count as another one.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another process has it.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, new_id: Uuid) -> Result<Self, StorageError> {
        disk.create_dir(path).during("create", path)?;
        // A directory whose own name a power loss takes would take everything in it along.
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk.sync_dir(parent).during("sync", parent)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = disk.open(&lock_path, true).during("open", &lock_path)?;
        if !lock.try_lock().during("lock", &lock_path)? {
            return Err(StorageError::Locked { path: path.to_path_buf() });
        }
        let votes = path.join(votes::FILE_NAME);
        let has_votes = disk.exists(&votes).during("look for", &votes)?;
        let known = read_meta(&*disk, path)?;
        let lost_votes = known.is_some() && !has_votes;
        let meta = match known {
            Some(meta) if has_votes => meta,
            Some(meta) => DirectoryMeta { directory_id: new_id, ..meta },
            None => DirectoryMeta { directory_id: new_id, identity: None },
        };
        if known != Some(meta) {
            write_meta(&*disk, path, &meta)?;
        }
        let (path, naming) = (path.to_path_buf(), Mutex::new(()));
        Ok(Self { disk, path, meta: Mutex::new(meta), lost_votes, naming, _lock: lock })
    }

    /// Whether `path` is a data directory already, or was one: [`Self::open`] would make one.
    pub fn is_one(disk: &dyn Disk, path: &Path) -> Result<bool, StorageError> {
        let meta = path.join(META_FILE);
        disk.exists(&meta).during("look for", &meta)
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn meta(&self) -> DirectoryMeta {
        *self.meta.lock()
    }

    /// Where [`Votes`](super::Votes) are.
    pub fn votes_path(&self) -> PathBuf {
        self.path.join(votes::FILE_NAME)
    }

    /// Whether votes had been here and were gone when the directory was opened.
    pub fn lost_votes(&self) -> bool {
        self.lost_votes
    }

    /// Keeps what the directory is to its cluster, durably.
    pub fn set_identity(&self, identity: Identity) -> Result<(), StorageError> {
        let mut meta = self.meta.lock();
        let new = DirectoryMeta { directory_id: meta.directory_id, identity: Some(identity) };
        if *meta != new {
            write_meta(&*self.disk, &self.path, &new)?;
            *meta = new;
        }
        Ok(())
    }

    /// Where a partition's log is or will be.
    pub fn partition_path(&self, topic: &TopicName, partition: PartitionId) -> PathBuf {
        self.path.join(partition_dir_name(topic, partition))
    }

    /// The partitions that have a directory, by name.
    pub fn partitions(&self) -> Result<Vec<(TopicName, PartitionId)>, StorageError> {
        let names = self.disk.read_dir(&self.path).during("list", &self.path)?;
        Ok(names.iter().filter_map(|name| parse_partition_dir_name(name)).collect())
    }

    /// Names of the directories set aside as strays.
    pub fn strays(&self) -> Result<Vec<String>, StorageError> {
        let mut names = self.disk.read_dir(&self.path).during("list", &self.path)?;
        names.retain(|name| name.ends_with(STRAY));
        Ok(names)
    }

    /// Takes a partition's directory out of the way, durably, for good.
    pub fn delete(&self, topic: &TopicName, partition: PartitionId) -> Result<DeletedDir, StorageError> {
        self.delete_dir(&partition_dir_name(topic, partition))
    }

    /// The same for a stray.
    pub fn delete_stray(&self, name: &str) -> Result<DeletedDir, StorageError> {
        assert!(name.ends_with(STRAY), "{name} is a stray");
        self.delete_dir(name)
    }

    /// Sets a directory aside that is not what its name says; it is kept until the cluster knows.
    pub fn set_aside(&self, topic: &TopicName, partition: PartitionId) -> Result<PathBuf, StorageError> {
        self.rename_away(&partition_dir_name(topic, partition), STRAY)
    }

    /// What earlier deletions had not finished when the process ended.
    pub fn leftovers(&self) -> Result<Vec<DeletedDir>, StorageError> {
        let names = self.disk.read_dir(&self.path).during("list", &self.path)?;
        let deleted = names.into_iter().filter(|name| name.ends_with(DELETED));
        let disk = |_: &String| Arc::clone(&self.disk);
        Ok(deleted.map(|name| DeletedDir { disk: disk(&name), path: self.path.join(name) }).collect())
    }

    fn delete_dir(&self, name: &str) -> Result<DeletedDir, StorageError> {
        let path = self.rename_away(name, DELETED)?;
        Ok(DeletedDir { disk: Arc::clone(&self.disk), path })
    }

    /// Renames to `<name>.<number><suffix>` with the first number that is free.
    fn rename_away(&self, name: &str, suffix: &str) -> Result<PathBuf, StorageError> {
        let _alone = self.naming.lock();
        let from = self.path.join(name);
        for number in 1..=NAMES_TRIED_MAX {
            let end = format!(".{number}{suffix}");
            // Topic names are ASCII: any place is a place to cut.
            let start = &name[..name.len().min(FILE_NAME_MAX - end.len())];
            let to = self.path.join(format!("{start}{end}"));
            if !self.disk.exists(&to).during("look for", &to)? {
                self.disk.rename(&from, &to).during("rename", &from)?;
                self.disk.sync_dir(&self.path).during("sync", &self.path)?;
                return Ok(to);
            }
        }
        Err(Damage::Length { length: NAMES_TRIED_MAX.into() }.at(&from, 0))
    }
}

/// `<topic>-<partition>`, as Kafka names it.
pub fn partition_dir_name(topic: &TopicName, partition: PartitionId) -> String {
    format!("{topic}-{partition}")
}

/// The partition that a directory's name says; `None` for any other name.
pub fn parse_partition_dir_name(name: &str) -> Option<(TopicName, PartitionId)> {
    let (topic, number) = name.rsplit_once('-')?;
    let partition: PartitionId = number.parse().ok()?;
    let topic = TopicName::new(topic).ok()?;
    // Not `+1` or `01`, which parse.
    (partition >= 0 && partition_dir_name(&topic, partition) == name).then_some((topic, partition))
}

fn read_meta(disk: &dyn Disk, dir: &Path) -> Result<Option<DirectoryMeta>, StorageError> {
    let path = dir.join(META_FILE);
    if !disk.exists(&path).during("look for", &path)? {
        return Ok(None);
    }
    let file = disk.open(&path, false).during("open", &path)?;
    let len = file.len().during("stat", &path)?;
    if len > META_LEN_MAX {
        return Err(Damage::Length { length: len }.at(&path, 0));
    }
    let mut bytes = vec![0; len as usize];
    file.read_at(&mut bytes, 0).during("read", &path)?;
    let text = String::from_utf8_lossy(&bytes);
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.split_once('=').filter(|(k, _)| *k == key));
        found.map(|(_, value)| value)
    };
    let version: u16 = value("version").and_then(|v| v.parse().ok()).unwrap_or(0);
    if version != LAYOUT_VERSION {
        return Err(Damage::Version { version }.at(&path, 0));
    }
    let uuid = |key| value(key).and_then(|v| Uuid::parse_str(v).ok());
    let directory_id = uuid("directory.id").ok_or_else(|| Damage::Header.at(&path, 0))?;
    let node_id = value("node.id").and_then(|v| v.parse().ok());
    let metadata_replica = value("metadata.replica").and_then(|v| v.parse().ok());
    let is_founder = value("founder") == Some("true");
    let known = uuid("cluster.id").zip(node_id).zip(metadata_replica);
    let identity = known.map(|((cluster_id, node_id), metadata_replica)| Identity {
        cluster_id,
        node_id,
        metadata_replica,
        is_founder,
    });
    Ok(Some(DirectoryMeta { directory_id, identity }))
}

fn write_meta(disk: &dyn Disk, dir: &Path, meta: &DirectoryMeta) -> Result<(), StorageError> {
    let mut text = format!("version={LAYOUT_VERSION}\ndirectory.id={}\n", meta.directory_id);
    if let Some(Identity { cluster_id, node_id, metadata_replica, is_founder }) = meta.identity {
        let _ = writeln!(text, "cluster.id={cluster_id}\nnode.id={node_id}");
        let _ = writeln!(text, "metadata.replica={metadata_replica}\nfounder={is_founder}");
    }
    let (temporary, path) = (dir.join(META_TEMPORARY), dir.join(META_FILE));
    let file = disk.open(&temporary, true).during("create", &temporary)?;
    file.set_len(0).during("cut", &temporary)?;
    file.write_at(&[IoSlice::new(text.as_bytes())], 0).during("write", &temporary)?;
    file.sync().during("sync", &temporary)?;
    disk.rename(&temporary, &path).during("rename", &temporary)?;
    disk.sync_dir(dir).during("sync", dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{CrashPolicy, MemDisk};

    fn open(disk: &MemDisk) -> DataDir {
        DataDir::open(Arc::new(disk.clone()), Path::new("/data"), Uuid::from_u128(1)).unwrap()
    }

    fn topic(name: &str) -> TopicName {
        TopicName::new(name).unwrap()
    }

    #[test]
    fn a_partition_is_named_as_kafka_names_it() {
        for (name, partition) in [("a", 0), ("a-1", 2), ("x.y_z-", 7)] {
            let dir = partition_dir_name(&topic(name), partition);
            assert_eq!(parse_partition_dir_name(&dir), Some((topic(name), partition)));
        }
        for other in ["a", "a-", "a-x", "a-+1", "a-01", "-1", "a-1.1.deleted", "votes"] {
            assert_eq!(parse_partition_dir_name(other), None, "{other}");
        }
    }

    #[test]
    fn deleting_a_name_twice_leaves_two_directories_to_sweep() {
        let disk = MemDisk::new();
        let dir = open(&disk);
        let long = topic(&"l".repeat(249));
        for _ in 0..2 {
            disk.create_dir(&dir.partition_path(&long, 2_000_000)).unwrap();
            let deleted = dir.delete(&long, 2_000_000).unwrap();
            assert!(deleted.path().file_name().unwrap().len() <= FILE_NAME_MAX);
        }
        assert_eq!(dir.partitions().unwrap(), []);
        let left = disk.crash(CrashPolicy::Synced, 0);
        let dir = open(&left);
        assert_eq!(dir.leftovers().unwrap().len(), 2);
        for deleted in dir.leftovers().unwrap() {
            deleted.run();
        }
        assert_eq!(dir.leftovers().unwrap().len(), 0);
    }

    #[test]
    fn a_stray_is_kept_under_another_name_until_it_is_deleted() {
        let disk = MemDisk::new();
        let dir = open(&disk);
        disk.create_dir(&dir.partition_path(&topic("t"), 1)).unwrap();
        let stray = dir.set_aside(&topic("t"), 1).unwrap();
        assert_eq!(dir.strays().unwrap(), ["t-1.1.stray"]);
        assert!(disk.exists(&stray).unwrap());
        dir.delete_stray("t-1.1.stray").unwrap().run();
        assert_eq!(dir.strays().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_identity_survives_a_power_loss_once_it_is_set() {
        let disk = MemDisk::new();
        let dir = open(&disk);
        let identity =
            Identity { cluster_id: Uuid::from_u128(7), node_id: 3, metadata_replica: 9, is_founder: true };
        dir.set_identity(identity).unwrap();
        let file = disk.open(&dir.votes_path(), true).unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let again = open(&disk.crash(CrashPolicy::Synced, 0));
        assert_eq!(again.meta(), dir.meta());
        assert_eq!(again.meta().identity, Some(identity));
    }
}
