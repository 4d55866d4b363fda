//! What admin tools ask about the cluster: its quorum, its features, and brokers that are gone.

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    BrokerId, DescribeQuorumRequest, UnregisterBrokerRequest, UpdateFeaturesRequest,
};

use crate::session::{Session, text};

const TIMEOUT_MS: i32 = 10_000;

pub(crate) fn describe_quorum(s: &mut Session) -> Result<(), String> {
    let of = |name: &str, partitions: &[i32]| {
        let partition = |index: &i32| PartitionData::default().with_partition_index(*index);
        TopicData::default()
            .with_topic_name(text(name).into())
            .with_partitions(partitions.iter().map(partition).collect())
    };
    let asked = |topics| DescribeQuorumRequest::default().with_topics(topics);
    let metadata = "__cluster_metadata";
    s.step("metadata", &asked(vec![of(metadata, &[0])]))?;
    s.step("second_partition", &asked(vec![of(metadata, &[1])]))?;
    s.step("both_partitions", &asked(vec![of(metadata, &[0, 1])]))?;
    s.step("no_partitions", &asked(vec![of(metadata, &[])]))?;
    s.step("another_topic", &asked(vec![of("x", &[0])]))?;
    s.step("metadata_and_another_topic", &asked(vec![of(metadata, &[0]), of("x", &[0])]))?;
    s.step("none", &asked(Vec::new()))?;
    Ok(())
}

/// A feature, the level that it is to have, and the code of the upgrade's type (from v1 on).
type Update<'a> = (&'a str, i16, i8);

pub(crate) fn update_features(s: &mut Session) -> Result<(), String> {
    let typed = s.version >= 1;
    let asked = |updates: &[Update<'_>]| {
        let update = |&(feature, level, kind): &Update<'_>| {
            let update =
                FeatureUpdateKey::default().with_feature(text(feature)).with_max_version_level(level);
            if typed { update.with_upgrade_type(kind) } else { update }
        };
        UpdateFeaturesRequest::default()
            .with_feature_updates(updates.iter().map(update).collect())
            .with_timeout_ms(TIMEOUT_MS)
    };
    s.step("none", &asked(&[]))?;
    s.step("unknown", &asked(&[("no.such", 1, 1)]))?;
    s.step("unknown_to_nothing", &asked(&[("no.such", 0, 1)]))?;
    s.step("name_empty", &asked(&[("", 1, 1)]))?;
    s.step("too_high", &asked(&[("group.version", 9, 1)]))?;
    s.step("no_version_of_metadata", &asked(&[("metadata.version", 0, 1)]))?;
    s.step("negative", &asked(&[("group.version", -1, 1)]))?;
    s.step("two_bad_ones", &asked(&[("no.such", 1, 1), ("group.version", 9, 1)]))?;
    if typed {
        s.step("no_such_type", &asked(&[("group.version", 1, 9)]))?;
        s.step("validate_only", &asked(&[("no.such", 1, 1)]).with_validate_only(true))?;
    }
    Ok(())
}

pub(crate) fn unregister_broker(s: &mut Session) -> Result<(), String> {
    for (step, id) in [("unknown", 7), ("negative", -1)] {
        s.step(step, &UnregisterBrokerRequest::default().with_broker_id(BrokerId(id)))?;
    }
    Ok(())
}
