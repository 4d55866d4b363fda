//! The features of reading at a place: assigned partitions, seeks, listed offsets, the end of the log and beyond it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;

use crate::Check;
use crate::client::{
    ANSWER_TIME, Client, Outcome, Record, assignment, ensure, poll_one, read_to_end, refused, same, text,
};

pub const CHECKS: &[Check] = &[
    ("assigned_partitions", assigned_partitions),
    ("seek_offset", seek_offset),
    ("seek_time", seek_time),
    ("list_offsets", list_offsets),
    ("tail", tail),
    ("offset_out_of_range", offset_out_of_range),
];

/// The timestamp of record n is `BASE_TIME + n * STEP` in milliseconds.
const BASE_TIME: i64 = 1_700_000_000_000;
const STEP: i64 = 1000;

fn assigned_partitions(client: &Client) -> Outcome {
    let topic = client.topic("assigned_partitions", 3)?;
    for partition in 0..3_i32 {
        let from = 1000 * partition.unsigned_abs();
        client.produce_numbers(&topic, partition, from..from + 100)?;
    }
    let read = client.read_all(&topic, 3)?;
    same(300, read.len(), "records")?;
    let mut next = [0, 0, 0];
    for message in &read {
        let place = usize::try_from(message.partition())?;
        same(next[place], message.offset(), "next offset")?;
        same(
            (1000 * i64::from(message.partition()) + next[place]).to_string(),
            text(message)?.to_owned(),
            "value at that offset",
        )?;
        next[place] += 1;
    }
    let consumer = client.consumer(&[])?;
    consumer.assign(&assignment(&topic, 1..2, Offset::Beginning)?)?;
    let read = read_to_end(&consumer, &topic, 1..2)?;
    ensure(read.iter().all(|message| message.partition() == 1), || "a partition that was not assigned".into())
}

fn seek_offset(client: &Client) -> Outcome {
    let topic = client.topic("seek_offset", 1)?;
    client.produce_numbers(&topic, 0, 0..500)?;
    let consumer = client.consumer(&[])?;
    consumer.assign(&assignment(&topic, 0..1, Offset::Beginning)?)?;
    poll_one(&consumer)?;
    // Odd places: inside a batch, back again, the first and the last record.
    for offset in [317, 42, 0, 499] {
        consumer.seek(&topic, 0, Offset::Offset(offset), ANSWER_TIME)?;
        let message = poll_one(&consumer)?;
        same(
            (offset, offset.to_string().as_str()),
            (message.offset(), text(&message)?),
            "offset and value after the seek",
        )?;
    }
    consumer.seek(&topic, 0, Offset::OffsetTail(3), ANSWER_TIME)?;
    same(497, poll_one(&consumer)?.offset(), "third from the end")
}

fn seek_time(client: &Client) -> Outcome {
    let topic = client.topic("seek_time", 1)?;
    // A flush after every ten, so that the records stand in many batches.
    let sender = client.producer(&[])?;
    for n in 0..100 {
        sender.send(
            Record::to(&topic).partition(0).timestamp(BASE_TIME + n * STEP).payload(n.to_string().as_bytes()),
        )?;
        if n % 10 == 9 {
            sender.finish()?;
        }
    }
    let consumer = client.consumer(&[])?;
    let at = |time| at_time(&consumer, &topic, time);
    same(Offset::Offset(30), at(BASE_TIME + 30 * STEP)?, "offset at a record's time")?;
    same(Offset::Offset(31), at(BASE_TIME + 30 * STEP + 1)?, "offset between two")?;
    same(Offset::Offset(0), at(1)?, "offset before all")?;
    same(Offset::End, at(BASE_TIME + 100 * STEP)?, "offset after all")?;
    consumer.assign(&assignment(&topic, 0..1, at(BASE_TIME + 70 * STEP)?)?)?;
    same(30, read_to_end(&consumer, &topic, 0..1)?.len(), "records from there")
}

fn list_offsets(client: &Client) -> Outcome {
    let topic = client.topic("list_offsets", 2)?;
    client.produce_numbers(&topic, 1, 0..250)?;
    let consumer = client.consumer(&[])?;
    same((0, 0), consumer.fetch_watermarks(&topic, 0, ANSWER_TIME)?, "watermarks of an empty log")?;
    same((0, 250), consumer.fetch_watermarks(&topic, 1, ANSWER_TIME)?, "watermarks")
}

fn tail(client: &Client) -> Outcome {
    let topic = client.topic("tail", 1)?;
    client.produce_numbers(&topic, 0, 0..5)?;
    let consumer = client.consumer(&[("fetch.wait.max.ms", "20000")])?;
    consumer.assign(&assignment(&topic, 0..1, Offset::End)?)?;
    ensure(consumer.poll(Duration::from_secs(1)).is_none(), || "a record beyond the end".into())?;
    // The fetch waits on the broker by now; the record must end that wait, not the 20 s.
    let start = Instant::now();
    client.produce_numbers(&topic, 0, 5..6)?;
    same("5", text(&poll_one(&consumer)?)?, "value")?;
    ensure(start.elapsed() < Duration::from_secs(10), || "the waiting fetch was not woken".into())
}

fn offset_out_of_range(client: &Client) -> Outcome {
    let topic = client.topic("offset_out_of_range", 1)?;
    client.produce_numbers(&topic, 0, 0..5)?;
    let beyond = assignment(&topic, 0..1, Offset::Offset(1000))?;
    let strict = client.consumer(&[("auto.offset.reset", "error")])?;
    strict.assign(&beyond)?;
    refused(RDKafkaErrorCode::AutoOffsetReset, poll_one(&strict))?;
    let lenient = client.consumer(&[("auto.offset.reset", "earliest")])?;
    lenient.assign(&beyond)?;
    same(0, poll_one(&lenient)?.offset(), "first offset after the reset")
}

/// The first offset of partition 0 at or after `time`; `End` if there is none.
fn at_time(consumer: &BaseConsumer, topic: &str, time: i64) -> Outcome<Offset> {
    let found = consumer.offsets_for_times(assignment(topic, 0..1, Offset::Offset(time))?, ANSWER_TIME)?;
    let partition = found.find_partition(topic, 0).ok_or("no partition in the answer")?;
    partition.error()?;
    Ok(partition.offset())
}
