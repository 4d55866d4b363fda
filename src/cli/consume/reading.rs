//! Partitions that are being read: how far each is, where it ends, what is not committed yet.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::{ClientError, Cluster, Fetched, Fetcher, FetcherOptions, Partition};

#[derive(Debug)]
pub(super) struct Reading {
    fetcher: Fetcher,
    /// Of those that are not at their end yet.
    left: BTreeMap<Partition, i64>,
    /// Exclusive; a partition that is not here has no end.
    until: BTreeMap<Partition, i64>,
    uncommitted: BTreeMap<Partition, i64>,
    committed_at: Instant,
}

impl Reading {
    pub(super) fn start(
        cluster: &Cluster,
        options: FetcherOptions,
        from: BTreeMap<Partition, i64>,
        until: BTreeMap<Partition, i64>,
    ) -> Self {
        let mut left = from;
        left.retain(|partition, offset| until.get(partition).is_none_or(|until| *offset < *until));
        let fetcher = Fetcher::start(cluster, options, left.clone());
        Self { fetcher, left, until, uncommitted: BTreeMap::new(), committed_at: Instant::now() }
    }

    /// Whether every partition is at its end. Without partitions there is nothing left either.
    pub(super) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// # Errors
    /// As [`Fetcher::next`].
    pub(super) async fn next(&mut self) -> Result<Fetched, ClientError> {
        self.fetcher.next().await
    }

    /// The offset at which `partition` ends, exclusive.
    pub(super) fn until(&self, partition: &Partition) -> i64 {
        self.until.get(partition).copied().unwrap_or(i64::MAX)
    }

    pub(super) fn have_read(&mut self, fetched: &Fetched) {
        let until = self.until(&fetched.partition);
        if fetched.next >= until {
            self.left.remove(&fetched.partition);
            self.fetcher.remove(&fetched.partition);
        }
    }

    /// As [`Reading::have_read`], of a group: `printed` is the offset after the last that was printed, if one was.
    pub(super) fn have_printed(&mut self, fetched: &Fetched, printed: Option<i64>) {
        if let Some(next) = printed {
            self.uncommitted.insert(fetched.partition.clone(), next);
        }
        self.have_read(fetched);
    }

    pub(super) fn commit_later(&mut self, offsets: BTreeMap<Partition, i64>) {
        self.uncommitted.extend(offsets);
    }

    /// When what was printed shall be committed; far away if there is nothing.
    pub(super) fn commit_due(&self, every: Duration) -> Instant {
        /// Only to be looked at again.
        const FAR: Duration = Duration::from_hours(1);
        if self.uncommitted.is_empty() { Instant::now() + FAR } else { self.committed_at + every }
    }

    pub(super) fn take_uncommitted(&mut self) -> BTreeMap<Partition, i64> {
        self.committed_at = Instant::now();
        std::mem::take(&mut self.uncommitted)
    }
}
