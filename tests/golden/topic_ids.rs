//! `OffsetCommit` and `OffsetFetch` 10, which name topics by id and which the codec does not write.

use std::any::Any;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};

const TOPIC_IDS: i16 = 10;

/// The body of `request`, if it is one of those.
pub(crate) fn encode(request: &dyn Any, version: i16) -> Option<BytesMut> {
    if version != TOPIC_IDS {
        return None;
    }
    let commit = request.downcast_ref::<OffsetCommitRequest>().map(offset_commit);
    commit.or_else(|| request.downcast_ref::<OffsetFetchRequest>().map(offset_fetch))
}

fn offset_commit(request: &OffsetCommitRequest) -> BytesMut {
    let mut out = BytesMut::new();
    string(&mut out, Some(&request.group_id));
    out.put_i32(request.generation_id_or_member_epoch);
    string(&mut out, Some(&request.member_id));
    string(&mut out, request.group_instance_id.as_deref());
    uvarint(&mut out, request.topics.len() + 1);
    for topic in &request.topics {
        out.put_slice(topic.topic_id.as_bytes());
        uvarint(&mut out, topic.partitions.len() + 1);
        for partition in &topic.partitions {
            out.put_i32(partition.partition_index);
            out.put_i64(partition.committed_offset);
            out.put_i32(partition.committed_leader_epoch);
            string(&mut out, partition.committed_metadata.as_deref());
            out.put_u8(0); // no tagged fields, here and below
        }
        out.put_u8(0);
    }
    out.put_u8(0);
    out
}

fn offset_fetch(request: &OffsetFetchRequest) -> BytesMut {
    let mut out = BytesMut::new();
    uvarint(&mut out, request.groups.len() + 1);
    for group in &request.groups {
        string(&mut out, Some(&group.group_id));
        string(&mut out, group.member_id.as_deref());
        out.put_i32(group.member_epoch);
        uvarint(&mut out, group.topics.as_ref().map_or(0, |topics| topics.len() + 1));
        for topic in group.topics.iter().flatten() {
            out.put_slice(topic.topic_id.as_bytes());
            uvarint(&mut out, topic.partition_indexes.len() + 1);
            topic.partition_indexes.iter().for_each(|index| out.put_i32(*index));
            out.put_u8(0);
        }
        out.put_u8(0);
    }
    out.put_u8(request.require_stable.into());
    out.put_u8(0);
    out
}

fn string(out: &mut BytesMut, text: Option<&str>) {
    uvarint(out, text.map_or(0, |text| text.len() + 1));
    out.put_slice(text.unwrap_or_default().as_bytes());
}

fn uvarint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
