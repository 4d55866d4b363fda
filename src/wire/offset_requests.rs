//! The requests `OffsetCommit` 10 and `OffsetFetch` 10, which name topics by id and which kafka-protocol 0.18 does not read.
//!
//! Its structs have the ids, and its responses go up to version 10, so only these two readers are ours.
//! Source: Kafka 4.3 `OffsetCommitRequest.json`, `OffsetFetchRequest.json`.

use std::error::Error;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::{Decodable, StrBytes};
use uuid::Uuid;

/// The version that both got topic ids with.
const TOPIC_IDS: i16 = 10;

type Read<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An `OffsetCommit` request of any version. Of its topics either the names or the ids are set.
///
/// # Errors
/// None after [`super::schema::walk`] has passed the bytes.
pub fn decode_offset_commit(body: &mut Bytes, version: i16) -> Read<OffsetCommitRequest> {
    if version < TOPIC_IDS {
        return Ok(OffsetCommitRequest::decode(body, version)?);
    }
    let request = OffsetCommitRequest::default()
        .with_group_id(string(body)?.ok_or("a null group")?.into())
        .with_generation_id_or_member_epoch(body.try_get_i32()?)
        .with_member_id(string(body)?.ok_or("a null member")?)
        .with_group_instance_id(string(body)?)
        .with_topics(array(body, commit_topic)?.ok_or("null topics")?);
    skip_tags(body)?;
    Ok(request)
}

fn commit_topic(body: &mut Bytes) -> Read<OffsetCommitRequestTopic> {
    let topic = OffsetCommitRequestTopic::default()
        .with_topic_id(Uuid::from_u128(body.try_get_u128()?))
        .with_partitions(array(body, commit_partition)?.ok_or("null partitions")?);
    skip_tags(body)?;
    Ok(topic)
}

fn commit_partition(body: &mut Bytes) -> Read<OffsetCommitRequestPartition> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(body.try_get_i32()?)
        .with_committed_offset(body.try_get_i64()?)
        .with_committed_leader_epoch(body.try_get_i32()?)
        .with_committed_metadata(string(body)?);
    skip_tags(body)?;
    Ok(partition)
}

/// An `OffsetFetch` request of any version. Of its topics either the names or the ids are set.
///
/// # Errors
/// None after [`super::schema::walk`] has passed the bytes.
pub fn decode_offset_fetch(body: &mut Bytes, version: i16) -> Read<OffsetFetchRequest> {
    if version < TOPIC_IDS {
        return Ok(OffsetFetchRequest::decode(body, version)?);
    }
    let request = OffsetFetchRequest::default()
        .with_groups(array(body, fetch_group)?.ok_or("null groups")?)
        .with_require_stable(body.try_get_u8()? != 0);
    skip_tags(body)?;
    Ok(request)
}

fn fetch_group(body: &mut Bytes) -> Read<OffsetFetchRequestGroup> {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(string(body)?.ok_or("a null group")?.into())
        .with_member_id(string(body)?)
        .with_member_epoch(body.try_get_i32()?)
        .with_topics(array(body, fetch_topic)?);
    skip_tags(body)?;
    Ok(group)
}

fn fetch_topic(body: &mut Bytes) -> Read<OffsetFetchRequestTopics> {
    let topic = OffsetFetchRequestTopics::default()
        .with_topic_id(Uuid::from_u128(body.try_get_u128()?))
        .with_partition_indexes(array(body, |body| Ok(body.try_get_i32()?))?.ok_or("null partitions")?);
    skip_tags(body)?;
    Ok(topic)
}

/// A compact array; `None` is null. Grows with what is read, not with what is announced.
fn array<T>(body: &mut Bytes, element: fn(&mut Bytes) -> Read<T>) -> Read<Option<Vec<T>>> {
    let length = uvarint(body)?;
    let Some(count) = length.checked_sub(1) else { return Ok(None) };
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(element(body)?);
    }
    Ok(Some(elements))
}

fn skip_tags(body: &mut Bytes) -> Read<()> {
    let count = uvarint(body)?;
    for _ in 0..count {
        uvarint(body)?; // the tag
        let size = uvarint(body)?;
        take(body, size)?;
    }
    Ok(())
}

/// A compact string; `None` is null.
fn string(body: &mut Bytes) -> Read<Option<StrBytes>> {
    match uvarint(body)?.checked_sub(1) {
        None => Ok(None),
        Some(length) => Ok(Some(StrBytes::try_from(take(body, length)?)?)),
    }
}

fn take(body: &mut Bytes, length: u32) -> Read<Bytes> {
    let length = length as usize;
    if body.remaining() < length {
        return Err("a field is cut off".into());
    }
    Ok(body.split_to(length))
}

fn uvarint(body: &mut Bytes) -> Read<u32> {
    let mut value: u64 = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = body.try_get_u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(u32::try_from(value)?);
        }
    }
    Err("a varint of more than five bytes".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = *b"0123456789abcdef";

    #[test]
    fn a_commit_by_topic_id_is_read_to_its_end() {
        let bytes = [
            &[2, b'g', 0, 0, 0, 7, 2, b'm', 0][..], // group, generation, member, no instance
            &[2],
            &ID,
            &[2],
            &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 5, 3, b'h', b'i', 0],
            &[0, 1, 9, 2, 0xff, 0xff], // tagged fields: of the topic none, of the request one that nobody knows
        ]
        .concat();
        let mut body = Bytes::from(bytes.clone());
        assert_eq!(super::super::schema::walk(8, 10, &bytes).unwrap().consumed, bytes.len());
        let request = decode_offset_commit(&mut body, 10).unwrap();
        assert!(body.is_empty());
        assert_eq!((request.group_id.as_str(), request.generation_id_or_member_epoch), ("g", 7));
        let topic = &request.topics[0];
        assert_eq!((topic.topic_id, topic.name.as_str()), (Uuid::from_bytes(ID), ""));
        let partition = &topic.partitions[0];
        assert_eq!((partition.partition_index, partition.committed_offset), (3, 42));
        assert_eq!(partition.committed_metadata.as_deref(), Some("hi"));
    }

    #[test]
    fn a_fetch_by_topic_id_is_read_to_its_end() {
        let bytes = [
            &[3, 2, b'g', 0, 0xff, 0xff, 0xff, 0xff, 0, 0][..], // all topics of the first group
            &[2, b'h', 2, b'm', 0, 0, 0, 1, 2],
            &ID,
            &[2, 0, 0, 0, 3, 0, 0],
            &[1, 0],
        ]
        .concat();
        let mut body = Bytes::from(bytes.clone());
        assert_eq!(super::super::schema::walk(9, 10, &bytes).unwrap().consumed, bytes.len());
        let request = decode_offset_fetch(&mut body, 10).unwrap();
        assert!(body.is_empty() && request.require_stable);
        assert_eq!((request.groups[0].topics.as_ref(), request.groups[0].member_id.as_ref()), (None, None));
        let topics = request.groups[1].topics.as_ref().unwrap();
        assert_eq!((topics[0].topic_id, &topics[0].partition_indexes[..]), (Uuid::from_bytes(ID), &[3][..]));
    }

    #[test]
    fn bytes_that_end_early_are_an_error() {
        let bytes = [&[2, 2, b'g', 0, 0, 0, 0, 0, 2][..], &ID, &[2, 0, 0, 0, 3, 0, 0], &[1, 0]].concat();
        for end in 0..bytes.len() {
            assert!(decode_offset_fetch(&mut Bytes::copy_from_slice(&bytes[..end]), 10).is_err(), "{end}");
        }
    }
}
