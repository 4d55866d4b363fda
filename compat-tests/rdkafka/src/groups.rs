//! Consumer groups in their life: they grow, shrink, lose a member, keep a static one, and outlive the broker's restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Check;
use crate::client::{ANSWER_TIME, Client, Outcome, Record, ensure, same};
use crate::group::{Member, SETTINGS, Seen};
use crate::restarts::control;

pub const CHECKS: &[Check] = &[
    ("group_consume", group_consume),
    ("commit_resume", commit_resume),
    ("offset_metadata", offset_metadata),
    ("group_grows", group_grows),
    ("group_shrinks", group_shrinks),
    ("member_lost", member_lost),
    ("static_member", static_member),
    ("cooperative", cooperative),
    ("pattern_subscribe", pattern_subscribe),
    ("group_restart", |client| outlives(client, "restart")),
    ("group_kill", |client| outlives(client, "kill")),
];

/// Longest wait for a group to come to something.
const GROUP_TIME: Duration = Duration::from_secs(30);
/// Less than a session timeout: what takes longer has waited for one.
const POLITE_TIME: Duration = Duration::from_secs(5);

/// Produces the numbers of `range`, each to partition `number % partitions`.
fn produce(client: &Client, topic: &str, partitions: u32, range: std::ops::Range<u32>) -> Outcome {
    let sender = client.producer(&[("enable.idempotence", "true")])?;
    for n in range {
        sender.send(
            Record::to(topic).partition(i32::try_from(n % partitions)?).payload(n.to_string().as_bytes()),
        )?;
    }
    sender.finish().map(|_| ())
}

/// Polls until `step` passes; the last reason is the failure.
pub fn within(time: Duration, step: impl Fn() -> Outcome) -> Outcome {
    let deadline = Instant::now() + time;
    loop {
        match step() {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            outcome => return outcome,
        }
    }
}

/// Waits until the members own so many partitions each, all of `total` once.
pub fn owned_once(members: &[&Member], sizes: &[usize], total: i32) -> Outcome {
    within(GROUP_TIME, || {
        let owned: Vec<BTreeSet<i32>> = members.iter().map(|member| member.seen().owned).collect();
        let mut counts: Vec<usize> = owned.iter().map(BTreeSet::len).collect();
        counts.sort_unstable();
        let all: BTreeSet<i32> = owned.iter().flatten().copied().collect();
        let once = all.len() == counts.iter().sum::<usize>() && all == (0..total).collect();
        ensure(once && counts == sizes, || {
            format!("expected {sizes:?} of {total} partitions, owned are {owned:?}")
        })
    })
}

/// Waits until the numbers below `count` were all processed by one of the members or are in `before`.
fn all_seen(members: &[&Member], before: &[Seen], count: u32) -> Outcome {
    within(GROUP_TIME, || {
        let now: Vec<Seen> = members.iter().map(|member| member.seen()).collect();
        let numbers: BTreeSet<u32> = (now.iter().chain(before))
            .flat_map(|seen| &seen.records)
            .filter_map(|(_, _, value)| value.parse().ok())
            .collect();
        let missing: Vec<u32> = (0..count).filter(|n| !numbers.contains(n)).collect();
        ensure(missing.is_empty(), || format!("{} of {count} missing: {:.80?}", missing.len(), missing))
    })
}

/// The committed offset and metadata of each partition, -1 where there is none.
pub fn committed(client: &Client, group: &str, topic: &str, partitions: i32) -> Outcome<Vec<(i64, String)>> {
    committed_by(&client.consumer(&[("group.id", group)])?, topic, partitions)
}

/// [`committed`] of the group of a consumer.
pub fn committed_by(consumer: &BaseConsumer, topic: &str, partitions: i32) -> Outcome<Vec<(i64, String)>> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let list = consumer.committed_offsets(list, ANSWER_TIME)?;
    let read = |partition| {
        let one = list.find_partition(topic, partition).ok_or("a partition without an answer")?;
        one.error()?;
        let offset = if let Offset::Offset(offset) = one.offset() { offset } else { -1 };
        Ok((offset, one.metadata().to_owned()))
    };
    (0..partitions).map(read).collect()
}

