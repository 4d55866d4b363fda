//! The Authorizer: the order of its decisions, and Kafka's own authorizer as the judge.

use std::net::IpAddr;
use std::sync::Arc;

use super::acl::{AclBinding, Acls};
use super::policy::{Policy, Source};
use super::{Authorizer, Decision, Memo, Operation, Principal, Resource, ResourceKind, Rules};

const MODEL: &str = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
";

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ORDERS: Resource<'static> = Resource::topic("orders");

fn principal(text: &str) -> Principal {
    let (kind, name) = text.split_once(':').unwrap();
    Principal { kind: kind.into(), name: name.into() }
}

fn acls(lines: &[&str]) -> Arc<Acls> {
    Arc::new(lines.iter().map(|line| line.parse::<AclBinding>().unwrap()).collect())
}

fn policy(lines: &str) -> Policy {
    let model = Source { file: "model.conf", text: MODEL };
    Policy::load(model, Source { file: "policy.csv", text: lines }).unwrap()
}

#[test]
fn a_super_user_may_do_what_an_acl_denies() {
    let deny = "p, User:*, topic:*, all, deny";
    let rules = Rules { super_users: vec![principal("User:root")], acls: acls(&[deny]), ..Rules::default() };
    let authorizer = Authorizer::new(rules);
    let decide = |who| authorizer.decide(&principal(who), HERE, Operation::Write, ORDERS);
    assert_eq!(decide("User:root"), Decision::SuperUser);
    assert_eq!(decide("Group:root"), Decision::DeniedBy(&deny.parse().unwrap()));
    assert_eq!(decide("Group:root").to_string(), format!("denied by {deny}, *, literal"));
    assert!(authorizer.allows_any_of_kind(
        &principal("User:root"),
        HERE,
        Operation::Write,
        ResourceKind::Topic
    ));
    assert!(!authorizer.allows_any_of_kind(
        &principal("User:a"),
        HERE,
        Operation::Write,
        ResourceKind::Topic
    ));
    assert_eq!(
        authorizer.operations(&principal("User:root"), HERE, ORDERS),
        ResourceKind::Topic.operation_bits()
    );
}

#[test]
fn a_deny_of_kafkas_comes_before_the_policy_and_an_allow_of_either_before_the_default() {
    let lines = ["p, User:alice, topic:orders, write, deny", "p, User:bob, topic:orders, write, allow"];
    let authorizer = Authorizer::new(Rules {
        acls: acls(&lines),
        policy: Some(Arc::new(policy("p, alice, *, produce\np, carol, *, produce\n"))),
        ..Rules::default()
    });
    let decide = |who, resource| authorizer.decide(&principal(who), HERE, Operation::Write, resource);
    assert!(matches!(decide("User:alice", ORDERS), Decision::DeniedBy(_)));
    assert_eq!(decide("User:alice", Resource::topic("other")), Decision::AllowedByPolicy);
    assert_eq!(decide("User:bob", ORDERS), Decision::AllowedByAcl);
    assert_eq!(decide("User:carol", ORDERS), Decision::AllowedByPolicy);
    assert_eq!(decide("User:dave", ORDERS), Decision::Denied);
    let any =
        |who| authorizer.allows_any_of_kind(&principal(who), HERE, Operation::Write, ResourceKind::Topic);
    assert!(any("User:alice") && any("User:bob") && any("User:carol") && !any("User:dave"));
}

#[test]
fn without_an_acl_on_a_resource_everybody_may_only_if_it_is_said_so() {
    let lines = ["p, User:bob, topic:orders, read, allow, 10.0.0.1"];
    for allow_if_no_acl in [false, true] {
        let authorizer = Authorizer::new(Rules { acls: acls(&lines), allow_if_no_acl, ..Rules::default() });
        let decide = |resource| authorizer.decide(&principal("User:alice"), HERE, Operation::Write, resource);
        let open = if allow_if_no_acl { Decision::NoAclFound } else { Decision::Denied };
        assert_eq!(decide(ORDERS), Decision::Denied);
        assert_eq!(decide(Resource::topic("other")), open);
        assert_eq!(decide(Resource::group("orders")), open);
    }
}

#[test]
fn authorized_operations_are_those_of_the_kind_that_are_allowed() {
    use Operation::{Alter, AlterConfigs, Describe, DescribeConfigs, Read};
    let lines = [
        "p, User:alice, topic:orders, read, allow",
        "p, User:alice, topic:orders, alterconfigs, allow",
        "p, User:alice, cluster:kafka-cluster, all, allow",
        "p, User:alice, cluster:kafka-cluster, alter, deny",
        "p, User:alice, group:g, all, allow",
    ];
    let authorizer = Authorizer::new(Rules { acls: acls(&lines), ..Rules::default() });
    let bits = |resource| authorizer.operations(&principal("User:alice"), HERE, resource);
    let of = |operations: &[Operation]| operations.iter().fold(0, |bits, operation| bits | operation.bit());
    assert_eq!(bits(ORDERS), of(&[Read, Describe, AlterConfigs, DescribeConfigs]));
    assert_eq!(bits(Resource::group("g")), ResourceKind::Group.operation_bits());
    assert_eq!(bits(Resource::cluster()), ResourceKind::Cluster.operation_bits() & !Alter.bit());
    assert_eq!(bits(Resource::topic("other")), 0);
    let mut memo = Memo::new(principal("User:alice"), HERE);
    assert_eq!(memo.operations(Some(&authorizer), ORDERS), bits(ORDERS));
}

#[test]
fn no_two_authorizers_are_of_one_generation() {
    let (one, other) = (Authorizer::new(Rules::default()), Authorizer::new(Rules::default()));
    assert_ne!(one.generation(), other.generation());
    assert_ne!(one.generation(), 0);
}

/// Bindings and questions made at random, with the answers of Kafka 4.3's `StandardAuthorizer`: denied by
/// default, and allowed if there is no ACL. `User:root` is a super user. A question is `? principal host
/// operation kind name = closed open`, or has `any kind` for a name.
const KAFKA: &str = include_str!("testdata/kafka-4.3-verdicts.txt");

#[test]
fn kafkas_own_authorizer_decides_the_same() {
    let mut asked = 0;
    for block in KAFKA.split("---\n").skip(1) {
        let lines: Vec<_> = block.lines().filter(|line| line.starts_with("p,")).collect();
        let make = |allow_if_no_acl| {
            let super_users = vec![principal("User:root")];
            Authorizer::new(Rules { super_users, acls: acls(&lines), policy: None, allow_if_no_acl })
        };
        let (closed, open) = (make(false), make(true));
        for line in block.lines().filter_map(|line| line.strip_prefix("? ")) {
            let words: Vec<_> = line.split(' ').collect();
            let [who, at, operation, kind, name, "=", on_closed, on_open] = words[..] else {
                panic!("{line}");
            };
            let (who, at, operation) =
                (principal(who), at.parse().unwrap(), Operation::parse(operation).unwrap());
            let ask = |authorizer: &Authorizer| match kind {
                "any" => {
                    authorizer.allows_any_of_kind(&who, at, operation, ResourceKind::parse(name).unwrap())
                }
                kind => {
                    let resource = Resource { kind: ResourceKind::parse(kind).unwrap(), name };
                    authorizer.allows(&who, at, operation, resource)
                }
            };
            let said = |allowed: bool| if allowed { "allowed" } else { "denied" };
            assert_eq!((said(ask(&closed)), said(ask(&open))), (on_closed, on_open), "{lines:#?}\n{line}");
            asked += 1;
        }
    }
    assert!(asked >= 200, "{asked}");
}
