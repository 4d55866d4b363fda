//! The words in which a question of Kafka's is put to Casbin.

use std::borrow::Cow;

use crate::access::{Operation, Principal, Resource, ResourceKind, WILDCARD};

/// The subject: a user by name alone, everybody else with the kind ("Group:ops"). A user whose name has a
/// colon is written with the kind too, and so cannot be taken for another one.
pub(super) fn subject_of(principal: &Principal) -> Cow<'_, str> {
    let alone = principal.kind == "User" && !principal.name.is_empty() && !principal.name.contains(':');
    if alone { Cow::Borrowed(&principal.name) } else { Cow::Owned(principal.to_string()) }
}

/// The objects: `*`, and the resource; a topic by its name alone (which never has a colon), others with the
/// kind.
pub(super) fn objects_of(resource: Resource<'_>) -> [Cow<'_, str>; 2] {
    let alone = resource.kind == ResourceKind::Topic && !resource.name.contains(':');
    let itself = if alone {
        Cow::Borrowed(resource.name)
    } else {
        Cow::Owned(format!("{}:{}", resource.kind.name(), resource.name))
    };
    [Cow::Borrowed(WILDCARD), itself]
}

/// The name of the resource of `kind` that an object means, if it means one.
pub(super) fn name_of(object: &str, kind: ResourceKind) -> Option<&str> {
    match object.split_once(':') {
        None => (kind == ResourceKind::Topic).then_some(object),
        Some((of, name)) => (kind != ResourceKind::Topic && of == kind.name()).then_some(name),
    }
}

/// The actions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Actions {
    /// The operation itself: allowing one of them allows it, denying one denies it.
    pub(super) own: Vec<&'static str>,
    /// Allowing one of them allows the operation too; denying it says nothing.
    pub(super) implying: Vec<&'static str>,
}

impl Actions {
    pub(super) fn of(operation: Operation, kind: ResourceKind) -> Self {
        use Operation::{Describe, IdempotentWrite, Read, Write};
        use ResourceKind::{Cluster, Group, Topic, TransactionalId};
        let mut own = vec![operation.name(), Operation::All.name()];
        let mut implying: Vec<_> = operation.implied_by().iter().map(|operation| operation.name()).collect();
        match (operation, kind) {
            (Write, Topic | TransactionalId) | (IdempotentWrite, Cluster) => own.push("produce"),
            (Read, Topic | Group) => own.push("consume"),
            (Describe, Topic) => implying.extend(["produce", "consume"]),
            (Describe, TransactionalId) => implying.push("produce"),
            (Describe, Group) => implying.push("consume"),
            _ => {}
        }
        Self { own, implying }
    }

    pub(super) fn have(&self, word: &str) -> bool {
        self.own.contains(&word) || self.implying.contains(&word)
    }
}
