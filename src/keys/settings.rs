//! The values in force as Rust types, for the code that acts on them.
//!
//! Built from layers whose values were checked on their way in. A stored value that is no longer good, because another
//! version wrote it, gives way to the default: a node must come up with the topics it has.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::alter::static_layer;
use super::broker::broker_key;
use super::error::KeyError;
use super::kind::{counts_per_host, elements};
use super::layers::{Layers, Overrides};
use super::topic::topic_key;

/// What becomes of old segments. Neither: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub delete: bool,
    pub compact: bool,
}

/// How batches are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    /// As they came.
    Producer,
    Uncompressed,
    /// 1 to 9, or -1 for the library's own choice.
    Gzip {
        level: i32,
    },
    Snappy,
    /// 1 to 17.
    Lz4 {
        level: i32,
    },
    /// -131072 to 22.
    Zstd {
        level: i32,
    },
}

/// Whose time a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// What is in force for one topic on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    pub cleanup: CleanupPolicy,
    pub compression: CompressionType,
    /// Records appended before an fsync is forced; at least 1.
    pub flush_messages: u64,
    /// `None`: no time forces an fsync.
    pub flush_ms: Option<u64>,
    /// Inclusive.
    pub max_message_bytes: u32,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// At least 1; more than fits is as good as the most that fits.
    pub min_insync_replicas: u16,
    /// `None`: for ever.
    pub retention_ms: Option<i64>,
    /// `None`: without limit.
    pub retention_bytes: Option<i64>,
    pub segment_bytes: u32,
    pub segment_ms: i64,
    /// May be more than `segment_ms`; Kafka then takes the smaller.
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: u32,
    pub unclean_leader_election: bool,
}

impl TopicSettings {
    /// The settings of a topic with these overrides over the node's layers.
    pub fn resolve(layers: &Layers, topic: &Overrides) -> Self {
        let values = TopicValues { layers, topic };
        Self {
            cleanup: values.cleanup(),
            compression: values.compression(),
            flush_messages: values.number("flush.messages"),
            flush_ms: Some(values.number("flush.ms")).filter(|ms| *ms < i64::MAX.unsigned_abs()),
            max_message_bytes: values.number("max.message.bytes"),
            timestamp_type: match &*values.text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: values.number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: values.number("message.timestamp.after.max.ms"),
            min_insync_replicas: u16::try_from(values.number::<u32>("min.insync.replicas"))
                .unwrap_or(u16::MAX),
            retention_ms: Some(values.number("retention.ms")).filter(|ms| *ms >= 0),
            retention_bytes: Some(values.number("retention.bytes")).filter(|bytes| *bytes >= 0),
            segment_bytes: values.number("segment.bytes"),
            segment_ms: values.number("segment.ms"),
            segment_jitter_ms: values.number("segment.jitter.ms"),
            segment_index_bytes: values.number("segment.index.bytes"),
            unclean_leader_election: values.text("unclean.leader.election.enable") == "true",
        }
    }
}

/// Reads the values in force of one topic, each good.
struct TopicValues<'a> {
    layers: &'a Layers<'a>,
    topic: &'a Overrides,
}

impl TopicValues<'_> {
    fn text(&self, name: &'static str) -> String {
        let key = topic_key(name).expect("settings name keys of the table");
        let value = self.layers.topic_value(key, self.topic);
        key.canonical(&value).unwrap_or_else(|_| key.default.to_owned())
    }

    fn number<N: FromStr>(&self, name: &'static str) -> N {
        parsed(name, &self.text(name))
    }

    fn cleanup(&self) -> CleanupPolicy {
        let text = self.text("cleanup.policy");
        let policies = elements(&text);
        CleanupPolicy { delete: policies.contains(&"delete"), compact: policies.contains(&"compact") }
    }

    fn compression(&self) -> CompressionType {
        match self.text("compression.type").as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip { level: self.number("compression.gzip.level") },
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4 { level: self.number("compression.lz4.level") },
            "zstd" => CompressionType::Zstd { level: self.number("compression.zstd.level") },
            _ => CompressionType::Producer,
        }
    }
}