fn group_consume(client: &Client) -> Outcome {
    let topic = client.topic("group_consume", 3)?;
    produce(client, &topic, 3, 0..300)?;
    let member = Member::join(client, &topic, &topic, &[]);
    all_seen(&[&member], &[], 300)?;
    let mut next = [0; 3];
    for (partition, offset, _) in member.leave()?.records {
        let expected = &mut next[usize::try_from(partition)?];
        same(*expected, offset, &format!("next offset of partition {partition}"))?;
        *expected += 1;
    }
    same([100; 3], next, "offsets after the last")
}

/// A consumer that only the feature itself drives.
fn subscriber(client: &Client, group: &str, topic: &str) -> Outcome<BaseConsumer> {
    let settings: Vec<_> = [("group.id", group)].into_iter().chain(SETTINGS.iter().copied()).collect();
    let consumer = client.consumer(&settings)?;
    consumer.subscribe(&[topic])?;
    Ok(consumer)
}

/// The first offset that it reads of each of so many partitions, once it has read so many records of each.
fn first_offsets(consumer: &BaseConsumer, partitions: usize, each: usize) -> Outcome<BTreeMap<i32, i64>> {
    let (mut first, mut counts) = (BTreeMap::new(), BTreeMap::new());
    let deadline = Instant::now() + GROUP_TIME;
    while counts.len() < partitions || counts.values().any(|count| *count < each) {
        ensure(Instant::now() < deadline, || format!("read only {counts:?} of each partition"))?;
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message?;
            first.entry(message.partition()).or_insert(message.offset());
            *counts.entry(message.partition()).or_insert(0) += 1;
        }
    }
    Ok(first)
}

