//! `DeleteTopics`, `CreatePartitions` and `InitProducerId`.

use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, DeleteTopicsRequest, InitProducerIdRequest, TopicName,
};

use crate::session::{NOBODY, Session, text};

const TIMEOUT_MS: i32 = 10_000;

fn by_name(s: &Session, names: Vec<TopicName>) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS);
    if s.version < 6 {
        return request.with_topic_names(names);
    }
    let states = names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
    request.with_topics(states.collect())
}

pub(crate) fn delete_topics(s: &mut Session) -> Result<(), String> {
    for name in ["a", "b", "c", "d", "e"] {
        s.topic(name, 1, &[])?;
    }
    s.step("one", &by_name(s, vec![s.name("a")]))?;
    s.await_gone("a")?;
    s.step("again", &by_name(s, vec![s.name("a")]))?;
    s.step("unknown", &by_name(s, vec![s.name("x")]))?;
    s.step("ill_named", &by_name(s, vec![text("a/b").into()]))?;
    s.step("known_and_unknown", &by_name(s, vec![s.name("b"), s.name("x")]))?;
    s.step("one_twice", &by_name(s, vec![s.name("c"), s.name("c")]))?;
    s.step("none", &by_name(s, Vec::new()))?;
    if s.version >= 6 {
        let d = s.await_topic("d", 1)?;
        let state = |id, name| DeleteTopicState::default().with_topic_id(id).with_name(name);
        let request = |states| DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(states);
        s.step("id_and_name", &request(vec![state(d.id, Some(d.name.clone()))]))?;
        s.step("neither_id_nor_name", &request(vec![state(uuid::Uuid::nil(), None)]))?;
        s.step("by_id", &request(vec![state(d.id, None)]))?;
        s.step("by_unknown_id", &request(vec![state(NOBODY, None)]))?;
        let e = s.await_topic("e", 1)?;
        s.step(
            "by_id_and_by_name",
            &request(vec![state(e.id, None), state(uuid::Uuid::nil(), Some(e.name))]),
        )?;
    }
    s.topic("a", 2, &[])?;
    s.step("made_again_and_deleted", &by_name(s, vec![s.name("a")]))?;
    Ok(())
}

fn grown(name: TopicName, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let assigned = |brokers: &&[i32]| {
        CreatePartitionsAssignment::default()
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    };
    CreatePartitionsTopic::default()
        .with_name(name)
        .with_count(count)
        .with_assignments(assignments.map(|all| all.iter().map(assigned).collect()))
}

pub(crate) fn create_partitions(s: &mut Session) -> Result<(), String> {
    let request = |topics| CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS);
    s.topic("a", 1, &[])?;
    s.topic("b", 1, &[])?;
    s.step("more", &request(vec![grown(s.name("a"), 3, None)]))?;
    s.await_topic("a", 3)?;
    s.step("the_same", &request(vec![grown(s.name("a"), 3, None)]))?;
    s.step("fewer", &request(vec![grown(s.name("a"), 2, None)]))?;
    s.step("none", &request(vec![grown(s.name("a"), 0, None)]))?;
    s.step("negative", &request(vec![grown(s.name("a"), -1, None)]))?;
    s.step("unknown_topic", &request(vec![grown(s.name("x"), 2, None)]))?;
    s.step("ill_named", &request(vec![grown(text("a/b").into(), 2, None)]))?;
    let checked = request(vec![grown(s.name("a"), 5, None)]).with_validate_only(true);
    s.step("validate_only", &checked)?;
    s.step("validate_only_again", &checked)?;
    s.step("assigned", &request(vec![grown(s.name("a"), 5, Some(&[&[1], &[1]]))]))?;
    s.await_topic("a", 5)?;
    s.step("assigned_too_few", &request(vec![grown(s.name("a"), 7, Some(&[&[1]]))]))?;
    s.step("assigned_too_many", &request(vec![grown(s.name("a"), 6, Some(&[&[1], &[1]]))]))?;
    s.step("assigned_to_unknown_broker", &request(vec![grown(s.name("a"), 6, Some(&[&[7]]))]))?;
    s.step("assigned_to_a_broker_twice", &request(vec![grown(s.name("a"), 6, Some(&[&[1, 1]]))]))?;
    s.step("assigned_to_no_broker", &request(vec![grown(s.name("a"), 6, Some(&[&[]]))]))?;
    s.step("one_twice", &request(vec![grown(s.name("a"), 6, None), grown(s.name("a"), 7, None)]))?;
    s.step("bad_and_good", &request(vec![grown(s.name("a"), 1, None), grown(s.name("b"), 2, None)]))?;
    s.step("no_topics", &request(Vec::new()))?;
    Ok(())
}

pub(crate) fn init_producer_id(s: &mut Session) -> Result<(), String> {
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    s.producer()?;
    let first = s.step("first", &request)?.producer_id;
    let second = s.step("second", &request)?.producer_id;
    if first == second {
        return Err("two producers were given one id".to_owned());
    }
    s.step("no_timeout", &request.clone().with_transaction_timeout_ms(0))?;
    s.step("negative_timeout", &request.clone().with_transaction_timeout_ms(-1))?;
    if s.version >= 3 {
        s.step("with_id_and_epoch", &request.clone().with_producer_id(first).with_producer_epoch(0))?;
        s.step("with_id_only", &request.clone().with_producer_id(first).with_producer_epoch(-1))?;
        s.step("with_epoch_only", &request.with_producer_epoch(3))?;
    }
    Ok(())
}
