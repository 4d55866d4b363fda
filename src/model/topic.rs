//! Topics by name and by id, and one partition of one.

use std::fmt;
use std::sync::Arc;

/// The longest topic name, in bytes. Source: Kafka `Topic.MAX_NAME_LENGTH`.
pub const NAME_LEN_MAX: usize = 249;

/// A partition's number within its topic, from 0.
pub type PartitionId = i32;

/// A topic's identity: a new one each time a topic of that name is created (KIP-516).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub uuid::Uuid);

impl TopicId {
    /// The id that means "none" on the wire.
    pub const ZERO: Self = Self(uuid::Uuid::nil());
    /// `__cluster_metadata`'s, as Kafka has it. Source: KIP-516.
    pub const CLUSTER_METADATA: Self = Self(uuid::Uuid::from_u128(1));

    pub fn is_zero(self) -> bool {
        self.0.is_nil()
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A legal topic name; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Why a name is no topic name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    #[error("the empty string is not allowed")]
    Empty,
    #[error("'.' or '..' is not allowed")]
    Dots,
    #[error("the length of '{name}' is longer than the max allowed length {NAME_LEN_MAX}")]
    TooLong { name: String },
    #[error("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")]
    Character { name: String },
}

impl TopicName {
    /// Checks `name` by Kafka's rules.
    ///
    /// Source: Kafka `Topic.validate`.
    pub fn new(name: &str) -> Result<Self, TopicNameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match name {
            "" => Err(TopicNameError::Empty),
            "." | ".." => Err(TopicNameError::Dots),
            _ if name.len() > NAME_LEN_MAX => Err(TopicNameError::TooLong { name: name.into() }),
            _ if !name.bytes().all(legal) => Err(TopicNameError::Character { name: name.into() }),
            _ => Ok(Self(name.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two names would share a metric name, which Kafka refuses.
    ///
    /// Source: Kafka `Topic.hasCollision`.
    pub fn collides_with(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.bytes().zip(other.0.bytes()).all(|(a, b)| same_in_metrics(a, b))
    }
}

fn same_in_metrics(a: u8, b: u8) -> bool {
    let dot = |c| if c == b'.' { b'_' } else { c };
    dot(a) == dot(b)
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One partition, by the topic's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: TopicName,
    pub partition: PartitionId,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_refuses_are_refused() {
        for bad in ["", ".", "..", "a b", "a/b", "ü", &"x".repeat(250)] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
        for good in ["a", "A.b_c-9", "...", &"x".repeat(249)] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_dot_and_an_underscore_collide() {
        let name = |n| TopicName::new(n).unwrap();
        assert!(name("a.b").collides_with(&name("a_b")));
        assert!(!name("a.b").collides_with(&name("a-b")));
    }
}
