//! Golden transcripts: what a real Kafka answered to these scripts, and whether Bateau answers the same.
//!
//! Each script runs at every version of its API over a raw connection. `README.md` beside this file tells how to
//! record and what the variables `GOLDEN_RECORD`, `GOLDEN_BROKER` and `GOLDEN_ONLY` do. This is no test of
//! performance, of how nodes work together, or of client libraries.

#![expect(clippy::disallowed_methods, reason = "a test of a process has the process's clock")]

mod answer;
mod batch;
mod broker;
mod differences;
mod render;
mod render_admin;
mod render_groups;
mod scripts;
mod session;
mod setup;
mod topic_ids;
mod transcript;
mod wire;

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::{Bateau, Broker, resolve};
use scripts::{SCRIPTS, Script};
use session::Session;
use transcript::{Mismatch, Transcript};

/// Runs under way at once. More do not help: brokers make topics one after the other.
const WORKERS: usize = 4;
/// Mismatches that are printed in full; the rest are counted.
const PRINTED: usize = 400;

/// Times that all scripts are run again among several nodes.
const TRIES: usize = 2;
/// Times that a run among several nodes is begun again because leaders moved, as they may on a busy machine.
const MOVES_MAX: usize = 20;

const BATEAU: &str = env!("CARGO_BIN_EXE_bateau");

/// Scripts that ask the leader of a partition: what they record has no nodes, no replicas and no groups.
const OF_LEADERS: &[&str] = &[
    "produce",
    "produce_idempotent",
    "produce_rules",
    "produce_wrong",
    "fetch",
    "fetch_epoch",
    "fetch_session",
    "list_offsets",
    "offset_for_leader_epoch",
    "delete_records",
    "describe_producers",
    "init_producer_id",
];

/// The finished runs by script and version, and the reasons of those that broke off.
type Results = (Vec<Transcript>, Vec<String>);

#[test]
fn bateau_answers_what_kafka_answered() {
    let verdict = match (env::var("GOLDEN_RECORD"), env::var("GOLDEN_BROKER")) {
        (Ok(kafka), _) => resolve(&kafka).and_then(|kafka| record(Broker::alone(kafka))),
        (_, Ok(running)) => {
            resolve(&running).and_then(|broker| replay(Broker::alone(broker), &chosen(), false))
        }
        _ => Bateau::start(BATEAU, 1).and_then(|bateau| replay(bateau.broker, &chosen(), true)),
    };
    if let Err(report) = verdict {
        panic!("{report}");
    }
}

#[test]
fn the_leader_of_three_replicas_answers_what_a_kafka_alone_answered() {
    let mut scripts = chosen();
    scripts.retain(|script| OF_LEADERS.contains(&script.name));
    let elsewhere = ["GOLDEN_RECORD", "GOLDEN_BROKER"].iter().any(|other| env::var(other).is_ok());
    if elsewhere || scripts.is_empty() {
        return;
    }
    let bateau = Bateau::start(BATEAU, 3).unwrap_or_else(|reason| panic!("{reason}"));
    // A leadership that moves in the middle of a script, as it may on a busy machine, is no difference: it does not happen
    // each time.
    let mut tries = (0..TRIES).map(|_| replay(bateau.broker, &scripts, true));
    let last = tries.find(Result::is_ok).unwrap_or_else(|| replay(bateau.broker, &scripts, true));
    if let Err(report) = last {
        panic!("{report}");
    }
}

fn folder() -> PathBuf {
    Path::new(file!())
        .parent()
        .filter(|here| here.is_dir())
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), Path::to_path_buf)
}

/// The scripts that `GOLDEN_ONLY`, a part of their name, leaves.
fn chosen() -> Vec<&'static Script> {
    let only = env::var("GOLDEN_ONLY").unwrap_or_default();
    SCRIPTS.iter().filter(|script| script.name.contains(&only)).collect()
}

