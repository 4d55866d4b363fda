//! The scripts: what is asked, in which order, of which API. One file per family of APIs.

mod cluster;
mod configs;
mod create_topics;
mod fetch;
mod fetch_session;
mod frames;
mod group_admin;
mod group_offsets;
mod groups;
mod meta;
mod named_configs;
mod offsets;
mod partitions;
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
    script!(
        "find_coordinator",
        10,
        0..=6,
        groups::find_coordinator,
        "groups, transactions, share partitions"
    ),
    script!("join_group_refused", 11, 0..=9, groups::join_refused, "who may not be a member, and why"),
    script!("join_group", 11, 0..=9, groups::one_member, "a member alone: join, sync, heartbeat, leave"),
    script!("join_group_two", 11, 0..=9, groups::two_members, "a second member comes and goes"),
    script!("join_group_static", 11, 5..=9, groups::static_member, "static members (KIP-345)"),
    script!("sync_group", 14, 0..=5, groups::sync_group, "generations, protocols, who is no member"),
    script!("heartbeat", 12, 0..=4, groups::heartbeat, "members, strangers and generations"),
    script!("leave_group", 13, 0..=5, groups::leave_group, "one, several, by instance id"),
    script!(
        "offset_commit",
        8,
        2..=10,
        group_offsets::offset_commit,
        "by members and others, metadata, what is unknown"
    ),
    script!("nameless_group", 8, 9..=9, group_offsets::nameless, "the group whose id is empty"),
    script!("offset_fetch", 9, 1..=10, group_offsets::offset_fetch, "some, all, none, several groups"),
    script!(
        "offset_fetch_again",
        9,
        8..=10,
        group_offsets::topic_again,
        "a topic that was deleted and made again"
    ),
    script!("offset_delete", 47, 0..=0, group_offsets::offset_delete, "of consumers, of others, of nobody"),
    script!("describe_groups", 15, 0..=6, group_admin::describe_groups, "every state, unknown groups"),
    script!("list_groups", 16, 0..=5, group_admin::list_groups, "by state and type"),
    script!("delete_groups", 42, 0..=2, group_admin::delete_groups, "used, unused, unknown"),
    script!("group_configs", 44, 0..=1, named_configs::group, "configs of groups"),
    script!(
        "client_metrics_configs",
        44,
        0..=1,
        named_configs::client_metrics,
        "subscriptions to client metrics"
    ),
    script!(
        "named_configs_replaced",
        33,
        0..=2,
        named_configs::replaced,
        "all configs of a group or a subscription"
    ),
    script!("list_config_resources", 74, 0..=1, named_configs::list, "what has a configuration, by kind"),
    script!(
        "describe_log_dirs",
        35,
        1..=5,
        partitions::describe_log_dirs,
        "sizes of logs, some and unknown ones"
    ),
    script!(
        "describe_topic_partitions",
        75,
        0..=0,
        partitions::describe_topic_partitions,
        "pages, cursors, unknown topics"
    ),
    script!("elect_leaders", 43, 0..=2, partitions::elect_leaders, "where no election is needed"),
    script!(
        "alter_partition_reassignments",
        45,
        0..=1,
        partitions::alter_partition_reassignments,
        "to the same broker, to unknown ones, cancelled"
    ),
    script!(
        "list_partition_reassignments",
        46,
        0..=0,
        partitions::list_partition_reassignments,
        "when there are none"
    ),
    script!(
        "describe_producers",
        61,
        0..=0,
        partitions::describe_producers,
        "an idempotent producer, and none"
    ),
    script!("describe_quorum", 55, 0..=2, cluster::describe_quorum, "of the metadata, and of nothing else"),
    script!("update_features", 57, 0..=2, cluster::update_features, "features and levels that there are not"),
    script!("unregister_broker", 64, 0..=0, cluster::unregister_broker, "brokers that there are not"),
];
