//! The commands for people, as somebody at a shell meets them: the built binary as the broker, and again as the client.

#![expect(clippy::disallowed_methods, reason = "a test of a process has the process's clock")]
#![allow(clippy::unwrap_used, reason = "what a test needs and does not get fails it")]

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_mins(1);

/// A broker of its own, and the directory that it runs in; both gone at the end.
struct Broker {
    child: Child,
    directory: PathBuf,
    address: String,
}

impl Broker {
    fn start() -> Self {
        let mut broker = Self::launch(&[]);
        broker.wait();
        broker
    }

    /// Three nodes that form a cluster, with ids 1 to 3.
    fn start_three() -> [Self; 3] {
        // Asked for together, so that they differ. Somebody else may take one before the node does; then the test fails.
        let free: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = free.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(free);
        let gossip = |node: usize| format!("127.0.0.1:{}", ports[node]);
        let seeds = [gossip(0), gossip(1), gossip(2)].join(",");
        let mut nodes = [0, 1, 2].map(|node| {
            let (id, rpc, bind) = ((node + 1).to_string(), ports[node + 3].to_string(), gossip(node));
            let mut arguments = vec!["--node-id", &id, "--rpc-port", &rpc, "--bind-addr", &bind];
            arguments.extend(["--start-join-addrs", &seeds, "--node-name", &id]);
            arguments.extend((node == 0).then_some("--bootstrap"));
            Self::launch(&arguments)
        });
        nodes.iter_mut().for_each(Self::wait);
        nodes
    }

