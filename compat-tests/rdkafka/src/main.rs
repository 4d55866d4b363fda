//! librdkafka's compatibility program, by the rdkafka crate: runs each feature against `BOOTSTRAP` and prints `PASS name` or
//! `FAIL name: reason`. Starts no broker. `member` is a single member of a group; more verbs serve other
//! tests: `create TOPIC PARTITIONS`, `lines TOPIC`, `committed GROUP TOPIC PARTITIONS`.

mod client;
mod group;
mod group_admin;
mod group_offsets;
mod groups;
mod lines;
mod member;
mod offsets;
mod records;
mod restarts;
mod topics;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use client::{Client, Outcome};

/// Longest time that one feature may take; restarts of a real Kafka are the slowest.
const FEATURE_TIME: Duration = Duration::from_secs(150);

/// How often committed offsets are asked for by `committed`.
const OBSERVE_TIME: Duration = Duration::from_millis(100);

/// One feature by name.
type Check = (&'static str, fn(&Client) -> Outcome);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => run_all(),
        ["create", topic, partitions] => create(topic, partitions),
        ["committed", group, topic, partitions] => observe(group, topic, partitions),
        ["member"] => member::run(),
        ["lines", topic] => Client::new().and_then(|client| lines::read(&client, topic)),
        _ => Err("usage: compat-rdkafka [member | create TOPIC PARTITIONS | lines TOPIC | committed GROUP TOPIC PARTITIONS]".into()),
    };
    if let Err(error) = done {
        eprintln!("compat-rdkafka: {error}");
        std::process::exit(1);
    }
}

fn create(topic: &str, partitions: &str) -> Outcome {
    Client::new()?.create(topic, partitions.parse()?, &[])
}

/// Prints the committed offsets of the partitions (-1 for none) as often as the broker answers, for ever.
fn observe(group: &str, topic: &str, partitions: &str) -> Outcome {
    let (client, partitions) = (Client::new()?, partitions.parse()?);
    let consumer = client.consumer(&[("group.id", group), ("socket.timeout.ms", "5000")])?;
    loop {
        // Without an answer the broker is away, which is no concern of the observer's.
        if let Ok(offsets) = groups::committed_by(&consumer, topic, partitions) {
            let offsets: Vec<_> = offsets.iter().map(|(offset, _)| offset.to_string()).collect();
            println!("{}", offsets.join(" "));
        }
        thread::sleep(OBSERVE_TIME);
    }
}

/// The version of the crate, as the lock file pins it, and of the librdkafka in it.
fn print_version() {
    let lock = include_str!("../Cargo.lock");
    let version =
        lock.split("name = \"rdkafka\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    let (_, native) = rdkafka::util::get_rdkafka_version();
    println!("VERSION rdkafka {} (librdkafka {native})", version.unwrap_or("unknown"));
}

fn run_all() -> Outcome {
    print_version();
    let only = std::env::var("FEATURE").ok();
    let mut failed = 0;
    for (name, check) in [
        topics::CHECKS,
        records::CHECKS,
        offsets::CHECKS,
        restarts::CHECKS,
        groups::CHECKS,
        group_admin::CHECKS,
    ]
    .concat()
    {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        match run_one(check) {
            Ok(()) => println!("PASS {name}"),
            Err(reason) => {
                failed += 1;
                println!("FAIL {name}: {}", reason.to_string().replace('\n', " "));
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} features failed").into()) }
}

/// Runs a feature on a thread of its own, so that one that hangs doesn't hide the others.
fn run_one(check: fn(&Client) -> Outcome) -> Outcome {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone only if the time is over.
        let _ = done.send(Client::new().and_then(|client| check(&client)));
    });
    match outcome.recv_timeout(FEATURE_TIME) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("no end after {FEATURE_TIME:?}").into()),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("panicked".into()),
    }
}
