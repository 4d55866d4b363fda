//! librdkafka's compatibility program, by the rdkafka crate: runs each feature against `BOOTSTRAP` and prints `PASS name` or
//! `FAIL name: reason`. Starts no broker. Two more verbs serve the lines test: `create TOPIC PARTITIONS` and `lines TOPIC`.

mod client;
mod lines;
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

/// One feature by name.
type Check = (&'static str, fn(&Client) -> Outcome);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => run_all(),
        ["create", topic, partitions] => create(topic, partitions),
        ["lines", topic] => Client::new().and_then(|client| lines::read(&client, topic)),
        _ => Err("usage: compat-rdkafka [create TOPIC PARTITIONS | lines TOPIC]".into()),
    };
    if let Err(error) = done {
        eprintln!("compat-rdkafka: {error}");
        std::process::exit(1);
    }
}

fn create(topic: &str, partitions: &str) -> Outcome {
    Client::new()?.create(topic, partitions.parse()?, &[])
}

fn run_all() -> Outcome {
    let only = std::env::var("FEATURE").ok();
    let mut failed = 0;
    for (name, check) in [topics::CHECKS, records::CHECKS, offsets::CHECKS, restarts::CHECKS].concat() {
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