/// What is in force for one node, but for what topics take from it ([`TopicSettings::resolve`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct BrokerSettings {
    /// `node.id`, else `broker.id`; `None` if neither is given.
    pub node_id: Option<i32>,
    pub rack: Option<String>,
    /// As `NAME://HOST:PORT`, not parsed further.
    pub listeners: Vec<String>,
    /// Empty: those of `listeners`.
    pub advertised_listeners: Vec<String>,
    /// Listeners by name, and what is spoken there; as it was given.
    pub listener_protocols: String,
    pub security: SecuritySettings,
    /// `log.dirs`, else `log.dir`; empty if neither is given.
    pub log_dirs: Vec<String>,
    pub auto_create_topics: bool,
    pub delete_topics: bool,
    pub num_partitions: u32,
    pub default_replication_factor: u16,
    /// `None`: connections may be silent for ever.
    pub connections_max_idle_ms: Option<u64>,
    pub max_connections: u32,
    pub max_connections_per_ip: u32,
    /// By host as written; goes before `max_connections_per_ip`.
    pub max_connections_per_ip_overrides: BTreeMap<String, u32>,
    pub fetch_max_bytes: u32,
    pub fetch_session_slots: u32,
    pub socket_request_max_bytes: u32,
    /// `None`: none was given.
    pub queued_max_request_bytes: Option<u64>,
    pub producer_id_expiration_ms: u64,
    /// How long a replica may lag behind and still count as in sync.
    pub replica_lag_max_ms: u64,
    /// Whether leadership goes back to preferred replicas.
    pub auto_leader_rebalance: bool,
    /// Whether consumers are sent to a replica in their own rack.
    pub rack_aware_reads: bool,
    pub retention_check_interval_ms: u64,
    /// `None`: Bateau may choose.
    pub group_append_linger_ms: Option<u64>,
    pub group_min_session_timeout_ms: i32,
    pub group_max_session_timeout_ms: i32,
    pub group_initial_rebalance_delay_ms: u64,
    pub group_max_size: usize,
    pub offset_metadata_max_bytes: usize,
    pub offsets_topic_partitions: u32,
    pub offsets_topic_replication_factor: u16,
    pub offsets_topic_segment_bytes: u32,
    pub offsets_retention_ms: i64,
    pub offsets_retention_check_interval_ms: u64,
    pub offsets_commit_timeout_ms: u64,
}

impl BrokerSettings {
    /// The settings a node starts with, out of key and value pairs; the last value of a key counts.
    ///
    /// # Errors
    /// Everything that is wrong: keys nobody knows, keys Bateau does not support, values that cannot be, values that do
    /// not go together (looked for once each is good).
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<KeyError>> {
        let (file, none) = (static_layer(pairs)?, Overrides::new());
        let layers = Layers { dynamic_broker: &none, dynamic_default: &none, static_broker: &file };
        Self::check(&layers)
    }

    /// As [`BrokerSettings::resolve`], and the values go together; for layers as a change would leave them.
    ///
    /// # Errors
    /// All pairs of values that do not.
    pub fn check(layers: &Layers) -> Result<Self, Vec<KeyError>> {
        let settings = Self::resolve(layers);
        let conflicts = settings.conflicts(layers);
        if conflicts.is_empty() { Ok(settings) } else { Err(conflicts) }
    }

