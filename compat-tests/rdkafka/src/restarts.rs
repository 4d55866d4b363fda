//! The broker is restarted or killed while an idempotent producer and a consumer are at work: no loss, no duplicate, no disorder.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;

use crate::Check;
use crate::client::{Client, Outcome, Record, Sender, assignment, same};

pub const CHECKS: &[Check] = &[
    ("restart_clean", |client| restart(client, "restart")),
    ("restart_kill", |client| restart(client, "kill")),
];

/// Records before the restart and again after it; between them one each millisecond, in total at most `MOST`.
const AROUND: usize = 1000;
const MOST: usize = 60_000;
const PARTITIONS: i32 = 2;
/// Longest time that the consumer follows.
const FOLLOW_TIME: Duration = Duration::from_secs(140);

/// Asks the harness to `restart` or `kill` the broker; returns when it is ready again.
pub fn control(command: &str) -> Outcome {
    let mut connection = TcpStream::connect(std::env::var("BROKER_CTL")?)?;
    writeln!(connection, "{command}")?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    same("ok", answer.trim(), "restart of the broker")
}

fn restart(client: &Client, how: &'static str) -> Outcome {
    let topic = client.topic(&format!("restart_{how}"), PARTITIONS)?;
    // How many records there will be in all; not known until the restart is over.
    let total = Arc::new(AtomicUsize::new(usize::MAX));
    let follower = thread::spawn({
        let (topic, total) = (topic.clone(), Arc::clone(&total));
        move || follow(&topic, &total)
    });
    let sender = client.producer(&[("enable.idempotence", "true"), ("message.timeout.ms", "140000")])?;
    let mut sent = 0;
    for _ in 0..AROUND {
        send_next(&sender, &topic, &mut sent)?;
    }
    let mut reports = sender.finish()?.len();
    let control = thread::spawn(move || control(how));
    while !control.is_finished() {
        if sent < MOST {
            send_next(&sender, &topic, &mut sent)?;
        }
        sender.poll(Duration::ZERO);
        thread::sleep(Duration::from_millis(1)); // the pace of the load, not a wait for something
    }
    control.join().map_err(|_| "the control thread panicked")??;
    for _ in 0..AROUND {
        send_next(&sender, &topic, &mut sent)?;
    }
    reports += sender.finish()?.len();
    same(sent, reports, "delivery reports")?;
    total.store(sent, Ordering::SeqCst);
    let lived = follower.join().map_err(|_| "the follower panicked")??;
    in_order(&lived, sent, "the consumer that lived through it")?;
    let read = client.read_all(&topic, PARTITIONS)?;
    let read = read.iter().map(pair).collect::<Outcome<Vec<_>>>()?;
    in_order(&read, sent, "a new consumer")
}

/// Sends the next number; even ones to partition 0, odd ones to partition 1.
fn send_next(sender: &Sender, topic: &str, sent: &mut usize) -> Outcome {
    let record = Record::to(topic).partition(i32::try_from(*sent % 2)?);
    sender.send(record.payload(sent.to_string().as_bytes()))?;
    *sent += 1;
    Ok(())
}

/// Reads from the beginning until as many records as `total` says were seen; pairs of partition and number.
fn follow(topic: &str, total: &AtomicUsize) -> Outcome<Vec<(usize, usize)>> {
    let consumer = Client::new()?.consumer(&[])?;
    consumer.assign(&assignment(topic, 0..PARTITIONS, Offset::Beginning)?)?;
    let mut read = Vec::new();
    let deadline = Instant::now() + FOLLOW_TIME;
    while read.len() < total.load(Ordering::SeqCst) && Instant::now() < deadline {
        // A lost connection is reported here too and cured by itself; what counts is what is read.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            read.push(pair(&message)?);
        }
    }
    Ok(read)
}

fn pair(message: &impl Message) -> Outcome<(usize, usize)> {
    let number = std::str::from_utf8(message.payload().ok_or("a null value")?)?.parse()?;
    Ok((usize::try_from(message.partition())?, number))
}

fn in_order(read: &[(usize, usize)], total: usize, reader: &str) -> Outcome {
    let mut next = [0, 1];
    for &(partition, number) in read {
        same(next[partition], number, &format!("{reader}, next number of partition {partition}"))?;
        next[partition] += 2;
    }
    same(total, read.len(), &format!("{reader}, records"))
}
