//! The table of topic keys: every one that Kafka 4.3 reports for a topic, and how Bateau treats it.

use super::error::KeyError;
use super::kind::{
    Accepts, BOOLEAN, CLEANUP_POLICY, COMPRESSION_TYPE, FOREVER, GROWS, GZIP_LEVEL, INT, LIST, LONG,
    LZ4_LEVEL, NO_TIERS, ONE_LZ4_LEVEL, OWN_INDEX_INTERVAL, RATIO, SEGMENT_BYTES, Shape, TIMESTAMP_TYPE,
    Treatment, UNLINKED_AT_ONCE, UNTIL_COMPACTION, ZSTD_LEVEL,
};

/// One topic key.
#[derive(Debug, Clone, Copy)]
pub struct TopicKey {
    pub name: &'static str,
    pub shape: Shape,
    /// The value when no layer says otherwise; canonical text.
    pub default: &'static str,
    /// The broker key whose value a topic without an override takes.
    pub broker_key: Option<&'static str>,
    pub treatment: Treatment,
    /// Meaning and unit, for people.
    pub documentation: &'static str,
}

const UNTHROTTLED: &str = "Bateau does not throttle replication";

/// Sorted by name.
pub static TOPIC_KEYS: &[TopicKey] = &[
    TopicKey::of("cleanup.policy", CLEANUP_POLICY, "delete").below("log.cleanup.policy").says(
        "What becomes of old segments: delete drops them by retention, compact keeps the last record of each key. \
         A compacted topic refuses records without a key; until Bateau compacts, it keeps every record.",
    ),
    TopicKey::of("compression.gzip.level", GZIP_LEVEL, "-1")
        .below("compression.gzip.level")
        .says("Level when compression.type is gzip: 1 (fast) to 9 (small), -1 for the library's own choice."),
    TopicKey::of("compression.lz4.level", LZ4_LEVEL, "9")
        .below("compression.lz4.level")
        .without_effect(ONE_LZ4_LEVEL)
        .says("Level when compression.type is lz4: 1 (fast) to 17 (small)."),
    TopicKey::of("compression.type", COMPRESSION_TYPE, "producer")
        .below("compression.type")
        .says("Codec of stored batches. With producer they stay as the producer compressed them."),
    TopicKey::of("compression.zstd.level", ZSTD_LEVEL, "3")
        .below("compression.zstd.level")
        .says("Level when compression.type is zstd: -131072 (fast) to 22 (small)."),
    TopicKey::of("delete.retention.ms", LONG.at_least(0), "86400000")
        .below("log.cleaner.delete.retention.ms")
        .without_effect(UNTIL_COMPACTION)
        .says("How long compaction keeps a tombstone, in milliseconds."),
    TopicKey::of("file.delete.delay.ms", LONG.at_least(0), "60000")
        .below("log.segment.delete.delay.ms")
        .without_effect(UNLINKED_AT_ONCE)
        .says("How long the files of a dropped segment stay on disk, in milliseconds."),
    TopicKey::of("flush.messages", LONG.at_least(1), "1").below("log.flush.interval.messages").says(
        "Records appended before an fsync is forced. Bateau's default is 1, not Kafka's never: what is acknowledged \
         has been synced.",
    ),
    TopicKey::of("flush.ms", LONG.at_least(0), FOREVER)
        .below("log.flush.interval.ms")
        .says("Longest time a record waits for an fsync, in milliseconds."),
    TopicKey::of("follower.replication.throttled.replicas", LIST.accepting(Accepts::ThrottledReplicas), "")
        .without_effect(UNTHROTTLED)
        .says("Replicas throttled as followers: * for all, or partition:node elements."),
    TopicKey::of("index.interval.bytes", INT.at_least(0), "4096")
        .below("log.index.interval.bytes")
        .without_effect(OWN_INDEX_INTERVAL)
        .says("Bytes of log between two entries of the offset index."),
    TopicKey::of("leader.replication.throttled.replicas", LIST.accepting(Accepts::ThrottledReplicas), "")
        .without_effect(UNTHROTTLED)
        .says("Replicas throttled on the leader's side: * for all, or partition:node elements."),
    TopicKey::of("local.retention.bytes", LONG.at_least(-2), "-2")
        .below("log.local.retention.bytes")
        .without_effect(NO_TIERS)
        .says("Bytes a partition keeps locally before tiered segments go; -2 takes retention.bytes."),
    TopicKey::of("local.retention.ms", LONG.at_least(-2), "-2")
        .below("log.local.retention.ms")
        .without_effect(NO_TIERS)
        .says("Milliseconds a tiered segment stays local; -2 takes retention.ms."),
    TopicKey::of("max.compaction.lag.ms", LONG.at_least(1), FOREVER)
        .below("log.cleaner.max.compaction.lag.ms")
        .without_effect(UNTIL_COMPACTION)
        .says("Longest time a record stays out of reach of compaction, in milliseconds."),
    TopicKey::of("max.message.bytes", INT.at_least(0), "1048588")
        .below("message.max.bytes")
        .says("Greatest record batch that is taken, in bytes as stored."),
    TopicKey::of("message.timestamp.after.max.ms", LONG.at_least(0), "3600000")
        .below("log.message.timestamp.after.max.ms")
        .says("How far a record's timestamp may lie ahead of the broker's clock, in milliseconds, under CreateTime."),
    TopicKey::of("message.timestamp.before.max.ms", LONG.at_least(0), FOREVER)
        .below("log.message.timestamp.before.max.ms")
        .says("How far a record's timestamp may lie behind the broker's clock, in milliseconds, under CreateTime."),
    TopicKey::of("message.timestamp.type", TIMESTAMP_TYPE, "CreateTime")
        .below("log.message.timestamp.type")
        .says("Whose time a record carries: the producer's (CreateTime) or the broker's at append (LogAppendTime)."),
    TopicKey::of("min.cleanable.dirty.ratio", RATIO, "0.5")
        .below("log.cleaner.min.cleanable.ratio")
        .without_effect(UNTIL_COMPACTION)
        .says("Part of the log that must be uncompacted before compaction starts, from 0 to 1."),
    TopicKey::of("min.compaction.lag.ms", LONG.at_least(0), "0")
        .below("log.cleaner.min.compaction.lag.ms")
        .without_effect(UNTIL_COMPACTION)
        .says("Time a record stays uncompacted at least, in milliseconds."),
    TopicKey::of("min.insync.replicas", INT.at_least(1), "1")
        .below("min.insync.replicas")
        .says("Replicas that must be in sync for a write with acks=all to be taken."),
    TopicKey::of("preallocate", BOOLEAN, "false")
        .below("log.preallocate")
        .without_effect(GROWS)
        .says("Whether a new segment's file gets its full size at once."),
    TopicKey::of("remote.log.copy.disable", BOOLEAN, "false")
        .refused("Bateau has no tiered storage whose copying could be stopped")
        .says("Whether segments stop being copied to the remote tier."),
    TopicKey::of("remote.log.delete.on.disable", BOOLEAN, "false")
        .refused("Bateau has no tiered storage from which to delete")
        .says("Whether the remote segments go when tiered storage is switched off for the topic."),
    TopicKey::of("remote.storage.enable", BOOLEAN, "false")
        .refused("Bateau has no tiered storage, the topic cannot be configured with it")
        .says("Whether the topic's segments are copied to a remote tier."),
    TopicKey::of("retention.bytes", LONG, "-1").below("log.retention.bytes").says(
        "Bytes a partition keeps under the delete policy before its oldest segments go; a negative number keeps all.",
    ),
    TopicKey::of("retention.ms", LONG.at_least(-1), "604800000")
        .below("log.retention.ms")
        .says("Milliseconds a segment is kept under the delete policy after its last timestamp; -1 keeps it forever."),
    TopicKey::of("segment.bytes", SEGMENT_BYTES, "1073741824")
        .below("log.segment.bytes")
        .says("Size in bytes at which a segment is closed and the next begins; retention drops whole segments."),
    TopicKey::of("segment.index.bytes", INT.at_least(4), "10485760")
        .below("log.index.size.max.bytes")
        .says("Greatest size of a segment's index in bytes; a full index closes the segment."),
    TopicKey::of("segment.jitter.ms", LONG.at_least(0), "0")
        .below("log.roll.jitter.ms")
        .says("Greatest random time taken off segment.ms, in milliseconds, so that segments do not all roll at once."),
    TopicKey::of("segment.ms", LONG.at_least(1), "604800000")
        .below("log.roll.ms")
        .says("Age in milliseconds at which a segment is closed even when it is not full."),
    TopicKey::of("unclean.leader.election.enable", BOOLEAN, "false")
        .below("unclean.leader.election.enable")
        .says("Whether one replica goes on alone once most have been silent for 30 s, and what only they had is lost."),
];

