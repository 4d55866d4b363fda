//! The broker keys named `log.*`: what a topic without overrides takes, and where the log stands.

use super::broker::BrokerKey;
use super::kind::{
    Accepts, BOOLEAN, CLEANUP_POLICY, FOREVER, GROWS, INT, LIST, LONG, NO_TIERS, OWN_INDEX_INTERVAL, RATIO,
    SEGMENT_BYTES, TIMESTAMP_TYPE, UNLINKED_AT_ONCE, UNTIL_COMPACTION,
};

/// Sorted by name.
pub(super) static LOG_KEYS: &[BrokerKey] = &[
    BrokerKey::of("log.cleaner.delete.retention.ms", LONG.at_least(0))
        .with("86400000")
        .dynamic()
        .without_effect(UNTIL_COMPACTION)
        .says("How long compaction keeps a tombstone, in milliseconds, for topics without delete.retention.ms."),
    BrokerKey::of("log.cleaner.max.compaction.lag.ms", LONG.at_least(1))
        .with(FOREVER)
        .dynamic()
        .without_effect(UNTIL_COMPACTION)
        .says("Longest time a record stays out of reach of compaction, in milliseconds."),
    BrokerKey::of("log.cleaner.min.cleanable.ratio", RATIO)
        .with("0.5")
        .dynamic()
        .without_effect(UNTIL_COMPACTION)
        .says("Part of a log that must be uncompacted before compaction starts, from 0 to 1."),
    BrokerKey::of("log.cleaner.min.compaction.lag.ms", LONG.at_least(0))
        .with("0")
        .dynamic()
        .without_effect(UNTIL_COMPACTION)
        .says("Time a record stays uncompacted at least, in milliseconds."),
    BrokerKey::of("log.cleanup.policy", CLEANUP_POLICY)
        .with("delete")
        .dynamic()
        .says("What becomes of old segments of topics without cleanup.policy: delete, compact or both."),
    BrokerKey::of("log.dir", LIST.accepting(Accepts::SomeElement))
        .says("The data directory when log.dirs is not set. Bateau has no default in a temporary directory."),
    BrokerKey::of("log.dirs", LIST.accepting(Accepts::SomeElement)).says("The data directory."),
    BrokerKey::of("log.flush.interval.messages", LONG.at_least(1)).with("1").dynamic().says(
        "Records appended before an fsync is forced, for topics without flush.messages. Bateau's default is 1, not \
         Kafka's never: what is acknowledged has been synced.",
    ),
    BrokerKey::of("log.flush.interval.ms", LONG.at_least(0))
        .dynamic()
        .says("Longest time a record waits for an fsync, in milliseconds; unset, log.flush.scheduler.interval.ms."),
    BrokerKey::of("log.flush.scheduler.interval.ms", LONG.at_least(0))
        .with(FOREVER)
        .says("What log.flush.interval.ms takes when it is not set, in milliseconds."),
    BrokerKey::of("log.index.interval.bytes", INT.at_least(0))
        .with("4096")
        .dynamic()
        .without_effect(OWN_INDEX_INTERVAL)
        .says("Bytes of log between two entries of the offset index."),
    BrokerKey::of("log.index.size.max.bytes", INT.at_least(4))
        .with("10485760")
        .dynamic()
        .says("Greatest size of a segment's index in bytes, for topics without segment.index.bytes."),
    BrokerKey::of("log.local.retention.bytes", LONG.at_least(-2))
        .with("-2")
        .dynamic()
        .without_effect(NO_TIERS)
        .says("Bytes a partition keeps locally before tiered segments go; -2 takes log.retention.bytes."),
    BrokerKey::of("log.local.retention.ms", LONG.at_least(-2))
        .with("-2")
        .dynamic()
        .without_effect(NO_TIERS)
        .says("Milliseconds a tiered segment stays local; -2 takes log.retention.ms."),
    BrokerKey::of("log.message.timestamp.after.max.ms", LONG.at_least(0))
        .with("3600000")
        .dynamic()
        .says("How far a record's timestamp may lie ahead of the broker's clock, in milliseconds, under CreateTime."),
    BrokerKey::of("log.message.timestamp.before.max.ms", LONG.at_least(0))
        .with(FOREVER)
        .dynamic()
        .says("How far a record's timestamp may lie behind the broker's clock, in milliseconds, under CreateTime."),
    BrokerKey::of("log.message.timestamp.type", TIMESTAMP_TYPE)
        .with("CreateTime")
        .dynamic()
        .says("Whose time a record carries in topics that do not say: CreateTime or LogAppendTime."),
    BrokerKey::of("log.preallocate", BOOLEAN)
        .with("false")
        .dynamic()
        .without_effect(GROWS)
        .says("Whether a new segment's file gets its full size at once."),
    BrokerKey::of("log.retention.bytes", LONG)
        .with("-1")
        .dynamic()
        .says("Bytes a partition keeps before its oldest segments go, for topics without retention.bytes."),
    BrokerKey::of("log.retention.check.interval.ms", LONG.at_least(1))
        .with("300000")
        .says("Milliseconds between two looks for segments that retention may drop."),
    BrokerKey::of("log.retention.hours", INT.accepting(Accepts::LimitOrNone))
        .with("168")
        .says("Hours a segment is kept; log.retention.ms and log.retention.minutes go before it. -1 is forever."),
    BrokerKey::of("log.retention.minutes", INT.accepting(Accepts::LimitOrNone))
        .says("Minutes a segment is kept; log.retention.ms goes before it. -1 is forever."),
    BrokerKey::of("log.retention.ms", LONG.accepting(Accepts::LimitOrNone))
        .dynamic()
        .says("Milliseconds a segment is kept, for topics without retention.ms; unset, the minutes or hours. -1 is forever."),
    BrokerKey::of("log.roll.hours", INT.at_least(1))
        .with("168")
        .says("Hours after which a segment is closed even when it is not full; log.roll.ms goes before it."),
    BrokerKey::of("log.roll.jitter.hours", INT.at_least(0))
        .with("0")
        .says("Greatest random number of hours taken off the age at which segments roll."),
    BrokerKey::of("log.roll.jitter.ms", LONG.at_least(0))
        .dynamic()
        .says("Greatest random time taken off the age at which segments roll, in milliseconds; unset, the hours."),
    BrokerKey::of("log.roll.ms", LONG.at_least(1))
        .dynamic()
        .says("Milliseconds after which a segment is closed even when it is not full; unset, log.roll.hours."),
    BrokerKey::of("log.segment.bytes", SEGMENT_BYTES)
        .with("1073741824")
        .dynamic()
        .says("Size in bytes at which a segment is closed, for topics without segment.bytes."),
    BrokerKey::of("log.segment.delete.delay.ms", LONG.at_least(0))
        .with("60000")
        .dynamic()
        .without_effect(UNLINKED_AT_ONCE)
        .says("How long the files of a dropped segment stay on disk, in milliseconds."),
];
