//! The step by which what is left of a group goes on when the majority of its voters is gone for good: one replica
//! writes into its own log that it is the only voter, and is elected at its next start as every only voter is.
//!
//! This breaks Raft's promise on purpose: what was agreed on without this replica is lost. So nothing calls it by
//! itself; whoever does has made sure that none of the others votes again with what it has (`broker::recovery` for
//! partitions, a person for the metadata). Not here: which replica is chosen.
//!
//! The vote is durable before the marker is written. A crash in between leaves the old group with a vote of this
//! replica for itself in a high term, which is what a campaign in vain leaves; after it the marker is there or, if it was
//! torn, cut. A marker in an older term than the vote never comes to be.

use tokio::sync::oneshot;

use super::raft::GroupError;
use crate::model::RaftIndex;
use crate::partition::{Membership, Partition, Payload, Proposed};
use crate::storage::{Flusher, GroupId, StorageError, SyncDone, VoteRecord, Votes};

/// Terms left out, so that none is used twice if those that are gone had elections that nobody here heard of.
const TERMS_LEFT_OUT: u64 = 100;

/// Where a replica's lone way begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone {
    /// Of the marker; the first election has the next one.
    pub term: u64,
    /// The marker's. Everything before it is kept.
    pub index: RaftIndex,
}

/// Makes the replica the only voter and the only member of its group, durably when this returns. Its log must be open
/// and no group running on it. The term is above `above` and all that the replica knows.
///
/// # Errors
/// [`GroupError::Stopped`] if the disk refuses: see the module for what is there then.
pub(super) async fn go_alone(
    partition: &Partition,
    id: GroupId,
    (votes, flusher): (&Votes, &Flusher),
    (above, now_ms): (u64, i64),
) -> Result<Alone, GroupError> {
    let stopped = |error: &dyn std::error::Error| GroupError::Stopped { reason: error.to_string() };
    let Some((last_term, last)) = last_of(partition) else {
        return Err(GroupError::Stopped {
            reason: "its log is empty: there is nothing to go on with".into(),
        });
    };
    let voted = votes.get(&id).map_or(0, |vote| vote.term);
    let step = Alone { term: above.max(voted).max(last_term) + TERMS_LEFT_OUT, index: last + 1 };
    let vote = VoteRecord { term: step.term, voted_for: id.replica_id, committed: false };
    durable(|done| votes.save(id, vote, done)).await.map_err(|error| stopped(&error))?;
    let me = vec![id.replica_id];
    let payload = Payload::Membership(Membership { configs: vec![me.clone()], replicas: me });
    let marker = Proposed { term: step.term, index: step.index, expected_term: None, payload };
    partition.append(vec![marker], now_ms).map_err(|error| stopped(&error))?;
    durable(|done| flusher.sync(partition.flush_handle(), done)).await.map_err(|error| stopped(&error))?;
    tracing::warn!(
        partition = %partition.identity.name,
        replica = id.replica_id,
        after_term = last_term,
        from_index = step.index,
        from_offset = partition.reader().log_end_offset().0,
        term = step.term,
        "the majority is given up: this replica goes on alone with what it has; what only others had is lost"
    );
    Ok(step)
}

/// (term, index) of the last entry that the log has, or had before it was purged.
pub(super) fn last_of(partition: &Partition) -> Option<(u64, RaftIndex)> {
    partition.last_entry().or(partition.before_first())
}

