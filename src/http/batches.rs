//! Records out of the batches that a read brought, as JSON.
//!
//! Synchronous: unpacking may take a while, so it is done off the runtime's threads (`records.rs`).

use axum::http::StatusCode;
use serde::Serialize;

use super::problem::Problem;
use super::text::Encoding;
use crate::model::BatchHeader;
use crate::model::batch::HEADER_LEN;
use crate::model::record::{RecordRef, Records};

/// What a batch may unpack to. A produced one is refused above it.
const UNPACKED_MAX: usize = 128 << 20;

/// What a reader wants at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Records below it are left out.
    pub(super) from: i64,
    pub(super) records_max: usize,
    /// Of keys, values and headers together; the first record comes however large it is.
    pub(super) bytes_max: usize,
    /// `None`: text where all of a record is.
    pub(super) encoding: Option<Encoding>,
}

/// One record, as it is written in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct RecordOut {
    pub(super) offset: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) encoding: Encoding,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<HeaderOut>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct HeaderOut {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

/// Records, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadOut {
    pub(super) records: Vec<RecordOut>,
    /// Behind the last record that was looked at.
    pub(super) next: i64,
}

/// The records of `batches`, which are whole, as far as they are `wanted`.
///
/// # Errors
/// 500 if a batch is damaged; 422 if text was asked for and is not.
pub(super) fn read(batches: &[u8], wanted: Wanted) -> Result<ReadOut, Problem> {
    let mut out = ReadOut { records: Vec::new(), next: wanted.from };
    let (mut rest, mut bytes) = (batches, 0);
    while rest.len() >= HEADER_LEN {
        let header = BatchHeader::parse(rest).map_err(|error| damaged(out.next, &error))?;
        let Some((batch, after)) = rest.split_at_checked(header.size as usize) else { break };
        rest = after;
        let next = header.next_offset().0;
        if next <= wanted.from {
            continue;
        }
        header.check_crc(batch).map_err(|error| damaged(out.next, &error))?;
        if !header.is_control()
            && !read_batch(&header, &batch[HEADER_LEN..], (&wanted, &mut bytes), &mut out)?
        {
            return Ok(out);
        }
        out.next = out.next.max(next);
    }
    Ok(out)
}

/// Whether there is room for more behind it.
fn read_batch(
    header: &BatchHeader,
    body: &[u8],
    (wanted, bytes): (&Wanted, &mut usize),
    out: &mut ReadOut,
) -> Result<bool, Problem> {
    let base = header.base_offset.0;
    let codec = header.compression().map_err(|error| damaged(base, &error))?;
    let unpacked = codec.decompress(body, UNPACKED_MAX).map_err(|error| damaged(base, &error))?;
    let records = Records::new(&unpacked, header.record_count).map_err(|error| damaged(base, &error))?;
    for record in records {
        let record = record.map_err(|error| damaged(base, &error))?;
        let offset = base.saturating_add(record.offset_delta.into());
        if offset < wanted.from {
            continue;
        }
        let size = size(&record);
        let is_full = out.records.len() >= wanted.records_max || *bytes + size > wanted.bytes_max;
        if is_full && (!out.records.is_empty() || wanted.records_max == 0) {
            return Ok(false);
        }
        *bytes += size;
        out.records.push(written(header, &record, offset, wanted.encoding)?);
        out.next = offset.saturating_add(1);
    }
    Ok(true)
}

fn size(record: &RecordRef) -> usize {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers: usize = record.headers.clone().map(|header| header.key.len() + length(header.value)).sum();
    length(record.key) + length(record.value) + headers
}

