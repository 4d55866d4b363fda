//! Reads the fields of Kafka's coordinator records from bytes that may be anything.
//!
//! Not `wire`'s walk: nothing is walked before, so each length is compared with the bytes left where it is read.

use bytes::Bytes;

use super::RecordError;

/// Kafka's limit for strings, also compact ones.
const STRING_MAX: i64 = i16::MAX as i64;

/// How lengths are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `int16` for strings, `int32` for bytes and arrays.
    Classic,
    /// Varints that are one too high, 0 for null; structs end with tagged fields (KIP-482).
    Flexible,
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, layout: Layout::Classic }
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let Some((array, rest)) = self.bytes.split_first_chunk::<N>() else {
            let length = i64::try_from(N).unwrap_or(i64::MAX);
            return Err(RecordError::Length { field, length, left: self.bytes.len() });
        };
        self.bytes = rest;
        Ok(*array)
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16, RecordError> {
        self.array(field).map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, RecordError> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, RecordError> {
        self.array(field).map(i64::from_be_bytes)
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<String, RecordError> {
        self.nullable(field)?.ok_or(RecordError::Null { field })
    }

    pub(super) fn nullable(&mut self, field: &'static str) -> Result<Option<String>, RecordError> {
        let length = match self.layout {
            Layout::Classic => i64::from(self.i16(field)?),
            Layout::Flexible => self.compact_length(field)?,
        };
        if length == -1 {
            return Ok(None);
        }
        if length > STRING_MAX {
            return Err(RecordError::Length { field, length, left: self.bytes.len() });
        }
        let bytes = self.take(length, field)?;
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NotUtf8 { field })?;
        Ok(Some(text.to_owned()))
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Bytes, RecordError> {
        let length = self.length(field)?;
        if length == -1 {
            return Err(RecordError::Null { field });
        }
        self.take(length, field).map(Bytes::copy_from_slice)
    }

    /// The number of elements of an array, of which each takes at least `smallest` bytes.
    pub(super) fn count(&mut self, field: &'static str, smallest: usize) -> Result<usize, RecordError> {
        let length = self.length(field)?;
        let left = self.bytes.len();
        match usize::try_from(length) {
            Ok(count) if count <= left / smallest => Ok(count),
            _ => Err(RecordError::Length { field, length, left }),
        }
    }

    /// Shows each tagged field to `each`; does nothing where the layout has none.
    pub(super) fn tags(
        &mut self,
        mut each: impl FnMut(u32, &mut Reader<'a>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        const FIELD: &str = "tagged field";
        if self.layout == Layout::Classic {
            return Ok(());
        }
        for _ in 0..self.uvarint(FIELD)? {
            let tag = self.uvarint(FIELD)?;
            let size = self.uvarint(FIELD)?;
            let bytes = self.take(i64::from(size), FIELD)?;
            each(tag, &mut Reader { bytes, layout: self.layout })?;
        }
        Ok(())
    }

    fn length(&mut self, field: &'static str) -> Result<i64, RecordError> {
        match self.layout {
            Layout::Classic => self.i32(field).map(i64::from),
            Layout::Flexible => self.compact_length(field),
        }
    }

    fn compact_length(&mut self, field: &'static str) -> Result<i64, RecordError> {
        self.uvarint(field).map(|length| i64::from(length) - 1)
    }

    fn take(&mut self, length: i64, field: &'static str) -> Result<&'a [u8], RecordError> {
        let left = self.bytes.len();
        let parts = usize::try_from(length).ok().and_then(|length| self.bytes.split_at_checked(length));
        let (taken, rest) = parts.ok_or(RecordError::Length { field, length, left })?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Bits beyond the 32nd are an error, as is a sixth byte.
    fn uvarint(&mut self, field: &'static str) -> Result<u32, RecordError> {
        let mut value: u64 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            if shift == 28 {
                return Err(RecordError::Length { field, length: i64::MAX, left: self.bytes.len() });
            }
        }
        let too_high = |_| RecordError::Length { field, length: value.cast_signed(), left: self.bytes.len() };
        u32::try_from(value).map_err(too_high)
    }
}
