//! `Resource`: what an operation is done to; and `ResourceKind` and `PatternType` with Kafka's codes.

use super::Operation;

/// The only name of the one resource of kind [`ResourceKind::Cluster`].
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// As the name of a literal pattern: every resource of its kind. As a host: every host.
pub const WILDCARD: &str = "*";

/// A kind of resource (Kafka's `ResourceType`). `Any` stands in filters alone; `Unknown` is any code that
/// this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceKind {
    Unknown = 0,
    Any = 1,
    Topic = 2,
    Group = 3,
    Cluster = 4,
    TransactionalId = 5,
    DelegationToken = 6,
    User = 7,
}

/// How the name of an ACL is compared with a resource's. `Any` and `Match` stand in filters alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum PatternType {
    Unknown = 0,
    Any = 1,
    /// In a filter: every binding that would be asked about a resource of the filter's name.
    Match = 2,
    /// The name, or every name if it is [`WILDCARD`].
    Literal = 3,
    /// Every name that begins with it. Here `*` is a star like any letter.
    Prefixed = 4,
}

/// One resource, as it is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    pub kind: ResourceKind,
    pub name: &'a str,
}

impl<'a> Resource<'a> {
    pub const fn topic(name: &'a str) -> Self {
        Self { kind: ResourceKind::Topic, name }
    }

    pub const fn group(id: &'a str) -> Self {
        Self { kind: ResourceKind::Group, name: id }
    }

    pub const fn transactional_id(id: &'a str) -> Self {
        Self { kind: ResourceKind::TransactionalId, name: id }
    }

    /// The cluster itself.
    pub const fn cluster() -> Resource<'static> {
        Resource { kind: ResourceKind::Cluster, name: CLUSTER_NAME }
    }
}

impl ResourceKind {
    /// The kinds that resources are of, in the order of [`ResourceKind::place`].
    pub const CONCRETE: [Self; 6] =
        [Self::Topic, Self::Group, Self::Cluster, Self::TransactionalId, Self::DelegationToken, Self::User];

    /// Kafka's code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The kind of a code on the wire; [`ResourceKind::Unknown`] if there is none.
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Any,
            2 => Self::Topic,
            3 => Self::Group,
            4 => Self::Cluster,
            5 => Self::TransactionalId,
            6 => Self::DelegationToken,
            7 => Self::User,
            _ => Self::Unknown,
        }
    }

    /// The index in a table of concrete kinds; None for `Any` and `Unknown`.
    pub(super) fn place(self) -> Option<usize> {
        usize::try_from(self.code() - Self::Topic.code()).ok()
    }

    /// Kafka's name in lower case and in one word, as in policy lines: "transactionalid".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Any => "any",
            Self::Topic => "topic",
            Self::Group => "group",
            Self::Cluster => "cluster",
            Self::TransactionalId => "transactionalid",
            Self::DelegationToken => "delegationtoken",
            Self::User => "user",
        }
    }

    /// Reads the name of a concrete kind as people and Kafka's tools write it: "topic", `TRANSACTIONAL_ID`.
    pub fn parse(text: &str) -> Option<Self> {
        let word: String = text.chars().filter(|&c| c != '_' && c != '-').collect();
        Self::CONCRETE.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&word))
    }

    /// What can be done to a resource of this kind, and therefore the operations of which its authorized
    /// operations tell.
    ///
    /// Source: Kafka 4.3 `AclEntry.supportedOperations`.
    pub const fn operations(self) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs,
            DescribeTokens, IdempotentWrite, Read, TwoPhaseCommit, Write,
        };
        match self {
            Self::Unknown | Self::Any => &[],
            Self::Topic => &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs],
            Self::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Self::Cluster => {
                &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite]
            }
            Self::TransactionalId => &[Write, Describe, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }

    /// All of [`ResourceKind::operations`] as a set of bits (KIP-430): what everybody may where nobody
    /// authorises.
    pub fn operation_bits(self) -> i32 {
        self.operations().iter().fold(0, |bits, operation| bits | operation.bit())
    }
}

impl PatternType {
    /// Kafka's code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The pattern type of a code on the wire; [`PatternType::Unknown`] if there is none.
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Any,
            2 => Self::Match,
            3 => Self::Literal,
            4 => Self::Prefixed,
            _ => Self::Unknown,
        }
    }

    /// Kafka's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Any => "any",
            Self::Match => "match",
            Self::Literal => "literal",
            Self::Prefixed => "prefixed",
        }
    }

    /// Reads Kafka's name in any case; None for what is no pattern type, "unknown" among it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Any, Self::Match, Self::Literal, Self::Prefixed]
            .into_iter()
            .find(|pattern| pattern.name().eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_kafka_comes_back_and_others_are_unknown() {
        for code in i8::MIN..=i8::MAX {
            let known = ResourceKind::from_code(code) != ResourceKind::Unknown;
            assert_eq!(known, (1..=7).contains(&code), "{code}");
            assert!(!known || ResourceKind::from_code(code).code() == code, "{code}");
            let known = PatternType::from_code(code) != PatternType::Unknown;
            assert_eq!(known, (1..=4).contains(&code), "{code}");
            assert!(!known || PatternType::from_code(code).code() == code, "{code}");
        }
    }

    #[test]
    fn each_concrete_kind_has_its_place_and_the_others_none() {
        for (place, kind) in ResourceKind::CONCRETE.into_iter().enumerate() {
            assert_eq!(kind.place(), Some(place));
            assert_eq!(ResourceKind::parse(kind.name()), Some(kind));
        }
        assert_eq!((ResourceKind::Any.place(), ResourceKind::Unknown.place()), (None, None));
    }

    #[test]
    fn the_operations_of_a_topic_are_the_bits_that_kafka_answers_with() {
        assert_eq!(ResourceKind::Topic.operation_bits(), 0b1101_1111_1000);
        assert_eq!(ResourceKind::Group.operation_bits(), 0b1101_0100_1000);
        assert_eq!(ResourceKind::Cluster.operation_bits(), 0b1_1111_1010_0000);
    }
}
