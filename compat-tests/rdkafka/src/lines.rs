//! Reads a topic of keyed lines to its end and prints what the harness compares: counts and SHA-256 sums by partition and by key.
//!
//! `partition P COUNT SUM` and `key K COUNT SUM`. A sum runs over length and bytes of key and value, lengths as 4 bytes
//! big-endian, in offset order.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use sha2::{Digest, Sha256};

use crate::client::{ANSWER_TIME, Client, Outcome, assignment, ensure, same};

/// Longest silence before the read counts as stuck.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Sum {
    count: u64,
    digest: Sha256,
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Outcome {
        for bytes in [key, value] {
            self.digest.update(u32::try_from(bytes.len())?.to_be_bytes());
            self.digest.update(bytes);
        }
        self.count += 1;
        Ok(())
    }

    fn print(self, of: &str) {
        println!("{of} {} {:x}", self.count, self.digest.finalize());
    }
}

pub fn read(client: &Client, topic: &str) -> Outcome {
    let consumer = client.consumer(&[])?;
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_TIME)?;
    let partitions = i32::try_from(metadata.topics()[0].partitions().len())?;
    let mut sums = BTreeMap::new();
    let mut open = HashMap::new();
    for partition in 0..partitions {
        sums.insert(partition, Sum::default());
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_TIME)?;
        if low < high {
            open.insert(partition, high);
        }
    }
    let mut keys: BTreeMap<Vec<u8>, (i32, Sum)> = BTreeMap::new();
    consumer.assign(&assignment(topic, 0..partitions, Offset::Beginning)?)?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        ensure(heard.elapsed() < SILENCE, || format!("no record for {SILENCE:?}, open {open:?}"))?;
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message?;
        heard = Instant::now();
        let (key, value) = (message.key().ok_or("a null key")?, message.payload().ok_or("a null value")?);
        sums.entry(message.partition()).or_default().add(key, value)?;
        if !keys.contains_key(key) {
            keys.insert(key.to_vec(), (message.partition(), Sum::default()));
        }
        let (home, sum) = keys.get_mut(key).ok_or("unreachable")?;
        same(*home, message.partition(), "partition of a key")?;
        sum.add(key, value)?;
        if open.get(&message.partition()).is_some_and(|high| message.offset() + 1 >= *high) {
            open.remove(&message.partition());
        }
    }
    for (partition, sum) in sums {
        sum.print(&format!("partition {partition}"));
    }
    for (key, (_, sum)) in keys {
        sum.print(&format!("key {}", String::from_utf8_lossy(&key)));
    }
    Ok(())
}
