//! `CreateTopics`: what can be made and what cannot.

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, TopicName};

use crate::session::{Session, text};

const TIMEOUT_MS: i32 = 10_000;

/// A partition's index and the brokers that it is placed on.
type Placed<'a> = (i32, &'a [i32]);

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS)
}

fn topic(name: TopicName, partitions: i32, replication: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name)
        .with_num_partitions(partitions)
        .with_replication_factor(replication)
}

fn config(name: &str, value: Option<&str>) -> CreatableTopicConfig {
    CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))
}

fn assigned(name: TopicName, partitions: &[Placed<'_>]) -> CreatableTopic {
    let assignments = partitions.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    topic(name, -1, -1).with_assignments(assignments.collect())
}

pub(crate) fn create_topics(s: &mut Session) -> Result<(), String> {
    s.step("one", &request(vec![topic(s.name("one"), 1, 1)]))?;
    s.step("two_with_three_partitions", &request(vec![topic(s.name("b"), 3, 1), topic(s.name("c"), 3, 1)]))?;
    let configs =
        vec![config("retention.ms", Some("1234567")), config("cleanup.policy", Some("compact,delete"))];
    s.step("with_configs", &request(vec![topic(s.name("configs"), 1, 1).with_configs(configs)]))?;
    s.step("assigned", &request(vec![assigned(s.name("assigned"), &[(0, &[1]), (1, &[1])])]))?;
    s.step("with_dots", &request(vec![topic(s.name("a.b.c"), 1, 1)]))?;
    s.step("default_partitions", &request(vec![topic(s.name("default-partitions"), -1, 1)]))?;
    s.step("default_replication", &request(vec![topic(s.name("default-replication"), 1, -1)]))?;
    let checked = request(vec![topic(s.name("checked"), 2, 1)]).with_validate_only(true);
    s.step("validate_only", &checked)?;
    s.step("validate_only_again", &checked)?;
    s.step("made_after_validating", &checked.with_validate_only(false))?;
    s.await_topic("one", 1)?;
    s.step("exists", &request(vec![topic(s.name("one"), 1, 1)]))?;
    s.step("exists_validate_only", &request(vec![topic(s.name("one"), 1, 1)]).with_validate_only(true))?;
    s.step("exists_and_new", &request(vec![topic(s.name("one"), 1, 1), topic(s.name("new"), 1, 1)]))?;
    s.step("none", &request(Vec::new()))?;
    Ok(())
}

pub(crate) fn refused(s: &mut Session) -> Result<(), String> {
    for (step, name) in [
        ("name_dot", ".".to_owned()),
        ("name_two_dots", "..".to_owned()),
        ("name_empty", String::new()),
        ("name_too_long", "n".repeat(250)),
        ("name_with_slash", "a/b".to_owned()),
        ("name_with_blank", "a b".to_owned()),
        ("name_not_ascii", "é".to_owned()),
    ] {
        s.step(step, &request(vec![topic(text(&name).into(), 1, 1)]))?;
    }
    s.step("no_partitions", &request(vec![topic(s.name("x"), 0, 1)]))?;
    s.step("negative_partitions", &request(vec![topic(s.name("x"), -2, 1)]))?;
    s.step("no_replicas", &request(vec![topic(s.name("x"), 1, 0)]))?;
    s.step("negative_replicas", &request(vec![topic(s.name("x"), 1, -2)]))?;
    s.step("more_replicas_than_brokers", &request(vec![topic(s.name("x"), 1, 3)]))?;
    let ill = vec![topic(s.name("x"), 1, 3), topic(s.name("good"), 1, 1)];
    s.step("a_bad_and_a_good_one", &request(ill))?;
    s.step(
        "one_twice",
        &request(vec![topic(s.name("x"), 1, 1), topic(s.name("x"), 2, 1), topic(s.name("y"), 1, 1)]),
    )?;
    bad_configs(s)?;
    bad_assignments(s)?;
    s.step("dotted", &request(vec![topic(s.name("p.q"), 1, 1)]))?;
    s.step("collides_with_dotted", &request(vec![topic(s.name("p_q"), 1, 1)]))?;
    let colliding = vec![topic(s.name("v.w"), 1, 1), topic(s.name("v_w"), 1, 1)];
    s.step("colliding_in_one_request", &request(colliding))?;
    Ok(())
}

fn bad_configs(s: &mut Session) -> Result<(), String> {
    for (step, name, value) in [
        ("config_unknown", "no.such.config", Some("1")),
        ("config_empty_name", "", Some("1")),
        ("config_null_value", "retention.ms", None),
        ("config_not_a_number", "retention.ms", Some("soon")),
        ("config_number_too_small", "retention.ms", Some("-2")),
        ("config_no_such_policy", "cleanup.policy", Some("burn")),
        ("config_no_such_codec", "compression.type", Some("zip")),
        ("config_not_a_bool", "preallocate", Some("perhaps")),
        ("config_segment_too_small", "segment.bytes", Some("1")),
        ("config_replicas_0", "min.insync.replicas", Some("0")),
        ("config_number_with_blanks", "retention.ms", Some(" 5 ")),
    ] {
        let topic = topic(s.name(&format!("x-{step}")), 1, 1).with_configs(vec![config(name, value)]);
        s.step(step, &request(vec![topic]))?;
    }
    let twice = vec![config("retention.ms", Some("1000")), config("retention.ms", Some("2000"))];
    s.step("config_twice", &request(vec![topic(s.name("config-twice"), 1, 1).with_configs(twice)]))?;
    Ok(())
}

fn bad_assignments(s: &mut Session) -> Result<(), String> {
    let cases: [(&str, &[Placed<'_>]); 6] = [
        ("assigned_to_unknown_broker", &[(0, &[7])]),
        ("assigned_to_a_broker_twice", &[(0, &[1, 1])]),
        ("assigned_to_no_broker", &[(0, &[])]),
        ("assigned_with_a_hole", &[(0, &[1]), (2, &[1])]),
        ("assigned_not_from_0", &[(1, &[1])]),
        ("assigned_partition_twice", &[(0, &[1]), (0, &[1])]),
    ];
    for (step, partitions) in cases {
        s.step(step, &request(vec![assigned(s.name(&format!("x-{step}")), partitions)]))?;
    }
    let both = assigned(s.name("x"), &[(0, &[1])]);
    s.step("assigned_and_partitions", &request(vec![both.clone().with_num_partitions(1)]))?;
    s.step("assigned_and_replicas", &request(vec![both.with_replication_factor(1)]))?;
    Ok(())
}