fn written(
    header: &BatchHeader,
    record: &RecordRef,
    offset: i64,
    asked: Option<Encoding>,
) -> Result<RecordOut, Problem> {
    let encoding = match asked {
        Some(Encoding::Utf8) if !is_text(record) => {
            let detail = format!("the record at offset {offset} is not UTF-8: ask with encoding=base64");
            return Err(Problem::invalid(detail));
        }
        Some(asked) => asked,
        None if is_text(record) => Encoding::Utf8,
        None => Encoding::Base64,
    };
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| encoding.encode(bytes));
    let headers = record.headers.clone().map(|header| HeaderOut {
        name: String::from_utf8_lossy(header.key).into_owned(),
        value: text(header.value),
    });
    let timestamp = match header.is_log_append_time() {
        true => header.max_timestamp,
        false => header.base_timestamp.wrapping_add(record.timestamp_delta),
    };
    Ok(RecordOut {
        offset,
        timestamp,
        encoding,
        key: text(record.key),
        value: text(record.value),
        headers: headers.collect(),
    })
}

fn is_text(record: &RecordRef) -> bool {
    let is_text = |bytes: Option<&[u8]>| bytes.is_none_or(|bytes| std::str::from_utf8(bytes).is_ok());
    is_text(record.key) && is_text(record.value) && record.headers.clone().all(|header| is_text(header.value))
}

fn damaged(offset: i64, error: &dyn std::fmt::Display) -> Problem {
    let detail = format!("the batch at offset {offset} cannot be read: {error}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged-batch", detail).of_kafka("CORRUPT_MESSAGE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::compression::Compression;
    use crate::model::record::{BatchBuilder, BatchOptions, NewRecord};

    const ALL: Wanted = Wanted { from: 0, records_max: 100, bytes_max: 1 << 20, encoding: None };

    fn batch(compression: Compression, values: &[&[u8]]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
        for (at, value) in values.iter().enumerate() {
            let timestamp = 1000 + i64::try_from(at).unwrap();
            let headers: &[(&[u8], Option<&[u8]>)] = &[(b"h", None)];
            let record = NewRecord { timestamp, key: Some(b"k"), value: Some(value), headers };
            builder.push(&record).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn text_is_written_as_text_and_the_rest_in_base64() {
        for codec in [Compression::None, Compression::Zstd] {
            let out = read(&batch(codec, &[b"hot", b"\xff"]), ALL).unwrap();
            let values: Vec<_> = out.records.iter().map(|r| (r.encoding, r.value.as_deref())).collect();
            assert_eq!(values, [(Encoding::Utf8, Some("hot")), (Encoding::Base64, Some("/w=="))]);
            assert_eq!((out.records[1].timestamp, out.next), (1001, 2));
            assert_eq!(out.records[0].headers, [HeaderOut { name: "h".into(), value: None }]);
        }
        let asked = Wanted { encoding: Some(Encoding::Utf8), ..ALL };
        assert_eq!(read(&batch(Compression::None, &[b"\xff"]), asked).unwrap_err().status, 422);
    }

    #[test]
    fn reading_begins_in_the_middle_of_a_batch_and_ends_where_there_is_enough() {
        let bytes = batch(Compression::Gzip, &[b"aaaa", b"bbbb", b"cccc", b"dddd"]);
        let offsets = |wanted| {
            let out = read(&bytes, wanted).unwrap();
            (out.records.iter().map(|r| r.offset).collect::<Vec<_>>(), out.next)
        };
        assert_eq!(offsets(Wanted { from: 2, ..ALL }), (vec![2, 3], 4));
        assert_eq!(offsets(Wanted { from: 1, records_max: 2, ..ALL }), (vec![1, 2], 3));
        // A key and a header's name count, too.
        assert_eq!(offsets(Wanted { bytes_max: 12, ..ALL }), (vec![0, 1], 2));
        assert_eq!(offsets(Wanted { bytes_max: 0, ..ALL }), (vec![0], 1));
        assert_eq!(offsets(Wanted { from: 9, ..ALL }), (vec![], 9));
    }

    #[test]
    fn a_damaged_batch_is_not_shown() {
        let mut bytes = batch(Compression::None, &[b"hot"]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(read(&bytes, ALL).unwrap_err().status, 500);
    }
}
