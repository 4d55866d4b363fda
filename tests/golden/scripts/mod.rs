//! The scripts: what is asked, in which order, of which API. One file per family of APIs.

mod configs;
mod create_topics;
mod fetch;
mod fetch_session;
mod frames;
mod meta;
mod offsets;
mod produce;
mod produce_idempotent;
mod produce_rules;
mod produce_wrong;
mod topics;

use std::ops::RangeInclusive;

use crate::session::Session;

/// A sequence of requests, run once per version of the API under test. Other APIs that it uses are asked at the
/// newest version.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    /// One line for the head of the transcript.
    pub(crate) about: &'static str,
    /// The API whose versions are run through.
    pub(crate) key: i16,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) run: fn(&mut Session) -> Result<(), String>,
}

macro_rules! script {
    ($name:literal, $key:literal, $versions:expr, $run:path, $about:literal) => {
        Script { name: $name, about: $about, key: $key, versions: $versions, run: $run }
    };
}

pub(crate) const SCRIPTS: &[Script] = &[
    script!(
        "api_versions",
        18,
        0..=4,
        meta::api_versions,
        "what is advertised, and client names that are refused"
    ),
    script!("metadata", 3, 0..=13, meta::metadata, "topics by name, by id, all, none, unknown and ill-named"),
    script!("metadata_auto_create", 3, 0..=13, meta::auto_create, "asking for a topic makes it, or does not"),
    script!(
        "describe_cluster",
        60,
        0..=2,
        meta::describe_cluster,
        "brokers, controller, authorized operations"
    ),
    script!(
        "frames",
        18,
        0..=0,
        frames::frames,
        "requests that are unknown, unsupported, cut off or malformed"
    ),
    script!("produce", 0, 3..=13, produce::produce, "acks, several partitions and topics, offsets"),
    script!("produce_unknown", 0, 3..=13, produce::unknown, "topics and partitions that are not there"),
    script!("produce_compressed", 0, 3..=13, produce::compressed, "codecs, true and pretended"),
    script!("produce_wrong", 0, 3..=13, produce_wrong::wrong, "batches that break the format or its rules"),
    script!(
        "produce_idempotent",
        0,
        3..=13,
        produce_idempotent::idempotent,
        "sequences, duplicates, gaps, epochs"
    ),
    script!("produce_time", 0, 3..=13, produce_rules::time, "LogAppendTime, and timestamps out of bounds"),
    script!(
        "produce_rules",
        0,
        3..=13,
        produce_rules::rules,
        "compacted topics, min.insync.replicas, batch size"
    ),
    script!("fetch", 1, 4..=18, fetch::fetch, "where a fetch begins and how much it brings"),
    script!("fetch_unknown", 1, 4..=18, fetch::unknown, "topics and partitions that are not there"),
    script!(
        "fetch_epoch",
        1,
        9..=18,
        fetch::epoch,
        "leader epochs that are current, fenced, unknown, diverging"
    ),
    script!("fetch_session", 1, 7..=18, fetch_session::sessions, "incremental fetch sessions (KIP-227)"),
    script!(
        "list_offsets",
        2,
        1..=11,
        offsets::list_offsets,
        "special timestamps, real ones, epochs, unknown partitions"
    ),
    script!("offset_for_leader_epoch", 23, 2..=4, offsets::offset_for_leader_epoch, "ends of epochs"),
    script!("delete_records", 21, 0..=2, offsets::delete_records, "the log start moves, or not"),
    script!("create_topics", 19, 2..=7, create_topics::create_topics, "topics that can be made"),
    script!("create_topics_refused", 19, 2..=7, create_topics::refused, "topics that cannot"),
    script!("delete_topics", 20, 1..=6, topics::delete_topics, "by name, by id, unknown"),
    script!("create_partitions", 37, 0..=3, topics::create_partitions, "more, fewer, the same, assigned"),
    script!("init_producer_id", 22, 0..=5, topics::init_producer_id, "producers without a transactional id"),
    script!(
        "describe_configs",
        32,
        1..=4,
        configs::describe,
        "topic and broker configs, their sources and synonyms"
    ),
    script!("incremental_alter_configs", 44, 0..=1, configs::incremental, "SET, DELETE, APPEND, SUBTRACT"),
    script!("alter_configs", 33, 0..=2, configs::alter, "all configs of a topic replaced"),
];