fn commit_resume(client: &Client) -> Outcome {
    let topic = client.topic("commit_resume", 3)?;
    produce(client, &topic, 3, 0..300)?;
    let consumer = subscriber(client, &topic, &topic)?;
    first_offsets(&consumer, 3, 70)?;
    let wanted: BTreeMap<i32, i64> =
        (0..3).map(|partition| (partition, 40 + 10 * i64::from(partition))).collect();
    let mut list = TopicPartitionList::new();
    for (partition, offset) in &wanted {
        list.add_partition_offset(&topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.commit(&list, CommitMode::Sync)?;
    drop(consumer);
    let consumer = subscriber(client, &topic, &topic)?;
    same(wanted, first_offsets(&consumer, 3, 1)?, "first offsets of the next member")
}

fn offset_metadata(client: &Client) -> Outcome {
    let topic = client.topic("offset_metadata", 1)?;
    produce(client, &topic, 1, 0..10)?;
    let consumer = client.consumer(&[("group.id", &topic)])?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(7))?;
    list.find_partition(&topic, 0).ok_or("no partition in the list")?.set_metadata("seven of ten");
    consumer.commit(&list, CommitMode::Sync)?;
    same(vec![(7, "seven of ten".to_owned())], committed(client, &topic, &topic, 1)?, "offset and metadata")
}

fn group_grows(client: &Client) -> Outcome {
    let topic = client.topic("group_grows", 6)?;
    let first = Member::join(client, &topic, &topic, &[]);
    owned_once(&[&first], &[6], 6)?;
    produce(client, &topic, 6, 0..60)?;
    let second = Member::join(client, &topic, &topic, &[]);
    owned_once(&[&first, &second], &[3, 3], 6)?;
    produce(client, &topic, 6, 60..120)?;
    let third = Member::join(client, &topic, &topic, &[]);
    owned_once(&[&first, &second, &third], &[2, 2, 2], 6)?;
    produce(client, &topic, 6, 120..180)?;
    all_seen(&[&first, &second, &third], &[], 180)
}

fn group_shrinks(client: &Client) -> Outcome {
    let topic = client.topic("group_shrinks", 6)?;
    let [first, second, third] = [(); 3].map(|()| Member::join(client, &topic, &topic, &[]));
    owned_once(&[&first, &second, &third], &[2, 2, 2], 6)?;
    produce(client, &topic, 6, 0..60)?;
    all_seen(&[&first, &second, &third], &[], 60)?;
    let left = Instant::now();
    let gone = first.leave()?;
    owned_once(&[&second, &third], &[3, 3], 6)?;
    ensure(left.elapsed() < POLITE_TIME, || format!("the first leave took {:?}", left.elapsed()))?;
    let left = Instant::now();
    let gone = [gone, second.leave()?];
    owned_once(&[&third], &[6], 6)?;
    ensure(left.elapsed() < POLITE_TIME, || format!("the second leave took {:?}", left.elapsed()))?;
    produce(client, &topic, 6, 60..120)?;
    all_seen(&[&third], &gone, 120)
}

/// This program as a group member in a process of its own; killed when dropped.
struct Process {
    child: Child,
    diary: PathBuf,
}

impl Process {
    fn start(topic: &str) -> Outcome<Self> {
        let diary = PathBuf::from(std::env::var("SCRATCH")?).join(format!("{topic}.member"));
        let child = Command::new(std::env::current_exe()?)
            .arg("member")
            .envs([("GROUP", topic), ("TOPIC", topic), ("CLIENT_ID", "lost")])
            .env("OUT_FILE", &diary)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self { child, diary })
    }

    fn kill(&mut self) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What its diary tells.
    fn seen(&self) -> Outcome<Seen> {
        let text = std::fs::read_to_string(&self.diary).unwrap_or_default();
        let mut seen = Seen::default();
        // A last line without an end is still being written.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
                ["A", _, list] => seen.owned = list.split(',').filter_map(|one| one.parse().ok()).collect(),
                ["R", _] => seen.owned.clear(),
                ["M", partition, offset, value] => {
                    seen.records.push((partition.parse()?, offset.parse()?, value.to_owned()));
                }
                ["C", partition, next] => {
                    seen.committed.insert(partition.parse()?, next.parse()?);
                }
                _ => return Err(format!("a member wrote {line:?}").into()),
            }
        }
        Ok(seen)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn member_lost(client: &Client) -> Outcome {
    let topic = client.topic("member_lost", 6)?;
    let stays = Member::join(client, &topic, &topic, &[]);
    let mut lost = Process::start(&topic)?;
    within(GROUP_TIME, || {
        same((3, 3), (stays.seen().owned.len(), lost.seen()?.owned.len()), "partitions of each")
    })?;
    produce(client, &topic, 6, 0..600)?;
    within(GROUP_TIME, || {
        let seen = lost.seen()?;
        let of_each: Vec<_> =
            seen.owned.iter().map(|partition| seen.committed.get(partition).copied()).collect();
        same(vec![Some(100); 3], of_each, "committed by the member that will be lost")
    })?;
    lost.kill()?;
    let killed = Instant::now();
    let last = lost.seen()?;
    produce(client, &topic, 6, 600..1200)?;
    owned_once(&[&stays], &[6], 6)?;
    // It was heard of up to a heartbeat before it was killed.
    let (took, timeout) = (killed.elapsed(), Duration::from_secs(6));
    ensure(took > timeout - Duration::from_secs(1), || {
        format!("taken over after {took:?}, the session timeout is {timeout:?}")
    })?;
    all_seen(&[&stays], std::slice::from_ref(&last), 1200)?;
    let stayed = stays.leave()?;
    for partition in &last.owned {
        let first = stayed.records.iter().find(|(from, offset, _)| from == partition && *offset >= 100);
        let earlier = stayed.records.iter().rfind(|(from, offset, _)| from == partition && *offset < 100);
        ensure(first.is_some_and(|(_, offset, _)| *offset == 100), || {
            format!("partition {partition} goes on at {first:?}, not at the last commit")
        })?;
        // Before the two shared the partitions it may have owned this one, but there was nothing to read.
        ensure(earlier.is_none(), || format!("read again: {earlier:?}"))?;
    }
    Ok(())
}