/// The topic key of that name.
pub fn topic_key(name: &str) -> Option<&'static TopicKey> {
    let at = TOPIC_KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
    Some(&TOPIC_KEYS[at])
}

impl TopicKey {
    const fn of(name: &'static str, shape: Shape, default: &'static str) -> Self {
        Self { name, shape, default, broker_key: None, treatment: Treatment::Honoured, documentation: "" }
    }

    const fn below(self, broker_key: &'static str) -> Self {
        Self { broker_key: Some(broker_key), ..self }
    }

    const fn without_effect(self, reason: &'static str) -> Self {
        Self { treatment: Treatment::KeptWithoutEffect(reason), ..self }
    }

    const fn refused(self, reason: &'static str) -> Self {
        Self { treatment: Treatment::Refused(reason), ..self }
    }

    const fn says(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }

    /// The canonical text of `value`.
    ///
    /// # Errors
    /// What Kafka would refuse, and with [`KeyError::Refused`] what Bateau cannot do.
    pub fn canonical(&self, value: &str) -> Result<String, KeyError> {
        let canonical = self.shape.canonical(self.name, value)?;
        match self.treatment {
            Treatment::Refused(reason) if canonical != self.default => {
                Err(KeyError::Refused { key: self.name.to_owned(), value: canonical, reason })
            }
            Treatment::Refused(_) | Treatment::Honoured | Treatment::KeptWithoutEffect(_) => Ok(canonical),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_by_name_and_every_key_is_found() {
        assert!(TOPIC_KEYS.is_sorted_by(|left, right| left.name < right.name));
        for key in TOPIC_KEYS {
            assert_eq!(topic_key(key.name).unwrap().name, key.name);
        }
        assert!(topic_key("nonsense").is_none());
        assert!(topic_key("log.retention.ms").is_none());
    }

    #[test]
    fn every_default_is_a_good_value_in_canonical_form_and_every_key_is_documented() {
        for key in TOPIC_KEYS {
            assert_eq!(key.canonical(key.default).unwrap(), key.default, "{}", key.name);
            assert!(key.documentation.ends_with('.'), "{}", key.name);
        }
    }

    #[test]
    fn tiered_storage_is_refused_unless_it_is_off() {
        for name in ["remote.storage.enable", "remote.log.copy.disable", "remote.log.delete.on.disable"] {
            let key = topic_key(name).unwrap();
            assert_eq!(key.canonical("FALSE").unwrap(), "false");
            let error = key.canonical("true").unwrap_err();
            assert!(matches!(&error, KeyError::Refused { key, value, .. } if key == name && value == "true"));
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("Invalid value true for configuration {name}: Bateau has no"))
            );
        }
    }

