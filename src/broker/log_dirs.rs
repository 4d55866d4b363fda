//! What the data directory holds: how large each partition's log is, and how much room there is.

use std::io;
use std::sync::Arc;

use super::{Broker, BrokerError};
use crate::cluster::DistributedLog;
use crate::model::{PartitionId, TopicName};
use crate::storage::{During, StorageError};

/// The data directory of this node.
#[derive(Clone, Debug)]
pub struct LogDir {
    /// As `log.dirs` says it.
    pub path: String,
    /// Of the volume that it is on.
    pub total_bytes: u64,
    /// What this process may still write there.
    pub usable_bytes: u64,
    pub logs: Vec<LogSize>,
}

/// One partition's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSize {
    pub topic: TopicName,
    pub partition: PartitionId,
    /// Of its Stores; 0 if it was never used.
    pub bytes: u64,
}

impl Broker {
    /// The path of the data directory.
    pub fn log_dir_path(&self) -> String {
        self.0.data_dir.path().display().to_string()
    }

    /// The data directory with the logs of `asked`, or of all topics. What is not here is left out.
    ///
    /// The files are looked at on a thread that may block.
    pub async fn describe_log_dir(
        &self,
        asked: Option<Vec<(String, Vec<PartitionId>)>>,
    ) -> Result<LogDir, BrokerError> {
        let logs = self.logs_of(asked);
        let (broker, path) = (self.clone(), self.log_dir_path());
        let measured = tokio::task::spawn_blocking(move || {
            let disk = broker.0.data_dir.disk();
            let here = broker.0.data_dir.path();
            let total_bytes = disk.total_bytes().during("measure", here)?;
            let usable_bytes = disk.free_bytes().during("measure", here)?;
            let logs = logs.iter().map(|log| measure(log)).collect::<Result<_, _>>()?;
            Ok::<_, StorageError>(LogDir { path, total_bytes, usable_bytes, logs })
        });
        measured.await.map_err(|_| BrokerError::Closing)?.map_err(BrokerError::from)
    }

    /// The logs of this node that `asked` names, each once, in the order of their names.
    fn logs_of(&self, asked: Option<Vec<(String, Vec<PartitionId>)>>) -> Vec<Arc<DistributedLog>> {
        let image = self.image();
        let mut wanted: Vec<_> = match asked {
            None => image
                .topics()
                .flat_map(|topic| (0..).zip(&topic.partitions).map(move |(index, _)| (topic, index)))
                .collect(),
            Some(asked) => asked
                .iter()
                .filter_map(|(name, partitions)| Some((image.topic(name)?, partitions)))
                .flat_map(|(topic, partitions)| partitions.iter().map(move |index| (topic, *index)))
                .collect(),
        };
        wanted.sort_unstable_by(|(a, i), (b, j)| (&a.name, i).cmp(&(&b.name, j)));
        wanted.dedup_by(|(a, i), (b, j)| (a.id, *i) == (b.id, *j));
        wanted.into_iter().filter_map(|(topic, index)| self.0.replicas.get(topic.id, index)).collect()
    }
}

/// What an open log knows of itself; a parked one is looked for on the disk, without opening it.
fn measure(log: &DistributedLog) -> Result<LogSize, StorageError> {
    let name = &log.identity.name;
    let bytes = match log.running() {
        Some(group) => group.partition.segments().iter().map(|segment| segment.bytes).sum(),
        None => stored_bytes(log)?,
    };
    Ok(LogSize { topic: name.topic.clone(), partition: name.partition, bytes })
}

fn stored_bytes(log: &DistributedLog) -> Result<u64, StorageError> {
    let (dir, disk) = (log.dir(), log.disk());
    // What is deleted meanwhile, or was never used, has no bytes.
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let names = match disk.read_dir(&dir) {
        Err(error) if gone(&error) => return Ok(0),
        names => names.during("read", &dir)?,
    };
    let mut bytes = 0;
    for name in names.iter().filter(|name| name.strip_suffix(".log").is_some()) {
        let path = dir.join(name);
        match disk.open(&path, false).and_then(|file| file.len()) {
            Err(error) if gone(&error) => {}
            length => bytes += length.during("measure", &path)?,
        }
    }
    Ok(bytes)
}
