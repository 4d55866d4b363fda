//! What goes wrong at another node, told here as it was met there.

use prost::Message;

use crate::broker::BrokerError;
use crate::model::{Offset, TopicId};
use crate::partition::CheckError;

/// An error on its way between nodes. What is not told apart arrives as the other node's words.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Fault {
    #[prost(enumeration = "Kind", tag = "1")]
    kind: i32,
    /// What it is about, or the words.
    #[prost(string, tag = "2")]
    text: String,
    #[prost(int64, repeated, tag = "3")]
    numbers: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
enum Kind {
    Refused = 0,
    NotLeader = 1,
    OffsetOutOfRange = 2,
    NotEnoughReplicas = 3,
    UnknownTopic = 4,
    UnknownPartition = 5,
    TooLarge = 6,
    Invalid = 7,
    NoMajority = 8,
    Closing = 9,
    TopicExists = 10,
    DeletionDisabled = 11,
    Policy = 12,
    LogUnavailable = 13,
    TooFewNodes = 14,
    UnknownTopicId = 15,
    LargerThanSegment = 16,
}

impl Fault {
    pub(super) fn of(error: &BrokerError) -> Self {
        let fault = |kind: Kind, text: &str, numbers: &[i64]| Self {
            kind: kind as i32,
            text: text.to_owned(),
            numbers: numbers.to_vec(),
        };
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let words = || error.to_string();
        match error {
            BrokerError::NotLeader { partition } => fault(Kind::NotLeader, partition, &[]),
            BrokerError::OffsetOutOfRange { asked, start, end } => {
                fault(Kind::OffsetOutOfRange, "", &[*asked, start.0, end.0])
            }
            BrokerError::NotEnoughReplicas { partition, in_sync, needed } => {
                fault(Kind::NotEnoughReplicas, partition, &[number(*in_sync), number(*needed)])
            }
            BrokerError::UnknownTopic { topic } => fault(Kind::UnknownTopic, topic, &[]),
            BrokerError::UnknownPartition { topic, partition } => {
                fault(Kind::UnknownPartition, topic, &[i64::from(*partition)])
            }
            BrokerError::UnknownTopicId { id } => fault(Kind::UnknownTopicId, &id.0.to_string(), &[]),
            BrokerError::Check(CheckError::TooLarge { size, max }) => {
                fault(Kind::TooLarge, "", &[number(*size), number(*max)])
            }
            BrokerError::Check(CheckError::LargerThanSegment { size, max }) => {
                fault(Kind::LargerThanSegment, "", &[number(*size), number(*max)])
            }
            BrokerError::Check(_)
            | BrokerError::Producer(_)
            | BrokerError::InvalidRequest { .. }
            | BrokerError::InvalidConfig(_)
            | BrokerError::InvalidTopicName { .. }
            | BrokerError::TopicCollides { .. }
            | BrokerError::InvalidPartitions { .. }
            | BrokerError::InvalidReplicaAssignment { .. } => fault(Kind::Invalid, &words(), &[]),
            BrokerError::InvalidReplicationFactor { .. } | BrokerError::TooFewNodes { .. } => {
                fault(Kind::TooFewNodes, &words(), &[])
            }
            BrokerError::NoMajority { partition } => fault(Kind::NoMajority, partition, &[]),
            BrokerError::Closing => fault(Kind::Closing, "", &[]),
            BrokerError::TopicExists { name } => fault(Kind::TopicExists, name, &[]),
            BrokerError::TopicDeletionDisabled => fault(Kind::DeletionDisabled, "", &[]),
            BrokerError::PolicyViolation { reason } => fault(Kind::Policy, reason, &[]),
            BrokerError::LogUnavailable { partition, reason } => {
                fault(Kind::LogUnavailable, &format!("{partition}: {reason}"), &[])
            }
            BrokerError::Storage(_) => fault(Kind::LogUnavailable, &format!("its disk: {error}"), &[]),
            BrokerError::NotController
            | BrokerError::ControllerRefused { .. }
            | BrokerError::Denied { .. }
            | BrokerError::NodeInUse { .. }
            | BrokerError::ElectionNotNeeded { .. }
            | BrokerError::PreferredLeaderNotAvailable { .. }
            | BrokerError::NoEligibleLeader { .. }
            | BrokerError::NoReassignment { .. }
            | BrokerError::UnknownNode { .. }
            | BrokerError::FencedLeaderEpoch { .. }
            | BrokerError::UnknownLeaderEpoch { .. } => fault(Kind::Refused, &words(), &[]),
        }
    }

