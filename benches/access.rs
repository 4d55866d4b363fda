//! What a decision costs: `cargo bench --bench access`. Prints nanoseconds, each the mean of many, on one
//! thread.
//!
//! A question that the connection's Memo knows, one that it does not, with 10,000 bindings; the book's policy
//! and one with roles, which Casbin evaluates line by line; and what it takes to index all bindings when one
//! changes.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use bateau::access::acl::{AclBinding, Acls, Permission};
use bateau::access::policy::{Policy, Source};
use bateau::access::{Authorizer, Memo, Operation, PatternType, Principal, Resource, ResourceKind, Rules};
use tokio::time::Instant;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

const PLAIN: &str = "r.sub == p.sub && r.obj == p.obj && r.act == p.act";
const ROLES: &str = "g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && r.act == p.act";

fn main() {
    let authorizer = Authorizer::new(Rules { acls: acls(10_000).into(), ..Rules::default() });
    let alice = user("user-7");
    let mut memo = Memo::new(alice.clone(), HOST);
    let (known, other) = (Resource::topic("orders.7.3"), Resource::topic("orders.7.unknown"));
    let read = Operation::Read;
    measure("memo, known", 2_000_000, || memo.allows(Some(&authorizer), read, known));
    let names: Vec<_> = (0..1_000).map(|number| format!("orders.7.{number}")).collect();
    let mut turn = names.iter().cycle();
    measure("memo, not known, and full again and again", 200_000, || {
        let name = turn.next().map_or("", String::as_str);
        memo.allows(Some(&authorizer), read, Resource::topic(name))
    });
    measure("10,000 bindings, allowed", 500_000, || authorizer.allows(&alice, HOST, read, known));
    measure("10,000 bindings, silent", 500_000, || authorizer.allows(&alice, HOST, read, other));
    measure("10,000 bindings, authorized operations", 100_000, || {
        authorizer.operations(&alice, HOST, known) != 0
    });
    measure("10,000 bindings, any topic", 100_000, || {
        authorizer.allows_any_of_kind(&alice, HOST, Operation::Alter, ResourceKind::Topic)
    });
    for count in [10_000, 100_000] {
        measure(&format!("index of {count} bindings"), 3, || !acls(count).is_empty());
    }
    for (name, matcher, lines) in [
        ("the book's model, 10,000 lines", PLAIN, 10_000),
        ("roles and patterns, 10 lines", ROLES, 10),
        ("roles and patterns, 1,000 lines", ROLES, 1_000),
    ] {
        let policy = policy(matcher, lines);
        let rounds = if matcher == PLAIN { 200_000 } else { 100_000 / lines };
        measure(&format!("{name}, allowed"), rounds, || policy.allows(&user("user-7"), read, known));
        measure(&format!("{name}, not allowed"), rounds, || policy.allows(&user("nobody"), read, known));
    }
}

fn measure(name: &str, rounds: u32, mut once: impl FnMut() -> bool) {
    black_box(once());
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(once());
    }
    println!("{name:<48} {:>12} ns", (begun.elapsed() / rounds).as_nanos());
}

fn user(name: &str) -> Principal {
    Principal { kind: "User".into(), name: name.into() }
}

/// A hundred users with as many bindings each; one in ten is a prefix, one in a hundred denies.
fn acls(count: usize) -> Acls {
    let binding = |number: usize| {
        let (who, what) = (number % 100, number / 100);
        AclBinding {
            kind: ResourceKind::Topic,
            name: format!("orders.{who}.{what}"),
            pattern: if what % 10 == 9 { PatternType::Prefixed } else { PatternType::Literal },
            principal: if who == 0 { "User:*".into() } else { format!("User:user-{who}") },
            host: "*".into(),
            operation: Operation::Read,
            permission: if what % 100 == 50 { Permission::Deny } else { Permission::Allow },
        }
    };
    (0..count).map(binding).collect()
}

fn policy(matcher: &str, lines: u32) -> Policy {
    let model = format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n[role_definition]\ng = _, _\n\
         [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = {matcher}\n"
    );
    let line = |number: u32| format!("p, user-{}, orders.{number}.*, consume\n", number % 100);
    let last = "p, user-7, *, consume\n".to_owned();
    let text: String = (1..lines).map(line).chain([last]).collect();
    Policy::load(Source { file: "model", text: &model }, Source { file: "policy", text: &text }).unwrap()
}
