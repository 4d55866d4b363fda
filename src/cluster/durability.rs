//! When an append of one log counts as written, and when its snapshot is due.
//!
//! `flush.messages=1` (the default here): once it is synced. Larger: at once, with a sync in the
//! background after that many records or `flush.ms`. Markers always wait for the sync.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::time::Duration;

use super::clock::Clock;
use super::raft::{Progress, spawn};
use crate::partition::{Appended, Partition};
use crate::storage::Flusher;

/// Bytes after which a strictly synced log gets a snapshot, so that a restart has little to check.
const SNAPSHOT_EVERY_BYTES: u64 = 64 << 20;

/// See the module. One for each log.
#[derive(Debug)]
pub struct Durability {
    flusher: Arc<Flusher>,
    clock: Clock,
    /// `flush.messages`; 1 syncs before every acknowledgement.
    messages: AtomicU64,
    /// `flush.ms`; `u64::MAX`: never by time.
    flush_ms: AtomicU64,
    /// Records acknowledged and not yet handed to a sync.
    unsynced: AtomicU64,
    timer_armed: AtomicBool,
    /// Appends whose sync is waited for. Raft takes a flush for that of all before it, so while
    /// there are any, later appends wait as well.
    waiting: AtomicU64,
    snapshotting: AtomicBool,
    /// Whether its syncs may wait for each other's and those of other logs.
    gathers: AtomicBool,
    applied: OnceLock<Arc<Progress>>,
}

