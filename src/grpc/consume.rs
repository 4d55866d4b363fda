//! `Consume`: the record at an offset, or some from there on.

use std::time::Duration;

use super::error::Refusal;
use super::permit::Permit;
use super::reading::{Bounds, Chunk, behind, read};
use super::target;
use crate::access::Operation;
use crate::broker::{Broker, BrokerError};
use crate::model::Offset;
use crate::proto::log::{ConsumeRequest, ConsumeResponse, Record};

/// The longest that a client may wait.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// About how many bytes a message has, if the client does not say, and at most: clients take 4 MiB.
const BYTES_DEFAULT: u32 = 1 << 20;
const BYTES_MAX: u32 = 3 << 20;
const RECORDS_MAX: u32 = 10_000;

/// What a request wants of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// `None`: one record, as in the book.
    pub(super) records: Option<usize>,
    pub(super) bytes: usize,
}

impl Shape {
    pub(super) fn of(request: &ConsumeRequest) -> Self {
        let bytes = if request.max_bytes == 0 { BYTES_DEFAULT } else { request.max_bytes.min(BYTES_MAX) };
        let records = (request.max_records > 0).then(|| request.max_records.min(RECORDS_MAX) as usize);
        Self { records, bytes: bytes as usize }
    }

    /// Takes out of `chunk`, which has some, what the next message has.
    pub(super) fn cut(self, chunk: &mut Chunk) -> ConsumeResponse {
        let mut taken: Vec<Record> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = chunk.records.front() {
            bytes += next.value.len() + next.key.as_ref().map_or(0, bytes::Bytes::len);
            if !taken.is_empty() && (taken.len() >= self.records.unwrap_or(1) || bytes > self.bytes) {
                break;
            }
            taken.extend(chunk.records.pop_front());
        }
        let next_offset = taken.last().map_or(0, |last| last.offset + 1);
        let (record, records) = match self.records {
            None => (taken.pop(), Vec::new()),
            Some(_) => (None, taken),
        };
        ConsumeResponse {
            record,
            records,
            next_offset,
            high_watermark: chunk.high_watermark,
            log_start_offset: chunk.log_start_offset,
        }
    }
}

pub(super) async fn consume(
    broker: &Broker,
    permit: &Permit,
    request: ConsumeRequest,
) -> Result<ConsumeResponse, Refusal> {
    let topic = target::topic_to(Operation::Read, broker, permit, &request.topic).await?;
    let shape = Shape::of(&request);
    let bounds = Bounds {
        records: shape.records.unwrap_or(1),
        // One batch is enough for one record.
        bytes: if shape.records.is_some() { shape.bytes } else { 1 },
        wait: Duration::from_millis(request.max_wait_ms.into()).min(WAIT_MAX),
    };
    let from = (&topic, request.partition);
    let mut chunk = read(broker, from, request.offset, bounds).await?;
    if !chunk.records.is_empty() {
        return Ok(shape.cut(&mut chunk));
    }
    // What a follower does not have yet, its leader may have.
    if broker.leader(&topic, request.partition).node != broker.node_id() {
        return Err(behind(broker, (&topic, request.partition), request.offset));
    }
    let offset = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
    Err(BrokerError::OffsetOutOfRange {
        asked: offset(request.offset),
        start: Offset(offset(chunk.log_start_offset)),
        end: Offset(offset(chunk.high_watermark)),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(sizes: &[usize]) -> Chunk {
        let record = |(offset, size): (u64, &usize)| Record {
            value: vec![0; *size].into(),
            offset: offset * 10,
            ..Record::default()
        };
        Chunk { records: (0..).zip(sizes).map(record).collect(), high_watermark: 99, log_start_offset: 0 }
    }

    #[test]
    fn the_book_s_client_gets_one_record_a_message() {
        let mut chunk = chunk(&[1, 1]);
        let message = Shape::of(&ConsumeRequest::default()).cut(&mut chunk);
        assert_eq!((message.record.unwrap().offset, message.records.len()), (0, 0));
        assert_eq!((message.next_offset, message.high_watermark, chunk.records.len()), (1, 99, 1));
    }

    #[test]
    fn a_message_has_no_more_than_asked_but_always_a_record() {
        let shape = Shape { records: Some(3), bytes: 100 };
        let mut chunk = chunk(&[500, 40, 60, 1, 1, 1, 1]);
        let lengths: Vec<usize> = (0..3).map(|_| shape.cut(&mut chunk).records.len()).collect();
        assert_eq!(lengths, [1, 2, 3]);
    }
}