    fn launch(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("bateau-commands-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(["serve", "--kafka-addr", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, directory, address: String::new() }
    }

    /// Waits until it serves, and learns where.
    fn wait(&mut self) {
        let mut banner = BufReader::new(self.child.stdout.take().unwrap()).lines();
        banner.next().unwrap().unwrap();
        let address = banner.next().unwrap().unwrap();
        address.trim().strip_prefix("kafka").unwrap().trim().clone_into(&mut self.address);
        // Read to the end, so that the broker never writes to a closed pipe.
        std::thread::spawn(move || banner.for_each(drop));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bateau"));
        command.args(arguments).env_clear().env("BATEAU_BOOTSTRAP", &self.address);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, with `input` on its standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    /// What a command prints that must succeed.
    fn out(&self, arguments: &[&str]) -> String {
        self.out_with(arguments, "")
    }

    fn out_with(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run_with(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.out(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// What a command says on standard error that must end with `code`.
    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It has ended already, or a test failed; what stays behind is the system's to clean.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// A command that goes on until it is told to stop.
struct Running {
    child: Child,
    /// None: its standard output was closed.
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Running {
    fn start(broker: &Broker, arguments: &[&str]) -> Self {
        let mut child = broker.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines: Some(lines) }
    }

    fn next(&mut self) -> String {
        self.lines.as_mut().unwrap().next().expect("it ended").unwrap()
    }

    /// Sends Ctrl-C; returns what it printed after, and the exit code.
    fn interrupted(mut self) -> (Vec<String>, Option<i32>) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let rest = self.lines.take().unwrap().map(Result::unwrap).collect();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or a test failed.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn lines(numbers: std::ops::Range<u32>, line: impl Fn(u32) -> String) -> String {
    numbers.map(line).collect::<Vec<_>>().concat()
}

/// Polls until `is_so`.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
    }
}

#[test]
fn a_topic_is_made_listed_described_altered_and_deleted() {
    let broker = Broker::start();
    let made = broker.out(&["topic", "create", "sky", "--partitions", "3", "--config", "retention.ms=1000"]);
    assert_eq!(made, "topic sky created\n");
    let list = broker.json(&["topic", "list"]);
    assert_eq!((&list[0]["name"], &list[0]["partitions"]), (&"sky".into(), &3.into()), "{list}");
    let described = broker.out(&["topic", "describe", "sky"]);
    assert!(described.contains("retention.ms=1000") && described.contains("PARTITION"), "{described}");
    assert_eq!(described.lines().count(), 2 + 1 + 3, "{described}");

    broker.out(&["topic", "alter", "sky", "--partitions", "4", "--config", "max.message.bytes=2000"]);
    broker.out(&["topic", "alter", "sky", "--delete-config", "retention.ms"]);
    let described = broker.json(&["topic", "describe", "sky"]);
    assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 4, "{described}");
    assert_eq!(described[0]["configs"], serde_json::json!({ "max.message.bytes": "2000" }), "{described}");

    assert_eq!(broker.out(&["topic", "delete", "sky"]), "topic sky deleted\n");
    assert_eq!(broker.json(&["topic", "list"]), serde_json::json!([]));
}

#[test]
fn what_the_broker_refuses_ends_with_1_and_what_is_wrong_here_with_2() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    let said = broker.refused(&["topic", "create", "sky"], 1);
    assert!(said.contains("topic sky") && said.contains("TopicAlreadyExists"), "{said}");
    broker.out(&["topic", "create", "sky", "--if-not-exists"]);
    let said = broker.refused(&["topic", "delete", "moon"], 1);
    assert!(said.contains("topic moon"), "{said}");
    broker.out(&["topic", "delete", "moon", "--if-exists"]);
    assert!(broker.refused(&["topic", "describe", "moon"], 1).contains("no such topic"));
    assert!(broker.refused(&["consume", "moon"], 1).contains("topic moon"));
    let said = broker.refused(&["topic", "create", "a/b"], 1);
    assert!(said.contains("a/b"), "{said}");

    let described = broker.run(&["topic", "describe", "moon", "sky", "--json"]);
    assert_eq!(described.status.code(), Some(1), "{described:?}");
    let described: Value = serde_json::from_slice(&described.stdout).unwrap();
    assert_eq!(described[0]["name"], "sky", "{described}");

    broker.refused(&["topic", "create"], 2);
    broker.refused(&["topic", "alter", "sky"], 2);
    broker.refused(&["consume", "sky", "--from", "tomorrow"], 2);
    broker.refused(&["produce", "sky", "--key-separator", ""], 2);
    let nowhere = broker.refused(&["topic", "list", "--bootstrap", "127.0.0.1:1", "--patience", "1s"], 1);
    assert!(nowhere.contains("127.0.0.1:1") && nowhere.contains("cannot connect"), "{nowhere}");
}

#[test]
fn lines_come_back_with_keys_headers_and_nulls_in_every_codec() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let flags =
            ["--key-separator", ":", "--headers-separator", "\\t", "--null", "NIL", "--header", "all=x"];
        let produced = [&["produce", "sky", "--codec", codec, "--json"], &flags[..]].concat();
        let summary = broker.out_with(&produced, "h=1,i=2\tsun:hot\n\tmoon:NIL\n");
        let summary: Value = serde_json::from_str(&summary).unwrap();
        assert_eq!(summary["records"], 2, "{summary}");
        let printed =
            broker.out(&["consume", "sky", "--from", "-2", "--format", "%k=%s %S %h\\n", "--null", "-"]);
        assert_eq!(printed, "sun=hot 3 all=x,h=1,i=2\nmoon=- -1 all=x\n", "{codec}");
    }
    let last = broker.out(&["consume", "sky", "--from", "9", "--output", "json"]);
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(
        (&last["offset"], &last["key"], &last["value"]),
        (&9.into(), &"moon".into(), &Value::Null),
        "{last}"
    );
    assert_eq!(last["headers"][0], serde_json::json!({ "key": "all", "value": "x" }), "{last}");
}

#[test]
fn what_nobody_acknowledges_is_on_its_way_before_the_command_ends() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    let lines = lines(0..5_000, |n| format!("{n}\n"));
    for round in 1..=5 {
        broker.out_with(&["produce", "sky", "--acks", "0"], &lines);
        let stored = || broker.json(&["topic", "describe", "sky"])[0]["partitions"][0]["end_offset"].clone();
        eventually("all is stored", || stored() == round * 5_000);
    }
}