impl Durability {
    pub fn new(flusher: Arc<Flusher>, clock: Clock, messages: u64, flush_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            flusher,
            clock,
            messages: messages.into(),
            flush_ms: flush_ms.into(),
            unsynced: 0.into(),
            timer_armed: false.into(),
            waiting: 0.into(),
            snapshotting: false.into(),
            gathers: false.into(),
            applied: OnceLock::new(),
        })
    }

    /// Whether what is acknowledged may be in memory only.
    pub(super) fn is_relaxed(&self) -> bool {
        self.messages.load(Relaxed) > 1
    }

    /// Takes over changed topic settings; what was acknowledged under others is synced.
    pub fn relax(&self, partition: &Arc<Partition>, messages: u64, flush_ms: u64) {
        let messages = messages.max(1);
        let before = (self.messages.swap(messages, Relaxed), self.flush_ms.swap(flush_ms, Relaxed));
        if before != (messages, flush_ms) && self.unsynced.load(Relaxed) > 0 {
            self.sync_in_background(partition);
        }
    }

    /// From now on this log's syncs run in turn with those of others that gather, which costs less than side by side.
    pub fn gather_syncs(&self) {
        self.gathers.store(true, Relaxed);
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Says where to read how far the group has applied, for snapshots.
    pub(super) fn follow(&self, applied: Arc<Progress>) {
        // A group that is started again after a failure brings a new one with a new Durability.
        drop(self.applied.set(applied));
    }

    /// Calls `done` when what was appended is as durable as the topic asks.
    pub(super) fn settle(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        appended: Appended,
        done: impl FnOnce(io::Result<()>) + Send + 'static,
    ) {
        let messages = self.messages.load(Relaxed);
        let strict = messages <= 1;
        if strict || appended.has_marker || self.waiting.load(Acquire) > 0 {
            self.unsynced.store(0, Relaxed);
            // One that only follows holds up no others, or a busy log would never be relaxed again.
            let counts = u64::from(strict || appended.has_marker);
            self.waiting.fetch_add(counts, AcqRel);
            let durability = Arc::clone(self);
            let done = move |result: Result<(), _>| {
                done(result.map_err(io::Error::other));
                durability.waiting.fetch_sub(counts, AcqRel);
            };
            match self.gathers.load(Relaxed) {
                true => self.flusher.sync_in_turn(partition.flush_handle(), Box::new(done)),
                false => self.flusher.sync(partition.flush_handle(), Box::new(done)),
            }
        } else {
            done(Ok(()));
            self.sync_later(partition, appended.records, messages);
        }
        if appended.rolled || (strict && appended.bytes_since_snapshot >= SNAPSHOT_EVERY_BYTES) {
            self.snapshot(partition);
        }
    }

    fn sync_later(self: &Arc<Self>, partition: &Arc<Partition>, records: u64, messages: u64) {
        let unsynced = self.unsynced.fetch_add(records, AcqRel) + records;
        if unsynced >= messages {
            self.sync_in_background(partition);
            return;
        }
        let flush_ms = self.flush_ms.load(Relaxed);
        // A century is as good as never.
        if flush_ms > 3_153_600_000_000 || self.timer_armed.swap(true, AcqRel) {
            return;
        }
        let (durability, partition) = (Arc::clone(self), Arc::clone(partition));
        spawn(async move {
            tokio::time::sleep(Duration::from_millis(flush_ms)).await;
            durability.timer_armed.store(false, Release);
            durability.sync_in_background(&partition);
        });
    }

    fn sync_in_background(&self, partition: &Arc<Partition>) {
        self.unsynced.store(0, Release);
        let name = partition.identity.name.clone();
        let report = move |result: Result<(), _>| {
            if let Err(error) = result {
                let error: Arc<crate::storage::StorageError> = error;
                tracing::error!(partition = %name, %error, "a background sync failed; the log refuses appends");
            }
        };
        self.flusher.sync(partition.flush_handle(), Box::new(report));
    }

    /// Writes a snapshot in the background, unless one is being written.
    pub fn snapshot(self: &Arc<Self>, partition: &Arc<Partition>) {
        if self.snapshotting.swap(true, AcqRel) {
            return;
        }
        let applied = self.applied.get().and_then(|p| p.applied());
        let Some(job) = partition.snapshot(applied) else {
            self.snapshotting.store(false, Release);
            return;
        };
        let (durability, name) = (Arc::clone(self), partition.identity.name.clone());
        let synced = move |result: Result<(), Arc<crate::storage::StorageError>>| {
            let written =
                result.map_err(|e| e.to_string()).and_then(|()| job.run().map_err(|e| e.to_string()));
            if let Err(error) = written {
                tracing::warn!(partition = %name, %error, "a snapshot was not written");
            }
            durability.snapshotting.store(false, Release);
        };
        self.flusher.sync(partition.flush_handle(), Box::new(synced));
    }

    /// Waits until everything appended is synced.
    pub(super) async fn synced(&self, partition: &Arc<Partition>) -> io::Result<()> {
        let (synced, wait) = tokio::sync::oneshot::channel();
        let done = move |result: Result<(), Arc<crate::storage::StorageError>>| _ = synced.send(result);
        self.flusher.sync(partition.flush_handle(), Box::new(done));
        wait.await.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    /// Waits until everything appended is synced and a snapshot of it is written: a clean stop.
    pub async fn settle_all(self: &Arc<Self>, partition: &Arc<Partition>) {
        if let Err(error) = self.synced(partition).await {
            tracing::warn!(partition = %partition.identity.name, %error, "not synced at its end");
            return;
        }
        let applied = self.applied.get().and_then(|p| p.applied());
        let job = partition.snapshot(applied);
        let (written, wait) = tokio::sync::oneshot::channel();
        let settled = Arc::clone(partition);
        self.flusher.run(Box::new(move || {
            let job = job.map_or(Ok(()), |job| job.run());
            drop(written.send(job.and_then(|()| settled.doubt.settle())));
        }));
        if let Ok(Err(error)) = wait.await {
            tracing::warn!(partition = %partition.identity.name, %error, "the last snapshot, or that nothing is in memory only, was not written");
        }
    }

    /// Does file work on one of the flusher's threads.
    pub(super) fn in_background(&self, work: impl FnOnce() + Send + 'static) {
        self.flusher.run(Box::new(work));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;
    use crate::model::{TopicId, TopicName, TopicPartition};
    use crate::partition::Identity;
    use crate::storage::{LogIdentity, LogOptions, MemDisk};

    fn partition() -> Arc<Partition> {
        let log = LogIdentity {
            cluster_id: uuid::Uuid::from_u128(1),
            topic_id: TopicId(uuid::Uuid::from_u128(2)),
            partition: 0,
            replica_id: 1,
        };
        let name = TopicPartition { topic: TopicName::new("t").unwrap(), partition: 0 };
        let disk = Arc::new(MemDisk::new());
        let identity = Identity { name, log };
        let opened = Partition::open(disk, Path::new("/t-0"), identity, LogOptions::default());
        Arc::new(opened.unwrap().0)
    }

    #[test]
    fn a_relaxed_append_is_not_done_before_a_marker_that_waits_for_its_sync() {
        let (flusher, partition) = (Flusher::new(1), partition());
        let (release, held) = mpsc::channel::<()>();
        flusher.run(Box::new(move || _ = held.recv()));
        let durability = Durability::new(Arc::clone(&flusher), Clock::new(|| 0), 1_000, u64::MAX);
        let (done, finished) = mpsc::channel();
        let settle = |name: &'static str, has_marker| {
            let done = done.clone();
            let appended = Appended { records: 1, has_marker, ..Appended::default() };
            durability.settle(&partition, appended, move |result| done.send((name, result.is_ok())).unwrap());
        };
        settle("relaxed", false);
        assert_eq!(finished.try_recv(), Ok(("relaxed", true)));
        settle("marker", true);
        settle("behind", false);
        assert!(finished.try_recv().is_err(), "raft takes a flush for that of all before it");
        release.send(()).unwrap();
        assert_eq!(finished.recv(), Ok(("marker", true)));
        assert_eq!(finished.recv(), Ok(("behind", true)));
        flusher.stop();
        settle("relaxed again", false);
        assert_eq!(finished.try_recv(), Ok(("relaxed again", true)));
    }
}
