//! `FetchResponse` v4-18, written by hand so that record bytes are lent and never copied.
//!
//! v5 log start offset · v7 sessions (KIP-227) · v11 preferred replica (KIP-392) · v12 flexible, diverging epoch
//! and current leader (KIP-595, KIP-951) · v13 topic ids (KIP-516) · v16 node endpoints.
//! Records are never null: librdkafka refuses that.

use bytes::{BufMut, BytesMut};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::response::{Chunk, Lent, ReplyTo, ResponseFrame};

const FLEXIBLE: i16 = 12;

/// The answer to one Fetch.
#[derive(Debug)]
pub struct FetchResponse<R> {
    /// A fault of the whole request, such as an unknown session; 0 is none.
    pub error_code: i16,
    /// 0: no session.
    pub session_id: i32,
    pub topics: Vec<FetchedTopic<R>>,
    /// Where the leaders are that `current_leader` names.
    pub node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Debug)]
pub struct FetchedTopic<R> {
    /// On the wire up to v12.
    pub name: StrBytes,
    /// On the wire from v13.
    pub id: Uuid,
    pub partitions: Vec<PartitionData<R>>,
}

#[derive(Debug)]
pub struct PartitionData<R> {
    pub index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// (producer id, first offset) of each; `None` for a reader of uncommitted records.
    pub aborted: Option<Vec<(i64, i64)>>,
    /// -1: this one.
    pub preferred_read_replica: i32,
    /// (epoch, end offset) where the reader's log parts from ours.
    pub diverging: Option<(i32, i64)>,
    /// (node, epoch) that a reader should turn to.
    pub current_leader: Option<(i32, i32)>,
    pub runs: Vec<R>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: StrBytes,
    pub port: i32,
    pub rack: Option<StrBytes>,
}

impl<R> FetchResponse<R> {
    /// The answer to a request that failed as a whole.
    pub fn refused(error_code: i16) -> Self {
        Self { error_code, session_id: 0, topics: Vec::new(), node_endpoints: Vec::new() }
    }
}

impl<R> PartitionData<R> {
    /// The answer for a partition that could not be read, as Kafka has it: no offsets, no records.
    pub fn refused(index: i32, error_code: i16) -> Self {
        Self {
            index,
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            preferred_read_replica: -1,
            diverging: None,
            current_leader: None,
            runs: Vec::new(),
        }
    }
}

impl<R: Lent> FetchResponse<R> {
    /// The response as it goes out.
    pub fn into_frame(self, to: ReplyTo) -> ResponseFrame<R> {
        let mut out = Writer { version: to.version, frame: ResponseFrame::new(to), between: None };
        out.response(self);
        out.done()
    }
}

struct Writer<R> {
    version: i16,
    frame: ResponseFrame<R>,
    /// Bytes behind the last lent records; `None` as long as nothing was lent.
    between: Option<BytesMut>,
}

impl<R: Lent> Writer<R> {
    fn response(&mut self, response: FetchResponse<R>) {
        let version = self.version;
        self.out().put_i32(0); // throttle time
        if version >= 7 {
            self.out().put_i16(response.error_code);
            self.out().put_i32(response.session_id);
        }
        self.count(response.topics.len());
        for topic in response.topics {
            if version >= 13 {
                self.out().put_slice(topic.id.as_bytes());
            } else {
                self.string(Some(topic.name.as_bytes()));
            }
            self.count(topic.partitions.len());
            for partition in topic.partitions {
                self.partition(partition);
            }
            self.no_tags();
        }
        if version < FLEXIBLE {
            return;
        }
        if version < 16 || response.node_endpoints.is_empty() {
            return self.no_tags();
        }
        let mut endpoints = BytesMut::new();
        put_uvarint(&mut endpoints, len_plus_one(response.node_endpoints.len()));
        for node in &response.node_endpoints {
            endpoints.put_i32(node.node_id);
            put_compact(&mut endpoints, Some(node.host.as_bytes()));
            endpoints.put_i32(node.port);
            put_compact(&mut endpoints, node.rack.as_ref().map(|rack| rack.as_bytes()));
            endpoints.put_u8(0);
        }
        self.out().put_u8(1);
        self.tag(0, &endpoints);
    }

