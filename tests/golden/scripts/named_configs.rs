//! Configs of groups and of subscriptions to client metrics, and `ListConfigResources`.

use kafka_protocol::messages::ListConfigResourcesRequest;
use kafka_protocol::protocol::StrBytes;

use super::configs::{APPEND, Change, DELETE, SET, SUBTRACT, TOPIC, change, read, replace};
use crate::session::{Session, text};

const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Records what a group or a subscription is configured with, once changes are seen.
fn show(s: &mut Session, step: &str, kind: i8, name: &StrBytes) -> Result<(), String> {
    s.settle()?;
    s.step(step, &read(kind, name.clone(), None).with_include_synonyms(true)).map(drop)
}

/// Makes `changes` one request after another, each a step.
fn each(s: &mut Session, kind: i8, name: &StrBytes, changes: &[(&str, Change<'_>)]) -> Result<(), String> {
    for (step, one) in changes {
        s.step(step, &change(kind, name, &[*one]))?;
    }
    Ok(())
}

pub(crate) fn group(s: &mut Session) -> Result<(), String> {
    let (g, session) = (s.name("g").0, "consumer.session.timeout.ms");
    show(s, "untouched", GROUP, &g)?;
    s.step("some_keys", &read(GROUP, g.clone(), Some(&["share.isolation.level", "no.such"])))?;
    s.step("nameless", &read(GROUP, text(""), None))?;
    each(
        s,
        GROUP,
        &g,
        &[
            ("set", (SET, session, Some("50000"))),
            ("set_another", (SET, "share.isolation.level", Some("read_committed"))),
        ],
    )?;
    show(s, "after_set", GROUP, &g)?;
    each(
        s,
        GROUP,
        &g,
        &[
            ("no_number", (SET, session, Some("x"))),
            ("zero", (SET, session, Some("0"))),
            ("below_the_brokers_limit", (SET, session, Some("44999"))),
            ("above_the_brokers_limit", (SET, session, Some("60001"))),
            ("heartbeat_below", (SET, "consumer.heartbeat.interval.ms", Some("4999"))),
            ("assignment_above", (SET, "consumer.assignment.interval.ms", Some("15001"))),
            ("locks_too_few", (SET, "share.partition.max.record.locks", Some("99"))),
            ("deliveries_too_many", (SET, "share.delivery.count.limit", Some("11"))),
            ("standbys_too_many", (SET, "streams.num.standby.replicas", Some("3"))),
            ("no_boolean", (SET, "share.renew.acknowledge.enable", Some("1"))),
            ("no_such_level", (SET, "share.isolation.level", Some("some"))),
            ("reset_to_nothing", (SET, "share.auto.offset.reset", Some("none"))),
            ("reset_by_duration", (SET, "share.auto.offset.reset", Some("by_duration:PT1H"))),
            ("reset_by_negative_duration", (SET, "share.auto.offset.reset", Some("by_duration:-PT1H"))),
            ("unknown_key", (SET, "no.such", Some("1"))),
            ("null_value", (SET, session, None)),
            ("append", (APPEND, session, Some("1"))),
            ("delete_unknown_key", (DELETE, "no.such", None)),
        ],
    )?;
    s.step("nameless_set", &change(GROUP, &text(""), &[(SET, session, Some("50000"))]))?;
    let only = change(GROUP, &g, &[(SET, session, Some("46000"))]).with_validate_only(true);
    s.step("validate_only", &only)?;
    s.step("delete", &change(GROUP, &g, &[(DELETE, session, None)]))?;
    show(s, "after_all", GROUP, &g)
}

pub(crate) fn client_metrics(s: &mut Session) -> Result<(), String> {
    let m = s.name("m").0;
    show(s, "untouched", CLIENT_METRICS, &m)?;
    s.step("nameless", &read(CLIENT_METRICS, text(""), None))?;
    let all: &[Change<'_>] = &[
        (SET, "metrics", Some(" a.b , c ")),
        (SET, "interval.ms", Some("1000")),
        (SET, "match", Some("client_software_name=x.*")),
    ];
    s.step("set", &change(CLIENT_METRICS, &m, all))?;
    show(s, "after_set", CLIENT_METRICS, &m)?;
    each(
        s,
        CLIENT_METRICS,
        &m,
        &[
            ("interval_too_short", (SET, "interval.ms", Some("99"))),
            ("interval_too_long", (SET, "interval.ms", Some("3600001"))),
            ("interval_no_number", (SET, "interval.ms", Some("x"))),
            ("match_by_nothing_known", (SET, "match", Some("foo=1"))),
            ("match_without_pattern", (SET, "match", Some("client_id"))),
            ("match_with_a_broken_pattern", (SET, "match", Some("client_id=["))),
            ("metrics_with_an_empty_one", (SET, "metrics", Some("a,,b"))),
            ("append", (APPEND, "metrics", Some("d"))),
            ("subtract", (SUBTRACT, "metrics", Some("c"))),
            ("unknown_key", (SET, "no.such", Some("1"))),
            ("match_all", (SET, "match", Some(""))),
        ],
    )?;
    s.step("nameless_set", &change(CLIENT_METRICS, &text(""), &[(SET, "interval.ms", Some("1000"))]))?;
    show(s, "after_all", CLIENT_METRICS, &m)
}

pub(crate) fn replaced(s: &mut Session) -> Result<(), String> {
    let (g, m) = (s.name("g").0, s.name("m").0);
    let key = "share.record.lock.duration.ms";
    s.ask(&change(GROUP, &g, &[(SET, "share.isolation.level", Some("read_committed"))]))?;
    s.step("group", &replace(GROUP, &g, &[(key, Some("20000"))]))?;
    s.step("group_bad_value", &replace(GROUP, &g, &[(key, Some("1"))]))?;
    show(s, "after_group", GROUP, &g)?;
    s.step("subscription", &replace(CLIENT_METRICS, &m, &[("interval.ms", Some("5000"))]))?;
    s.step("subscription_unknown_key", &replace(CLIENT_METRICS, &m, &[("no.such", Some("1"))]))?;
    s.step("nameless_group", &replace(GROUP, &text(""), &[(key, Some("20000"))]))?;
    s.step("nameless_subscription", &replace(CLIENT_METRICS, &text(""), &[("interval.ms", Some("5000"))]))?;
    s.step("all_of_the_subscription_taken_away", &replace(CLIENT_METRICS, &m, &[]))?;
    show(s, "after_all", CLIENT_METRICS, &m)
}

pub(crate) fn list(s: &mut Session) -> Result<(), String> {
    s.topic("t", 1, &[])?;
    let (g, m) = (s.name("g").0, s.name("m").0);
    s.ask(&change(GROUP, &g, &[(SET, "share.isolation.level", Some("read_committed"))]))?;
    s.ask(&change(CLIENT_METRICS, &m, &[(SET, "interval.ms", Some("5000"))]))?;
    s.settle()?;
    let asked = |kinds: &[i8]| ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
    s.step("all", &asked(&[]))?;
    if s.version >= 1 {
        for kind in [TOPIC, BROKER, 8, CLIENT_METRICS, GROUP, -1, 0, 1, 99] {
            s.step(&format!("kind_{kind}"), &asked(&[kind]))?;
        }
        s.step("two_kinds_one_twice", &asked(&[GROUP, TOPIC, GROUP]))?;
        s.step("known_and_unknown_kind", &asked(&[GROUP, 99]))?;
    }
    s.ask(&change(GROUP, &g, &[(DELETE, "share.isolation.level", None)]))?;
    s.ask(&change(CLIENT_METRICS, &m, &[(DELETE, "interval.ms", None)]))?;
    s.settle()?;
    s.step("after_all_was_taken_away", &asked(&[])).map(drop)
}
