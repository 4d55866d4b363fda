//! `Operation`: what may be allowed or denied, with Kafka's codes (`AclOperation`).

/// An operation of Kafka's ACLs. Only the variants from `Read` on are asked about; `All` stands in bindings
/// and filters, `Any` in filters alone, and `Unknown` is any code that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum Operation {
    Unknown = 0,
    Any = 1,
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
    CreateTokens = 13,
    DescribeTokens = 14,
    TwoPhaseCommit = 15,
}

/// By code.
const OPERATIONS: [Operation; 16] = [
    Operation::Unknown,
    Operation::Any,
    Operation::All,
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::ClusterAction,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
    Operation::IdempotentWrite,
    Operation::CreateTokens,
    Operation::DescribeTokens,
    Operation::TwoPhaseCommit,
];

impl Operation {
    /// Kafka's code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The operation of a code on the wire; [`Operation::Unknown`] if there is none.
    pub fn from_code(code: i8) -> Self {
        usize::try_from(code).ok().and_then(|at| OPERATIONS.get(at).copied()).unwrap_or(Self::Unknown)
    }

    /// This operation's bit in a set of authorized operations (KIP-430).
    pub const fn bit(self) -> i32 {
        1 << self.code()
    }

    /// Kafka's name in lower case and in one word, as in policy lines: "alterconfigs".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Any => "any",
            Self::All => "all",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Alter => "alter",
            Self::Describe => "describe",
            Self::ClusterAction => "clusteraction",
            Self::DescribeConfigs => "describeconfigs",
            Self::AlterConfigs => "alterconfigs",
            Self::IdempotentWrite => "idempotentwrite",
            Self::CreateTokens => "createtokens",
            Self::DescribeTokens => "describetokens",
            Self::TwoPhaseCommit => "twophasecommit",
        }
    }

    /// Reads a name as people and Kafka's tools write it: `alterconfigs`, `AlterConfigs`, `ALTER_CONFIGS`.
    /// None for what is no operation, "unknown" among it.
    pub fn parse(text: &str) -> Option<Self> {
        let word: String = text.chars().filter(|&c| c != '_' && c != '-').collect();
        OPERATIONS.into_iter().skip(1).find(|operation| operation.name().eq_ignore_ascii_case(&word))
    }

    /// The operations that, if they are allowed, allow this one too. A denied operation implies nothing.
    ///
    /// Source: Kafka `StandardAuthorizerData`, `IMPLIES_DESCRIBE` and `IMPLIES_DESCRIBE_CONFIGS`.
    pub const fn implied_by(self) -> &'static [Self] {
        match self {
            Self::Describe => &[Self::Read, Self::Write, Self::Delete, Self::Alter],
            Self::DescribeConfigs => &[Self::AlterConfigs],
            Self::Unknown
            | Self::Any
            | Self::All
            | Self::Read
            | Self::Write
            | Self::Create
            | Self::Delete
            | Self::Alter
            | Self::ClusterAction
            | Self::AlterConfigs
            | Self::IdempotentWrite
            | Self::CreateTokens
            | Self::DescribeTokens
            | Self::TwoPhaseCommit => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_kafka_comes_back_and_others_are_unknown() {
        for code in 0..=15 {
            assert_eq!(Operation::from_code(code).code(), code);
        }
        for code in [i8::MIN, -1, 16, i8::MAX] {
            assert_eq!(Operation::from_code(code), Operation::Unknown);
        }
    }

    #[test]
    fn a_name_is_read_in_each_spelling_that_is_in_use() {
        for text in ["alterconfigs", "AlterConfigs", "ALTER_CONFIGS", "alter-configs"] {
            assert_eq!(Operation::parse(text), Some(Operation::AlterConfigs), "{text}");
        }
        for text in ["", "unknown", "produce", "alter configs"] {
            assert_eq!(Operation::parse(text), None, "{text}");
        }
        for operation in OPERATIONS.into_iter().skip(1) {
            assert_eq!(Operation::parse(operation.name()), Some(operation));
        }
    }
}