fn record(kafka: Broker) -> Result<(), String> {
    let scripts = chosen();
    let (transcripts, broken) = run_all(kafka, &scripts);
    if !broken.is_empty() {
        return Err(format!("nothing was recorded\n{}", broken.join("\n")));
    }
    for (script, transcript) in scripts.iter().zip(&transcripts) {
        let title = format!("{}: {}", script.name, script.about);
        let path = transcript_path(script);
        std::fs::write(&path, transcript.write(&title))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Compares the answers of `broker` with the recorded ones. Without `differing` it has to be a Kafka.
fn replay(broker: Broker, scripts: &[&Script], differing: bool) -> Result<(), String> {
    let (transcripts, mut wrong) = run_all(broker, scripts);
    let mut mismatches = Vec::new();
    for (script, transcript) in scripts.iter().zip(&transcripts) {
        match read_transcript(script) {
            Ok(recorded) => mismatches.extend(recorded.compare(script.name, transcript)),
            Err(reason) => wrong.push(reason),
        }
    }
    if broker.nodes > 1 {
        // Each election makes a new one.
        mismatches.retain(|mismatch| !mismatch.leaf.ends_with("leader_epoch"));
    }
    if differing {
        let path = folder().join("differences.txt");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let known = differences::parse(&text)?;
        let names: Vec<&str> = scripts.iter().map(|script| script.name).collect();
        for stale in differences::subtract(&mut mismatches, &known, &names) {
            wrong.push(format!("this wanted difference no longer happens, take it out: {stale}"));
        }
    }
    if mismatches.is_empty() && wrong.is_empty() {
        return Ok(());
    }
    Err(report(&mismatches, &wrong))
}

fn transcript_path(script: &Script) -> PathBuf {
    folder().join("transcripts").join(format!("{}.txt", script.name))
}

fn read_transcript(script: &Script) -> Result<Transcript, String> {
    let path = transcript_path(script);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Transcript::read(&text)
}

/// Runs each script at each of its versions, [`WORKERS`] at a time. One transcript per script, in their order.
fn run_all(broker: Broker, scripts: &[&Script]) -> Results {
    let each = |index: usize| scripts[index].versions.clone().map(move |version| (index, version));
    let runs: Vec<(usize, i16)> = (0..scripts.len()).flat_map(each).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(&(index, version)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run(broker, scripts[index], version);
                    done.lock().expect("no worker panics").push((index, version, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics");
    done.sort_by_key(|(index, version, _)| (*index, *version));
    let mut transcripts: Vec<Transcript> = scripts.iter().map(|_| Transcript::default()).collect();
    let mut broken = Vec::new();
    for (index, version, (steps, failure)) in done {
        let mut put = |reason: String| broken.push(format!("{} v{version}: {reason}", scripts[index].name));
        for (step, lines) in steps {
            transcripts[index].put(&step, version, lines).unwrap_or_else(&mut put);
        }
        failure.unwrap_or_else(&mut put);
    }
    (transcripts, broken)
}

/// The steps of one run up to its end or to what broke it off.
fn run(broker: Broker, script: &Script, version: i16) -> (Vec<session::Step>, Result<(), String>) {
    for _ in 0..if broker.nodes > 1 { MOVES_MAX } else { 0 } {
        if let (steps, Ok(true)) = run_once(broker, script, version) {
            return (steps, Ok(()));
        }
    }
    let (steps, result) = run_once(broker, script, version);
    let steady = |is_steady| if is_steady { Ok(()) } else { Err("its leaders never stay".to_owned()) };
    (steps, result.and_then(steady))
}

/// Also whether its leaders stayed.
fn run_once(broker: Broker, script: &Script, version: i16) -> (Vec<session::Step>, Result<bool, String>) {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let unique = format!("gt{}x{number}q-", process::id());
    let mut session = match Session::open(broker, unique, script.key, version) {
        Ok(session) => session,
        Err(reason) => return (Vec::new(), Err(reason)),
    };
    let result = (script.run)(&mut session);
    let (steps, closed) = session.close();
    (steps, result.and(closed))
}

/// The mismatches, those that are alike but for their version together, each as an entry of `differences.txt`
/// that lacks its reason.
fn report(mismatches: &[Mismatch], wrong: &[String]) -> String {
    let mut groups: Vec<(&Mismatch, Vec<i16>)> = Vec::new();
    for one in mismatches {
        let alike = |known: &Mismatch| Mismatch { version: one.version, ..known.clone() } == *one;
        match groups.iter_mut().rev().find(|(known, _)| alike(known)) {
            Some((_, versions)) => versions.push(one.version),
            None => groups.push((one, vec![one.version])),
        }
    }
    let mut text = String::new();
    let mut step = ("", "");
    for (one, versions) in groups.iter().take(PRINTED) {
        if step != (&one.script, &one.step) {
            step = (&one.script, &one.step);
            let _ = writeln!(text);
        }
        let place = format!("{}/{}/v{}", one.script, one.step, transcript::ranges(versions));
        let _ = writeln!(text, "{place} | {} | {} | ", one.leaf, one.other);
        let _ = writeln!(text, "    kafka: {}", one.kafka);
    }
    for reason in wrong {
        let _ = writeln!(text, "{reason}");
    }
    let _ = writeln!(
        text,
        "{} answers differ in {} places, {} other faults",
        mismatches.len(),
        groups.len(),
        wrong.len()
    );
    text
}
