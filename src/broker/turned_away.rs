//! Batches of idempotent producers that were refused a moment ago, and come again.
//!
//! What a producer sent behind such a batch must not be taken before it: to a log that does not know the producer yet,
//! any sequence is a first one, and the batch that comes again could then only be refused for good, or be there twice.
//! Kafka has this fault. Node-wide, since what follows comes over the same connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cluster::PartitionKey;

/// How long a refused batch is waited for; producers give up after two minutes by default.
const WAITED_FOR: Duration = Duration::from_mins(5);
/// Producers of partitions that are waited for at the same time; beyond it they are not protected.
const PRODUCERS_MAX: usize = 10_000;

/// A producer's work on one partition: id and epoch.
pub(super) type ProducerKey = (PartitionKey, i64, i16);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    any: AtomicBool,
    first: Mutex<BTreeMap<ProducerKey, (i32, Instant)>>,
}

impl TurnedAway {
    /// The batch that begins with `sequence` was refused.
    pub(super) fn refused(&self, producer: ProducerKey, sequence: i32) {
        let mut first = self.first.lock();
        if first.len() >= PRODUCERS_MAX {
            first.retain(|_, (_, at)| at.elapsed() < WAITED_FOR);
        }
        if first.len() < PRODUCERS_MAX {
            first.entry(producer).or_insert((sequence, Instant::now()));
            self.any.store(true, Release);
        }
    }

    /// Whether a batch that begins with `sequence` may be taken: no earlier one is waited for. A log for which
    /// `is_known` is true has batches of the producer and judges by them: the refused one may have come to another
    /// leader in the meantime.
    ///
    /// # Errors
    /// The sequence that is waited for.
    pub(super) fn admits(
        &self,
        producer: &ProducerKey,
        sequence: i32,
        is_known: impl FnOnce() -> bool,
    ) -> Result<(), i32> {
        if !self.any.load(Acquire) {
            return Ok(());
        }
        let mut first = self.first.lock();
        match first.get(producer) {
            Some((waited, at)) if *waited != sequence && at.elapsed() < WAITED_FOR && !is_known() => {
                return Err(*waited);
            }
            Some(_) => _ = first.remove(producer),
            None => {}
        }
        self.any.store(!first.is_empty(), Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    const KEY: ProducerKey = ((TopicId(uuid::Uuid::nil()), 0), 7, 0);

    #[tokio::test(start_paused = true)]
    async fn what_comes_behind_a_refused_batch_waits_for_it() {
        let turned_away = TurnedAway::default();
        assert_eq!(turned_away.admits(&KEY, 9, || false), Ok(()));
        turned_away.refused(KEY, 0);
        turned_away.refused(KEY, 9);
        assert_eq!(turned_away.admits(&KEY, 9, || false), Err(0));
        assert_eq!(turned_away.admits(&(KEY.0, 8, 0), 9, || false), Ok(()), "another producer");
        assert_eq!(turned_away.admits(&(KEY.0, 7, 1), 0, || false), Ok(()), "it began anew");
        assert_eq!(turned_away.admits(&KEY, 0, || false), Ok(()));
        assert_eq!(turned_away.admits(&KEY, 9, || false), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_knows_the_producer_judges_by_itself() {
        let turned_away = TurnedAway::default();
        turned_away.refused(KEY, 0);
        assert_eq!(turned_away.admits(&KEY, 72, || true), Ok(()), "another leader has what was refused here");
        assert_eq!(turned_away.admits(&KEY, 90, || false), Ok(()), "nothing is waited for any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_never_comes_again_is_not_waited_for_for_ever() {
        let turned_away = TurnedAway::default();
        turned_away.refused(KEY, 0);
        tokio::time::advance(WAITED_FOR).await;
        assert_eq!(turned_away.admits(&KEY, 9, || false), Ok(()));
    }
}
