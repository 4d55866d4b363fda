//! `Memo`: what one connection was answered, so that the hot path asks nobody. No lock: it belongs to its
//! connection.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Authorizer, Operation, Principal, Resource, ResourceKind};

/// The most resources that a Memo remembers; with one more it begins anew.
const MAX_RESOURCES: usize = 256;

/// The longest name that is remembered, in bytes: no topic has a longer one, and others are asked about each
/// time.
const MAX_NAME: usize = 249;

/// The decisions of one Authorizer about one principal at one host; a connection that authenticates as
/// somebody else needs another one. It forgets everything as soon as it is shown another Authorizer.
#[derive(Debug, Clone)]
pub struct Memo {
    principal: Principal,
    host: IpAddr,
    generation: u64,
    /// By kind; together at most [`MAX_RESOURCES`].
    known: [HashMap<Box<str>, Answers>; ResourceKind::CONCRETE.len()],
}

/// Bits of operations: those that were asked about, and of those the allowed ones.
#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    asked: i32,
    allowed: i32,
}

impl Memo {
    pub fn new(principal: Principal, host: IpAddr) -> Self {
        Self { principal, host, generation: 0, known: Default::default() }
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    pub fn host(&self) -> IpAddr {
        self.host
    }

    /// What [`Authorizer::allows`] says; without an Authorizer everything is allowed.
    pub fn allows(
        &mut self,
        authorizer: Option<&Authorizer>,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let Some(authorizer) = authorizer else {
            return true;
        };
        if self.generation != authorizer.generation() {
            self.forget();
            self.generation = authorizer.generation();
        }
        let place = resource.kind.place();
        let known = place.and_then(|place| self.known[place].get(resource.name)).copied().unwrap_or_default();
        if known.asked & operation.bit() != 0 {
            return known.allowed & operation.bit() != 0;
        }
        let allowed = authorizer.allows(&self.principal, self.host, operation, resource);
        if let Some(place) = place.filter(|_| resource.name.len() <= MAX_NAME) {
            self.remember(place, resource.name, operation, allowed);
        }
        allowed
    }

    /// What [`Authorizer::operations`] says; without an Authorizer all that the kind has.
    pub fn operations(&mut self, authorizer: Option<&Authorizer>, resource: Resource<'_>) -> i32 {
        let operations = resource.kind.operations().iter();
        operations
            .filter(|&&operation| self.allows(authorizer, operation, resource))
            .fold(0, |bits, operation| bits | operation.bit())
    }

    fn remember(&mut self, place: usize, name: &str, operation: Operation, allowed: bool) {
        if !self.known[place].contains_key(name) {
            if self.known.iter().map(HashMap::len).sum::<usize>() >= MAX_RESOURCES {
                self.forget();
            }
            self.known[place].insert(name.into(), Answers::default());
        }
        if let Some(answers) = self.known[place].get_mut(name) {
            answers.asked |= operation.bit();
            answers.allowed |= if allowed { operation.bit() } else { 0 };
        }
    }

    fn forget(&mut self) {
        self.known.iter_mut().for_each(HashMap::clear);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::access::Rules;
    use crate::access::acl::{AclBinding, Acls};

    fn authorizer(lines: &[&str]) -> Authorizer {
        let acls: Acls = lines.iter().map(|line| line.parse::<AclBinding>().unwrap()).collect();
        Authorizer::new(Rules { acls: acls.into(), ..Rules::default() })
    }

    fn memo() -> Memo {
        Memo::new(Principal { kind: "User".into(), name: "alice".into() }, Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn without_an_authorizer_everything_is_allowed() {
        assert!(memo().allows(None, Operation::Alter, Resource::cluster()));
        let bits = ResourceKind::Topic.operation_bits();
        assert_eq!(memo().operations(None, Resource::topic("orders")), bits);
    }

    #[test]
    fn it_answers_as_the_authorizer_does_and_forgets_when_there_is_another() {
        let (one, other) = (authorizer(&["p, User:alice, topic:orders, read, allow"]), authorizer(&[]));
        let mut memo = memo();
        for _ in 0..2 {
            assert!(memo.allows(Some(&one), Operation::Read, Resource::topic("orders")));
            assert!(!memo.allows(Some(&one), Operation::Write, Resource::topic("orders")));
            assert!(!memo.allows(Some(&one), Operation::Read, Resource::group("orders")));
        }
        assert!(!memo.allows(Some(&other), Operation::Read, Resource::topic("orders")));
        assert!(memo.allows(Some(&one), Operation::Read, Resource::topic("orders")));
    }

    #[test]
    fn it_stays_small_whatever_names_are_asked_about() {
        let one = authorizer(&["p, User:alice, topic:t, read, allow, *, prefixed"]);
        let mut memo = memo();
        for number in 0..3 * MAX_RESOURCES {
            assert!(memo.allows(Some(&one), Operation::Read, Resource::topic(&format!("t{number}"))));
            assert!(memo.known.iter().map(HashMap::len).sum::<usize>() <= MAX_RESOURCES);
        }
        let long = "t".repeat(MAX_NAME + 1);
        assert!(memo.allows(Some(&one), Operation::Read, Resource::topic(&long)));
        assert!(!memo.known[0].contains_key(long.as_str()));
    }
}