    /// The settings in force on a node with these layers.
    pub fn resolve(layers: &Layers) -> Self {
        let values = BrokerValues { layers };
        let (node, old_node) = (values.optional("node.id"), values.optional("broker.id"));
        let (dirs, dir) = (values.list("log.dirs"), values.list("log.dir"));
        let per_ip = values.text("max.connections.per.ip.overrides").unwrap_or_default();
        Self {
            node_id: node.or(old_node.filter(|id| *id >= 0)),
            rack: values.text("broker.rack"),
            listeners: values.list("listeners"),
            advertised_listeners: values.list("advertised.listeners"),
            listener_protocols: values.text("listener.security.protocol.map").unwrap_or_default(),
            security: SecuritySettings::resolve(&values),
            log_dirs: if dirs.is_empty() { dir } else { dirs },
            auto_create_topics: values.flag("auto.create.topics.enable"),
            delete_topics: values.flag("delete.topic.enable"),
            num_partitions: values.number("num.partitions"),
            default_replication_factor: values.number("default.replication.factor"),
            connections_max_idle_ms: u64::try_from(values.number::<i64>("connections.max.idle.ms")).ok(),
            max_connections: values.number("max.connections"),
            max_connections_per_ip: values.number("max.connections.per.ip"),
            max_connections_per_ip_overrides: per_host(&per_ip),
            fetch_max_bytes: values.number("fetch.max.bytes"),
            fetch_session_slots: values.number("max.incremental.fetch.session.cache.slots"),
            socket_request_max_bytes: values.number("socket.request.max.bytes"),
            queued_max_request_bytes: u64::try_from(values.number::<i64>("queued.max.request.bytes"))
                .ok()
                .filter(|bytes| *bytes > 0),
            producer_id_expiration_ms: values.number("producer.id.expiration.ms"),
            // More than 49 days is for ever, and can still be added to a time.
            replica_lag_max_ms: values.positive("replica.lag.time.max.ms").min(u32::MAX.into()),
            auto_leader_rebalance: values.flag("auto.leader.rebalance.enable"),
            rack_aware_reads: values.text("replica.selector.class").is_some(),
            retention_check_interval_ms: values.number("log.retention.check.interval.ms"),
            group_append_linger_ms: u64::try_from(values.number::<i64>("group.coordinator.append.linger.ms"))
                .ok(),
            group_min_session_timeout_ms: values.number("group.min.session.timeout.ms"),
            group_max_session_timeout_ms: values.number("group.max.session.timeout.ms"),
            group_initial_rebalance_delay_ms: values.positive("group.initial.rebalance.delay.ms"),
            group_max_size: values.number("group.max.size"),
            offset_metadata_max_bytes: values.positive("offset.metadata.max.bytes") as usize,
            offsets_topic_partitions: values.number("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: values.number("offsets.topic.replication.factor"),
            // Kafka takes less here than a topic may have, and then cannot make this one.
            offsets_topic_segment_bytes: values.number::<u32>("offsets.topic.segment.bytes").max(1 << 20),
            offsets_retention_ms: values.number::<i64>("offsets.retention.minutes") * 60_000,
            offsets_retention_check_interval_ms: values.number("offsets.retention.check.interval.ms"),
            offsets_commit_timeout_ms: values.number("offsets.commit.timeout.ms"),
        }
    }

    /// Values that are good but do not go together. Source: Kafka `KafkaConfig.validateValues`.
    fn conflicts(&self, layers: &Layers) -> Vec<KeyError> {
        let mut conflicts = Vec::new();
        let mut add = |key, relation, other| {
            let text = |key| layers.broker_value(key).unwrap_or_default().to_owned();
            conflicts.push(KeyError::Conflict {
                key,
                value: text(key),
                relation,
                other,
                other_value: text(other),
            });
        };
        let old_node =
            layers.static_broker.get("broker.id").and_then(|id| id.parse().ok()).filter(|id| *id >= 0);
        if old_node.is_some() && old_node != self.node_id {
            add("node.id", "differs from", "broker.id");
        }
        if self.queued_max_request_bytes.is_some_and(|bytes| bytes < self.socket_request_max_bytes.into()) {
            add("queued.max.request.bytes", "<", "socket.request.max.bytes");
        }
        if self.max_connections_per_ip == 0 && self.max_connections_per_ip_overrides.is_empty() {
            add("max.connections.per.ip", "lets nobody in without", "max.connections.per.ip.overrides");
        }
        let lag = |key| layers.broker_value(key).and_then(|text| text.parse::<i64>().ok());
        let (least, most) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
        if lag(least) > lag(most) {
            add(least, ">", most);
        }
        conflicts
    }
}

/// Who clients are, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecuritySettings {
    /// Whether ACLs are asked.
    pub has_authorizer: bool,
    pub allow_everyone_if_no_acl_found: bool,
    /// As given: `User:NAME`, with semicolons between them.
    pub super_users: String,
    pub sasl_mechanisms: Vec<String>,
    /// `None`: until a client's token is over, or for ever.
    pub max_reauth_ms: Option<i64>,
    pub client_auth: String,
    pub principal_mapping_rules: String,
    pub jwks_url: Option<String>,
    pub token_issuer: Option<String>,
    /// Empty: any.
    pub token_audience: Vec<String>,
    pub token_scope_claim: String,
    pub token_sub_claim: String,
    pub token_clock_skew_seconds: u32,
}

