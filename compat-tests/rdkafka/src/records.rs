//! The features of records: codecs, keys, headers, null and empty values, sizes, acks, the idempotent producer.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::topic_partition_list::Offset;

use crate::Check;
use crate::client::{Client, Outcome, Record, assignment, ensure, read_to_end, refused, same, text};

pub const CHECKS: &[Check] = &[
    ("codec_none", |client| codec(client, "none")),
    ("codec_gzip", |client| codec(client, "gzip")),
    ("codec_snappy", |client| codec(client, "snappy")),
    ("codec_lz4", |client| codec(client, "lz4")),
    ("codec_zstd", |client| codec(client, "zstd")),
    ("keys", keys),
    ("headers", headers),
    ("tombstones", tombstones),
    ("empty_value", empty_value),
    ("timestamps", timestamps),
    ("acks", acks),
    ("idempotent_producer", idempotent_producer),
    ("large_message", large_message),
    ("too_large_message", too_large_message),
];

const CODEC_RECORDS: usize = 400;

/// Bytes that no codec makes smaller, always the same for one seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn codec(client: &Client, codec: &str) -> Outcome {
    let topic = client.topic(&format!("codec_{codec}"), 1)?;
    let values: Vec<Vec<u8>> = (0..CODEC_RECORDS)
        .map(|n| {
            let length = n * 37 % 2000;
            if n % 2 == 0 { noise(n as u64 + 7, length) } else { vec![n as u8; length] }
        })
        .collect();
    let sender = client.producer(&[("compression.type", codec), ("linger.ms", "20")])?;
    for value in &values {
        sender.send(Record::to(&topic).payload(value))?;
    }
    sender.finish()?;
    let read = client.read_all(&topic, 1)?;
    same(CODEC_RECORDS, read.len(), "records")?;
    for (n, (value, message)) in values.iter().zip(&read).enumerate() {
        ensure(message.payload() == Some(value), || format!("record {n} differs"))?;
        same(n as i64, message.offset(), "offset")?;
    }
    Ok(())
}

fn keys(client: &Client) -> Outcome {
    let topic = client.topic("keys", 4)?;
    let sender = client.producer(&[])?;
    for n in 0..200 {
        sender.send(
            Record::to(&topic).key(format!("key-{}", n % 10).as_bytes()).payload(n.to_string().as_bytes()),
        )?;
    }
    sender.send(Record::to(&topic).partition(0).key(b"").payload(b"empty key"))?;
    sender.finish()?;
    let read = client.read_all(&topic, 4)?;
    same(201, read.len(), "records")?;
    let mut last: HashMap<&str, (i32, u32)> = HashMap::new();
    for message in &read {
        let key = std::str::from_utf8(message.key().ok_or("a null key")?)?;
        if key.is_empty() {
            same("empty key", text(message)?, "value of the empty key")?;
            continue;
        }
        let n: u32 = text(message)?.parse()?;
        same(format!("key-{}", n % 10), key.to_owned(), "key")?;
        if let Some((partition, before)) = last.insert(key, (message.partition(), n)) {
            same(partition, message.partition(), "partition of the key")?;
            ensure(before < n, || format!("{key} is out of order: {n} after {before}"))?;
        }
    }
    Ok(())
}

fn headers(client: &Client) -> Outcome {
    let topic = client.topic("headers", 1)?;
    let put: [(&str, Option<&[u8]>); 5] =
        [("a", Some(b"1")), ("b", None), ("a", Some(b"2")), ("c", Some(b"")), ("é", Some("ü".as_bytes()))];
    let mut headers = OwnedHeaders::new();
    for (key, value) in put {
        headers = headers.insert(Header { key, value });
    }
    let sender = client.producer(&[])?;
    sender.send(Record::to(&topic).payload(b"value").headers(headers))?;
    sender.finish()?;
    let read = client.read_all(&topic, 1)?;
    let headers = read[0].headers().ok_or("no headers")?;
    let got: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
    same(put.to_vec(), got, "headers in order")
}

