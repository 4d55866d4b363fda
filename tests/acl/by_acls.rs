//! The rows by ACLs, which this makes and deletes: of a Bateau, and of a Kafka for which they have to hold first.
//! `ACL_BROKER` is the address of one that runs and has no topics yet, with an authorizer, a super user `admin` and a user
//! `bob`, who come by PLAIN with the password of these tests.

use std::env;
use std::net::SocketAddr;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest};

use crate::client::{Client, text};
use crate::hidden::{DESCRIBE, NOT_ASKED, READ, groups, operations, pages, topics};
use crate::matrix::{CLUSTER_DENIED, GROUP_DENIED, NONE, Permission, TOPIC_DENIED, Topics, rows};
use crate::node::{ADMIN, Node};
use crate::of_groups;

/// Codes of Kafka for patterns, permissions, and whatever a filter takes.
const LITERAL: i8 = 3;
const ALLOW: i8 = 3;
const ANY: i8 = 1;

/// A binding that lets bob do what a line of a policy says.
fn binding((object, action): Permission) -> AclCreation {
    let (kind, name) = match object.split_once(':') {
        Some(("group", name)) => (3, name),
        Some((_, name)) => (4, name),
        None => (2, object),
    };
    let operation = match action {
        "read" | "consume" => 3,
        "write" | "produce" => 4,
        "create" => 5,
        "delete" => 6,
        "alter" => 7,
        "describe" => 8,
        "clusteraction" => 9,
        "describeconfigs" => 10,
        "alterconfigs" => 11,
        "idempotentwrite" => 12,
        other => panic!("no operation of Kafka's: {other}"),
    };
    AclCreation::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_resource_pattern_type(LITERAL)
        .with_principal(text("User:bob"))
        .with_host(text("*"))
        .with_operation(operation)
        .with_permission_type(ALLOW)
}

fn only(admin: &mut Client, permissions: &[Permission]) {
    let everything = DeleteAclsFilter::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let deleted = admin.call(2, &DeleteAclsRequest::default().with_filters(vec![everything]));
    assert_eq!(deleted.filter_results[0].error_code, NONE);
    let creations = permissions.iter().copied().map(binding).collect();
    let created = admin.call(2, &CreateAclsRequest::default().with_creations(creations));
    assert!(created.results.iter().all(|result| result.error_code == NONE), "{created:?}");
}

#[test]
fn the_rows_hold_by_acls_too() {
    let node = Node::start(&[], &["bob"]);
    hold(node.kafka);
}

#[test]
fn the_rows_hold_for_a_broker_that_runs() {
    if let Ok(address) = env::var("ACL_BROKER") {
        hold(address.parse().unwrap());
    }
}

fn hold(address: SocketAddr) {
    let mut admin = Client::at(address, ADMIN);
    let there = Topics { orders: admin.create_topic("orders"), doomed: admin.create_topic("doomed-by-id") };
    admin.create_topic("doomed");
    of_groups::commit_as(&mut admin);
    let mut wrong = Vec::new();
    for row in rows() {
        let with = [row.given, &[row.needs]].concat();
        for (permissions, expected) in [(row.given, row.denied), (&with, row.allowed)] {
            only(&mut admin, permissions);
            let code = (row.call)(&mut Client::at(address, "bob"), &there);
            let is_denied = [TOPIC_DENIED, GROUP_DENIED, CLUSTER_DENIED].contains(&code);
            if code != expected {
                let what = if is_denied { "denied" } else { "allowed" };
                wrong.push(format!("{} with {permissions:?}: {what}, {code}, not {expected}", row.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    only(&mut admin, &[]);
    let mut bob = Client::at(address, "bob");
    assert_eq!(operations(&mut bob), [NOT_ASKED, 0, 0, NOT_ASKED]);
    assert!(topics(&mut bob).is_empty() && pages(&mut bob).is_empty() && groups(&mut bob).is_empty());
    only(&mut admin, &[("orders", "read"), ("group:billing", "describe")]);
    assert_eq!(topics(&mut bob), ["orders"]);
    assert_eq!(pages(&mut bob), ["orders"]);
    assert_eq!(groups(&mut bob), ["billing"]);
    only(
        &mut admin,
        &[("orders", "read"), ("group:billing", "describe"), ("cluster:kafka-cluster", "describe")],
    );
    assert_eq!(operations(&mut bob), [READ | DESCRIBE, DESCRIBE, DESCRIBE, DESCRIBE]);
    only(&mut admin, &[]);
}
