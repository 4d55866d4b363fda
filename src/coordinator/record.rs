//! Kafka's own record formats of `__consumer_offsets`: committed offsets and the metadata of classic groups.
//!
//! Kafka's tools and a Kafka broker can read what is encoded here. Not here: batches (`model::record`), and which
//! partition a group has.
//!
//! Source: Kafka 4.3 `OffsetCommitKey`, `OffsetCommitValue`, `GroupMetadataKey`, `GroupMetadataValue`, and
//! `GroupCoordinatorRecordHelpers` for the versions that it writes.

mod read;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use read::{Layout, Reader};

/// What the first two bytes of a key say. Key 0 is key 1 of the time before Kafka 0.9.
const LEGACY_OFFSET_KEY: i16 = 0;
const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;

/// Versions of `OffsetCommitValue`: 1 alone knows an expiry, 3 has the leader epoch, 4 is flexible and has the topic id.
const OFFSET_EXPIRING: i16 = 1;
const OFFSET_WITH_EPOCH: i16 = 3;
const OFFSET_FLEXIBLE: i16 = 4;
const TOPIC_ID_TAG: u8 = 0;

/// Versions of `GroupMetadataValue`: 1 rebalance timeout, 2 time of the state, 3 instance id (KIP-345), 4 flexible.
const GROUP: i16 = 3;
const GROUP_FLEXIBLE: i16 = 4;

/// The number that stands for "none".
const NONE: i64 = -1;

/// A record of `__consumer_offsets`; a value of `None` is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    Offset { group: String, topic: String, partition: i32, value: Option<CommittedOffset> },
    Group { group: String, value: Option<GroupMetadata> },
}

/// Where a group will go on in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: i64,
    /// Epoch of the last record that was read; -1 if the member did not say.
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp_ms: i64,
    /// Set only by members that ask for a retention of their own (`OffsetCommit` 2-4).
    pub expire_timestamp_ms: Option<i64>,
    pub topic_id: Option<Uuid>,
}

/// A classic group as of its last finished rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// -1 if it was written by a Kafka that did not say.
    pub state_timestamp_ms: i64,
    pub members: Vec<MemberMetadata>,
}

/// One member of a [`GroupMetadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// Why bytes are no record of `__consumer_offsets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("{field} takes {length} bytes or elements, and {left} bytes are left")]
    Length { field: &'static str, length: i64, left: usize },
    #[error("{field} is not utf-8")]
    NotUtf8 { field: &'static str },
    #[error("{field} is null")]
    Null { field: &'static str },
    #[error("version {version} of {what} is not known")]
    Version { what: &'static str, version: i16 },
}

impl GroupRecord {
    /// Key and value in the versions that Kafka 4.3 writes; no value is a tombstone.
    ///
    /// # Panics
    /// If a string is longer than 32,767 bytes, which none is that came in a request.
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        let mut key = BytesMut::new();
        match self {
            Self::Offset { group, topic, partition, value } => {
                key.put_i16(OFFSET_KEY);
                put_string(&mut key, group);
                put_string(&mut key, topic);
                key.put_i32(*partition);
                (key.freeze(), value.as_ref().map(CommittedOffset::encode))
            }
            Self::Group { group, value } => {
                key.put_i16(GROUP_KEY);
                put_string(&mut key, group);
                (key.freeze(), value.as_ref().map(GroupMetadata::encode))
            }
        }
    }

    /// Reads a record in any version that Kafka ever wrote; `Ok(None)` if its key is of another kind, to be skipped.
    ///
    /// # Errors
    /// [`RecordError`], for the first thing that is wrong. Memory is taken only for bytes that are there.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let mut key = Reader::new(key);
        match key.i16("the key's version")? {
            LEGACY_OFFSET_KEY | OFFSET_KEY => {
                let (group, topic) = (key.string("group")?, key.string("topic")?);
                let partition = key.i32("partition")?;
                let value = value.map(CommittedOffset::decode).transpose()?;
                Ok(Some(Self::Offset { group, topic, partition, value }))
            }
            GROUP_KEY => {
                let group = key.string("group")?;
                let value = value.map(GroupMetadata::decode).transpose()?;
                Ok(Some(Self::Group { group, value }))
            }
            _ => Ok(None),
        }
    }
}

impl CommittedOffset {
    /// An expiry takes the version that alone has it, though that has no leader epoch; Kafka does so too.
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        if let Some(expires) = self.expire_timestamp_ms {
            out.put_i16(OFFSET_EXPIRING);
            out.put_i64(self.offset);
            put_string(&mut out, &self.metadata);
            out.put_i64(self.commit_timestamp_ms);
            out.put_i64(expires);
            return out.freeze();
        }
        out.put_i16(OFFSET_FLEXIBLE);
        out.put_i64(self.offset);
        out.put_i32(self.leader_epoch);
        put_uvarint(&mut out, self.metadata.len() + 1);
        out.put_slice(self.metadata.as_bytes());
        out.put_i64(self.commit_timestamp_ms);
        match self.topic_id {
            Some(id) => {
                out.put_slice(&[1, TOPIC_ID_TAG, 16]); // one tagged field, its number, its size
                out.put_slice(id.as_bytes());
            }
            None => out.put_u8(0),
        }
        out.freeze()
    }

    fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut value = Reader::new(value);
        let version = value.i16("the value's version")?;
        if !(0..=OFFSET_FLEXIBLE).contains(&version) {
            return Err(RecordError::Version { what: "OffsetCommitValue", version });
        }
        if version == OFFSET_FLEXIBLE {
            value.layout = Layout::Flexible;
        }
        let offset = value.i64("offset")?;
        let leader_epoch = if version >= OFFSET_WITH_EPOCH { value.i32("leader epoch")? } else { -1 };
        let metadata = value.string("metadata")?;
        let commit_timestamp_ms = value.i64("commit timestamp")?;
        let expires = if version == OFFSET_EXPIRING { value.i64("expire timestamp")? } else { NONE };
        let mut topic_id = None;
        value.tags(|tag, field| {
            if tag == u32::from(TOPIC_ID_TAG) {
                topic_id = Some(Uuid::from_bytes(field.array("topic id")?)).filter(|id| !id.is_nil());
            }
            Ok(())
        })?;
        let expire_timestamp_ms = (expires != NONE).then_some(expires);
        Ok(Self { offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms, topic_id })
    }
}

