//! Whether an answer has what it announces: a first pass of the decoder itself, over bytes that tell it of no lie.
//!
//! The decoders reserve what a count announces (`Vec::with_capacity`), and a refused allocation aborts the process: so
//! nothing that a broker or a member of a group says is decoded before [`check`] has passed it. Requests are walked by a
//! table instead ([`super::super::schema`]); answers have none, and this needs none.
//!
//! The trick: [`Wary`] stands between the decoder and the bytes. A length or count that is larger than what is left of
//! the bytes is a lie. A varint is always a length, a count or a tag, so there it is an error. An `int32` may also be a
//! plain number, and the decoder does not say which it reads: a large one is answered with [`NO_LENGTH`], which every
//! decoder of an array or of bytes refuses before it reserves anything, and at which a plain number takes no harm, as what
//! this pass decodes is thrown away. The second pass then reads the same lengths, all of which are true.
//!
//! **Bound.** A pass reserves, for each array that it is in, at most as many elements as bytes are left: of 32 MiB
//! ([`ANSWER_MAX`]), or of what a Fetch brought. Who wants more of our memory has to send it first.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

/// Neither a length nor, as -1 is, null.
const NO_LENGTH: i32 = -2;
/// Tags are numbers, too, and elements of so few bytes that reserving them is no harm.
const HARMLESS: usize = 1024;
/// Bytes of a varint that others follow: a varint of 32 bits has 5.
const FOLLOWED_MAX: usize = 4;

/// No answer without records is larger: the metadata of 100,000 partitions takes 10 MB.
pub(super) const ANSWER_MAX: usize = 32 << 20;

/// Passes `body` if a `T` that is decoded from it reserves memory only for what is there.
///
/// # Errors
/// What the decoder says; a lie reads as bytes that are missing.
pub(super) fn check<T: Decodable>(
    body: &Bytes,
    version: i16,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut wary = Wary { bytes: body.clone(), varint: Varint::default() };
    T::decode(&mut wary, version).map(drop).map_err(Into::into)
}

/// Bytes that do not let a decoder read a length beyond their end.
struct Wary {
    bytes: Bytes,
    varint: Varint,
}

/// The bytes that were read one by one, directly after each other, and may be a varint.
#[derive(Clone, Copy, Default)]
struct Varint {
    groups: [u8; FOLLOWED_MAX],
    count: usize,
}

impl Varint {
    /// Takes the next byte, behind which `left` are left.
    ///
    /// A boolean is read as one byte, too, and a dishonest one looks like the first byte of the varint behind it. What is
    /// made of both together is no less than that varint, so the lie is found all the same.
    fn take(&mut self, byte: u8, left: usize) -> Result<(), TryGetError> {
        if byte >= 0x80 {
            let Some(group) = self.groups.get_mut(self.count) else {
                return Err(TryGetError { requested: usize::MAX, available: left });
            };
            *group = byte & 0x7f;
            self.count += 1;
            return Ok(());
        }
        let mut value = usize::from(byte);
        let read = std::mem::take(self);
        for group in read.groups[..read.count].iter().rev() {
            value = value << 7 | usize::from(*group);
        }
        // Compact lengths are one more than what they announce.
        let announced = value.saturating_sub(1);
        if announced > left.max(HARMLESS) {
            return Err(TryGetError { requested: announced, available: left });
        }
        Ok(())
    }
}

impl Buf for Wary {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.varint = Varint::default();
        self.bytes.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.bytes.try_get_u8()?;
        self.varint.take(byte, self.bytes.len())?;
        Ok(byte)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.varint = Varint::default();
        let number = self.bytes.try_get_i32()?;
        let is_lie = usize::try_from(number).is_ok_and(|number| number > self.bytes.len());
        Ok(if is_lie { NO_LENGTH } else { number })
    }
}

impl ByteBuf for Wary {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.peek_bytes(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.varint = Varint::default();
        self.bytes.get_bytes(size)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
    use kafka_protocol::messages::{BrokerId, FetchResponse, MetadataResponse, TopicName};
    use kafka_protocol::protocol::{Encodable, StrBytes};
    use proptest::prelude::*;

    use super::*;

    fn encoded(message: &impl Encodable, version: i16) -> Bytes {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes, version).unwrap();
        bytes.freeze()
    }

    /// With numbers that are larger than the whole answer, and a leader epoch and replicas that look like lengths.
    fn metadata() -> MetadataResponse {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(i32::MAX)
            .with_leader_id(BrokerId(1_000_000))
            .with_replica_nodes(vec![BrokerId(i32::MAX), BrokerId(7)])
            .with_isr_nodes(vec![BrokerId(70_000)]);
        let name = TopicName(StrBytes::from_static_str("sky"));
        let topic =
            MetadataResponseTopic::default().with_name(Some(name)).with_partitions(vec![partition; 3]);
        MetadataResponse::default().with_controller_id(BrokerId(i32::MAX)).with_topics(vec![topic; 2])
    }

    fn fetched() -> FetchResponse {
        let data = PartitionData::default()
            .with_partition_index(900_000)
            .with_high_watermark(i64::MAX)
            .with_records(Some(Bytes::from(vec![0xff; 5_000])));
        let topic = FetchableTopicResponse::default().with_partitions(vec![data; 2]);
        FetchResponse::default().with_responses(vec![topic])
    }

    #[test]
    fn an_honest_answer_passes_whatever_its_numbers_are() {
        for version in 0..=13 {
            let mut message = metadata();
            if version == 0 {
                message = message.with_controller_id(BrokerId(-1));
            }
            check::<MetadataResponse>(&encoded(&message, version), version).unwrap();
        }
        for version in [4, 12, 13, 17] {
            check::<FetchResponse>(&encoded(&fetched(), version), version).unwrap();
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_it_is_reserved() {
        // Throttle time, then two billion brokers: of either would be 200 GB.
        let fixed = Bytes::from_static(&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        check::<MetadataResponse>(&fixed, 8).unwrap_err();
        let compact = Bytes::from_static(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        check::<MetadataResponse>(&compact, 9).unwrap_err();
    }

    #[test]
    fn a_boolean_does_not_hide_the_count_behind_it() {
        // Tags of a topic's first fields aside: error code, name, id, a boolean, and then the count of partitions.
        for boolean in [0x80, 0xff] {
            for count in [
                &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
                &[0x80, 0x80, 0x80, 0x80, 0x0f],
                &[0x80, 0x80, 0x80, 0x40],
            ] {
                let topic = [&[0, 0, 2, b't'][..], &[0; 16], &[boolean], count, &[0; 8]].concat();
                let answer = [&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2][..], &topic].concat();
                check::<MetadataResponse>(&answer.into(), 12).unwrap_err();
            }
        }
    }

    proptest! {
        /// A lie that is not found aborts this test: no allocator gives 2^31 elements.
        #[test]
        fn no_lie_in_any_place_reaches_the_decoder(
            version in 0_i16..=13,
            at in any::<prop::sample::Index>(),
            lie in prop::sample::select(vec![&[0x7f_u8, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff]]),
        ) {
            let mut body = encoded(&metadata().with_controller_id(BrokerId(-1)), version).to_vec();
            let at = at.index(body.len());
            let end = body.len().min(at + lie.len());
            body[at..end].copy_from_slice(&lie[..end - at]);
            let mut body = Bytes::from(body);
            if check::<MetadataResponse>(&body, version).is_ok() {
                prop_assert!(MetadataResponse::decode(&mut body, version).is_ok());
            }
        }
    }
}