impl SecuritySettings {
    fn resolve(values: &BrokerValues) -> Self {
        let text = |key| values.text(key).unwrap_or_default();
        Self {
            has_authorizer: !text("authorizer.class.name").is_empty(),
            allow_everyone_if_no_acl_found: values.flag("allow.everyone.if.no.acl.found"),
            super_users: text("super.users"),
            sasl_mechanisms: values.list("sasl.enabled.mechanisms"),
            max_reauth_ms: Some(values.number("connections.max.reauth.ms")).filter(|ms| *ms > 0),
            client_auth: text("ssl.client.auth"),
            principal_mapping_rules: text("ssl.principal.mapping.rules"),
            jwks_url: values.text("sasl.oauthbearer.jwks.endpoint.url"),
            token_issuer: values.text("sasl.oauthbearer.expected.issuer"),
            token_audience: values.list("sasl.oauthbearer.expected.audience"),
            token_scope_claim: text("sasl.oauthbearer.scope.claim.name"),
            token_sub_claim: text("sasl.oauthbearer.sub.claim.name"),
            token_clock_skew_seconds: values.number("sasl.oauthbearer.clock.skew.seconds"),
        }
    }
}

/// Reads the values in force of one node, each good.
struct BrokerValues<'a> {
    layers: &'a Layers<'a>,
}

impl BrokerValues<'_> {
    fn text(&self, name: &'static str) -> Option<String> {
        let key = broker_key(name).expect("settings name keys of the table");
        let value = self.layers.broker_value(name)?;
        key.shape.canonical(name, value).ok().or_else(|| key.default.map(str::to_owned))
    }

    fn optional<N: FromStr>(&self, name: &'static str) -> Option<N> {
        self.text(name).map(|text| parsed(name, &text))
    }

    fn number<N: FromStr>(&self, name: &'static str) -> N {
        self.optional(name).expect("a setting that is a number has a default")
    }

    /// Where Kafka takes a negative number for none at all.
    fn positive(&self, name: &'static str) -> u64 {
        u64::try_from(self.number::<i64>(name)).unwrap_or(0)
    }

    fn flag(&self, name: &'static str) -> bool {
        self.text(name).is_some_and(|text| text == "true")
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        elements(&self.text(name).unwrap_or_default()).into_iter().map(str::to_owned).collect()
    }
}

fn per_host(text: &str) -> BTreeMap<String, u32> {
    let counts = counts_per_host(text).unwrap_or_default();
    counts.into_iter().map(|(host, count)| (host.to_owned(), count)).collect()
}

