//! What many groups cost a broker: `cargo bench --bench groups`.
//!
//! Groups of members, each on a connection of its own, send heartbeats and commit once a second; then a thousand groups
//! are listed and described; then offsets are committed as fast as they are taken. Printed are the broker's CPU time, how
//! long heartbeats took, and what is left on disk. `GROUPS_SECONDS`, `GROUPS_COMMITS` change how much is done;
//! `GROUPS_BROKER=HOST:PORT,PID` measures a broker that runs already.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::cast_precision_loss, reason = "printed with one digit or two")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bateau::client::{Connection, Security};
use bateau::wire::messages::create_topics_request::CreatableTopic;
use bateau::wire::messages::join_group_request::JoinGroupRequestProtocol;
use bateau::wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use bateau::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use bateau::wire::messages::{
    CreateTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, ListGroupsRequest, OffsetCommitRequest, SyncGroupRequest, TopicName,
};
use bateau::wire::{ErrorCode, StrBytes};
use bytes::Bytes;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::{Instant, interval_at, sleep};

const GROUPS: usize = 200;
const MEMBERS: usize = 5;
const LISTED: usize = 1_000;
const TOPIC: &str = "load";
const PARTITIONS: i32 = 100;
const COMMITTING: usize = 100;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The broker that is measured; ended when it is dropped, if it was started here.
struct Broker {
    address: String,
    pid: u32,
    started: Option<(Child, PathBuf)>,
}

