//! The records of a v2 batch: what lies after the 61 bytes of the batch header, once it is unpacked.
//!
//! Records are borrowed, never copied, and nothing is reserved for a length or count that the bytes announce. Headers
//! keep their order and repeats. Not here: the batch header, whose count and attributes the caller brings.
//!
//! Source: Kafka `DefaultRecord`; KIP-98 for the format, KIP-82 for headers.

mod build;
mod skim;
mod varint;

pub use build::{
    BatchBuilder, BatchFields, BatchOptions, BuildError, NewRecord, Producer, RecordBuilder, TimestampType,
};

pub use skim::{TimestampSpan, skim};
use varint::Reader;

/// One record. Offset and timestamp are relative to the batch's base offset and base timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// No bit has a meaning yet.
    pub attributes: i8,
    /// Milliseconds.
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// The headers of one record, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Invariant: begins with `left` whole headers; [`Records`] has read them all before it hands them out.
    bytes: &'a [u8],
    left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// UTF-8 from any honest client; Kafka does not check it, so neither does this.
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// Why bytes are not the records that their batch header announces. `record` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("record {record}: {what} needs {needed} bytes and {left} are left")]
    Truncated { record: usize, what: &'static str, needed: usize, left: usize },
    #[error("record {record}: {what} is a varint beyond {bits} bits")]
    Varint { record: usize, what: &'static str, bits: u32 },
    #[error("record {record}: {what} is {length}")]
    Length { record: usize, what: &'static str, length: i64 },
    #[error("record {record} announces {announced} bytes and has {consumed}")]
    Size { record: usize, announced: usize, consumed: usize },
    #[error("record {record} has offset delta {found}")]
    OffsetDelta { record: usize, found: i32 },
    #[error("the batch announces {count} records")]
    Count { count: i32 },
    #[error("{left} bytes follow the last of {count} records")]
    Trailing { count: usize, left: usize },
}

/// Reads records one after the other; ends after the first error.
///
/// The last item is an error if bytes are left over.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    next: usize,
    /// As announced, so it reserves nothing.
    count: usize,
    failed: bool,
}

impl<'a> Records<'a> {
    /// # Errors
    /// [`RecordError::Count`] for a negative `count`.
    pub fn new(unpacked: &'a [u8], count: i32) -> Result<Self, RecordError> {
        let count = usize::try_from(count).map_err(|_| RecordError::Count { count })?;
        Ok(Self { rest: unpacked, next: 0, count, failed: false })
    }

    #[inline]
    fn read_record(&mut self) -> Result<RecordRef<'a>, RecordError> {
        let mut outer = Reader::new(self.rest, self.next);
        let announced = outer.read_length("record length")?;
        let bytes = outer.take(announced, "record")?;
        self.rest = outer.rest();
        let mut reader = Reader::new(bytes, self.next);
        let record = RecordRef {
            attributes: reader.read_i8("attributes")?,
            timestamp_delta: reader.read_varlong("timestamp delta")?,
            offset_delta: reader.read_varint("offset delta")?,
            key: reader.read_nullable("key")?,
            value: reader.read_nullable("value")?,
            headers: read_headers(&mut reader)?,
        };
        match reader.rest().len() {
            0 => Ok(record),
            left => Err(RecordError::Size { record: self.next, announced, consumed: announced - left }),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = if self.next < self.count {
            self.read_record()
        } else if self.rest.is_empty() {
            return None;
        } else {
            Err(RecordError::Trailing { count: self.count, left: self.rest.len() })
        };
        self.failed = item.is_err();
        self.next += 1;
        Some(item)
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Reads all headers, to give back an iterator that can't fail.
#[inline]
fn read_headers<'a>(reader: &mut Reader<'a>) -> Result<Headers<'a>, RecordError> {
    let left = reader.read_length("header count")?;
    let bytes = reader.rest();
    for _ in 0..left {
        read_header(reader)?;
    }
    Ok(Headers { bytes: &bytes[..bytes.len() - reader.rest().len()], left })
}

fn read_header<'a>(reader: &mut Reader<'a>) -> Result<HeaderRef<'a>, RecordError> {
    let length = reader.read_length("header key length")?;
    let key = reader.take(length, "header key")?;
    Ok(HeaderRef { key, value: reader.read_nullable("header value")? })
}

impl<'a> Iterator for Headers<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<HeaderRef<'a>> {
        if self.left == 0 {
            return None;
        }
        let mut reader = Reader::new(self.bytes, 0);
        let header = read_header(&mut reader).ok()?;
        self.bytes = reader.rest();
        self.left -= 1;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// What a broker wants to know of a batch's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFacts {
    pub count: usize,
    /// The largest timestamp delta in milliseconds; 0 without records.
    pub max_timestamp_delta: i64,
    /// The first record that has it.
    pub max_timestamp_offset_delta: i32,
    /// The first record without a key, which a compacted topic refuses.
    pub first_keyless: Option<usize>,
}

/// Reads all records, checks that their offset deltas are 0, 1, 2 … and returns what there is to know.
///
/// # Errors
/// [`RecordError`], for the first thing that is wrong.
///
/// Source: Kafka `LogValidator.validateMessagesAndAssignOffsetsCompressed`.
pub fn validate_records(unpacked: &[u8], count: i32) -> Result<RecordFacts, RecordError> {
    let mut facts =
        RecordFacts { count: 0, max_timestamp_delta: 0, max_timestamp_offset_delta: 0, first_keyless: None };
    for (index, record) in Records::new(unpacked, count)?.enumerate() {
        let record = record?;
        if usize::try_from(record.offset_delta) != Ok(index) {
            return Err(RecordError::OffsetDelta { record: index, found: record.offset_delta });
        }
        if index == 0 || record.timestamp_delta > facts.max_timestamp_delta {
            facts.max_timestamp_delta = record.timestamp_delta;
            facts.max_timestamp_offset_delta = record.offset_delta;
        }
        if record.key.is_none() && facts.first_keyless.is_none() {
            facts.first_keyless = Some(index);
        }
        facts.count += 1;
    }
    Ok(facts)
}

#[cfg(test)]
mod tests;