#[test]
fn many_lines_keep_their_order_in_a_partition_and_keys_their_partition() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky", "--partitions", "4"]);
    let lines = lines(0..20_000, |n| format!("{}:{n}\n", n % 10));
    let flags = ["--key-separator", ":", "--codec", "lz4", "--batch-bytes", "10000"];
    broker.out_with(&[&["produce", "sky"], &flags[..]].concat(), &lines);
    let printed = broker.out(&["consume", "sky", "--format", "%p %k %s\\n"]);
    let (mut count, mut last) = (0, [-1i64; 10]);
    let mut partitions = [None; 10];
    for line in printed.lines() {
        let mut words = line.split(' ').map(|word| word.parse::<i64>().unwrap());
        let (partition, key, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let key = usize::try_from(key).unwrap();
        assert!(value > last[key], "{line} came after {}", last[key]);
        assert_eq!(*partitions[key].get_or_insert(partition), partition, "{line}");
        last[key] = value;
        count += 1;
    }
    assert_eq!(count, 20_000);
}

#[test]
fn a_consumer_begins_and_ends_where_it_is_told() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky", "--partitions", "2"]);
    let lines = lines(0..10, |n| format!("{n}\n"));
    broker.out_with(&["produce", "sky", "--partition", "1", "--quiet"], &lines);
    let consume = |flags: &[&str]| {
        let printed = broker.out(&[&["consume", "sky"], flags].concat());
        printed.lines().map(|line| line.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(consume(&["--from", "7"]), [7, 8, 9]);
    assert_eq!(consume(&["--from", "-2"]), [8, 9]);
    assert_eq!(consume(&["--until", "2"]), [0, 1]);
    assert_eq!(consume(&["--from", "3", "--max", "2"]), [3, 4]);
    assert_eq!(consume(&["--partition", "0"]), [0; 0]);
    assert_eq!(consume(&["--from", "end"]), [0; 0]);
    assert_eq!(consume(&["--from", "-1h"]).len(), 10);
    assert_eq!(consume(&["--from", "2000-01-01T00:00:00Z", "--until", "-1h"]), [0; 0]);
    assert!(broker.refused(&["consume", "sky", "--partition", "7"], 1).contains("no partition 7"));
}

#[test]
fn a_follower_prints_what_comes_and_ends_cleanly_at_ctrl_c() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    broker.out_with(&["produce", "sky"], "first\n");
    let mut follower = Running::start(&broker, &["consume", "sky", "--follow"]);
    assert_eq!(follower.next(), "first");
    broker.out_with(&["produce", "sky"], "second\n");
    assert_eq!(follower.next(), "second");
    assert_eq!(follower.interrupted(), (vec![], Some(0)));
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_a_broker_that_hangs() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    let mut producer = broker.command(&["produce", "sky"]).stdin(Stdio::piped()).spawn().unwrap();
    let (broker_id, producer_id) = (Pid::from_child(&broker.child), Pid::from_child(&producer));
    let mut input = producer.stdin.take().unwrap();
    input.write_all(b"first\n").unwrap();
    let end = || broker.json(&["topic", "describe", "sky"])[0]["partitions"][0]["end_offset"].clone();
    eventually("it produces", || end() == 1);
    kill_process(broker_id, Signal::STOP).unwrap();
    // More than waits in the pipe: some of it is on its way to the broker when this is written.
    input.write_all(&b"second\n".repeat(100_000)).unwrap();
    eventually("both are heard", || {
        kill_process(producer_id, Signal::INT).unwrap();
        producer.try_wait().unwrap().is_some()
    });
    assert_eq!(producer.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    let lines = lines(0..50_000, |n| format!("line number {n}\n"));
    broker.out_with(&["produce", "sky"], &lines);
    let mut consumer = Running::start(&broker, &["consume", "sky"]);
    assert_eq!(consumer.next(), "line number 0");
    drop(consumer.lines.take());
    assert_eq!(consumer.child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    consumer.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn configurations_are_shown_set_and_unset() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    broker.out(&["config", "set", "topic", "sky", "retention.ms=5000"]);
    let own = broker.json(&["config", "get", "topic", "sky"]);
    assert_eq!(own.as_array().unwrap().len(), 1, "{own}");
    assert_eq!((&own[0]["name"], &own[0]["value"]), (&"retention.ms".into(), &"5000".into()));
    let one = broker.json(&["config", "get", "topic", "sky", "cleanup.policy"]);
    assert_eq!(one[0]["value"], "delete", "{one}");
    broker.out(&["config", "unset", "topic", "sky", "retention.ms"]);
    assert_eq!(broker.json(&["config", "get", "topic", "sky"]), serde_json::json!([]));
    let said = broker.refused(&["config", "set", "topic", "sky", "retention.ms=soon"], 1);
    assert!(said.contains("retention.ms"), "{said}");
    let all = broker.out(&["config", "get", "broker", "1", "--all"]);
    assert!(all.contains("num.partitions"), "{all}");
    assert!(broker.refused(&["config", "get", "broker", "99"], 1).contains("no such broker"));
}

#[test]
fn a_benchmark_produces_consumes_and_measures_latency() {
    let broker = Broker::start();
    let pid = broker.child.id().to_string();
    let produced = broker.json(&["bench", "produce", "-n", "2000", "-s", "100", "-p", "2", "--pid", &pid]);
    assert_eq!((&produced["records"], &produced["partitions"]), (&2000.into(), &2.into()), "{produced}");
    assert_eq!(produced["sent_to_acknowledged_ms"]["count"], 2000, "{produced}");
    assert!(produced["cpu_seconds"].is_number(), "{produced}");
    let consumed = broker.json(&["bench", "consume"]);
    assert_eq!(
        (&consumed["records"], &consumed["payload_bytes"]),
        (&2000.into(), &200_000.into()),
        "{consumed}"
    );
    let timed =
        ["bench", "latency", "-r", "200", "-t", "1s", "--warmup", "500ms", "-s", "64", "--codec", "zstd"];
    let latency = broker.json(&timed);
    assert_eq!(latency["records"], 300, "{latency}");
    assert_eq!(latency["due_to_consumed_ms"]["count"], 200, "{latency}");
    let (consumed, acknowledged) =
        (&latency["due_to_consumed_ms"]["p50"], &latency["due_to_acknowledged_ms"]["p50"]);
    assert!(consumed.as_f64().unwrap() > 0.0 && acknowledged.as_f64().unwrap() > 0.0, "{latency}");
}

#[test]
fn a_broker_that_lies_about_its_counts_is_told_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The request: size, api key, version, correlation id …
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        // … and to it an answer of no error and two billion APIs.
        let body = [&head[8..], &[0, 0], &[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 20]].concat();
        let size = u32::try_from(body.len()).unwrap().to_be_bytes();
        stream.write_all(&[&size[..], &body].concat()).unwrap();
        // Open until the other side closes.
        _ = stream.read_to_end(&mut Vec::new());
    });
    let output = Command::new(env!("CARGO_BIN_EXE_bateau"))
        .args(["topic", "list", "--bootstrap", &address, "--patience", "1s"])
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("api 18"), "{said}");
}

