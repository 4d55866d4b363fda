//! `DescribeConfigs`, `IncrementalAlterConfigs` and `AlterConfigs`, of topics; of the broker only reading. Those of groups and
//! of client metrics are in `named_configs.rs`.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, alter_configs_request,
    incremental_alter_configs_request,
};
use kafka_protocol::protocol::StrBytes;

use crate::session::{Session, text};

pub(super) const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const NO_RESOURCE: i8 = 99;

pub(super) const SET: i8 = 0;
pub(super) const DELETE: i8 = 1;
pub(super) const APPEND: i8 = 2;
pub(super) const SUBTRACT: i8 = 3;

pub(super) fn read(kind: i8, name: StrBytes, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name)
        .with_configuration_keys(keys);
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

pub(crate) fn describe(s: &mut Session) -> Result<(), String> {
    let configs = [("retention.ms", "777000"), ("cleanup.policy", "compact"), ("min.insync.replicas", "1")];
    let a = s.topic("a", 1, &configs)?.name.0;
    s.step("topic", &read(TOPIC, a.clone(), None))?;
    s.step("topic_with_synonyms", &read(TOPIC, a.clone(), None).with_include_synonyms(true))?;
    if s.version >= 3 {
        s.step("topic_with_documentation", &read(TOPIC, a.clone(), None).with_include_documentation(true))?;
    }
    let some = ["retention.ms", "max.message.bytes"];
    s.step("some_keys", &read(TOPIC, a.clone(), Some(&some)))?;
    s.step("unknown_key", &read(TOPIC, a.clone(), Some(&["no.such.config", "retention.ms"])))?;
    s.step("no_keys", &read(TOPIC, a.clone(), Some(&[])))?;
    s.step("unknown_topic", &read(TOPIC, s.name("x").0, None))?;
    s.step("ill_named_topic", &read(TOPIC, text("a/b"), None))?;
    s.step("empty_topic_name", &read(TOPIC, text(""), None))?;
    s.step("no_such_resource", &read(NO_RESOURCE, a.clone(), None))?;
    s.step("broker", &read(BROKER, text("1"), None))?;
    s.step("broker_with_synonyms", &read(BROKER, text("1"), None).with_include_synonyms(true))?;
    s.step("broker_some_keys", &read(BROKER, text("1"), Some(&["num.partitions", "message.max.bytes"])))?;
    s.step("all_brokers", &read(BROKER, text(""), None))?;
    s.step("unknown_broker", &read(BROKER, text("7"), None))?;
    s.step("broker_not_a_number", &read(BROKER, text("one"), None))?;
    let two = read(TOPIC, a.clone(), Some(&some));
    let more = read(TOPIC, s.name("x").0, Some(&some)).resources.into_iter().chain(two.resources);
    s.step("known_and_unknown", &DescribeConfigsRequest::default().with_resources(more.collect()))?;
    s.step("none", &DescribeConfigsRequest::default())?;
    let one = read(TOPIC, a.clone(), Some(&some))
        .resources
        .into_iter()
        .chain(read(TOPIC, a, Some(&some)).resources);
    s.step("one_twice", &DescribeConfigsRequest::default().with_resources(one.collect()))?;
    Ok(())
}

/// Records the configs of `topic` that these scripts change, once the changes are seen.
fn show(s: &mut Session, step: &str, topic: &StrBytes) -> Result<(), String> {
    s.settle()?;
    let keys = [
        "retention.ms",
        "cleanup.policy",
        "max.message.bytes",
        "compression.type",
        "leader.replication.throttled.replicas",
    ];
    s.step(step, &read(TOPIC, topic.clone(), Some(&keys))).map(drop)
}

/// Name and value.
pub(super) type Setting<'a> = (&'a str, Option<&'a str>);

/// Operation, name and value.
pub(super) type Change<'a> = (i8, &'a str, Option<&'a str>);

