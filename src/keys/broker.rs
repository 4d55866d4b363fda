//! The table of broker keys that Bateau knows, but for those of logs, of groups and of security beside it.
//!
//! Not here: keys of Kafka that Bateau does not have (`unsupported.rs`). A key of transactions enters the table on the
//! day it works, not before: tools take what is described for what is done.

use super::group::GROUP_KEYS;
use super::kind::{
    Accepts, BOOLEAN, COMPRESSION_TYPE, GZIP_LEVEL, INT, LIST, LONG, LZ4_LEVEL, ONE_LZ4_LEVEL, STRING, Shape,
    Treatment, ZSTD_LEVEL,
};
use super::log::LOG_KEYS;
use super::security::SECURITY_KEYS;

/// One broker key.
#[derive(Debug, Clone, Copy)]
pub struct BrokerKey {
    pub name: &'static str,
    pub shape: Shape,
    /// The value when no layer says otherwise, canonical text; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// May not change while the node runs. A key that may, may for one node and for the whole cluster.
    pub read_only: bool,
    pub treatment: Treatment,
    /// Meaning and unit, for people.
    pub documentation: &'static str,
}

/// `Integer.MAX_VALUE`, which Kafka uses for "no limit".
const UNLIMITED: &str = "2147483647";

/// The one replica selector that there is beside the default.
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/// Sorted by name.
static NODE_KEYS: &[BrokerKey] = &[
    BrokerKey::of("advertised.listeners", LIST.accepting(Accepts::SomeElement))
        .says("Addresses that clients are told to connect to, NAME://HOST:PORT; unset, those of listeners."),
    BrokerKey::of("auto.create.topics.enable", BOOLEAN)
        .with("true")
        .says("Whether asking for the metadata of a topic that does not exist creates it."),
    BrokerKey::of("auto.leader.rebalance.enable", BOOLEAN)
        .with("true")
        .says("Whether leadership goes back to the preferred replica once that has caught up again."),
    BrokerKey::of("broker.id", INT).with("-1").says("The old name of node.id; -1 takes node.id."),
    BrokerKey::of("broker.rack", STRING)
        .says("Rack or zone of this node, told to clients that fetch from close by."),
    BrokerKey::of("compression.gzip.level", GZIP_LEVEL)
        .with("-1")
        .dynamic()
        .says("Level for topics whose compression.type is gzip: 1 to 9, -1 for the library's own choice."),
    BrokerKey::of("compression.lz4.level", LZ4_LEVEL)
        .with("9")
        .dynamic()
        .without_effect(ONE_LZ4_LEVEL)
        .says("Level for topics whose compression.type is lz4: 1 to 17."),
    BrokerKey::of("compression.type", COMPRESSION_TYPE).with("producer").dynamic().says(
        "Codec of stored batches for topics that do not name one; producer keeps what the producer chose.",
    ),
    BrokerKey::of("compression.zstd.level", ZSTD_LEVEL)
        .with("3")
        .dynamic()
        .says("Level for topics whose compression.type is zstd: -131072 to 22."),
    BrokerKey::of("connections.max.idle.ms", LONG)
        .with("600000")
        .says("Milliseconds after which a silent connection is closed; a negative number keeps it."),
    BrokerKey::of("default.replication.factor", INT.accepting(Accepts::Between(1, i16::MAX as i64)))
        .with("1")
        .says("Replicas of a topic created without a number of its own. Unless this is set it is three where there are three nodes, and topics made before grow to it."),
    BrokerKey::of("delete.topic.enable", BOOLEAN).with("true").says("Whether topics may be deleted."),
    BrokerKey::of("fetch.max.bytes", INT.at_least(1024))
        .with("57671680")
        .says("Most bytes of records in one fetch answer, whatever the client asks for."),
    BrokerKey::of("listeners", LIST.accepting(Accepts::SomeElement)).with("PLAINTEXT://:9092").says(
        "Addresses to listen on, NAME://HOST:PORT. Unlike Kafka's, they do not change while the node runs.",
    ),
    BrokerKey::of("max.connections", INT.at_least(0))
        .with(UNLIMITED)
        .dynamic()
        .says("Most connections that this node holds at a time."),
    BrokerKey::of("max.connections.per.ip", INT.at_least(0))
        .with(UNLIMITED)
        .dynamic()
        .says("Most connections from one address; zero only with max.connections.per.ip.overrides."),
    BrokerKey::of("max.connections.per.ip.overrides", STRING.accepting(Accepts::CountPerHost))
        .with("")
        .dynamic()
        .says("Other limits for single addresses, as host:count elements with commas between them."),
    BrokerKey::of("max.incremental.fetch.session.cache.slots", INT.at_least(0))
        .with("1000")
        .says("Most fetch sessions that this node remembers (KIP-227)."),
    BrokerKey::of("message.max.bytes", INT.at_least(0))
        .with("1048588")
        .dynamic()
        .says("Greatest record batch that is taken, in bytes, for topics without max.message.bytes."),
    BrokerKey::of("min.insync.replicas", INT.at_least(1))
        .with("1")
        .dynamic()
        .says("Replicas that must be in sync for acks=all, for topics that do not say."),
    BrokerKey::of("node.id", INT.at_least(0)).says("Number of this node, one of its own in the cluster."),
    BrokerKey::of("num.partitions", INT.at_least(1))
        .with("1")
        .says("Partitions of a topic created without a number of its own."),
    BrokerKey::of("process.roles", LIST.accepting(Accepts::AllOf(&["broker", "controller"])))
        .with("broker,controller")
        .says("Roles of this process. Every node of Bateau is both broker and controller."),
    BrokerKey::of("producer.id.expiration.ms", INT.at_least(1))
        .with("86400000")
        .dynamic()
        .says("Milliseconds after which the sequence numbers of a silent producer are forgotten."),
    BrokerKey::of("queued.max.request.bytes", LONG).with("-1").says(
        "Most bytes of requests read but not yet answered; zero or less for Bateau's own limit of 256 MiB.",
    ),
    BrokerKey::of("replica.lag.time.max.ms", LONG)
        .with("30000")
        .says("Milliseconds that a replica may lack what its leader has and still count as in sync."),
    BrokerKey::of("replica.selector.class", STRING.accepting(Accepts::OneOf(&[RACK_AWARE]))).says(
        "Which replica a consumer reads from: the leader, or with Kafka's RackAwareReplicaSelector one in its own rack (KIP-392). There is no other.",
    ),
    BrokerKey::of("socket.request.max.bytes", INT.at_least(1))
        .with("104857600")
        .says("Greatest request that is read, in bytes; a connection that announces more is closed."),
    BrokerKey::of("unclean.leader.election.enable", BOOLEAN)
        .with("false")
        .dynamic()
        .says("Whether one replica goes on alone once most have been silent for 30 s, and what only they had is lost."),
];

