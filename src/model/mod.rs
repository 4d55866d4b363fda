//! Words and units that every room shares. Pure: no I/O, no clock, no async.
//!
//! Not here: anything that knows a connection, a file or another node.

pub mod batch;
pub mod compression;
pub mod listener;
pub mod offset;
pub mod partitioner;
pub mod record;
pub mod topic;

pub use batch::{BatchError, BatchHeader};
pub use listener::SecurityProtocol;
pub use offset::{LeaderEpoch, Offset, RaftIndex};
pub use topic::{PartitionId, TopicId, TopicName, TopicPartition};

/// A UUID as Kafka writes it: 22 characters of URL-safe base64 without padding.
///
/// Source: Kafka `Uuid.toString`.
pub fn uuid_text(id: uuid::Uuid) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    let digit = |shift: u32| ALPHABET[(bits >> shift) as usize & 63] as char;
    let mut text: String = (0..21).map(|i| digit(122 - 6 * i)).collect();
    // 128 bits are 21 digits of six and two bits more.
    text.push(ALPHABET[((bits & 3) << 4) as usize] as char);
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_is_written_as_kafka_writes_it() {
        // `new Uuid(1, 2).toString()` and the metadata topic's id, by Kafka 4.3.
        let id = uuid::Uuid::from_u64_pair(1, 2);
        assert_eq!(super::uuid_text(id), "AAAAAAAAAAEAAAAAAAAAAg");
        assert_eq!(super::uuid_text(uuid::Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
    }
}