pub(super) fn change(kind: i8, name: &StrBytes, changes: &[Change<'_>]) -> IncrementalAlterConfigsRequest {
    let configs = changes.iter().map(|&(operation, name, value)| {
        incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(value.map(text))
    });
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.clone())
        .with_configs(configs.collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

pub(crate) fn incremental(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[("cleanup.policy", "delete")])?.name.0;
    s.step(
        "set",
        &change(TOPIC, &a, &[(SET, "retention.ms", Some("5000")), (SET, "max.message.bytes", Some("9000"))]),
    )?;
    show(s, "after_set", &a)?;
    s.step("append", &change(TOPIC, &a, &[(APPEND, "cleanup.policy", Some("compact"))]))?;
    show(s, "after_append", &a)?;
    s.step("append_what_is_there", &change(TOPIC, &a, &[(APPEND, "cleanup.policy", Some("compact"))]))?;
    s.step("subtract", &change(TOPIC, &a, &[(SUBTRACT, "cleanup.policy", Some("delete"))]))?;
    s.step(
        "subtract_what_is_not_there",
        &change(TOPIC, &a, &[(SUBTRACT, "cleanup.policy", Some("delete"))]),
    )?;
    s.step("delete", &change(TOPIC, &a, &[(DELETE, "retention.ms", None)]))?;
    s.step("delete_what_is_not_set", &change(TOPIC, &a, &[(DELETE, "segment.ms", None)]))?;
    show(s, "after_subtract_and_delete", &a)?;
    s.step(
        "validate_only",
        &change(TOPIC, &a, &[(SET, "retention.ms", Some("6000"))]).with_validate_only(true),
    )?;
    let bad = change(TOPIC, &a, &[(SET, "retention.ms", Some("soon"))]).with_validate_only(true);
    s.step("validate_only_bad_value", &bad)?;
    incremental_refused(s, &a)?;
    show(s, "after_refusals", &a)
}

fn incremental_refused(s: &mut Session, a: &StrBytes) -> Result<(), String> {
    let cases: [(&str, &[Change<'_>]); 12] = [
        ("unknown_key", &[(SET, "no.such.config", Some("1"))]),
        ("bad_value", &[(SET, "retention.ms", Some("soon"))]),
        ("value_too_small", &[(SET, "retention.ms", Some("-2"))]),
        ("good_and_bad", &[(SET, "max.message.bytes", Some("8000")), (SET, "retention.ms", Some("soon"))]),
        ("null_value", &[(SET, "retention.ms", None)]),
        ("append_null", &[(APPEND, "cleanup.policy", None)]),
        ("append_to_a_number", &[(APPEND, "retention.ms", Some("1"))]),
        ("subtract_from_a_number", &[(SUBTRACT, "retention.ms", Some("1"))]),
        ("append_bad_value", &[(APPEND, "cleanup.policy", Some("burn"))]),
        ("no_such_operation", &[(9, "retention.ms", Some("1"))]),
        ("key_twice", &[(SET, "retention.ms", Some("1000")), (DELETE, "retention.ms", None)]),
        ("empty_key", &[(SET, "", Some("1"))]),
    ];
    for (step, changes) in cases {
        s.step(step, &change(TOPIC, a, changes))?;
    }
    incremental_resources_refused(s, a)
}

fn incremental_resources_refused(s: &mut Session, a: &StrBytes) -> Result<(), String> {
    let set: &[Change<'_>] = &[(SET, "retention.ms", Some("7000"))];
    s.step("no_changes", &change(TOPIC, a, &[]))?;
    s.step("unknown_topic", &change(TOPIC, &s.name("x").0, set))?;
    s.step("ill_named_topic", &change(TOPIC, &text("a/b"), set))?;
    s.step("empty_topic_name", &change(TOPIC, &text(""), set))?;
    s.step("no_such_resource", &change(NO_RESOURCE, a, set))?;
    s.step("unknown_broker", &change(BROKER, &text("7"), &[(SET, "log.cleaner.threads", Some("1"))]))?;
    let known = change(TOPIC, a, &[(SET, "compression.type", Some("gzip"))]);
    let both =
        known.resources.clone().into_iter().chain(change(TOPIC, &s.name("x").0, set).resources).collect();
    s.step("known_and_unknown", &IncrementalAlterConfigsRequest::default().with_resources(both))?;
    let twice = known.resources.clone().into_iter().chain(known.resources).collect();
    s.step("one_twice", &IncrementalAlterConfigsRequest::default().with_resources(twice))?;
    Ok(())
}

pub(super) fn replace(kind: i8, name: &StrBytes, configs: &[Setting<'_>]) -> AlterConfigsRequest {
    let configs = configs.iter().map(|&(name, value)| {
        alter_configs_request::AlterableConfig::default().with_name(text(name)).with_value(value.map(text))
    });
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.clone())
        .with_configs(configs.collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}

pub(crate) fn alter(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[("cleanup.policy", "compact")])?.name.0;
    s.step("set", &replace(TOPIC, &a, &[("retention.ms", Some("5000"))]))?;
    show(s, "after_set_the_other_one_is_gone", &a)?;
    let cases: [(&str, &[Setting<'_>]); 6] = [
        ("unknown_key", &[("no.such.config", Some("1"))]),
        ("bad_value", &[("retention.ms", Some("soon"))]),
        ("null_value", &[("retention.ms", None)]),
        ("good_and_bad", &[("max.message.bytes", Some("8000")), ("retention.ms", Some("soon"))]),
        ("empty_key", &[("", Some("1"))]),
        ("key_twice", &[("retention.ms", Some("1000")), ("retention.ms", Some("2000"))]),
    ];
    for (step, configs) in cases {
        s.step(step, &replace(TOPIC, &a, configs).with_validate_only(step == "key_twice"))?;
    }
    let set: &[Setting<'_>] = &[("retention.ms", Some("7000"))];
    s.step("validate_only", &replace(TOPIC, &a, set).with_validate_only(true))?;
    s.step("unknown_topic", &replace(TOPIC, &s.name("x").0, set))?;
    s.step("ill_named_topic", &replace(TOPIC, &text("a/b"), set))?;
    s.step("no_such_resource", &replace(NO_RESOURCE, &a, set))?;
    // Kafka never answers this one, so it is asked once only.
    if s.version == 2 {
        let both = replace(TOPIC, &a, set).resources;
        let twice = both.clone().into_iter().chain(both).collect();
        s.step("one_twice", &AlterConfigsRequest::default().with_resources(twice))?;
    }
    show(s, "after_refusals", &a)?;
    s.step("all_taken_away", &replace(TOPIC, &a, &[]))?;
    show(s, "after_all", &a)
}
