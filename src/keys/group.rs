//! The broker keys of consumer groups: limits for members, and the topic that keeps offsets.
//!
//! Not here: the keys of Kafka's newer protocols (`group.consumer.*`, `group.share.*`, `group.streams.*`), which Bateau
//! does not have (`unsupported.rs`). Source: Kafka `GroupCoordinatorConfig`.

use super::broker::BrokerKey;
use super::kind::{Accepts, ConfigType, INT, LIST, LONG, Shape};

/// Reasons for keeping a key without effect.
const NO_THREADS: &str = "one thread writes for all groups, and what they ask is decided where it comes in";
const OWN_BUFFERS: &str = "Bateau sizes its buffers by what is in them";
const PLAIN_OFFSETS: &str = "Bateau does not compress what it writes itself";

const CODEC: Shape = INT.accepting(Accepts::Between(0, 4));
const REPLICAS: Shape = Shape { config_type: ConfigType::Short, accepts: Accepts::AtLeast(1) };

/// Sorted by name.
pub(super) static GROUP_KEYS: &[BrokerKey] = &[
    BrokerKey::of("group.coordinator.append.linger.ms", INT.at_least(-1))
        .with("-1")
        .says("Milliseconds between the beats on which coordinators write; -1: up to 50 while many write, else none."),
    BrokerKey::of("group.coordinator.background.threads", INT.at_least(1))
        .with("2")
        .without_effect(NO_THREADS)
        .says("Threads for background tasks of the coordinator."),
    BrokerKey::of("group.coordinator.cached.buffer.max.bytes", INT.at_least(524_288))
        .with("1048588")
        .dynamic()
        .without_effect(OWN_BUFFERS)
        .says("Greatest buffer that the coordinator keeps for use again, in bytes."),
    BrokerKey::of("group.coordinator.rebalance.protocols", LIST.accepting(Accepts::AllOf(&["classic"])))
        .with("classic")
        .says("Protocols by which groups may rebalance. Bateau has the classic one alone."),
    BrokerKey::of("group.coordinator.threads", INT.at_least(1))
        .with("4")
        .without_effect(NO_THREADS)
        .says("Threads that handle requests of groups."),
    BrokerKey::of("group.initial.rebalance.delay.ms", INT)
        .with("3000")
        .says("Milliseconds that a group without members waits for more than the first before it rebalances."),
    BrokerKey::of("group.max.session.timeout.ms", INT)
        .with("1800000")
        .says("Longest session timeout that a member may ask for, in milliseconds."),
    BrokerKey::of("group.max.size", INT.at_least(1))
        .with("2147483647")
        .says("Most members of one group."),
    BrokerKey::of("group.min.session.timeout.ms", INT)
        .with("6000")
        .says("Shortest session timeout that a member may ask for, in milliseconds."),
    BrokerKey::of("offset.metadata.max.bytes", INT)
        .with("4096")
        .says("Longest metadata of a committed offset, in UTF-16 units."),
    BrokerKey::of("offsets.commit.timeout.ms", INT.at_least(1))
        .with("5000")
        .says("Milliseconds after which a write of the coordinator that is not yet durable is given up."),
    BrokerKey::of("offsets.load.buffer.size", INT.at_least(1))
        .with("5242880")
        .without_effect(OWN_BUFFERS)
        .says("Bytes read at once when groups are loaded from the log."),
    BrokerKey::of("offsets.retention.check.interval.ms", LONG.at_least(1))
        .with("600000")
        .says("Milliseconds between two looks for offsets that have expired."),
    BrokerKey::of("offsets.retention.minutes", INT.at_least(1))
        .with("10080")
        .says("Minutes that committed offsets are kept once their group has no members, or does not read their topic."),
    BrokerKey::of("offsets.topic.compression.codec", CODEC)
        .with("0")
        .without_effect(PLAIN_OFFSETS)
        .says("Codec of __consumer_offsets by its number: none, gzip, snappy, lz4, zstd."),
    BrokerKey::of("offsets.topic.num.partitions", INT.at_least(1))
        .with("50")
        .says("Partitions of __consumer_offsets when it is created; groups are spread over them."),
    BrokerKey::of("offsets.topic.replication.factor", REPLICAS)
        .with("3")
        .says("Replicas of __consumer_offsets, as soon as there are so many nodes; an even number counts as the odd one below."),
    BrokerKey::of("offsets.topic.segment.bytes", INT.at_least(1))
        .with("104857600")
        .says("Size of a segment of __consumer_offsets, in bytes; 1 MiB at least."),
];