fn static_member(client: &Client) -> Outcome {
    let topic = client.topic("static_member", 6)?;
    let other = Member::join(client, &topic, &topic, &[("group.instance.id", "other")]);
    let mine = Member::join(client, &topic, &topic, &[("group.instance.id", "mine")]);
    owned_once(&[&other, &mine], &[3, 3], 6)?;
    produce(client, &topic, 6, 0..60)?;
    all_seen(&[&other, &mine], &[], 60)?;
    let (before, owned) = (other.seen(), mine.seen().owned);
    let gone = mine.leave()?;
    let again = Member::join(client, &topic, &topic, &[("group.instance.id", "mine")]);
    within(GROUP_TIME, || same(&owned, &again.seen().owned, "partitions after the return"))?;
    produce(client, &topic, 6, 60..120)?;
    all_seen(&[&other, &again], &[gone], 120)?;
    same(before.changes, other.seen().changes, "rebalances of the other member")
}

fn cooperative(client: &Client) -> Outcome {
    let topic = client.topic("cooperative", 6)?;
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let first = Member::join(client, &topic, &topic, &settings);
    owned_once(&[&first], &[6], 6)?;
    produce(client, &topic, 6, 0..60)?;
    all_seen(&[&first], &[], 60)?;
    let second = Member::join(client, &topic, &topic, &settings);
    owned_once(&[&first, &second], &[3, 3], 6)?;
    produce(client, &topic, 6, 60..120)?;
    all_seen(&[&first, &second], &[], 120)?;
    same(3, first.seen().given_up.len(), "partitions that the first ever gave up")
}

fn pattern_subscribe(client: &Client) -> Outcome {
    let name = client.topic("pattern_subscribe", 1)?;
    let member = Member::join(client, &name, &format!("^{name}.*"), &[]);
    produce(client, &name, 1, 0..1)?;
    all_seen(&[&member], &[], 1)?;
    let later = format!("{name}-later");
    client.create(&later, 1, &[])?;
    produce(client, &later, 1, 1..2)?;
    all_seen(&[&member], &[], 2)
}

/// What is committed of the six partitions, as soon as the group's coordinator is there again.
fn committed_by_now(client: &Client, topic: &str) -> Outcome<Vec<(i64, String)>> {
    let deadline = Instant::now() + GROUP_TIME;
    loop {
        match committed(client, topic, topic, 6) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            outcome => return outcome,
        }
    }
}

/// Two members go on through a restart of the broker, and no commit is lost by it.
fn outlives(client: &Client, how: &'static str) -> Outcome {
    let topic = client.topic(&format!("group_{how}"), 6)?;
    let [first, second] = [(); 2].map(|()| Member::join(client, &topic, &topic, &[]));
    owned_once(&[&first, &second], &[3, 3], 6)?;
    produce(client, &topic, 6, 0..600)?;
    all_seen(&[&first, &second], &[], 600)?;
    within(GROUP_TIME, || {
        let offsets = committed(client, &topic, &topic, 6)?;
        ensure(offsets.iter().all(|(offset, _)| *offset == 100), || {
            format!("committed are {offsets:?}, not 100 of each")
        })
    })?;
    control(how)?;
    // What was acknowledged before is there at once, and from now on only grows.
    let mut last = committed_by_now(client, &topic)?;
    same(vec![100; 6], last.iter().map(|(offset, _)| *offset).collect(), "committed after the restart")?;
    owned_once(&[&first, &second], &[3, 3], 6)?;
    produce(client, &topic, 6, 600..700)?;
    all_seen(&[&first, &second], &[], 700)?;
    let deadline = Instant::now() + GROUP_TIME;
    while last.iter().map(|(offset, _)| offset).sum::<i64>() < 700 {
        ensure(Instant::now() < deadline, || format!("committed are {last:?}, not all 700"))?;
        let now = committed_by_now(client, &topic)?;
        let back = last.iter().zip(&now).find(|(before, after)| after.0 < before.0);
        ensure(back.is_none(), || format!("a committed offset went back: {back:?}"))?;
        last = now;
    }
    Ok(())
}