fn tombstones(client: &Client) -> Outcome {
    let topic = client.topic("tombstones", 1)?;
    let sender = client.producer(&[])?;
    sender.send(Record::to(&topic).key(b"k").payload(b"v"))?;
    sender.send(Record::to(&topic).key(b"k"))?;
    sender.finish()?;
    let read = client.read_all(&topic, 1)?;
    same(2, read.len(), "records")?;
    same((Some(&b"k"[..]), None), (read[1].key(), read[1].payload()), "key and value")
}

fn empty_value(client: &Client) -> Outcome {
    let topic = client.topic("empty_value", 1)?;
    let sender = client.producer(&[])?;
    sender.send(Record::to(&topic).payload(b""))?;
    sender.finish()?;
    let read = client.read_all(&topic, 1)?;
    same(1, read.len(), "records")?;
    same((None, Some(&b""[..])), (read[0].key(), read[0].payload()), "key and value")
}

fn timestamps(client: &Client) -> Outcome {
    let topic = client.topic("timestamps", 1)?;
    let before = now_millis()?;
    let sender = client.producer(&[])?;
    sender.send(Record::to(&topic).partition(0).timestamp(1_600_000_000_123).payload(b"set"))?;
    sender.send(Record::to(&topic).partition(0).payload(b"now"))?;
    sender.finish()?;
    let read = client.read_all(&topic, 1)?;
    same(Some(1_600_000_000_123), read[0].timestamp().to_millis(), "timestamp that was set")?;
    let stamped = read[1].timestamp().to_millis().ok_or("no timestamp")?;
    ensure(stamped >= before && stamped <= now_millis()?, || format!("timestamp of now: {stamped}"))
}

fn acks(client: &Client) -> Outcome {
    let topic = client.topic("acks", 1)?;
    for acks in ["0", "1", "all"] {
        let sender = client.producer(&[("acks", acks)])?;
        sender.send(Record::to(&topic).payload(acks.as_bytes()))?;
        sender.finish()?;
    }
    // acks=0 promises no order against later connections, so only the set is judged.
    let read = client.read_all(&topic, 1)?;
    let mut values = read.iter().map(text).collect::<Outcome<Vec<_>>>()?;
    values.sort_unstable();
    same(vec!["0", "1", "all"], values, "values")
}

fn idempotent_producer(client: &Client) -> Outcome {
    let topic = client.topic("idempotent_producer", 2)?;
    let settings = [("enable.idempotence", "true")];
    let senders = [client.producer(&settings)?, client.producer(&settings)?];
    for n in 0..4000 {
        let record = Record::to(&topic).partition(n % 4 / 2);
        senders[(n % 2) as usize].send(record.payload(n.to_string().as_bytes()))?;
    }
    for sender in &senders {
        sender.finish()?;
    }
    let read = client.read_all(&topic, 2)?;
    same(4000, read.len(), "records")?;
    let mut next = [0, 1, 2, 3];
    for message in &read {
        let n: usize = text(message)?.parse()?;
        same(next[n % 4], n, "next number of one producer in one partition")?;
        next[n % 4] += 4;
    }
    Ok(())
}

fn large_message(client: &Client) -> Outcome {
    let topic = client.topic("large_message", 1)?;
    let value = noise(9, 900_000);
    let sender = client.producer(&[])?;
    sender.send(Record::to(&topic).payload(&value))?;
    sender.finish()?;
    // A fetch that may carry less than the batch must still return it whole.
    let consumer = client.consumer(&[
        ("max.partition.fetch.bytes", "10000"),
        ("fetch.max.bytes", "10000"),
        ("message.max.bytes", "10000"),
    ])?;
    consumer.assign(&assignment(&topic, 0..1, Offset::Beginning)?)?;
    let read = read_to_end(&consumer, &topic, 0..1)?;
    ensure(read[0].payload() == Some(&value), || "the value differs".into())
}

fn too_large_message(client: &Client) -> Outcome {
    let topic = client.topic("too_large_message", 1)?;
    let value = noise(9, 2_000_000);
    let sender = client.producer(&[("message.max.bytes", "8000000")])?;
    sender.send(Record::to(&topic).payload(&value))?;
    refused(RDKafkaErrorCode::MessageSizeTooLarge, sender.finish())?;
    sender.send(Record::to(&topic).payload(b"small"))?;
    sender.finish()?;
    same(1, client.read_all(&topic, 1)?.len(), "records")
}

fn now_millis() -> Outcome<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