    fn partition(&mut self, partition: PartitionData<R>) {
        let version = self.version;
        let out = self.out();
        out.put_i32(partition.index);
        out.put_i16(partition.error_code);
        out.put_i64(partition.high_watermark);
        out.put_i64(partition.last_stable_offset);
        if version >= 5 {
            out.put_i64(partition.log_start_offset);
        }
        self.aborted(partition.aborted.as_deref());
        if version >= 11 {
            self.out().put_i32(partition.preferred_read_replica);
        }
        let records: usize = partition.runs.iter().map(Lent::size).sum();
        if version >= FLEXIBLE {
            put_uvarint(self.out(), len_plus_one(records));
        } else {
            self.out().put_u32(u32::try_from(records).unwrap_or(u32::MAX));
        }
        for run in partition.runs {
            self.lend(run);
        }
        if version < FLEXIBLE {
            return;
        }
        let tags = u8::from(partition.diverging.is_some()) + u8::from(partition.current_leader.is_some());
        self.out().put_u8(tags);
        if let Some((epoch, end)) = partition.diverging {
            let mut field = BytesMut::new();
            field.put_i32(epoch);
            field.put_i64(end);
            field.put_u8(0);
            self.tag(0, &field);
        }
        if let Some((node, epoch)) = partition.current_leader {
            let mut field = BytesMut::new();
            field.put_i32(node);
            field.put_i32(epoch);
            field.put_u8(0);
            self.tag(1, &field);
        }
    }

    fn aborted(&mut self, aborted: Option<&[(i64, i64)]>) {
        let Some(aborted) = aborted else {
            if self.version >= FLEXIBLE {
                self.out().put_u8(0);
            } else {
                self.out().put_i32(-1);
            }
            return;
        };
        self.count(aborted.len());
        for (producer_id, first_offset) in aborted {
            self.out().put_i64(*producer_id);
            self.out().put_i64(*first_offset);
            self.no_tags();
        }
    }

    fn out(&mut self) -> &mut BytesMut {
        match &mut self.between {
            Some(bytes) => bytes,
            None => self.frame.head_mut(),
        }
    }

    fn lend(&mut self, run: R) {
        if let Some(bytes) = self.between.take().filter(|bytes| !bytes.is_empty()) {
            self.frame.push(Chunk::Bytes(bytes.freeze()));
        }
        self.frame.push(Chunk::Lent(run));
        self.between = Some(BytesMut::new());
    }

    fn done(mut self) -> ResponseFrame<R> {
        if let Some(bytes) = self.between.take().filter(|bytes| !bytes.is_empty()) {
            self.frame.push(Chunk::Bytes(bytes.freeze()));
        }
        self.frame.finish()
    }

    fn count(&mut self, count: usize) {
        if self.version >= FLEXIBLE {
            put_uvarint(self.out(), len_plus_one(count));
        } else {
            self.out().put_u32(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    fn string(&mut self, text: Option<&[u8]>) {
        if self.version >= FLEXIBLE {
            return put_compact(self.out(), text);
        }
        let text = text.unwrap_or_default(); // a topic name has at most 249 bytes, or came in with as few
        self.out().put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.out().put_slice(text);
    }

    fn no_tags(&mut self) {
        if self.version >= FLEXIBLE {
            self.out().put_u8(0);
        }
    }

    fn tag(&mut self, tag: u32, field: &[u8]) {
        let len = u32::try_from(field.len()).unwrap_or(u32::MAX);
        put_uvarint(self.out(), tag);
        put_uvarint(self.out(), len);
        self.out().put_slice(field);
    }
}

fn len_plus_one(len: usize) -> u32 {
    u32::try_from(len + 1).unwrap_or(u32::MAX)
}

fn put_compact(out: &mut BytesMut, text: Option<&[u8]>) {
    put_uvarint(out, text.map_or(0, |text| len_plus_one(text.len())));
    out.put_slice(text.unwrap_or_default());
}

fn put_uvarint(out: &mut BytesMut, mut value: u32) {
    loop {
        let [.., low] = value.to_be_bytes();
        value >>= 7;
        if value == 0 {
            return out.put_u8(low & 0x7f);
        }
        out.put_u8(low | 0x80);
    }
}

#[cfg(test)]
mod tests;