async fn durable(write: impl FnOnce(SyncDone)) -> Result<(), std::io::Error> {
    let (synced, wait) = oneshot::channel();
    write(Box::new(move |result: Result<(), std::sync::Arc<StorageError>>| drop(synced.send(result))));
    wait.await.map_err(std::io::Error::other)?.map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;
    use crate::model::{Offset, TopicId, TopicName, TopicPartition};
    use crate::partition::Identity;
    use crate::storage::{CrashPolicy, Disk, LogIdentity, LogOptions, MemDisk};

    const GROUP: GroupId =
        GroupId { topic_id: TopicId(uuid::Uuid::from_u128(2)), partition: 0, replica_id: 13 };
    const OLD: [u64; 3] = [11, 12, 13];
    const ENTRIES: u64 = 12;

    /// One of three replicas, as it is on the disk.
    struct Replica {
        partition: Partition,
        votes: Votes,
        flusher: Arc<Flusher>,
    }

    impl Replica {
        fn open(disk: &MemDisk) -> Self {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            let log = LogIdentity {
                cluster_id: uuid::Uuid::from_u128(1),
                topic_id: GROUP.topic_id,
                partition: 0,
                replica_id: GROUP.replica_id,
            };
            let name = TopicPartition { topic: TopicName::new("t").unwrap(), partition: 0 };
            let identity = Identity { name, log };
            let options = LogOptions::default();
            let (partition, _) =
                Partition::open(Arc::clone(&disk), Path::new("/t-0"), identity, options).unwrap();
            let flusher = Flusher::inline();
            let votes = Votes::open(disk, Path::new("/votes"), uuid::Uuid::nil(), Arc::clone(&flusher));
            Self { partition, votes: votes.unwrap(), flusher }
        }

        /// Of a leader of term 7, of which nothing was agreed on.
        fn begun(disk: &MemDisk) {
            let replica = Self::open(disk);
            let membership = Membership { configs: vec![OLD.to_vec()], replicas: OLD.to_vec() };
            replica.partition.found(membership, 0).unwrap();
            let term = |index| Proposed { term: 7, index, expected_term: None, payload: Payload::Term };
            replica.partition.append((1..ENTRIES).map(term).collect(), 0).unwrap();
            replica.flusher.sync(replica.partition.flush_handle(), Box::new(|done| done.unwrap()));
            let vote = VoteRecord { term: 8, voted_for: 12, committed: true };
            replica.votes.save(GROUP, vote, Box::new(|done| done.unwrap()));
        }

        fn go_alone(&self, above: u64) -> Result<Alone, GroupError> {
            let keeps = (&self.votes, &*self.flusher);
            go_alone(&self.partition, GROUP, keeps, (above, 0)).now_or_never().expect("nothing is waited for")
        }

        fn voters(&self) -> Vec<Vec<u64>> {
            self.partition.membership().unwrap().2.configs
        }

        fn bytes(&self) -> Vec<bytes::Bytes> {
            (0..ENTRIES).map(|index| self.partition.reader().bytes(index).unwrap()).collect()
        }
    }

    #[test]
    fn a_replica_that_goes_on_alone_keeps_all_it_has_under_a_term_above_every_known_one() {
        for (above, term) in [(0, 108), (300, 400)] {
            let disk = MemDisk::new();
            Replica::begun(&disk);
            let before = Replica::open(&disk).bytes();
            assert_eq!(Replica::open(&disk).go_alone(above).unwrap(), Alone { term, index: ENTRIES });
            let after = Replica::open(&disk.crash(CrashPolicy::Synced, 1));
            assert_eq!(after.voters(), [[13]]);
            assert_eq!(after.partition.last_entry(), Some((term, ENTRIES)));
            assert_eq!(after.bytes(), before);
            assert_eq!(after.partition.reader().log_end_offset(), Offset::ZERO);
            // So that the next term, which it elects itself in, is greater.
            assert_eq!(after.votes.get(&GROUP).map(|vote| (vote.term, vote.voted_for)), Some((term, 13)));
        }
    }

    #[test]
    fn a_crash_on_the_way_leaves_the_old_voters_or_the_one_and_never_a_marker_without_its_vote() {
        let mut seen = [0, 0];
        for policy in CrashPolicy::ALL {
            for changes in 0..12 {
                let disk = MemDisk::new();
                Replica::begun(&disk);
                let replica = Replica::open(&disk);
                disk.halt_after(changes);
                let done = replica.go_alone(0);
                let after = Replica::open(&disk.crash(policy, changes));
                let (vote, last) = (after.votes.get(&GROUP).unwrap(), after.partition.last_entry().unwrap());
                let is_alone = after.voters() == [[13]];
                seen[usize::from(is_alone)] += 1;
                assert!(
                    is_alone || (after.voters() == [OLD] && last == (7, ENTRIES - 1)),
                    "{policy:?} {changes}"
                );
                assert!(
                    !is_alone || (vote.term, vote.voted_for) == (108, 13),
                    "{policy:?} {changes}: {vote:?}"
                );
                assert!(done.is_err() || is_alone, "{policy:?} {changes}: it said that it was done");
                // Asked once more it ends what was begun.
                let once_more = after.go_alone(0).unwrap();
                assert!(once_more.term > vote.term && after.voters() == [[13]], "{policy:?} {changes}");
            }
        }
        assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    }

    #[test]
    fn a_log_without_entries_has_nothing_to_go_on_with() {
        assert!(Replica::open(&MemDisk::new()).go_alone(0).is_err());
    }
}
