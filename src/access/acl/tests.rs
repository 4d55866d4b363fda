//! Kafka's rules one by one, and the index, the filters and the lines against their definitions.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::access::{Operation, PatternType, Principal, Resource, ResourceKind, WILDCARD};

fn acls(lines: &[&str]) -> Acls {
    lines.iter().map(|line| line.parse::<AclBinding>().unwrap()).collect()
}

fn principal(text: &str) -> Principal {
    let (kind, name) = text.split_once(':').unwrap();
    Principal { kind: kind.into(), name: name.into() }
}

fn host(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What `lines` say to alice at 10.0.0.1: "allowed", "denied" or "silent".
fn say(lines: &[&str], operation: Operation, resource: Resource<'_>) -> &'static str {
    asked_by("User:alice", "10.0.0.1", lines, operation, resource)
}

fn asked_by(
    who: &str,
    at: &str,
    lines: &[&str],
    operation: Operation,
    resource: Resource<'_>,
) -> &'static str {
    match acls(lines).allows(&principal(who), host(at), operation, resource) {
        Verdict::Denied(_) => "denied",
        Verdict::Allowed => "allowed",
        Verdict::Silent => "silent",
    }
}

const READ: Operation = Operation::Read;
const ORDERS: Resource<'static> = Resource::topic("orders");

#[test]
fn a_literal_binding_is_about_its_resource_alone() {
    let lines = ["p, User:alice, topic:orders, read, allow"];
    assert_eq!(say(&lines, READ, ORDERS), "allowed");
    assert_eq!(say(&lines, READ, Resource::topic("orders2")), "silent");
    assert_eq!(say(&lines, READ, Resource::topic("order")), "silent");
    assert_eq!(say(&lines, READ, Resource::group("orders")), "silent");
    assert_eq!(say(&lines, Operation::Write, ORDERS), "silent");
}

#[test]
fn a_prefixed_binding_is_about_every_name_that_begins_so() {
    let lines = ["p, User:alice, topic:ord, read, allow, *, prefixed"];
    for (name, said) in [("ord", "allowed"), ("orders", "allowed"), ("or", "silent"), ("xord", "silent")] {
        assert_eq!(say(&lines, READ, Resource::topic(name)), said, "{name}");
    }
}

#[test]
fn a_star_is_every_name_if_it_is_literal_and_a_letter_if_it_is_a_prefix() {
    let literal = ["p, User:alice, group:*, read, allow"];
    assert_eq!(say(&literal, READ, Resource::group("billing")), "allowed");
    let prefixed = ["p, User:alice, group:*, read, allow, *, prefixed"];
    assert_eq!(say(&prefixed, READ, Resource::group("billing")), "silent");
    assert_eq!(say(&prefixed, READ, Resource::group("*billing")), "allowed");
}

#[test]
fn a_deny_comes_before_every_allow_wherever_it_is() {
    let allows = ["p, User:alice, topic:orders, all, allow", "p, User:*, topic:*, all, allow"];
    for deny in [
        "p, User:alice, topic:orders, read, deny",
        "p, User:alice, topic:or, read, deny, *, prefixed",
        "p, User:alice, topic:*, read, deny",
        "p, User:*, topic:orders, all, deny",
        "p, User:*, topic:*, all, deny, 10.0.0.1",
    ] {
        let lines = [allows[0], deny, allows[1]];
        assert_eq!(say(&lines, READ, ORDERS), "denied", "{deny}");
        let found = acls(&lines);
        let verdict = found.allows(&principal("User:alice"), host("10.0.0.1"), READ, ORDERS);
        assert_eq!(verdict, Verdict::Denied(&deny.parse().unwrap()));
    }
}

#[test]
fn user_star_is_everybody_whatever_kind_and_a_star_of_another_kind_is_nobody() {
    let lines = ["p, User:*, topic:orders, read, allow", "p, Group:*, topic:orders, write, allow"];
    for who in ["User:alice", "User:ANONYMOUS", "Group:ops"] {
        assert_eq!(asked_by(who, "10.0.0.1", &lines, READ, ORDERS), "allowed", "{who}");
        assert_eq!(asked_by(who, "10.0.0.1", &lines, Operation::Write, ORDERS), "silent", "{who}");
    }
}

#[test]
fn principals_differ_by_kind_and_by_case() {
    let lines = ["p, User:alice, topic:orders, read, allow"];
    for who in ["Group:alice", "User:Alice", "user:alice", "User:alice2"] {
        assert_eq!(asked_by(who, "10.0.0.1", &lines, READ, ORDERS), "silent", "{who}");
    }
}

#[test]
fn a_binding_with_a_host_is_about_that_address_however_it_is_written() {
    let lines = ["p, User:alice, topic:orders, read, deny, 10.0.0.1"];
    assert_eq!(asked_by("User:alice", "10.0.0.1", &lines, READ, ORDERS), "denied");
    assert_eq!(asked_by("User:alice", "::ffff:10.0.0.1", &lines, READ, ORDERS), "denied");
    assert_eq!(asked_by("User:alice", "10.0.0.2", &lines, READ, ORDERS), "silent");
    // Java writes an IPv6 address in full.
    let lines = ["p, User:alice, topic:orders, read, deny, 0:0:0:0:0:0:0:1"];
    assert_eq!(asked_by("User:alice", "::1", &lines, READ, ORDERS), "denied");
    let lines = ["p, User:alice, topic:orders, read, deny, a.host.name"];
    assert_eq!(asked_by("User:alice", "::1", &lines, READ, ORDERS), "silent");
}

#[test]
fn what_is_allowed_implies_describe_and_what_is_denied_implies_nothing() {
    let describe = Operation::Describe;
    for (operation, implied) in [
        ("read", true),
        ("write", true),
        ("delete", true),
        ("alter", true),
        ("all", true),
        ("create", false),
        ("alterconfigs", false),
        ("describeconfigs", false),
    ] {
        let allow = format!("p, User:alice, topic:orders, {operation}, allow");
        assert_eq!(say(&[&allow], describe, ORDERS) == "allowed", implied, "{operation}");
        let deny = format!("p, User:alice, topic:orders, {operation}, deny");
        assert_eq!(say(&[&deny], describe, ORDERS) == "denied", operation == "all", "{operation}");
    }
    let lines = ["p, User:alice, topic:orders, alterconfigs, allow"];
    assert_eq!(say(&lines, Operation::DescribeConfigs, ORDERS), "allowed");
    let lines = ["p, User:alice, topic:orders, describeconfigs, allow"];
    assert_eq!(say(&lines, Operation::AlterConfigs, ORDERS), "silent");
}

#[test]
fn any_resource_of_a_kind_is_one_that_is_allowed_and_not_wholly_denied() {
    let any = |lines: &[&str]| {
        let acls = acls(lines);
        let verdict = acls.allows_any_of_kind(
            &principal("User:alice"),
            host("10.0.0.1"),
            Operation::Write,
            ResourceKind::Topic,
        );
        verdict == Verdict::Allowed
    };
    let literal = "p, User:alice, topic:orders, write, allow";
    let prefixed = "p, User:alice, topic:ord, write, allow, *, prefixed";
    assert!(!any(&[]));
    assert!(any(&[literal]) && any(&[prefixed]) && any(&["p, User:*, topic:*, all, allow"]));
    assert!(!any(&["p, User:alice, topic:orders, read, allow", "p, User:bob, topic:orders, write, allow"]));
    assert!(!any(&[literal, "p, User:alice, topic:orders, write, deny"]));
    assert!(!any(&[literal, "p, User:*, topic:o, all, deny, *, prefixed"]));
    assert!(!any(&[literal, "p, User:alice, topic:*, write, deny"]));
    assert!(any(&[literal, "p, User:alice, topic:orders, write, deny, 10.0.0.2"]));
    assert!(any(&[prefixed, "p, User:alice, topic:ord, write, deny"]));
    assert!(any(&[prefixed, "p, User:alice, topic:orders, write, deny, *, prefixed"]));
    assert!(!any(&[prefixed, "p, User:alice, topic:ord, write, deny, *, prefixed"]));
}

#[test]
fn a_resource_is_covered_by_any_binding_that_matches_its_name() {
    let acls = acls(&[
        "p, User:bob, topic:orders, read, deny, 10.9.9.9",
        "p, User:bob, topic:pre, read, allow, *, prefixed",
        "p, User:bob, group:*, read, allow",
    ]);
    assert!(acls.cover(ORDERS) && acls.cover(Resource::topic("prefix")) && acls.cover(Resource::group("x")));
    assert!(!acls.cover(Resource::topic("order")) && !acls.cover(Resource::cluster()));
}

#[test]
fn a_binding_is_refused_for_what_kafka_refuses() {
    let good: AclBinding = "p, User:alice, topic:orders, read, allow".parse().unwrap();
    let with = |change: &dyn Fn(&mut AclBinding)| {
        let mut binding = good.clone();
        change(&mut binding);
        binding.check()
    };
    assert_eq!(good.check(), Ok(()));
    for kind in [ResourceKind::Any, ResourceKind::Unknown] {
        assert_eq!(with(&|it| it.kind = kind), Err(AclError::Kind(kind)));
    }
    for pattern in [PatternType::Any, PatternType::Match, PatternType::Unknown] {
        assert_eq!(with(&|it| it.pattern = pattern), Err(AclError::Pattern(pattern)));
    }
    for operation in [Operation::Any, Operation::Unknown] {
        assert_eq!(with(&|it| it.operation = operation), Err(AclError::Operation(operation)));
    }
    for permission in [Permission::Any, Permission::Unknown] {
        assert_eq!(with(&|it| it.permission = permission), Err(AclError::Permission(permission)));
    }
    assert_eq!(with(&|it| it.name.clear()), Err(AclError::EmptyName));
    assert_eq!(with(&|it| it.principal = "alice".into()), Err(AclError::Principal("alice".into())));
    assert_eq!(with(&|it| it.principal = "User:".into()), Ok(()));
    assert_eq!(with(&|it| it.host = "a.host.name".into()), Ok(()));
    assert_eq!(with(&|it| it.kind = ResourceKind::Cluster), Err(AclError::ClusterName("orders".into())));
    let long = "x".repeat(MAX_FIELD + 1);
    let refused = Err(AclError::TooLong { field: "name", bytes: MAX_FIELD + 1 });
    assert_eq!(with(&|it| it.name.clone_from(&long)), refused);
}

#[test]
fn a_filter_of_an_unknown_code_is_refused_and_one_of_any_finds_everything() {
    assert_eq!(AclFilter::ANY.check(), Ok(()));
    let unknown = AclFilter { operation: Operation::from_code(99), ..AclFilter::ANY };
    assert_eq!(unknown.check(), Err(AclError::UnknownInFilter("operation")));
    let lines = ["p, User:a, topic:t, read, allow", "p, User:b, cluster:kafka-cluster, alter, deny, 1.2.3.4"];
    assert_eq!(acls(&lines).matching(&AclFilter::ANY).count(), 2);
}

#[test]
fn a_filter_takes_patterns_as_kafkas_does() {
    use PatternType::{Any, Literal, Match, Prefixed};
    let lines = [
        "p, User:alice, topic:*, read, allow, *, literal",
        "p, User:alice, topic:orders, read, allow, *, literal",
        "p, User:alice, topic:ord, read, allow, *, prefixed",
        "p, User:alice, topic:orders, read, allow, *, prefixed",
        "p, User:alice, topic:orders2, read, allow, *, prefixed",
    ];
    let acls = acls(&lines);
    let found = |pattern, name: Option<&str>| {
        let filter = AclFilter { pattern, name: name.map(str::to_owned), ..AclFilter::ANY };
        lines.map(|line| acls.matching(&filter).any(|binding| binding.to_string() == line))
    };
    assert_eq!(found(Match, Some("orders")), [true, true, true, true, false]);
    assert_eq!(found(Match, Some("*")), [true, false, false, false, false]);
    assert_eq!(found(Match, None), [true; 5]);
    assert_eq!(found(Any, Some("orders")), [false, true, false, true, false]);
    assert_eq!(found(Literal, Some("orders")), [false, true, false, false, false]);
    assert_eq!(found(Prefixed, Some("orders")), [false, false, false, true, false]);
    assert_eq!(found(Literal, None), [true, true, false, false, false]);
    assert_eq!(found(Literal, Some("*")), [true, false, false, false, false]);
}

#[test]
fn a_filter_compares_principal_and_host_as_text() {
    let lines = ["p, User:*, topic:t, read, allow", "p, User:alice, topic:t, read, deny, 10.0.0.1"];
    let acls = acls(&lines);
    let count = |filter: AclFilter| acls.matching(&filter).count();
    assert_eq!(count(AclFilter { principal: Some("User:alice".into()), ..AclFilter::ANY }), 1);
    assert_eq!(count(AclFilter { host: Some(WILDCARD.into()), ..AclFilter::ANY }), 1);
    assert_eq!(count(AclFilter { permission: Permission::Deny, ..AclFilter::ANY }), 1);
    assert_eq!(count(AclFilter { operation: Operation::All, ..AclFilter::ANY }), 0);
}

#[test]
fn a_line_is_short_for_all_hosts_and_literal_and_says_what_it_lacks() {
    let short: AclBinding = "p, User:alice, topic:orders, READ, allow".parse().unwrap();
    assert_eq!(short.to_string(), "p, User:alice, topic:orders, read, allow, *, literal");
    let named: AclBinding = "p,\"User:CN=a, O=b\",topic:t,all,deny,10.0.0.1,prefixed".parse().unwrap();
    assert_eq!(named.to_string(), "p, \"User:CN=a, O=b\", topic:t, all, deny, 10.0.0.1, prefixed");
    for (line, told) in [
        ("", "a line has 5 to 7 fields, this one 1"),
        ("g, User:a, topic:t, read, allow", "a line begins with p, not with \"g\""),
        ("p, alice, topic:t, read, allow", "principal \"alice\" has no colon between its type and its name"),
        (
            "p, User:a, orders, read, allow",
            "object \"orders\" is not of the form kind:name, with one of Kafka's resource types as kind",
        ),
        ("p, User:a, topic:t, produce, allow", "\"produce\" is no operation"),
        ("p, User:a, topic:t, any, allow", "an ACL cannot be about operation any"),
        ("p, User:a, topic:t, read, any", "the effect is allow or deny, not \"any\""),
        ("p, User:a, topic:t, read, allow, *, match", "an ACL cannot have pattern type match"),
        (
            "p, User:a, topic:%4, read, allow",
            "in field \"%4\" a percent sign is not followed by the two digits of a byte, or the bytes are no text",
        ),
        (
            "p, User:a, topic:%ff, read, allow",
            "in field \"%ff\" a percent sign is not followed by the two digits of a byte, or the bytes are no text",
        ),
        ("p, User:a, topic:, read, allow", "the name of a resource is empty"),
    ] {
        assert_eq!(line.parse::<AclBinding>().unwrap_err().to_string(), told, "{line}");
    }
}

fn operations() -> impl Strategy<Value = Operation> {
    (2_i8..=15).prop_map(Operation::from_code)
}

prop_compose! {
    pub(in crate::access) fn bindings()(
        kind in 2_i8..=4,
        name in "[*ab]{1,3}",
        pattern in 3_i8..=4,
        principal in prop::sample::select(vec!["User:alice", "User:bob", "User:*", "Group:alice"]),
        host in prop::sample::select(vec!["*", "*", "10.0.0.1", "10.0.0.2", "name"]),
        operation in operations(),
        permission in prop::sample::select(vec![Permission::Allow, Permission::Allow, Permission::Deny]),
    ) -> AclBinding {
        let kind = ResourceKind::from_code(kind);
        let name = if kind == ResourceKind::Cluster { "kafka-cluster".into() } else { name };
        let (principal, host) = (principal.into(), host.into());
        AclBinding { kind, name, pattern: PatternType::from_code(pattern), principal, host, operation, permission }
    }
}

/// Kafka's rules as they are told, over all bindings.
fn scan(
    bindings: &[AclBinding],
    who: &str,
    at: &str,
    operation: Operation,
    resource: Resource<'_>,
) -> (bool, bool) {
    let concerned = |binding: &&AclBinding| {
        let name = match binding.pattern {
            PatternType::Literal => binding.name == resource.name || binding.name == "*",
            _ => resource.name.starts_with(&binding.name),
        };
        binding.kind == resource.kind
            && name
            && (binding.principal == who || binding.principal == "User:*")
            && (binding.host == at || binding.host == "*")
    };
    let mut verdict = (false, false);
    for binding in bindings.iter().filter(concerned) {
        verdict.0 |= binding.denies(operation);
        verdict.1 |= binding.allows(operation);
    }
    verdict
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_verdict_is_that_of_a_scan_of_all_bindings(
        bindings in prop::collection::vec(bindings(), 0..40),
        questions in prop::collection::vec((2_i8..=4, "[*abc]{0,4}", operations()), 20),
    ) {
        let acls: Acls = bindings.iter().cloned().collect();
        for (kind, name, operation) in questions {
            let kind = ResourceKind::from_code(kind);
            let resource = Resource { kind, name: if kind == ResourceKind::Cluster { "kafka-cluster" } else { &name } };
            for (who, at) in [("User:alice", "10.0.0.1"), ("Group:alice", "10.0.0.2"), ("User:carol", "10.0.0.3")] {
                let (denied, allowed) = scan(&bindings, who, at, operation, resource);
                let verdict = acls.allows(&principal(who), host(at), operation, resource);
                match verdict {
                    Verdict::Denied(by) => prop_assert!(denied && by.denies(operation)),
                    Verdict::Allowed => prop_assert!(!denied && allowed),
                    Verdict::Silent => prop_assert!(!denied && !allowed),
                }
            }
        }
    }

    #[test]
    fn every_valid_binding_comes_back_from_its_line(
        binding in bindings(), name in "\\PC{1,12}|[\\x00-\\x7f]{1,8}", user in "[\\x00-\\x7f]{0,8}", host in any::<String>(),
    ) {
        let name = if binding.kind == ResourceKind::Cluster { binding.name } else { name };
        let binding = AclBinding { name, principal: format!("User:{user}"), host, ..binding };
        prop_assume!(binding.check().is_ok());
        let line = binding.to_string();
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        prop_assert_eq!(line.parse::<AclBinding>(), Ok(binding), "{}", line);
    }

    #[test]
    fn no_text_makes_the_line_reader_panic(text in any::<String>(), odd in "p?[,\" %:a-z]{0,40}") {
        for line in [text, odd] {
            if let Ok(binding) = line.parse::<AclBinding>() {
                prop_assert_eq!(binding.check(), Ok(()));
            }
        }
    }
}