impl Broker {
    fn start() -> Self {
        if let Ok(given) = std::env::var("GROUPS_BROKER") {
            let (address, pid) = given.split_once(',').expect("GROUPS_BROKER is HOST:PORT,PID");
            return Self { address: address.into(), pid: pid.parse().unwrap(), started: None };
        }
        let dir = std::env::temp_dir().join(format!("bateau-groups-{}", std::process::id()));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(["--data-dir", dir.to_str().unwrap(), "--kafka-addr", &address, "--log", "warn"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { address, pid: child.id(), started: Some((child, dir)) }
    }

    /// Seconds of CPU that it has used.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    async fn connection(&self) -> Connection {
        loop {
            match Connection::open(&self.address, &Security::default(), true).await {
                Ok(connection) => return connection,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((child, dir)) = &mut self.started {
            drop(child.kill());
            drop(child.wait());
            drop(std::fs::remove_dir_all(dir));
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group_id(number: usize) -> GroupId {
    text(&format!("group-{number}")).into()
}

/// One member's life: it joins, is assigned, then commits and sends heartbeats until `until`.
struct Member {
    connection: Connection,
    group: GroupId,
    number: i32,
    id: StrBytes,
    generation: i32,
    heartbeats: Arc<Mutex<Histogram<u64>>>,
    commits: Arc<Mutex<Histogram<u64>>>,
}

impl Member {
    async fn join(&mut self) {
        loop {
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(text("range"))
                .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x04load\xff\xff\xff\xff"));
            let join = JoinGroupRequest::default()
                .with_group_id(self.group.clone())
                .with_session_timeout_ms(30_000)
                .with_rebalance_timeout_ms(60_000)
                .with_protocol_type(text("consumer"))
                .with_member_id(self.id.clone())
                .with_protocols(vec![protocol]);
            let joined = self.connection.call_within(&join, 5, 3 * ANSWER_WITHIN).await.unwrap();
            self.id.clone_from(&joined.member_id);
            if joined.error_code != 0 {
                continue;
            }
            self.generation = joined.generation_id;
            let assigned = joined.members.iter().map(|member| {
                SyncGroupRequestAssignment::default()
                    .with_member_id(member.member_id.clone())
                    .with_assignment(Bytes::from_static(&[7; 40]))
            });
            let sync = SyncGroupRequest::default()
                .with_group_id(self.group.clone())
                .with_generation_id(self.generation)
                .with_member_id(self.id.clone())
                .with_assignments(assigned.collect());
            let synced = self.connection.call_within(&sync, 3, 3 * ANSWER_WITHIN).await.unwrap();
            if synced.error_code == 0 {
                return;
            }
        }
    }

    async fn live(mut self, until: Instant) {
        // Spread over the second, as real members are.
        let offset = Duration::from_millis(u64::from(self.number.unsigned_abs()) * 37 % 1000);
        let mut commits = interval_at(Instant::now() + offset, Duration::from_secs(1));
        let mut beats = interval_at(Instant::now() + offset / 2, Duration::from_secs(3));
        let mut offset = 0;
        while Instant::now() < until {
            tokio::select! {
                due = commits.tick() => {
                    offset += 1;
                    let commit = commit(&self.group, self.generation, &self.id, [(self.number % PARTITIONS, offset)]);
                    let answer = self.connection.call(&commit, 7).await.unwrap();
                    let took = Instant::now().duration_since(due).as_micros();
                    self.commits.lock().record(u64::try_from(took).unwrap()).unwrap();
                    let code = answer.topics[0].partitions[0].error_code;
                    match ErrorCode::try_from_code(code) {
                        // A broker that is busy with itself; the next commit says the same and more.
                        None | Some(ErrorCode::CoordinatorNotAvailable | ErrorCode::RequestTimedOut) => {}
                        Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId) => {
                            self.join().await;
                        }
                        Some(other) => panic!("{:?}: {other:?}", self.group),
                    }
                }
                due = beats.tick() => {
                    let beat = HeartbeatRequest::default()
                        .with_group_id(self.group.clone())
                        .with_generation_id(self.generation)
                        .with_member_id(self.id.clone());
                    let answer = self.connection.call(&beat, 3).await.unwrap();
                    let took = Instant::now().duration_since(due).as_micros();
                    if answer.error_code == 0 {
                        self.heartbeats.lock().record(u64::try_from(took).unwrap()).unwrap();
                    } else {
                        self.join().await;
                    }
                }
            }
        }
    }
}

fn commit(
    group: &GroupId,
    generation: i32,
    member: &StrBytes,
    offsets: impl IntoIterator<Item = (i32, i64)>,
) -> OffsetCommitRequest {
    let partition = |(index, offset)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(StrBytes::default()))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(offsets.into_iter().map(partition).collect());
    OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member.clone())
        .with_topics(vec![topic])
}

async fn prepare(broker: &Broker) {
    let connection = broker.connection().await;
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    connection.call(&create, 5).await.unwrap();
    loop {
        let find = FindCoordinatorRequest::default().with_key(text("group-0"));
        if connection.call(&find, 2).await.unwrap().error_code == 0 {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn members(broker: &Broker, seconds: u64) {
    let heartbeats = Arc::new(Mutex::new(Histogram::new(3).unwrap()));
    let commits = Arc::new(Mutex::new(Histogram::new(3).unwrap()));
    let mut joining = tokio::task::JoinSet::new();
    for number in 0..GROUPS * MEMBERS {
        let mut member = Member {
            connection: broker.connection().await,
            group: group_id(number / MEMBERS),
            number: i32::try_from(number).unwrap(),
            id: StrBytes::default(),
            generation: -1,
            heartbeats: Arc::clone(&heartbeats),
            commits: Arc::clone(&commits),
        };
        joining.spawn(async move {
            member.join().await;
            member
        });
    }
    let joined = joining.join_all().await;
    // What joining late members did to the others is over after some heartbeats.
    let settled = Instant::now() + Duration::from_secs(15);
    let until = settled + Duration::from_secs(seconds);
    let mut living = tokio::task::JoinSet::new();
    for member in joined {
        living.spawn(member.live(until));
    }
    tokio::time::sleep_until(settled).await;
    heartbeats.lock().reset();
    commits.lock().reset();
    let (cpu, began) = (broker.cpu(), Instant::now());
    living.join_all().await;
    let share = (broker.cpu() - cpu) / began.elapsed().as_secs_f64();
    println!(
        "{GROUPS} groups of {MEMBERS}, a commit a second each: broker {:.1} % of a core; {}; {}",
        share * 100.0,
        times("heartbeats", &heartbeats.lock()),
        times("commits", &commits.lock()),
    );
}

/// How long requests took from when they were due, in milliseconds.
fn times(what: &str, took: &Histogram<u64>) -> String {
    let ms = |micros: u64| micros as f64 / 1000.0;
    let (p50, p99) = (ms(took.value_at_quantile(0.5)), ms(took.value_at_quantile(0.99)));
    format!("{} {what}, p50 {p50:.2} ms, p99 {p99:.2} ms, most {:.2} ms", took.len(), ms(took.max()))
}

async fn list(broker: &Broker) {
    let connection = broker.connection().await;
    for number in GROUPS..LISTED {
        let commit = commit(&group_id(number), -1, &StrBytes::default(), [(0, 1)]);
        connection.call(&commit, 7).await.unwrap();
    }
    let began = Instant::now();
    let listed = connection.call(&ListGroupsRequest::default(), 4).await.unwrap().groups;
    assert!(listed.len() >= LISTED, "{} groups", listed.len());
    let ids = listed.into_iter().map(|group| group.group_id).collect();
    let described = connection.call(&DescribeGroupsRequest::default().with_groups(ids), 5).await.unwrap();
    assert!(described.groups.iter().all(|group| group.error_code == 0));
    let took = began.elapsed().as_secs_f64() * 1000.0;
    println!("{} groups listed and described in {took:.1} ms", described.groups.len());
}

/// Each commit has as many offsets as the topic has partitions.
async fn commits(broker: &Broker, count: u64) {
    let each = count / COMMITTING as u64 / u64::from(PARTITIONS.unsigned_abs());
    let (cpu, began) = (broker.cpu(), Instant::now());
    let mut committing = tokio::task::JoinSet::new();
    for number in 0..COMMITTING {
        let (connection, group) = (broker.connection().await, text(&format!("committer-{number}")).into());
        committing.spawn(async move {
            for offset in 0..i64::try_from(each).unwrap() {
                let all = (0..PARTITIONS).map(|partition| (partition, offset));
                let commit = commit(&group, -1, &StrBytes::default(), all);
                let answer = connection.call(&commit, 7).await.unwrap();
                assert!(answer.topics[0].partitions.iter().all(|partition| partition.error_code == 0));
            }
        });
    }
    committing.join_all().await;
    let (seconds, used) = (began.elapsed().as_secs_f64(), broker.cpu() - cpu);
    let offsets = each * COMMITTING as u64 * u64::from(PARTITIONS.unsigned_abs());
    println!(
        "{offsets} offsets of {COMMITTING} groups committed in {seconds:.1} s, {used:.1} s of the broker's CPU"
    );
    if let Some((_, dir)) = &broker.started {
        // Outdated files are let go in the background.
        sleep(Duration::from_secs(2)).await;
        println!("__consumer_offsets takes {:.1} MiB on disk", on_disk(dir) as f64 / f64::from(1 << 20));
    }
}

fn on_disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let offsets = std::fs::read_dir(dir).unwrap().flatten();
    let offsets =
        offsets.filter(|entry| entry.file_name().to_string_lossy().starts_with("__consumer_offsets-"));
    let files = offsets.flat_map(|entry| std::fs::read_dir(entry.path()).unwrap().flatten());
    files.filter_map(|file| file.metadata().ok()).map(|file| file.blocks() * 512).sum()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let broker = Broker::start();
        prepare(&broker).await;
        members(&broker, number("GROUPS_SECONDS", 30)).await;
        list(&broker).await;
        commits(&broker, number("GROUPS_COMMITS", 10_000_000)).await;
    });
}
