//! A quick look over records that hold no surprise: nearly all that a broker is sent.
//!
//! Says nothing about what is wrong: whoever gets no answer reads them by [`super::Records`].

/// The span of timestamp deltas of some records, in milliseconds; both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampSpan {
    pub least: i64,
    pub most: i64,
}

/// Skips through `count` records that must fill `unpacked` exactly, with offset deltas 0, 1, 2 …
/// and, if `keyed`, a key each. `None` if anything is otherwise, or there is no record.
pub fn skim(unpacked: &[u8], count: i32, keyed: bool) -> Option<TimestampSpan> {
    let mut rest = unpacked;
    let mut span: Option<TimestampSpan> = None;
    for index in 0..i64::from(count) {
        let (length, after) = varint(rest)?;
        let (mut record, next) = after.split_at_checked(usize::try_from(length).ok()?)?;
        rest = next;
        let (_attributes, fields) = record.split_first()?;
        let (timestamp, fields) = varint(fields)?;
        let (offset, fields) = varint(fields)?;
        let (key, fields) = varint(fields)?;
        if offset != index || (keyed && key < 0) {
            return None;
        }
        record = skip(fields, key)?;
        let (value, fields) = varint(record)?;
        record = skip(fields, value)?;
        record = skip_headers(record)?;
        if !record.is_empty() {
            return None;
        }
        let known = span.get_or_insert(TimestampSpan { least: timestamp, most: timestamp });
        known.least = known.least.min(timestamp);
        known.most = known.most.max(timestamp);
    }
    span.filter(|_| rest.is_empty())
}

#[inline]
fn skip_headers(record: &[u8]) -> Option<&[u8]> {
    let (headers, mut rest) = varint(record)?;
    if headers < 0 {
        return None;
    }
    for _ in 0..headers {
        let (key, fields) = varint(rest)?;
        rest = fields.get(usize::try_from(key).ok()?..)?;
        let (value, fields) = varint(rest)?;
        rest = skip(fields, value)?;
    }
    Some(rest)
}

/// What follows `length` bytes; -1 is null and has none.
#[inline]
fn skip(bytes: &[u8], length: i64) -> Option<&[u8]> {
    match length {
        -1 => Some(bytes),
        length => bytes.get(usize::try_from(length).ok()?..),
    }
}

/// A zigzag varint and what follows it. Those of more than four bytes are left to the close look.
#[inline]
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (value, rest) = match *bytes {
        [a, ref rest @ ..] if a < 0x80 => (u32::from(a), rest),
        [a, b, ref rest @ ..] if b < 0x80 => (low(a) | u32::from(b) << 7, rest),
        [a, b, c, ref rest @ ..] if c < 0x80 => (low(a) | low(b) << 7 | u32::from(c) << 14, rest),
        [a, b, c, d, ref rest @ ..] if d < 0x80 => {
            (low(a) | low(b) << 7 | low(c) << 14 | u32::from(d) << 21, rest)
        }
        _ => return None,
    };
    Some((i64::from(value >> 1) ^ -i64::from(value & 1), rest))
}

#[inline]
fn low(byte: u8) -> u32 {
    u32::from(byte & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::super::{NewRecord, RecordBuilder, Records, validate_records};
    use super::*;
    use proptest::prelude::*;

    fn built(records: &[(i64, Option<Vec<u8>>, usize)]) -> RecordBuilder {
        let mut builder = RecordBuilder::default();
        for (timestamp, key, headers) in records {
            let headers = vec![(&b"h"[..], None); *headers];
            let record = NewRecord {
                timestamp: *timestamp,
                key: key.as_deref(),
                value: Some(b"v"),
                headers: &headers,
            };
            builder.push(&record).unwrap();
        }
        builder
    }

    proptest! {
        #[test]
        fn a_skim_finds_what_a_close_look_finds(
            records in prop::collection::vec((0..100_000_000i64, prop::option::of(prop::collection::vec(any::<u8>(), 0..200)), 0..3usize), 1..20),
            keyed: bool,
        ) {
            let builder = built(&records);
            let found = skim(builder.bytes(), builder.count(), keyed);
            let deltas: Vec<_> = Records::new(builder.bytes(), builder.count()).unwrap().map(|r| r.unwrap().timestamp_delta).collect();
            let span = TimestampSpan { least: *deltas.iter().min().unwrap(), most: *deltas.iter().max().unwrap() };
            let all_keyed = records.iter().all(|(_, key, _)| key.is_some());
            match found {
                Some(found) => prop_assert!(found == span && (all_keyed || !keyed)),
                None => prop_assert!((keyed && !all_keyed) || span.most - span.least >= 1 << 26),
            }
        }

        #[test]
        fn what_a_skim_lets_pass_a_close_look_does_too(mut bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0..4i32, at: usize, with: u8) {
            let builder = built(&[(5, None, 1), (9, Some(vec![1; 3]), 0)]);
            if count == 2 {
                bytes = builder.bytes().to_vec();
                let at = at % bytes.len();
                bytes[at] = with;
            }
            if skim(&bytes, count, false).is_some() {
                prop_assert!(validate_records(&bytes, count).is_ok());
            }
        }
    }
}