/// A number that the table has already accepted. If it does not fit, the type here is narrower than the table's bounds.
fn parsed<N: FromStr>(name: &str, text: &str) -> N {
    text.parse()
        .unwrap_or_else(|_| panic!("{name} is {text}, which the table accepts and the setting does not hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(overrides: &[(&str, &str)]) -> TopicSettings {
        let topic = overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let none = Overrides::new();
        TopicSettings::resolve(
            &Layers { dynamic_broker: &none, dynamic_default: &none, static_broker: &none },
            &topic,
        )
    }

    fn broker(pairs: &[(&str, &str)]) -> Result<BrokerSettings, Vec<String>> {
        BrokerSettings::from_pairs(pairs.iter().copied())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_topic_without_overrides_has_kafkas_defaults_but_syncs_every_record() {
        let settings = TopicSettings {
            cleanup: CleanupPolicy { delete: true, compact: false },
            compression: CompressionType::Producer,
            flush_messages: 1,
            flush_ms: None,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            min_insync_replicas: 1,
            retention_ms: Some(604_800_000),
            retention_bytes: None,
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            unclean_leader_election: false,
        };
        assert_eq!(topic(&[]), settings);
    }

    #[test]
    fn overrides_become_typed_values() {
        let settings = topic(&[
            ("cleanup.policy", "compact"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "-5"),
            ("flush.ms", "0"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.insync.replicas", "2147483647"),
            ("retention.ms", "-1"),
            ("retention.bytes", "0"),
        ]);
        assert_eq!(settings.cleanup, CleanupPolicy { delete: false, compact: true });
        assert_eq!(settings.compression, CompressionType::Zstd { level: -5 });
        assert_eq!(settings.flush_ms, Some(0));
        assert_eq!(settings.timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(settings.min_insync_replicas, u16::MAX);
        assert_eq!((settings.retention_ms, settings.retention_bytes), (None, Some(0)));
    }

    #[test]
    fn a_stored_value_that_is_no_longer_good_gives_way_to_the_default() {
        assert_eq!(topic(&[("segment.bytes", "5"), ("cleanup.policy", "burn")]), topic(&[]));
    }

    #[test]
    fn every_bound_of_the_table_fits_its_setting() {
        for value in
            ["0", "1", "4", "2147483647", "1048576", "9223372036854775807", "-1", "-9223372036854775808"]
        {
            for key in super::super::TOPIC_KEYS {
                topic(&[(key.name, value)]);
            }
            for key in super::super::broker_keys() {
                let _ = broker(&[(key.name, value)]);
            }
        }
        let _ = broker(&[("default.replication.factor", "32767")]);
    }

    #[test]
    fn a_node_with_nothing_given_has_kafkas_defaults() {
        let settings = broker(&[]).unwrap();
        assert_eq!(settings.node_id, None);
        assert_eq!(settings.listeners, ["PLAINTEXT://:9092"]);
        assert!(
            settings.advertised_listeners.is_empty()
                && settings.log_dirs.is_empty()
                && settings.rack.is_none()
        );
        assert!(settings.auto_create_topics && settings.delete_topics);
        assert_eq!((settings.num_partitions, settings.default_replication_factor), (1, 1));
        assert_eq!(settings.connections_max_idle_ms, Some(600_000));
        assert_eq!(
            (settings.max_connections, settings.max_connections_per_ip),
            (i32::MAX as u32, i32::MAX as u32)
        );
        assert_eq!(settings.socket_request_max_bytes, 100 << 20);
        assert_eq!(settings.queued_max_request_bytes, None);
        assert_eq!((settings.replica_lag_max_ms, settings.auto_leader_rebalance), (30_000, true));
        assert!(!settings.rack_aware_reads);
        assert_eq!(settings.retention_check_interval_ms, 300_000);
    }

    #[test]
    fn groups_have_kafkas_limits_unless_others_are_given() {
        let settings = broker(&[]).unwrap();
        assert_eq!(
            (settings.group_min_session_timeout_ms, settings.group_max_session_timeout_ms),
            (6_000, 1_800_000)
        );
        assert_eq!(
            (settings.group_initial_rebalance_delay_ms, settings.group_max_size),
            (3_000, 2_147_483_647)
        );
        assert_eq!((settings.offset_metadata_max_bytes, settings.offsets_topic_partitions), (4_096, 50));
        assert_eq!(settings.offsets_topic_segment_bytes, 100 << 20);
        assert_eq!(settings.offsets_retention_ms, 7 * 24 * 3_600_000);
        assert_eq!(settings.offsets_retention_check_interval_ms, 600_000);
        assert_eq!(settings.offsets_commit_timeout_ms, 5_000);
        let settings = broker(&[
            ("group.initial.rebalance.delay.ms", "-5"),
            ("offset.metadata.max.bytes", "-1"),
            ("offsets.retention.minutes", "2147483647"),
            ("offsets.topic.segment.bytes", "1"),
        ]);
        let settings = settings.unwrap();
        assert_eq!((settings.group_initial_rebalance_delay_ms, settings.offset_metadata_max_bytes), (0, 0));
        assert_eq!(settings.offsets_retention_ms, 2_147_483_647 * 60_000);
        assert_eq!(settings.offsets_topic_segment_bytes, 1 << 20);
        let refused = broker(&[("group.coordinator.rebalance.protocols", "classic,consumer")]);
        assert_eq!(refused.unwrap_err().len(), 1);
    }

    #[test]
    fn settings_given_are_taken_and_the_last_of_a_key_counts() {
        let settings = broker(&[
            ("broker.id", "3"),
            ("log.dir", "/a"),
            ("num.partitions", "2"),
            ("num.partitions", " 4 "),
            ("listeners", "PLAINTEXT://:1, INSIDE://:2"),
            ("connections.max.idle.ms", "-1"),
            ("max.connections.per.ip", "0"),
            ("max.connections.per.ip.overrides", "127.0.0.1:7"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.node_id, Some(3));
        assert_eq!(settings.log_dirs, ["/a"]);
        assert_eq!(settings.num_partitions, 4);
        assert_eq!(settings.listeners, ["PLAINTEXT://:1", "INSIDE://:2"]);
        assert_eq!(settings.connections_max_idle_ms, None);
        assert_eq!(settings.max_connections_per_ip_overrides["127.0.0.1"], 7);
    }

    #[test]
    fn consumers_are_sent_to_their_rack_by_kafkas_selector_and_by_no_other() {
        let selector = |class| broker(&[("replica.selector.class", class)]);
        assert!(
            selector("org.apache.kafka.common.replica.RackAwareReplicaSelector").unwrap().rack_aware_reads
        );
        let refused = selector("com.example.Nearest").unwrap_err();
        assert_eq!(
            refused,
            [
                "Invalid value com.example.Nearest for configuration replica.selector.class: String must be one of: org.apache.kafka.common.replica.RackAwareReplicaSelector"
            ]
        );
    }

    #[test]
    fn all_that_is_wrong_with_a_nodes_settings_is_reported_at_once() {
        let errors = broker(&[
            ("nonsense", "1"),
            ("background.threads", "10"),
            ("num.partitions", "0"),
            ("retention.ms", "5"),
            ("process.roles", "broker"),
        ]);
        let expected = [
            "unknown key nonsense",
            "background.threads is not supported by Bateau",
            "Invalid value 0 for configuration num.partitions: Value must be at least 1",
            "unknown key retention.ms",
            "Invalid value broker for configuration process.roles: List must be: broker,controller",
        ];
        assert_eq!(errors.unwrap_err(), expected);
    }

    #[test]
    fn settings_that_do_not_go_together_are_reported_together() {
        let errors = broker(&[
            ("node.id", "1"),
            ("broker.id", "2"),
            ("max.connections.per.ip", "0"),
            ("queued.max.request.bytes", "5"),
            ("log.cleaner.min.compaction.lag.ms", "9"),
            ("log.cleaner.max.compaction.lag.ms", "8"),
        ]);
        let errors = errors.unwrap_err();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert_eq!(errors[0], "conflict config setting node.id (1) differs from broker.id (2)");
        assert_eq!(
            errors[1],
            "conflict config setting queued.max.request.bytes (5) < socket.request.max.bytes (104857600)"
        );
    }
}
