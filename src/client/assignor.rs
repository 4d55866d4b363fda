//! Who gets which partitions: Kafka's range assignor, and the bytes in which subscriptions and assignments travel.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::messages::consumer_protocol_assignment::TopicPartition;
use crate::wire::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::wire::request::decode_message;
use crate::wire::{Encodable, StrBytes};

use super::Partition;
use super::cluster::topic_name;

/// The assignor's name in the group.
pub(super) const RANGE: &str = "range";
/// Written by everyone since 0.11, read by everyone.
const VERSION: i16 = 0;
/// What later versions add comes behind, so that theirs are read as this one.
const NEWEST: i16 = 3;

/// A member that takes part, and the topics that it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) topics: Vec<String>,
}

pub(super) fn subscription(topics: &[String]) -> Bytes {
    let topics = topics.iter().map(|topic| StrBytes::from_string(topic.clone())).collect();
    let message = ConsumerProtocolSubscription::default().with_topics(topics);
    versioned(&message)
}

/// The topics of a member's subscription; None if it is unreadable.
pub(super) fn topics_of(mut subscription: Bytes) -> Option<Vec<String>> {
    let version = subscription.try_get_i16().ok().filter(|version| *version >= 0)?;
    let message: ConsumerProtocolSubscription = decode_message(subscription, version.min(NEWEST)).ok()?;
    Some(message.topics.iter().map(ToString::to_string).collect())
}

pub(super) fn assignment(partitions: &[Partition]) -> Bytes {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.index);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        TopicPartition::default().with_topic(topic_name(name)).with_partitions(partitions)
    });
    versioned(&ConsumerProtocolAssignment::default().with_assigned_partitions(topics.collect()))
}

/// The partitions that an assignment of the consumer protocol gives; None if it is unreadable.
pub fn partitions_of_assignment(mut assignment: Bytes) -> Option<Vec<Partition>> {
    if assignment.is_empty() {
        return Some(Vec::new());
    }
    let version = assignment.try_get_i16().ok().filter(|version| *version >= 0)?;
    let message: ConsumerProtocolAssignment = decode_message(assignment, version.min(NEWEST)).ok()?;
    let partitions = message
        .assigned_partitions
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| Partition::new(&topic.topic, *index)));
    Some(partitions.collect())
}

fn versioned(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    // Version 0 has all fields that are set here, so this does not fail.
    _ = message.encode(&mut bytes, VERSION);
    bytes.freeze()
}

/// Gives each member of each topic a contiguous range, the first ones one more if it does not divide.
///
/// Source: Kafka `RangeAssignor`, without racks.
pub(super) fn assign_ranges(
    subscribers: &[Subscriber],
    partitions: &BTreeMap<String, Vec<i32>>,
) -> BTreeMap<String, Vec<Partition>> {
    let mut assigned: BTreeMap<String, Vec<Partition>> =
        subscribers.iter().map(|subscriber| (subscriber.member_id.clone(), Vec::new())).collect();
    for (topic, indexes) in partitions {
        let mut members: Vec<_> = subscribers.iter().filter(|member| member.topics.contains(topic)).collect();
        // Static members first and by their own names, so that a restart changes nothing.
        members.sort_by_key(|member| (member.instance_id.is_none(), &member.instance_id, &member.member_id));
        let mut rest = &indexes[..];
        for (at, member) in members.iter().enumerate() {
            let count = rest.len().div_ceil(members.len() - at);
            let (own, after) = rest.split_at(count);
            rest = after;
            let mine = assigned.entry(member.member_id.clone()).or_default();
            mine.extend(own.iter().map(|index| Partition::new(topic, *index)));
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, topics: &[&str]) -> Subscriber {
        let topics = topics.iter().map(ToString::to_string).collect();
        Subscriber { member_id: id.into(), instance_id: None, topics }
    }

    #[test]
    fn ranges_are_contiguous_and_the_first_members_get_one_more() {
        let members = [member("b", &["t", "u"]), member("a", &["t"]), member("c", &["t"])];
        let partitions = BTreeMap::from([("t".into(), (0..7).collect()), ("u".into(), vec![0, 1])]);
        let assigned = assign_ranges(&members, &partitions);
        let shown = |id: &str| assigned[id].iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(shown("a"), "t-0 t-1 t-2");
        assert_eq!(shown("b"), "t-3 t-4 u-0 u-1");
        assert_eq!(shown("c"), "t-5 t-6");
    }

    #[test]
    fn subscriptions_and_assignments_survive_their_bytes() {
        let topics = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(topics_of(subscription(&topics)), Some(topics));
        let partitions = vec![Partition::new("a", 0), Partition::new("a", 4), Partition::new("b", 1)];
        assert_eq!(partitions_of_assignment(assignment(&partitions)), Some(partitions));
        assert_eq!(partitions_of_assignment(Bytes::new()), Some(Vec::new()));
        assert_eq!(topics_of(Bytes::from_static(b"\0\0\x7f")), None);
        assert_eq!(topics_of(Bytes::from_static(b"\0\0\x7f\xff\xff\xff")), None);
    }
}
