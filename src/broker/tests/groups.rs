//! Groups of a whole broker: what is acknowledged is in the log, whatever happens to the broker or its disk.

use super::*;
use crate::coordinator::{
    CommitOffset, CommitOffsets, GroupError, GroupState, Heartbeat, JoinGroup, Joined, SyncGroup,
};

fn commit_of(offset: i64, member: Option<&Joined>) -> CommitOffsets {
    CommitOffsets {
        group: "g".into(),
        generation: member.map_or(-1, |joined| joined.generation),
        member_id: member.map(|joined| joined.member_id.clone()).unwrap_or_default(),
        instance_id: None,
        retention_ms: None,
        offsets: vec![CommitOffset {
            topic: "t".into(),
            topic_id: None,
            partition: 0,
            offset,
            leader_epoch: -1,
            metadata: "why".into(),
        }],
    }
}

async fn commit(broker: &Broker, offset: i64) -> Result<(), GroupError> {
    broker.commit_offsets(commit_of(offset, None)).await?.pop().unwrap()
}

async fn committed(broker: &Broker) -> Result<Option<i64>, GroupError> {
    let asked = [("t".to_owned(), 0)];
    let found = broker.fetch_offsets("g", Some(&asked)).await?;
    Ok(found[0].committed.as_ref().map(|committed| committed.offset))
}

fn join(member_id: &str) -> JoinGroup {
    JoinGroup {
        group: "g".into(),
        member_id: member_id.into(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\0\0\0\0"))],
        id_required: false,
        knows_skip: false,
        fresh: Uuid::new_v4(),
    }
}

fn sync(joined: &Joined) -> SyncGroup {
    let all = joined.members.iter().map(|m| (m.member_id.clone(), Bytes::from_static(b"mine"))).collect();
    SyncGroup {
        group: "g".into(),
        generation: joined.generation,
        member_id: joined.member_id.clone(),
        instance_id: None,
        protocol_type: None,
        protocol: None,
        assignments: all,
    }
}

fn heartbeat(joined: &Joined) -> Heartbeat {
    Heartbeat {
        group: "g".into(),
        generation: joined.generation,
        member_id: joined.member_id.clone(),
        instance_id: None,
    }
}

/// A broker with the topic `t`, whose offsets topic has been asked for.
async fn prepared(node: &Node) -> Broker {
    let broker = node.start().await;
    topic(&broker, "t", &[]).await;
    broker.find_group_coordinator("g").await.unwrap();
    broker
}

async fn stable(broker: &Broker) -> Joined {
    let joined = broker.join_group(join("")).await.unwrap();
    let synced = broker.sync_group(sync(&joined)).await.unwrap();
    assert_eq!(synced.assignment, "mine");
    joined
}

#[tokio::test]
async fn whoever_asks_first_finds_a_coordinator_and_an_internal_topic() {
    let node = Node::new();
    let broker = node.start().await;
    assert!(matches!(commit(&broker, 1).await, Err(GroupError::NotCoordinator { .. })));
    assert_eq!(broker.find_group_coordinator("g").await.unwrap().id, 1);
    let topic = Arc::clone(broker.image().topic("__consumer_offsets").unwrap());
    assert_eq!((topic.partitions.len(), topic.is_internal()), (50, true));
    assert_eq!(topic.overrides["cleanup.policy"], "compact");
}

#[tokio::test]
async fn a_commit_that_was_acknowledged_survives_a_power_loss() {
    let node = Node::new();
    let broker = prepared(&node).await;
    assert_eq!(committed(&broker).await.unwrap(), None);
    for offset in 1..=20 {
        commit(&broker, offset).await.unwrap();
    }
    drop(broker);
    let node = Node { disk: node.disk.crash(CrashPolicy::Synced, 3), now: node.now };
    let broker = node.start().await;
    assert_eq!(committed(&broker).await.unwrap(), Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_after_a_restart_as_if_nothing_had_been() {
    let node = Node::new();
    let broker = prepared(&node).await;
    let member = stable(&broker).await;
    broker.commit_offsets(commit_of(7, Some(&member))).await.unwrap();
    drop(broker);
    let node = Node { disk: node.disk.crash(CrashPolicy::Synced, 3), now: node.now };
    let broker = node.start().await;
    broker.heartbeat(heartbeat(&member)).await.unwrap();
    broker.commit_offsets(commit_of(8, Some(&member))).await.unwrap();
    assert_eq!(committed(&broker).await.unwrap(), Some(8));
    let described = broker.describe_group("g").await.unwrap().unwrap();
    assert_eq!((described.state, described.members.len()), (GroupState::Stable, 1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_out_without_anybody_asking() {
    let node = Node::new();
    let broker = prepared(&node).await;
    stable(&broker).await;
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    let described = broker.describe_group("g").await.unwrap().unwrap();
    assert_eq!((described.state, described.members.len()), (GroupState::Empty, 0));
}

#[tokio::test]
async fn the_log_of_commits_stays_small_and_a_restart_finds_the_last() {
    let node = Node::new();
    let broker = prepared(&node).await;
    for offset in 1..=12_000 {
        commit(&broker, offset).await.unwrap();
    }
    let offsets = Arc::clone(broker.image().topic("__consumer_offsets").unwrap());
    let log = (0..50).find_map(|partition| broker.0.replicas.get(offsets.id, partition)?.running()).unwrap();
    let bytes: u64 = log.partition.segments().iter().map(|segment| segment.bytes).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes after 12,000 commits");
    assert!(log.partition.lines.log_start() > Offset(6_000), "{}", log.partition.lines.log_start());
    broker.close().await;
    let broker = node.start().await;
    assert_eq!(committed(&broker).await.unwrap(), Some(12_000));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_disk_refused_is_not_seen_and_the_next_ones_are_taken_once_it_works_again() {
    let node = Node::new();
    let broker = prepared(&node).await;
    commit(&broker, 1).await.unwrap();
    node.disk.fail_write_after(0);
    assert!(matches!(commit(&broker, 2).await, Err(GroupError::NotCoordinator { .. })));
    let mut tries = 0;
    let found = loop {
        tokio::time::advance(std::time::Duration::from_millis(1_001)).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_001)).await;
        match committed(&broker).await {
            Ok(found) => break found,
            Err(error) => assert!(tries < 10, "{error}"),
        }
        tries += 1;
    };
    assert_eq!(found, Some(1));
    commit(&broker, 3).await.unwrap();
    assert_eq!(committed(&broker).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_group_forgets_what_it_committed_for_a_topic_that_is_deleted() {
    let node = Node::new();
    let broker = prepared(&node).await;
    commit(&broker, 5).await.unwrap();
    broker.delete_topic(&TopicRef::Name("t".into())).await.unwrap();
    topic(&broker, "t", &[]).await;
    assert_eq!(committed(&broker).await.unwrap(), None);
}

#[tokio::test]
async fn a_commit_for_a_partition_that_does_not_exist_fails_alone() {
    let node = Node::new();
    let broker = prepared(&node).await;
    let mut both = commit_of(1, None);
    both.offsets.push(CommitOffset { partition: 9, ..both.offsets[0].clone() });
    let answers = broker.commit_offsets(both).await.unwrap();
    assert_eq!(answers[0], Ok(()));
    assert_eq!(answers[1], Err(GroupError::UnknownPartition { topic: "t".into(), partition: 9 }));
}