    #[test]
    fn what_the_real_kafka_refuses_is_refused() {
        let bad = [
            ("retention.ms", "-2"),
            ("segment.bytes", "1048575"),
            ("min.insync.replicas", "0"),
            ("max.compaction.lag.ms", "0"),
            ("flush.messages", "0"),
            ("flush.ms", "-1"),
            ("segment.ms", "0"),
            ("segment.index.bytes", "3"),
            ("max.message.bytes", "-1"),
            ("message.timestamp.before.max.ms", "-1"),
            ("message.timestamp.type", "createTime"),
            ("local.retention.bytes", "-3"),
            ("compression.type", "none"),
            ("cleanup.policy", "foo"),
            ("leader.replication.throttled.replicas", "0:1,x"),
        ];
        for (name, value) in bad {
            assert!(topic_key(name).unwrap().canonical(value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn what_the_real_kafka_takes_is_taken() {
        let good = [
            ("retention.ms", "-1"),
            ("retention.bytes", "-5"),
            ("segment.bytes", "1048576"),
            ("min.insync.replicas", "5"),
            ("flush.ms", "0"),
            ("max.message.bytes", "0"),
            ("local.retention.ms", "700000000"),
            ("cleanup.policy", ""),
            ("follower.replication.throttled.replicas", "*"),
        ];
        for (name, value) in good {
            assert_eq!(topic_key(name).unwrap().canonical(value).unwrap(), value);
        }
    }
}
