//! `Produce` of idempotent producers: what the broker remembers of each producer and partition.
//!
//! Source: KIP-98; Kafka `ProducerAppendInfo`, `ProducerStateEntry` (five batches are remembered).

use super::produce::{fetch_all, one};
use crate::batch::Batch;
use crate::session::{Session, Topic};

fn send(
    s: &mut Session,
    step: &str,
    topic: &Topic,
    producer: (i64, i16),
    sequence: i32,
) -> Result<(), String> {
    let batch = Batch::of(s.time(0), &["x", "y"]).by(producer, sequence);
    s.step(step, &one(s, topic, batch.encode())).map(drop)
}

pub(crate) fn idempotent(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let producer = s.producer()?;
    let (id, epoch) = producer;
    for (number, sequence) in (1..).zip((0..14).step_by(2)) {
        send(s, &format!("batch_{number}"), &a, producer, sequence)?;
    }
    send(s, "last_one_again", &a, producer, 12)?;
    send(s, "oldest_of_five_again", &a, producer, 4)?;
    send(s, "older_than_five_again", &a, producer, 2)?;
    send(s, "overlapping", &a, producer, 13)?;
    let longer = Batch::of(s.time(0), &["x", "y", "z"]).by(producer, 12);
    s.step("last_one_again_but_longer", &one(s, &a, longer.encode()))?;
    send(s, "gap", &a, producer, 16)?;
    send(s, "after_the_gap", &a, producer, 14)?;
    send(s, "negative_sequence", &a, producer, -2)?;
    send(s, "newer_epoch_not_from_0", &a, (id, epoch + 2), 16)?;
    send(s, "newer_epoch_from_0", &a, (id, epoch + 2), 0)?;
    send(s, "older_epoch", &a, (id, epoch + 1), 0)?;
    send(s, "oldest_epoch_at_its_next_sequence", &a, producer, 16)?;
    send(s, "newer_epoch_goes_on", &a, (id, epoch + 2), 2)?;
    send(s, "negative_epoch", &a, (id, -1), 4)?;
    let stranger = s.producer()?;
    send(s, "unknown_producer_not_from_0", &a, stranger, 7)?;
    send(s, "unknown_producer_goes_on", &a, stranger, 9)?;
    let wrapping = s.producer()?;
    send(s, "sequence_near_its_end", &a, wrapping, i32::MAX - 1)?;
    send(s, "sequence_begins_again", &a, wrapping, 0)?;
    let across = s.producer()?;
    send(s, "sequence_wraps_inside_a_batch", &a, across, i32::MAX)?;
    send(s, "sequence_after_the_wrap", &a, across, 1)?;
    fetch_all(s, "all", &a)
}