#[test]
fn completions_know_the_commands_and_need_no_broker() {
    for shell in ["bash", "zsh", "fish"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_bateau")).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("reset-offsets"), "{shell}");
    }
}

#[test]
fn the_environment_of_the_commands_does_not_keep_a_node_from_starting() {
    let help = Command::new(env!("CARGO_BIN_EXE_bateau"))
        .args(["serve", "--node-id", "-4"])
        .env("BATEAU_BOOTSTRAP", "localhost:9092,other:9092")
        .output()
        .unwrap();
    let said = String::from_utf8(help.stderr).unwrap();
    assert!(said.contains("--node-id") && !said.contains("--bootstrap"), "{said}");
}

#[test]
fn a_group_goes_on_where_it_has_committed_and_shows_its_lag() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky", "--partitions", "2"]);
    let lines = lines(0..100, |n| format!("{n}\n"));
    broker.out_with(&["produce", "sky", "--partition", "0"], &lines);
    let read = broker.out(&["consume", "sky", "--group", "g", "--max", "40"]);
    assert_eq!(read.lines().count(), 40);
    let described = broker.json(&["group", "describe", "g"]);
    assert_eq!((&described[0]["state"], &described[0]["lag"]), (&"Empty".into(), &60.into()), "{described}");
    let rest = broker.out(&["consume", "sky", "--group", "g"]);
    assert_eq!(rest.lines().next(), Some("40"));
    assert_eq!(rest.lines().count(), 60);
    let list = broker.json(&["group", "list"]);
    assert_eq!((&list[0]["group"], &list[0]["state"]), (&"g".into(), &"Empty".into()), "{list}");
    assert_eq!(broker.json(&["group", "describe", "g"])[0]["lag"], 0);
    assert!(broker.refused(&["group", "describe", "nobody"], 1).contains("nobody"));
}