impl GroupMetadata {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(GROUP);
        put_string(&mut out, &self.protocol_type);
        out.put_i32(self.generation);
        put_nullable(&mut out, self.protocol.as_deref());
        put_nullable(&mut out, self.leader.as_deref());
        out.put_i64(self.state_timestamp_ms);
        out.put_i32(i32::try_from(self.members.len()).expect("a group of fewer than 2^31 members"));
        for member in &self.members {
            member.encode(&mut out);
        }
        out.freeze()
    }

    fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut value = Reader::new(value);
        let version = value.i16("the value's version")?;
        if !(0..=GROUP_FLEXIBLE).contains(&version) {
            return Err(RecordError::Version { what: "GroupMetadataValue", version });
        }
        if version == GROUP_FLEXIBLE {
            value.layout = Layout::Flexible;
        }
        let protocol_type = value.string("protocol type")?;
        let generation = value.i32("generation")?;
        let protocol = value.nullable("protocol")?;
        let leader = value.nullable("leader")?;
        let state_timestamp_ms = if version >= 2 { value.i64("state timestamp")? } else { NONE };
        let count = value.count("members", MemberMetadata::SMALLEST)?;
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            members.push(MemberMetadata::decode(&mut value, version)?);
        }
        value.tags(|_, _| Ok(()))?;
        Ok(Self { protocol_type, generation, protocol, leader, state_timestamp_ms, members })
    }
}

impl MemberMetadata {
    /// The fewest bytes of a member in any version: three strings, two sizes and a timeout, lengths of one byte each.
    const SMALLEST: usize = 3 + 2 + 4;

    fn encode(&self, out: &mut BytesMut) {
        put_string(out, &self.member_id);
        put_nullable(out, self.instance_id.as_deref());
        put_string(out, &self.client_id);
        put_string(out, &self.client_host);
        out.put_i32(self.rebalance_timeout_ms);
        out.put_i32(self.session_timeout_ms);
        put_bytes(out, &self.subscription);
        put_bytes(out, &self.assignment);
    }

    /// Before version 1 a member had as long to rejoin as its session lasts.
    fn decode(value: &mut Reader, version: i16) -> Result<Self, RecordError> {
        let member_id = value.string("member id")?;
        let instance_id = if version >= 3 { value.nullable("instance id")? } else { None };
        let client_id = value.string("client id")?;
        let client_host = value.string("client host")?;
        let rebalance = if version >= 1 { value.i32("rebalance timeout")? } else { -1 };
        let session_timeout_ms = value.i32("session timeout")?;
        let subscription = value.bytes("subscription")?;
        let assignment = value.bytes("assignment")?;
        value.tags(|_, _| Ok(()))?;
        let rebalance_timeout_ms = if rebalance == -1 { session_timeout_ms } else { rebalance };
        Ok(Self {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms,
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).expect("a string of at most 32,767 bytes"));
    out.put_slice(text.as_bytes());
}

fn put_nullable(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put_i16(-1),
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).expect("bytes of a request, which is smaller than 2 GiB"));
    out.put_slice(bytes);
}

fn put_uvarint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests;
