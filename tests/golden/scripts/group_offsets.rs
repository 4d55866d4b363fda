//! `OffsetCommit`, `OffsetFetch` and `OffsetDelete`.

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use uuid::Uuid;

use super::groups::{Member, alone, await_coordinator, consuming, group, joined_alone};
use crate::session::{NOBODY, Session, Topic, text};

const TOPIC_IDS: i16 = 10;
/// Half a day: kept longer than a run lasts.
const RETENTION_MS: i64 = 43_200_000;

fn offset(partition: i32, offset: i64) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("")))
}

fn of_topic(topic: &Topic, partitions: Vec<OffsetCommitRequestPartition>) -> OffsetCommitRequestTopic {
    OffsetCommitRequestTopic::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.id)
        .with_partitions(partitions)
}

fn commit(member: &Member, topics: Vec<OffsetCommitRequestTopic>) -> OffsetCommitRequest {
    OffsetCommitRequest::default()
        .with_group_id(member.group.clone())
        .with_generation_id_or_member_epoch(member.generation)
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
        .with_topics(topics)
}

/// Somebody who is no member and commits nevertheless.
fn outsider(group: &GroupId) -> Member {
    Member { group: group.clone(), generation: -1, ..Member::default() }
}

/// Commits at a version that names topics, unrecorded.
pub(crate) fn committed(
    s: &mut Session,
    group: &GroupId,
    topic: &Topic,
    offsets: &[(i32, i64)],
) -> Result<(), String> {
    let partitions = offsets.iter().map(|(partition, at)| {
        offset(*partition, *at).with_committed_leader_epoch(3).with_committed_metadata(Some(text("note")))
    });
    let request = commit(&outsider(group), vec![of_topic(topic, partitions.collect())]);
    let answer = s.ask(&request)?;
    match answer.topics.iter().flat_map(|topic| &topic.partitions).find(|one| one.error_code != 0) {
        None => Ok(()),
        Some(one) => Err(format!("not committed: {one:?}")),
    }
}

pub(crate) fn offset_commit(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?;
    let g = group(s, "simple");
    await_coordinator(s, &g)?;
    let simple = outsider(&g);
    s.step("simple", &commit(&simple, vec![of_topic(&a, vec![offset(0, 5), offset(1, 7)])]))?;
    s.step("back", &commit(&simple, vec![of_topic(&a, vec![offset(0, 2)])]))?;
    s.step("negative", &commit(&simple, vec![of_topic(&a, vec![offset(0, -1)])]))?;
    let with = |metadata: Option<&str>| {
        vec![of_topic(&a, vec![offset(0, 3).with_committed_metadata(metadata.map(text))])]
    };
    s.step("null_metadata", &commit(&simple, with(None)))?;
    s.step("longest_metadata", &commit(&simple, with(Some(&"m".repeat(4096)))))?;
    s.step("metadata_too_long", &commit(&simple, with(Some(&"m".repeat(4097)))))?;
    s.step("longest_metadata_in_letters", &commit(&simple, with(Some(&"ü".repeat(4096)))))?;
    let mixed =
        vec![offset(0, 3).with_committed_metadata(Some(text(&"m".repeat(4097)))), offset(1, 3), offset(9, 3)];
    s.step("good_and_bad", &commit(&simple, vec![of_topic(&a, mixed)]))?;
    s.step("unknown_partition", &commit(&simple, vec![of_topic(&a, vec![offset(9, 3)])]))?;
    let x = Topic { name: s.name("x"), id: NOBODY };
    s.step("unknown_topic", &commit(&simple, vec![of_topic(&x, vec![offset(0, 3)])]))?;
    s.step("no_topics", &commit(&simple, Vec::new()))?;
    s.step("no_partitions", &commit(&simple, vec![of_topic(&a, Vec::new())]))?;
    if s.version >= TOPIC_IDS {
        let nameless = Topic { name: s.name("x"), id: Uuid::nil() };
        s.step("no_topic_id", &commit(&simple, vec![of_topic(&nameless, vec![offset(0, 3)])]))?;
    }
    let one = || vec![of_topic(&a, vec![offset(0, 3)])];
    if s.version <= 4 {
        s.step("retained", &commit(&simple, one()).with_retention_time_ms(RETENTION_MS))?;
    }
    s.step(
        "a_member_of_an_empty_group",
        &commit(&Member { generation: 3, id: "x".into(), ..simple.clone() }, one()),
    )?;
    let unknown = Member { group: group(s, "unknown"), generation: 3, id: "x".into(), instance: None };
    s.step("unknown_group", &commit(&unknown, one()))?;
    members_commit(s, one)?;
    let rest = OffsetFetchRequestGroup::default().with_group_id(g).with_topics(None);
    s.step("what_is_committed", &OffsetFetchRequest::default().with_groups(vec![rest]))?;
    Ok(())
}

