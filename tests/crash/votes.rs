//! A vote that was answered is never forgotten.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bateau::model::TopicId;
use bateau::storage::{
    CrashPolicy, Disk, DiskFile, Flusher, GroupId, MemDisk, StorageError, VoteRecord, Votes,
};
use uuid::Uuid;

use crate::fixture::Draw;

const PATH: &str = "/votes";
const DIRECTORY: Uuid = Uuid::from_u128(9);

fn open(disk: &MemDisk) -> Result<Votes, StorageError> {
    Votes::open(Arc::new(disk.clone()), Path::new(PATH), DIRECTORY, Flusher::inline())
}

fn group(number: u64) -> GroupId {
    GroupId { topic_id: TopicId(Uuid::from_u128(2)), partition: 0, replica_id: number }
}

fn vote(term: u64) -> VoteRecord {
    VoteRecord { term, voted_for: term * 3, committed: term.is_multiple_of(2) }
}

/// Whether the vote became durable.
fn save(votes: &Votes, number: u64, term: u64) -> bool {
    let saved = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&saved);
    votes.save(
        group(number),
        vote(term),
        Box::new(move |result| seen.store(result.is_ok(), Ordering::SeqCst)),
    );
    saved.load(Ordering::SeqCst)
}

#[test]
fn a_power_loss_at_any_change_of_the_disk_keeps_the_votes_that_were_answered() {
    for halt in 0..60 {
        let disk = MemDisk::new();
        disk.halt_after(halt);
        let mut answered = [0u64; 5];
        let mut asked = [0u64; 5];
        if let Ok(votes) = open(&disk) {
            let mut draw = Draw(7);
            for term in 1..40 {
                let number = draw.below(5);
                asked[number] = term;
                if !save(&votes, number as u64, term) {
                    assert!(votes.failed() && !save(&votes, 0, 99), "a failure is for good");
                    break;
                }
                answered[number] = term;
            }
        }
        for policy in CrashPolicy::ALL {
            for seed in 0..4 {
                let left = disk.crash(policy, seed);
                let votes = open(&left).unwrap();
                for number in 0..5 {
                    let found = votes.get(&group(number as u64)).unwrap_or_default();
                    let is = |term: u64| found == if term == 0 { VoteRecord::default() } else { vote(term) };
                    assert!(is(answered[number]) || is(asked[number]), "halt {halt}, {policy:?}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn many_votes_of_few_groups_are_rewritten_and_kept() {
    let disk = MemDisk::new();
    let votes = open(&disk).unwrap();
    for term in 1..5000 {
        assert!(save(&votes, term % 7, term));
    }
    votes.forget(&group(3)).unwrap();
    assert!(save(&votes, 0, 5001));
    let len = disk.open(Path::new(PATH), false).unwrap().len().unwrap();
    assert!(len < 64 * 1200, "{len} bytes for 7 votes");
    let again = open(&disk.crash(CrashPolicy::Synced, 0)).unwrap();
    assert_eq!(again.get(&group(0)), Some(vote(5001)));
    assert_eq!(again.get(&group(3)), None);
    let last = (1..5000).rev().find(|term| term % 7 == 6).unwrap();
    assert_eq!(again.get(&group(6)), Some(vote(last)));
}

#[test]
fn a_record_damaged_below_the_synced_mark_is_damage_and_above_it_is_cut() {
    let disk = MemDisk::new();
    let votes = open(&disk).unwrap();
    for term in 1..4 {
        assert!(save(&votes, 1, term));
    }
    let harm = |record: u64| {
        let left = disk.crash(CrashPolicy::Synced, 0);
        let file: Arc<dyn DiskFile> = left.open(Path::new(PATH), false).unwrap();
        file.write_at(&[std::io::IoSlice::new(&[0xFF])], 64 * record + 33).unwrap();
        open(&left)
    };
    assert!(matches!(harm(0), Err(StorageError::Corrupt { position: 0, .. })));
    assert!(matches!(harm(1), Err(StorageError::Corrupt { position: 64, .. })));
    assert!(matches!(harm(2), Err(StorageError::Corrupt { position: 128, .. })));
    assert_eq!(harm(3).unwrap().get(&group(1)), Some(vote(2)));
}

#[test]
fn the_votes_of_another_directory_are_refused() {
    let disk = MemDisk::new();
    open(&disk).unwrap();
    let other = Uuid::from_u128(8);
    let refused = Votes::open(Arc::new(disk), Path::new(PATH), other, Flusher::inline());
    assert!(matches!(refused, Err(StorageError::ForeignDirectory { .. })));
}
