//! `member` mode: one group member in a process of its own, which writes to `OUT_FILE` what happens to it.
//!
//! `A ms p,p` owns now · `R ms` gave up or lost · `M partition offset value` processed · `C partition next` committed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::client::Outcome;
use crate::group::{Events, take_part};

/// Lines stay in memory at most this long.
const FLUSH_TIME: Duration = Duration::from_millis(100);

/// Takes part in `GROUP` until SIGTERM.
pub fn run() -> Outcome {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let leave = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&leave))?;
    let file = OpenOptions::new().create(true).append(true).open(variable("OUT_FILE")?)?;
    let diary = Diary(Mutex::new((BufWriter::new(file), Instant::now())));
    let id = std::env::var("CLIENT_ID").unwrap_or_else(|_| "rdkafka".into());
    let mut settings = vec![("client.id", id.as_str())];
    let instance = std::env::var("INSTANCE_ID").unwrap_or_default();
    if !instance.is_empty() {
        settings.push(("group.instance.id", &instance));
    }
    let (bootstrap, group, topic) = (variable("BOOTSTRAP")?, variable("GROUP")?, variable("TOPIC")?);
    take_part(diary, &bootstrap, &group, (&topic, &settings), &leave)
}

/// The file, and when it was last flushed.
struct Diary(Mutex<(BufWriter<File>, Instant)>);

impl Diary {
    fn open(&self) -> MutexGuard<'_, (BufWriter<File>, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &[u8], flush: bool) {
        let mut diary = self.open();
        let mut done = diary.0.write_all(line).and_then(|()| diary.0.write_all(b"\n"));
        if flush {
            done = done.and_then(|()| diary.0.flush());
        }
        if let Err(error) = done {
            eprintln!("compat-rdkafka: writing OUT_FILE: {error}");
            std::process::exit(1);
        }
    }
}

impl Events for Diary {
    fn owns(&self, partitions: &BTreeSet<i32>) {
        let partitions: Vec<_> = partitions.iter().map(i32::to_string).collect();
        self.write(format!("A {} {}", millis(), partitions.join(",")).as_bytes(), true);
    }

    fn gives_up(&self, _: &BTreeSet<i32>) {
        self.write(format!("R {}", millis()).as_bytes(), true);
    }

    fn processed(&self, partition: i32, offset: i64, value: &[u8]) {
        let mut line = format!("M {partition} {offset} ").into_bytes();
        line.extend_from_slice(value);
        self.write(&line, false);
    }

    fn commits(&self) {
        let mut diary = self.open();
        if let Err(error) = diary.0.flush() {
            eprintln!("compat-rdkafka: writing OUT_FILE: {error}");
            std::process::exit(1);
        }
    }

    fn committed(&self, partition: i32, next: i64) {
        self.write(format!("C {partition} {next}").as_bytes(), true);
    }

    fn turn(&self) {
        let due = self.open().1.elapsed() >= FLUSH_TIME;
        if due {
            self.commits();
            self.open().1 = Instant::now();
        }
    }
}

fn millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis())
}