    pub(super) fn error(self) -> BrokerError {
        let kind = self.kind();
        let text = self.text;
        let number = |at: usize| self.numbers.get(at).copied().unwrap_or_default();
        let count = |at: usize| usize::try_from(number(at)).unwrap_or_default();
        match kind {
            Kind::Refused => BrokerError::ControllerRefused { reason: text },
            Kind::NotLeader => BrokerError::NotLeader { partition: text },
            Kind::OffsetOutOfRange => BrokerError::OffsetOutOfRange {
                asked: number(0),
                start: Offset(number(1)),
                end: Offset(number(2)),
            },
            Kind::NotEnoughReplicas => {
                BrokerError::NotEnoughReplicas { partition: text, in_sync: count(0), needed: count(1) }
            }
            Kind::UnknownTopic => BrokerError::UnknownTopic { topic: text },
            Kind::UnknownPartition => BrokerError::UnknownPartition {
                topic: text,
                partition: i32::try_from(number(0)).unwrap_or_default(),
            },
            Kind::TooLarge => CheckError::TooLarge { size: count(0), max: count(1) }.into(),
            Kind::LargerThanSegment => CheckError::LargerThanSegment { size: count(0), max: count(1) }.into(),
            Kind::Invalid => BrokerError::InvalidRequest { reason: text },
            Kind::NoMajority => BrokerError::NoMajority { partition: text },
            Kind::Closing => BrokerError::Closing,
            Kind::TopicExists => BrokerError::TopicExists { name: text },
            Kind::DeletionDisabled => BrokerError::TopicDeletionDisabled,
            Kind::Policy => BrokerError::PolicyViolation { reason: text },
            Kind::LogUnavailable => {
                BrokerError::LogUnavailable { partition: text, reason: "at its leader".into() }
            }
            Kind::TooFewNodes => BrokerError::TooFewNodes { reason: text },
            Kind::UnknownTopicId => {
                BrokerError::UnknownTopicId { id: TopicId(text.parse().unwrap_or_default()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_is_told_apart_arrives_as_it_was_met() {
        let met = [
            BrokerError::OffsetOutOfRange { asked: 9, start: Offset(2), end: Offset(5) },
            BrokerError::NotLeader { partition: "t-1".into() },
            BrokerError::NotEnoughReplicas { partition: "t-1".into(), in_sync: 1, needed: 2 },
            BrokerError::UnknownTopic { topic: "t".into() },
            BrokerError::UnknownTopicId { id: TopicId(uuid::Uuid::from_u128(7)) },
            BrokerError::UnknownPartition { topic: "t".into(), partition: 3 },
            CheckError::TooLarge { size: 5, max: 4 }.into(),
            BrokerError::NoMajority { partition: "t-1".into() },
            BrokerError::TopicExists { name: "t".into() },
            BrokerError::PolicyViolation { reason: "no".into() },
            BrokerError::Closing,
        ];
        for error in met {
            let bytes = Fault::of(&error).encode_to_vec();
            let told = Fault::decode(&bytes[..]).unwrap().error();
            assert_eq!(format!("{told:?}"), format!("{error:?}"));
        }
    }

    #[test]
    fn a_kind_of_a_newer_node_is_told_in_its_words() {
        let fault = Fault { kind: 99, text: "something new".into(), numbers: Vec::new() };
        assert_eq!(fault.error().to_string(), "the controller refused: something new");
    }
}
