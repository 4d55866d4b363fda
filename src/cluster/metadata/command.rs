//! Metadata commands and their bytes: prost messages in the values of a v2 batch.
//!
//! The encoding is versioned by the envelope; fields are only ever added. A command that this
//! version does not know is an error, since skipping it would make another image than its peers'.

use std::collections::BTreeMap;

use prost::Message;
use uuid::Uuid;

use crate::model::record::{BatchBuilder, BatchOptions, NewRecord, Records};
use crate::model::{BatchHeader, TopicId};

/// Version of the envelope.
const VERSION: u32 = 1;

/// One replica of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Replica {
    #[prost(int32, tag = "1")]
    pub node: i32,
    /// Never used again for another replica.
    #[prost(uint64, tag = "2")]
    pub replica_id: u64,
    /// It came after the partition was made: it begins as a learner, with an empty log.
    #[prost(bool, tag = "3")]
    pub is_late: bool,
}

/// The replicas of one partition, the preferred leader first.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Placement {
    #[prost(message, repeated, tag = "1")]
    pub replicas: Vec<Replica>,
    /// Replica ids of those that go once the others have everything.
    #[prost(uint64, repeated, tag = "2")]
    pub removing: Vec<u64>,
}

/// Where one partition's replicas are from now on.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PartitionPlaced {
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub partition: i32,
    #[prost(message, optional, tag = "3")]
    pub placement: Option<Placement>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct TopicCreated {
    #[prost(string, tag = "1")]
    pub name: String,
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub topic_id: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub partitions: Vec<Placement>,
    #[prost(btree_map = "string, string", tag = "4")]
    pub overrides: BTreeMap<String, String>,
    /// It has as many replicas as is usual, which may be more when there are more nodes.
    #[prost(bool, tag = "5")]
    pub usual_replication: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct TopicDeleted {
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct PartitionsAdded {
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    pub partitions: Vec<Placement>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct TopicConfigured {
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// All overrides; what is missing is gone.
    #[prost(btree_map = "string, string", tag = "2")]
    pub overrides: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct BrokerConfigured {
    /// None: the cluster-wide defaults.
    #[prost(int32, optional, tag = "1")]
    pub node: Option<i32>,
    #[prost(btree_map = "string, string", tag = "2")]
    pub overrides: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct GroupConfigured {
    #[prost(string, tag = "1")]
    pub group: String,
    /// All overrides; none: the group has no configuration any more.
    #[prost(btree_map = "string, string", tag = "2")]
    pub overrides: BTreeMap<String, String>,
}

/// A subscription to metrics of clients (KIP-714).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ClientMetricsConfigured {
    #[prost(string, tag = "1")]
    pub name: String,
    /// As of a group.
    #[prost(btree_map = "string, string", tag = "2")]
    pub overrides: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct ProducerIdsTaken {
    /// The next producer id that may be given out.
    #[prost(int64, tag = "1")]
    pub next: i64,
}

/// One listener of a node, as clients find it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Endpoint {
    #[prost(string, tag = "1")]
    pub listener: String,
    #[prost(string, tag = "2")]
    pub host: String,
    #[prost(uint32, tag = "3")]
    pub port: u32,
    /// Kafka's code of the security protocol.
    #[prost(int32, tag = "4")]
    pub protocol: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct NodeRegistered {
    #[prost(int32, tag = "1")]
    pub node: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub directory_id: Vec<u8>,
    /// None: it joined, and does not serve clients yet.
    #[prost(message, repeated, tag = "8")]
    pub endpoints: Vec<Endpoint>,
    #[prost(string, optional, tag = "5")]
    pub rack: Option<String>,
    /// Where other nodes find it.
    #[prost(string, tag = "6")]
    pub rpc_addr: String,
    /// Its replica of the metadata log.
    #[prost(uint64, tag = "7")]
    pub metadata_replica: u64,
}

/// A node that will not come back under its directory id.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NodeRemoved {
    #[prost(int32, tag = "1")]
    pub node: i32,
}

/// ACLs, each as the line of a policy: `access` reads and writes them.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AclsChanged {
    #[prost(string, repeated, tag = "1")]
    pub added: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub removed: Vec<String>,
}

/// What a user can prove by SCRAM; never the password.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ScramKeys {
    #[prost(int32, tag = "1")]
    pub iterations: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub salt: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub stored_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub server_key: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct ScramChanged {
    #[prost(string, tag = "1")]
    pub user: String,
    /// Kafka's code.
    #[prost(int32, tag = "2")]
    pub mechanism: i32,
    /// None: the user has none of this mechanism any more.
    #[prost(message, optional, tag = "3")]
    pub keys: Option<ScramKeys>,
}

/// A secret that all nodes share and nobody else: what users who do not exist are answered comes from it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SecretMade {
    #[prost(bytes = "vec", tag = "1")]
    pub secret: Vec<u8>,
}

/// Where the counters stand: only in snapshots.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Counters {
    #[prost(uint64, tag = "1")]
    pub next_replica_id: u64,
}

/// A change of the cluster's metadata.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Command {
    #[prost(message, tag = "2")]
    TopicCreated(TopicCreated),
    #[prost(message, tag = "3")]
    TopicDeleted(TopicDeleted),
    #[prost(message, tag = "4")]
    PartitionsAdded(PartitionsAdded),
    #[prost(message, tag = "5")]
    TopicConfigured(TopicConfigured),
    #[prost(message, tag = "6")]
    BrokerConfigured(BrokerConfigured),
    #[prost(message, tag = "7")]
    ProducerIdsTaken(ProducerIdsTaken),
    #[prost(message, tag = "8")]
    NodeRegistered(NodeRegistered),
    #[prost(message, tag = "9")]
    Counters(Counters),
    #[prost(message, tag = "10")]
    GroupConfigured(GroupConfigured),
    #[prost(message, tag = "11")]
    ClientMetricsConfigured(ClientMetricsConfigured),
    #[prost(message, tag = "12")]
    PartitionPlaced(PartitionPlaced),
    #[prost(message, tag = "13")]
    NodeRemoved(NodeRemoved),
    #[prost(message, tag = "14")]
    AclsChanged(AclsChanged),
    #[prost(message, tag = "15")]
    ScramChanged(ScramChanged),
    #[prost(message, tag = "16")]
    SecretMade(SecretMade),
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Envelope {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(oneof = "Command", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
    command: Option<Command>,
}

/// Bytes that are no commands.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("a metadata batch cannot be read: {reason}")]
    Batch { reason: String },
    #[error("a metadata command cannot be decoded")]
    Decode(#[from] prost::DecodeError),
    #[error("metadata command version {version} is newer than {VERSION}, or its kind is unknown")]
    Unknown { version: u32 },
    #[error("an id of {len} bytes is not 16 bytes")]
    Id { len: usize },
}

impl Command {
    fn into_bytes(self) -> Vec<u8> {
        Envelope { version: VERSION, command: Some(self) }.encode_to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CommandError> {
        let Envelope { version, command } = Envelope::decode(bytes)?;
        match command {
            Some(command) if version == VERSION => Ok(command),
            _ => Err(CommandError::Unknown { version }),
        }
    }

    /// One v2 batch with one record for each command.
    pub fn batch(commands: Vec<Self>, now_ms: i64) -> bytes::Bytes {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        for command in commands {
            let value = command.into_bytes();
            let record = NewRecord { timestamp: now_ms, key: None, value: Some(&value), headers: &[] };
            batch.push(&record).expect("metadata commands are far below 2 GiB");
        }
        batch.build().expect("metadata commands are far below 2 GiB").into()
    }

    /// The commands of a batch that [`Self::batch`] made.
    pub fn of_batch(batch: &[u8]) -> Result<Vec<Self>, CommandError> {
        let unreadable = |reason: String| CommandError::Batch { reason };
        let header = BatchHeader::parse(batch).map_err(|e| unreadable(e.to_string()))?;
        let body = &batch[crate::model::batch::HEADER_LEN..];
        let records = Records::new(body, header.record_count).map_err(|e| unreadable(e.to_string()))?;
        let mut commands = Vec::new();
        for record in records {
            let record = record.map_err(|e| unreadable(e.to_string()))?;
            commands.push(Self::from_bytes(record.value.unwrap_or_default())?);
        }
        Ok(commands)
    }
}

/// A 16-byte id out of a command.
pub(super) fn topic_id(bytes: &[u8]) -> Result<TopicId, CommandError> {
    Uuid::from_slice(bytes).map(TopicId).map_err(|_| CommandError::Id { len: bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_their_batch() {
        let id = Uuid::from_u128(7).as_bytes().to_vec();
        let placement = Placement {
            replicas: vec![Replica { node: 3, replica_id: 9, is_late: false }],
            removing: vec![],
        };
        let overrides = BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]);
        let commands = vec![
            Command::TopicCreated(TopicCreated {
                name: "a".into(),
                topic_id: id.clone(),
                partitions: vec![placement; 2],
                overrides: overrides.clone(),
                usual_replication: true,
            }),
            Command::TopicConfigured(TopicConfigured { topic_id: id.clone(), overrides: overrides.clone() }),
            Command::GroupConfigured(GroupConfigured { group: "g".into(), overrides: overrides.clone() }),
            Command::ClientMetricsConfigured(ClientMetricsConfigured { name: "m".into(), overrides }),
            Command::BrokerConfigured(BrokerConfigured { node: None, overrides: BTreeMap::new() }),
            Command::ProducerIdsTaken(ProducerIdsTaken { next: 1000 }),
            Command::TopicDeleted(TopicDeleted { topic_id: id }),
        ];
        let batch = Command::batch(commands.clone(), 5);
        assert_eq!(Command::of_batch(&batch).unwrap(), commands);
    }

    #[test]
    fn a_command_of_the_future_is_an_error() {
        let newer =
            Envelope { version: 2, command: Some(Command::Counters(Counters { next_replica_id: 1 })) };
        assert!(matches!(
            Command::from_bytes(&newer.encode_to_vec()),
            Err(CommandError::Unknown { version: 2 })
        ));
        let unknown = Envelope { version: 1, command: None };
        assert!(matches!(
            Command::from_bytes(&unknown.encode_to_vec()),
            Err(CommandError::Unknown { version: 1 })
        ));
        assert!(Command::from_bytes(&[0xff; 9]).is_err());
    }
}