fn members_commit(s: &mut Session, one: impl Fn() -> Vec<OffsetCommitRequestTopic>) -> Result<(), String> {
    let used = group(s, "used");
    let m = alone(s, &used, "m")?;
    s.step("member", &commit(&m, one()))?;
    s.step("older_generation", &commit(&Member { generation: 0, ..m.clone() }, one()))?;
    s.step("newer_generation", &commit(&Member { generation: 2, ..m.clone() }, one()))?;
    s.step("unknown_member", &commit(&Member { id: "x".into(), ..m.clone() }, one()))?;
    s.step("outsider_of_a_used_group", &commit(&outsider(&used), one()))?;
    s.step("member_without_generation", &commit(&Member { generation: -1, ..m.clone() }, one()))?;
    if s.version >= 7 {
        s.step("unknown_instance", &commit(&Member { instance: Some("nobodys"), ..m }, one()))?;
    }
    let joining = group(s, "joining");
    let n = joined_alone(s, &joining, "n")?;
    s.step("before_the_assignment", &commit(&n, one()))?;
    Ok(())
}

/// A request for one group that suits the version.
fn fetch(s: &Session, group: &GroupId, topics: Option<&[(&TopicName, Uuid, &[i32])]>) -> OffsetFetchRequest {
    if s.version < 8 {
        let topic = |(name, _, partitions): &(&TopicName, Uuid, &[i32])| {
            OffsetFetchRequestTopic::default()
                .with_name((*name).clone())
                .with_partition_indexes(partitions.to_vec())
        };
        let topics = topics.map(|topics| topics.iter().map(topic).collect());
        return OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(topics);
    }
    OffsetFetchRequest::default().with_groups(vec![of_group(group, topics)])
}

fn of_group(group: &GroupId, topics: Option<&[(&TopicName, Uuid, &[i32])]>) -> OffsetFetchRequestGroup {
    let topic = |(name, id, partitions): &(&TopicName, Uuid, &[i32])| {
        OffsetFetchRequestTopics::default()
            .with_name((*name).clone())
            .with_topic_id(*id)
            .with_partition_indexes(partitions.to_vec())
    };
    OffsetFetchRequestGroup::default()
        .with_group_id(group.clone())
        .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
}

pub(crate) fn offset_fetch(s: &mut Session) -> Result<(), String> {
    let (a, b) = (s.topic("a", 3, &[])?, s.topic("b", 1, &[])?);
    let g = group(s, "g");
    await_coordinator(s, &g)?;
    committed(s, &g, &a, &[(0, 5), (1, 6)])?;
    committed(s, &g, &b, &[(0, 7)])?;
    let (nowhere, unknown) = (s.name("x"), group(s, "unknown"));
    s.step("some", &fetch(s, &g, Some(&[(&a.name, a.id, &[0, 1])])))?;
    s.step("not_committed", &fetch(s, &g, Some(&[(&a.name, a.id, &[2])])))?;
    s.step("unknown_partition", &fetch(s, &g, Some(&[(&a.name, a.id, &[9])])))?;
    s.step("unknown_topic", &fetch(s, &g, Some(&[(&nowhere, NOBODY, &[0])])))?;
    s.step(
        "known_and_unknown_topic",
        &fetch(s, &g, Some(&[(&a.name, a.id, &[1]), (&nowhere, NOBODY, &[0])])),
    )?;
    s.step("no_topics", &fetch(s, &g, Some(&[])))?;
    s.step("unknown_group", &fetch(s, &unknown, Some(&[(&a.name, a.id, &[0])])))?;
    if s.version >= 2 {
        s.step("all", &fetch(s, &g, None))?;
        s.step("all_of_an_unknown_group", &fetch(s, &unknown, None))?;
    }
    if s.version >= 7 {
        s.step("stable", &fetch(s, &g, Some(&[(&a.name, a.id, &[0])])).with_require_stable(true))?;
    }
    if s.version >= 8 {
        let several = |groups| OffsetFetchRequest::default().with_groups(groups);
        s.step("two_groups", &several(vec![of_group(&g, None), of_group(&unknown, None)]))?;
        s.step("a_group_twice", &several(vec![of_group(&g, None), of_group(&g, Some(&[]))]))?;
        s.step("no_groups", &several(Vec::new()))?;
    }
    if s.version >= 9 {
        let of_member = of_group(&g, None).with_member_id(Some(text("x"))).with_member_epoch(4);
        s.step("a_member_of_another_kind", &OffsetFetchRequest::default().with_groups(vec![of_member]))?;
    }
    if s.version >= TOPIC_IDS {
        s.step("no_topic_id", &fetch(s, &g, Some(&[(&a.name, Uuid::nil(), &[0])])))?;
    }
    Ok(())
}