/// All broker keys, each once, in no order that matters.
pub fn broker_keys() -> impl Iterator<Item = &'static BrokerKey> {
    LOG_KEYS.iter().chain(GROUP_KEYS).chain(NODE_KEYS).chain(SECURITY_KEYS)
}

/// The broker key of that name.
pub fn broker_key(name: &str) -> Option<&'static BrokerKey> {
    let find =
        |keys: &'static [BrokerKey]| keys.binary_search_by(|key| key.name.cmp(name)).ok().map(|at| &keys[at]);
    [LOG_KEYS, GROUP_KEYS, NODE_KEYS, SECURITY_KEYS].into_iter().find_map(find)
}

impl BrokerKey {
    pub(super) const fn of(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            default: None,
            read_only: true,
            treatment: Treatment::Honoured,
            documentation: "",
        }
    }

    pub(super) const fn with(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(super) const fn dynamic(self) -> Self {
        Self { read_only: false, ..self }
    }

    pub(super) const fn without_effect(self, reason: &'static str) -> Self {
        Self { treatment: Treatment::KeptWithoutEffect(reason), ..self }
    }

    pub(super) const fn says(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{TOPIC_KEYS, is_unsupported};
    use super::*;

    #[test]
    fn the_tables_are_sorted_by_name_and_every_key_is_found_once() {
        for table in [LOG_KEYS, GROUP_KEYS, NODE_KEYS, SECURITY_KEYS] {
            assert!(table.is_sorted_by(|left, right| left.name < right.name));
        }
        let names: BTreeSet<_> = broker_keys().map(|key| key.name).collect();
        assert_eq!(names.len(), broker_keys().count());
        assert!(names.iter().all(|name| broker_key(name).is_some_and(|key| key.name == *name)));
        assert!(broker_key("nonsense").is_none());
    }

    #[test]
    fn a_supported_key_is_not_on_the_list_of_the_unsupported() {
        assert!(broker_keys().all(|key| !is_unsupported(key.name)));
    }

    #[test]
    fn every_default_is_a_good_value_in_canonical_form_and_every_key_is_documented() {
        for key in broker_keys() {
            if let Some(default) = key.default {
                assert_eq!(key.shape.canonical(key.name, default).unwrap(), default, "{}", key.name);
            }
            assert!(key.documentation.ends_with('.'), "{}", key.name);
        }
    }

    #[test]
    fn the_broker_key_below_a_topic_key_exists_with_the_same_type_and_treatment() {
        for topic in TOPIC_KEYS {
            let Some(name) = topic.broker_key else {
                continue;
            };
            let broker = broker_key(name).unwrap();
            assert_eq!(broker.shape.config_type, topic.shape.config_type, "{name}");
            assert_eq!(broker.treatment, topic.treatment, "{name}");
            assert!(!broker.read_only, "{name}");
        }
    }

    #[test]
    fn defaults_types_and_mutability_are_those_of_kafka_but_for_the_listed_differences() {
        let differences = [
            "group.coordinator.rebalance.protocols",
            "listeners",
            "log.dir",
            "log.flush.interval.messages",
            "process.roles",
            // Kafka's authorizer reads these two itself, and lists neither.
            "allow.everyone.if.no.acl.found",
            "super.users",
            "sasl.enabled.mechanisms",
            "ssl.client.auth",
        ];
        let mut seen = 0;
        for line in include_str!("testdata/broker-keys.tsv").lines().skip(1) {
            let fields: Vec<_> = line.split('\t').collect();
            let [name, default, mutability, config_type] = fields[..] else { panic!("{line}") };
            let key = broker_key(name).unwrap_or_else(|| panic!("{name}"));
            seen += 1;
            assert_eq!(format!("{:?}", key.shape.config_type).to_uppercase(), config_type, "{name}");
            if differences.contains(&name) {
                continue;
            }
            assert_eq!(key.default.unwrap_or("null"), default, "{name}");
            assert_eq!(if key.read_only { "read-only" } else { "dynamic" }, mutability, "{name}");
        }
        assert_eq!(seen, broker_keys().count());
    }
}
