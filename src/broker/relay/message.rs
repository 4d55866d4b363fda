//! What goes between nodes: one question and its answer. Fields are only ever added.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;

use super::fault::Fault;
use crate::broker::{BrokerError, FoundOffset, OffsetSpec, Produced};

/// A question.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::broker) struct Relay {
    #[prost(oneof = "Ask", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub(super) ask: Option<Ask>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Ask {
    #[prost(message, tag = "1")]
    Produce(ProduceAsk),
    #[prost(message, tag = "2")]
    Read(ReadAsk),
    #[prost(message, tag = "3")]
    Offset(OffsetAsk),
    #[prost(message, tag = "4")]
    CreateTopic(CreateAsk),
    #[prost(string, tag = "5")]
    DeleteTopic(String),
    #[prost(message, tag = "6")]
    Group(GroupAsk),
    /// All groups that the node coordinates.
    #[prost(message, tag = "7")]
    Groups(Empty),
    #[prost(message, tag = "8")]
    DeleteGroup(GroupAsk),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Place {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) topic_id: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub(super) partition: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ProduceAsk {
    #[prost(message, optional, tag = "1")]
    pub(super) place: Option<Place>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) records: Bytes,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ReadAsk {
    #[prost(message, optional, tag = "1")]
    pub(super) place: Option<Place>,
    #[prost(int64, tag = "2")]
    pub(super) offset: i64,
    #[prost(uint64, tag = "3")]
    pub(super) max_bytes: u64,
    #[prost(uint64, tag = "4")]
    pub(super) wait_ms: u64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct OffsetAsk {
    #[prost(message, optional, tag = "1")]
    pub(super) place: Option<Place>,
    /// As in Kafka's `ListOffsets`: a time, or a negative number with a meaning.
    #[prost(int64, tag = "2")]
    pub(super) spec: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct CreateAsk {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) partitions: i32,
    #[prost(int32, tag = "3")]
    pub(super) replication_factor: i32,
    #[prost(map = "string, string", tag = "4")]
    pub(super) configs: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct GroupAsk {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Empty {}

/// An answer: one of the two.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Relayed {
    #[prost(oneof = "Done", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) done: Option<Done>,
    #[prost(message, optional, tag = "15")]
    pub(super) fault: Option<Fault>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Done {
    #[prost(message, tag = "1")]
    Produced(ProducedAt),
    #[prost(message, tag = "2")]
    Read(ReadRecords),
    #[prost(message, tag = "3")]
    Offset(OffsetFound),
    #[prost(message, tag = "4")]
    Topic(RelayedTopic),
    #[prost(message, tag = "5")]
    Group(GroupView),
    #[prost(message, tag = "6")]
    Groups(Groups),
    #[prost(message, tag = "7")]
    Nothing(Empty),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ProducedAt {
    #[prost(int64, tag = "1")]
    pub(super) base_offset: i64,
    #[prost(int64, optional, tag = "2")]
    pub(super) log_append_time: Option<i64>,
    #[prost(int64, tag = "3")]
    pub(super) log_start_offset: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct OffsetFound {
    #[prost(int64, tag = "1")]
    pub(super) timestamp: i64,
    #[prost(int64, tag = "2")]
    pub(super) offset: i64,
    #[prost(int32, optional, tag = "3")]
    pub(super) epoch: Option<i32>,
}

/// What was read of a partition.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ReadRecords {
    #[prost(int64, tag = "1")]
    pub high_watermark: i64,
    #[prost(int64, tag = "2")]
    pub log_start_offset: i64,
    /// Whole batches, the first of which may begin before the offset that was asked for; empty: nothing is there yet.
    #[prost(bytes = "bytes", tag = "3")]
    pub records: Bytes,
}

/// A topic that was made.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RelayedTopic {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub partitions: i32,
    #[prost(int32, tag = "3")]
    pub replication_factor: i32,
}

/// A group as its coordinator describes it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GroupView {
    #[prost(string, tag = "1")]
    pub group: String,
    /// In Kafka's words.
    #[prost(string, tag = "2")]
    pub state: String,
    #[prost(string, tag = "3")]
    pub protocol_type: String,
    /// Empty unless the group is stable.
    #[prost(string, tag = "4")]
    pub protocol: String,
    #[prost(message, repeated, tag = "5")]
    pub members: Vec<GroupMember>,
    /// By topic and partition.
    #[prost(message, repeated, tag = "6")]
    pub offsets: Vec<StoredOffset>,
    /// The node that coordinates it.
    #[prost(int32, tag = "7")]
    pub coordinator: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct GroupMember {
    #[prost(string, tag = "1")]
    pub member_id: String,
    #[prost(string, optional, tag = "2")]
    pub instance_id: Option<String>,
    #[prost(string, tag = "3")]
    pub client_id: String,
    #[prost(string, tag = "4")]
    pub client_host: String,
    /// The last that it got, in its protocol's bytes.
    #[prost(bytes = "bytes", tag = "5")]
    pub assignment: Bytes,
}

/// An offset that a group committed.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StoredOffset {
    #[prost(string, tag = "1")]
    pub topic: String,
    #[prost(int32, tag = "2")]
    pub partition: i32,
    #[prost(int64, tag = "3")]
    pub offset: i64,
    #[prost(string, tag = "4")]
    pub metadata: String,
}

/// Groups of one coordinator.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Groups {
    #[prost(message, repeated, tag = "1")]
    pub groups: Vec<GroupInList>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct GroupInList {
    #[prost(string, tag = "1")]
    pub group: String,
    /// Empty for a group that only keeps offsets.
    #[prost(string, tag = "2")]
    pub protocol_type: String,
    #[prost(string, tag = "3")]
    pub state: String,
    /// The node that coordinates it.
    #[prost(int32, tag = "4")]
    pub coordinator: i32,
}

impl Done {
    pub(super) fn produced(done: &Produced) -> Self {
        Self::Produced(ProducedAt {
            base_offset: done.base_offset.0,
            log_append_time: done.log_append_time,
            log_start_offset: done.log_start_offset.0,
        })
    }

    pub(super) fn offset(found: &FoundOffset) -> Self {
        let epoch = found.epoch.map(|epoch| epoch.0);
        Self::Offset(OffsetFound { timestamp: found.timestamp, offset: found.offset, epoch })
    }
}

/// Source: Kafka `ListOffsetsRequest`.
const SPECIAL: [(i64, OffsetSpec); 6] = [
    (-1, OffsetSpec::Latest),
    (-2, OffsetSpec::Earliest),
    (-3, OffsetSpec::MaxTimestamp),
    (-4, OffsetSpec::EarliestLocal),
    (-5, OffsetSpec::LatestTiered),
    (-6, OffsetSpec::EarliestPendingUpload),
];

pub(super) fn number_of(spec: OffsetSpec) -> i64 {
    match spec {
        OffsetSpec::Timestamp(at) => at,
        special => SPECIAL.iter().find(|(_, spec)| *spec == special).map_or(-1, |(number, _)| *number),
    }
}

pub(super) fn spec_of(number: i64) -> Result<OffsetSpec, BrokerError> {
    if number >= 0 {
        return Ok(OffsetSpec::Timestamp(number));
    }
    let special = SPECIAL.iter().find(|(special, _)| *special == number).map(|(_, spec)| *spec);
    special.ok_or_else(|| BrokerError::InvalidRequest { reason: format!("{number} is no time") })
}