/// The group without a name, which old clients use: all runs share it, so it has one run of its own.
pub(crate) fn nameless(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let (g, nobody) = (group(s, "g"), GroupId::from(text("")));
    await_coordinator(s, &g)?;
    let describe = DescribeGroupsRequest::default().with_groups(vec![nobody.clone()]);
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![nobody.clone()]);
    let fetch_one = fetch(s, &nobody, Some(&[(&a.name, a.id, &[0])]));
    s.ask(&delete)?;
    s.step("fetch_before", &fetch_one)?;
    s.step("describe_before", &describe)?;
    s.step("delete_before", &delete)?;
    s.step("commit", &commit(&outsider(&nobody), vec![of_topic(&a, vec![offset(0, 3)])]))?;
    s.step("fetch", &fetch_one)?;
    s.step("describe", &describe)?;
    s.step("delete", &delete)?;
    Ok(())
}

/// The offsets of a deleted topic go, and those of its namesake are others.
pub(crate) fn topic_again(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let g = group(s, "g");
    await_coordinator(s, &g)?;
    committed(s, &g, &a, &[(0, 5)])?;
    s.step("before", &fetch(s, &g, Some(&[(&a.name, a.id, &[0])])))?;
    s.delete_topics()?;
    s.await_gone("a")?;
    let all = fetch(s, &g, None);
    let newest = OffsetFetchRequest::default().with_groups(vec![of_group(&g, None)]);
    let is_gone = |answer: &OffsetFetchResponse| answer.groups.iter().all(|group| group.topics.is_empty());
    s.ask_until(&newest, is_gone)?;
    s.step("all_without_the_topic", &all)?;
    s.step("without_the_topic", &fetch(s, &g, Some(&[(&a.name, a.id, &[0])])))?;
    let again = s.topic("a", 1, &[])?;
    s.step("another_topic_of_that_name", &fetch(s, &g, Some(&[(&again.name, again.id, &[0])])))?;
    Ok(())
}

pub(crate) fn offset_delete(s: &mut Session) -> Result<(), String> {
    let (a, b) = (s.topic("a", 2, &[])?, s.topic("b", 1, &[])?);
    let g = group(s, "g");
    await_coordinator(s, &g)?;
    let delete = |group: &GroupId, topics: &[(&TopicName, &[i32])]| {
        let partition = |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
        let topic = |(name, partitions): &(&TopicName, &[i32])| {
            OffsetDeleteRequestTopic::default()
                .with_name((*name).clone())
                .with_partitions(partitions.iter().map(partition).collect())
        };
        OffsetDeleteRequest::default()
            .with_group_id(group.clone())
            .with_topics(topics.iter().map(topic).collect())
    };
    let all = |group: &GroupId| OffsetFetchRequest::default().with_groups(vec![of_group(group, None)]);
    let (nowhere, unknown) = (s.name("x"), group(s, "unknown"));
    s.step("unknown_group", &delete(&unknown, &[(&a.name, &[0])]))?;
    s.step("unknown_group_and_topic", &delete(&unknown, &[(&nowhere, &[0])]))?;
    s.step("empty_group_id", &delete(&text("").into(), &[(&a.name, &[0])]))?;
    committed(s, &g, &a, &[(0, 5), (1, 6)])?;
    s.step("one", &delete(&g, &[(&a.name, &[0])]))?;
    s.step("one_again", &delete(&g, &[(&a.name, &[0])]))?;
    s.step("what_is_left", &all(&g))?;
    s.step("unknown_partition", &delete(&g, &[(&a.name, &[9])]))?;
    s.step("known_and_unknown", &delete(&g, &[(&a.name, &[1, 9]), (&nowhere, &[0])]))?;
    s.step("no_topics", &delete(&g, &[]))?;
    s.step("of_a_group_without_offsets", &delete(&g, &[(&a.name, &[1])]))?;
    let used = group(s, "used");
    await_coordinator(s, &used)?;
    committed(s, &used, &a, &[(0, 5)])?;
    alone(s, &used, "m")?;
    s.step("used_by_members_of_another_kind", &delete(&used, &[(&a.name, &[0])]))?;
    let consumers = group(s, "consumers");
    await_coordinator(s, &consumers)?;
    committed(s, &consumers, &a, &[(0, 5)])?;
    committed(s, &consumers, &b, &[(0, 5)])?;
    consuming(s, &consumers, "c", &a)?;
    s.step("of_consumers", &delete(&consumers, &[(&a.name, &[0]), (&b.name, &[0])]))?;
    s.step("what_consumers_have_left", &all(&consumers))?;
    Ok(())
}