#[test]
fn two_members_share_the_partitions_and_a_leaver_gives_its_own_back() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky", "--partitions", "2"]);
    let follow = ["consume", "sky", "--group", "g", "--follow", "--format", "%p %s\\n"];
    let mut first = Running::start(&broker, &follow);
    broker.out_with(&["produce", "sky", "--partition", "0"], "a\n");
    assert_eq!(first.next(), "0 a");
    let mut second = Running::start(&broker, &follow);
    let members = || {
        let described = broker.json(&["group", "describe", "g"]);
        let members = described[0]["members"].as_array().unwrap().clone();
        members.iter().map(|member| member["partitions"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    eventually("both have a partition", || members() == [1, 1]);
    broker.out_with(&["produce", "sky", "--partition", "0"], "b\n");
    broker.out_with(&["produce", "sky", "--partition", "1"], "b\n");
    let mut both = [first.next(), second.next()];
    both.sort();
    assert_eq!(both, ["0 b", "1 b"]);
    assert_eq!(first.interrupted().1, Some(0));
    eventually("one has both", || members() == [2]);
    let said = broker.refused(&["group", "delete", "g"], 1);
    assert!(said.contains("members"), "{said}");
    assert_eq!(second.interrupted().1, Some(0));
    assert_eq!(broker.json(&["group", "describe", "g"])[0]["lag"], 0);
    assert_eq!(broker.out(&["group", "delete", "g"]), "group g deleted\n");
}

#[test]
fn offsets_are_reset_only_when_executed() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky", "--partitions", "2"]);
    let lines = lines(0..10, |n| format!("{n}\n"));
    broker.out_with(&["produce", "sky", "--partition", "0"], &lines);
    assert_eq!(broker.out(&["consume", "sky", "--group", "g"]).lines().count(), 10);
    let reset = |flags: &[&str]| {
        let moved = broker.json(&[&["group", "reset-offsets", "g"], flags].concat());
        moved["offsets"][0]["new_offset"].as_i64().unwrap()
    };
    assert_eq!(reset(&["--topic", "sky:0", "--to-earliest"]), 0);
    assert_eq!(broker.json(&["group", "describe", "g"])[0]["lag"], 0, "a dry run has changed something");
    assert_eq!(reset(&["--topic", "sky:0", "--shift-by", "-3"]), 7);
    assert_eq!(reset(&["--topic", "sky:0", "--shift-by", "3"]), 10);
    assert_eq!(reset(&["--topic", "sky:0", "--to-offset", "4"]), 4);
    assert_eq!(reset(&["--topic", "sky:0", "--to-datetime", "2000-01-01T00:00:00Z"]), 0);
    assert_eq!(reset(&["--topic", "sky:0", "--by-duration", "1h"]), 0);
    assert_eq!(reset(&["--topic", "sky:0", "--to-latest"]), 10);
    assert_eq!(reset(&["--topic", "sky:0", "--to-current"]), 10);
    assert_eq!(reset(&["--topic", "sky:1", "--to-current"]), 0);
    let said = broker.refused(&["group", "reset-offsets", "g", "--topic", "sky:7", "--to-latest"], 1);
    assert!(said.contains("no partition 7"), "{said}");
    assert_eq!(reset(&["--all-topics", "--shift-by", "-2", "--execute"]), 8);
    assert_eq!(broker.out(&["consume", "sky", "--group", "g"]), "8\n9\n");
    broker.out(&["group", "delete-offsets", "g", "--topic", "sky:0"]);
    let described = broker.json(&["group", "describe", "g"]);
    let left = described[0]["partitions"].as_array().unwrap();
    assert!(left.iter().all(|line| line["partition"] == 1), "{described}");
    broker.out(&["group", "reset-offsets", "new", "--topic", "sky", "--to-latest", "--execute"]);
    assert_eq!(broker.json(&["group", "describe", "new"])[0]["lag"], 0);
    broker.refused(&["group", "reset-offsets", "g", "--topic", "sky"], 2);
    broker.refused(&["group", "reset-offsets", "g", "--to-earliest"], 2);
}

#[test]
fn a_node_alone_leads_all_that_it_holds() {
    let broker = Broker::start();
    broker.out(&["topic", "create", "sky", "--partitions", "3"]);
    broker.out_with(&["produce", "sky"], "sun\n");
    let status = broker.json(&["cluster", "status"]);
    let node = &status["nodes"][0];
    assert_eq!(
        (&node["node"], &node["alive"], &node["holds"]),
        (&1.into(), &true.into(), &3.into()),
        "{status}"
    );
    assert_eq!((&status["quorum"]["leader"], &status["controller"]), (&1.into(), &1.into()), "{status}");
    assert_eq!(
        (&status["partitions"]["total"], &status["partitions"]["moving"]),
        (&3.into(), &0.into()),
        "{status}"
    );
    let printed = broker.out(&["cluster", "status"]);
    assert!(printed.contains("NODE") && printed.contains("3 partitions: 0 under-replicated"), "{printed}");

    assert!(broker.refused(&["cluster", "decommission", "7"], 1).contains("no such node, only 1"));
    let said = broker.refused(&["cluster", "decommission", "1", "--fewer-replicas"], 1);
    assert!(said.contains("3 of its partitions") && said.contains("start another node"), "{said}");
    assert!(broker.refused(&["topic", "reassign", "sky", "--to", "9"], 1).contains("sky-0"));
    broker.refused(&["topic", "reassign", "sky"], 2);
    assert_eq!(broker.out(&["cluster", "elect-leaders", "sky"]), "no leader had to change\n");
}

#[test]
fn what_is_not_lost_is_not_recovered_and_the_metadata_only_of_a_node_that_is_stopped() {
    let mut broker = Broker::start();
    broker.out(&["topic", "create", "sky"]);
    let said = broker.refused(&["partition", "recover", "sky", "0"], 1);
    assert!(said.contains("heard: 1; not heard: none") && said.contains("--yes"), "{said}");
    let recovered = broker.json(&["partition", "recover", "sky", "0", "--yes"]);
    assert_eq!(recovered["result"], "not needed", "{recovered}");
    let none = broker.out(&["partition", "recover", "--all"]);
    assert_eq!(none, "of no partition are most replicas silent\n");
    assert!(broker.refused(&["partition", "recover", "sky", "7", "--yes"], 1).contains("only 1 from 0 on"));
    assert!(broker.refused(&["partition", "recover", "moon", "0", "--yes"], 1).contains("topic moon"));

    let (data, nothing) = (broker.directory.join("bateau-data"), broker.directory.join("nothing"));
    let (data, nothing) = (data.to_str().unwrap(), nothing.to_str().unwrap());
    assert!(broker.refused(&["cluster", "recover", "--data-dir", data], 1).contains("another process"));
    assert!(broker.refused(&["cluster", "recover", "--data-dir", nothing], 1).contains("no data directory"));
    broker.child.kill().unwrap();
    broker.child.wait().unwrap();
    let found = broker.json(&["cluster", "recover", "--data-dir", data]);
    assert_eq!((&found["node"], &found["voters"]), (&1.into(), &serde_json::json!([1])), "{found}");
    let printed = broker.out(&["cluster", "recover", "--data-dir", data]);
    assert!(printed.contains("nodes that vote 1") && printed.contains("are lost"), "{printed}");
    let term = found["last"]["term"].as_u64().unwrap();
    let alone = broker.json(&["cluster", "recover", "--data-dir", data, "--yes"]);
    assert_eq!(
        alone["alone"]["index"].as_u64(),
        found["last"]["index"].as_u64().map(|index| index + 1),
        "{alone}"
    );
    assert!(alone["alone"]["term"].as_u64().unwrap() >= term + 100, "{alone}");
}

#[test]
fn a_node_that_is_decommissioned_loses_its_replicas_and_once_it_is_stopped_its_place() {
    let [first, second, mut third] = Broker::start_three();
    first.out(&["topic", "create", "sky", "--partitions", "3", "--replication-factor", "2"]);
    first.out(&["topic", "create", "sea", "--replication-factor", "3"]);
    second.out_with(&["produce", "sky"], &lines(0..300, |n| format!("{n}\n")));
    let held = |node: usize| first.json(&["cluster", "status"])["nodes"][node]["holds"].clone();
    eventually("the third has replicas", || held(2).as_u64() > Some(1));

    let said = first.refused(&["cluster", "decommission", "3"], 1);
    assert!(said.contains("sea-0") && said.contains("--fewer-replicas"), "{said}");
    let drained = first.out(&["cluster", "decommission", "3", "--fewer-replicas"]);
    assert!(drained.starts_with("node 3 holds nothing any more; stop it"), "{drained}");
    assert_eq!(held(2), 0);
    assert_eq!(first.out(&["consume", "sky"]).lines().count(), 300);

    kill_process(Pid::from_child(&third.child), Signal::TERM).unwrap();
    assert!(third.child.wait().unwrap().success());
    let removed = || first.json(&["cluster", "decommission", "3"])["result"] == "removed";
    eventually("nobody hears it any more", removed);
    let nodes = || first.json(&["cluster", "status"])["nodes"].as_array().unwrap().len();
    eventually("it is forgotten", || nodes() == 2);
}

#[test]
fn replicas_go_where_they_are_told_and_the_first_of_them_leads() {
    let [first, second, _third] = Broker::start_three();
    first.out(&["topic", "create", "sky", "--partitions", "2", "--replication-factor", "1"]);
    first.out_with(&["produce", "sky"], &lines(0..100, |n| format!("{n}\n")));
    let moved = first.out(&["topic", "reassign", "sky", "--to", "2,3", "--wait"]);
    assert_eq!(moved, "topic sky: 2 partitions are where they shall be\n");
    let partitions = || second.json(&["topic", "describe", "sky"])[0]["partitions"].clone();
    let placed = partitions();
    assert_eq!(
        (&placed[0]["replicas"], &placed[1]["replicas"]),
        (&[2, 3][..].into(), &[3, 2][..].into()),
        "{placed}"
    );
    eventually("the preferred leaders lead", || {
        second.out(&["cluster", "elect-leaders"]);
        let placed = partitions();
        (&placed[0]["leader"], &placed[1]["leader"]) == (&2.into(), &3.into())
    });
    assert_eq!(second.out(&["consume", "sky"]).lines().count(), 100);
    let ended = first.out(&["topic", "reassign", "sky", "--cancel"]);
    assert_eq!(ended, "topic sky: the moves of 0 partitions are ended\n");
}
