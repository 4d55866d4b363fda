//! Zigzag varints of the record format, and reading forward through one record.
//!
//! Source: Kafka `ByteUtils.readVarint` and `readVarlong`. Stricter: bits beyond the width are refused, not dropped.

use super::RecordError;

/// Reads forward, never past the end. `record` only names the place in errors.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    record: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8], record: usize) -> Self {
        Self { rest, record }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn take(&mut self, needed: usize, what: &'static str) -> Result<&'a [u8], RecordError> {
        let Some((taken, rest)) = self.rest.split_at_checked(needed) else {
            let (record, left) = (self.record, self.rest.len());
            return Err(RecordError::Truncated { record, what, needed, left });
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn read_i8(&mut self, what: &'static str) -> Result<i8, RecordError> {
        Ok(self.read_byte(what)?.cast_signed())
    }

    #[inline]
    pub(super) fn read_varint(&mut self, what: &'static str) -> Result<i32, RecordError> {
        let value = self.read_zigzag(what, 32)?;
        i32::try_from(value).map_err(|_| RecordError::Varint { record: self.record, what, bits: 32 })
    }

    #[inline]
    pub(super) fn read_varlong(&mut self, what: &'static str) -> Result<i64, RecordError> {
        self.read_zigzag(what, 64)
    }

    /// A length or count that can't be null.
    #[inline]
    pub(super) fn read_length(&mut self, what: &'static str) -> Result<usize, RecordError> {
        let length = self.read_varint(what)?;
        usize::try_from(length).map_err(|_| self.bad_length(what, length))
    }

    /// A length and as many bytes; -1 is null.
    #[inline]
    pub(super) fn read_nullable(&mut self, what: &'static str) -> Result<Option<&'a [u8]>, RecordError> {
        match self.read_varint(what)? {
            -1 => Ok(None),
            length => {
                let needed = usize::try_from(length).map_err(|_| self.bad_length(what, length))?;
                self.take(needed, what).map(Some)
            }
        }
    }

    fn bad_length(&self, what: &'static str, length: i32) -> RecordError {
        RecordError::Length { record: self.record, what, length: length.into() }
    }

    #[inline]
    fn read_byte(&mut self, what: &'static str) -> Result<u8, RecordError> {
        self.take(1, what).map(|byte| byte[0])
    }

    /// Nearly all varints of real records are one or two bytes long, which fit every width.
    #[inline]
    fn read_zigzag(&mut self, what: &'static str, bits: u32) -> Result<i64, RecordError> {
        match *self.rest {
            [only, ref rest @ ..] if only < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(only.into()))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(u64::from(low & 0x7f) | u64::from(high) << 7))
            }
            _ => self.read_long_zigzag(what, bits),
        }
    }

    #[inline(never)]
    fn read_long_zigzag(&mut self, what: &'static str, bits: u32) -> Result<i64, RecordError> {
        let mut value: u64 = 0;
        for shift in (0..bits).step_by(7) {
            let byte = self.read_byte(what)?;
            let room = (bits - shift).min(8);
            if room < 8 && u32::from(byte) >> room != 0 {
                return Err(RecordError::Varint { record: self.record, what, bits });
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(unzigzag(value))
    }
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Appends `value` as a zigzag varint; one within 32 bits is written as Kafka writes a varint, too.
pub(super) fn write_varlong(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = (value << 1 ^ value >> 63).cast_unsigned();
    while zigzag >= 0x80 {
        out.push(low_byte(zigzag) | 0x80);
        zigzag >>= 7;
    }
    out.push(low_byte(zigzag));
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// How many bytes [`write_varlong`] appends.
pub(super) fn varlong_size(value: i64) -> usize {
    let zigzag = (value << 1 ^ value >> 63).cast_unsigned();
    let bits = (u64::BITS - zigzag.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}
