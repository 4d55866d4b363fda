//! Reading forward through a frame, never past its end.

use super::WalkError;

/// Invariant: `position <= end <= bytes.len()`.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    end: usize,
}

/// An end that [`Cursor::widen`] restores.
#[derive(Clone, Copy)]
pub(super) struct End(usize);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, end: bytes.len() }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn left(&self) -> usize {
        self.end - self.position
    }

    pub(super) fn take(&mut self, needed: usize, field: &'static str) -> Result<&'a [u8], WalkError> {
        let left = self.left();
        if needed > left {
            return Err(WalkError::Truncated { field, needed, left });
        }
        let start = self.position;
        self.position += needed;
        Ok(&self.bytes[start..self.position])
    }

    pub(super) fn skip(&mut self, needed: usize, field: &'static str) -> Result<(), WalkError> {
        self.take(needed, field).map(drop)
    }

    pub(super) fn read_i8(&mut self, field: &'static str) -> Result<i8, WalkError> {
        self.read_array(field).map(i8::from_be_bytes)
    }

    pub(super) fn read_i16(&mut self, field: &'static str) -> Result<i16, WalkError> {
        self.read_array(field).map(i16::from_be_bytes)
    }

    pub(super) fn read_i32(&mut self, field: &'static str) -> Result<i32, WalkError> {
        self.read_array(field).map(i32::from_be_bytes)
    }

    /// An unsigned varint of at most 5 bytes and 32 bits. One padded with zero groups is read, as Kafka reads it:
    /// encoders that fill a size in afterwards write such.
    pub(super) fn read_uvarint(&mut self, field: &'static str) -> Result<u32, WalkError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.read_array(field)?;
            if shift == 28 && byte > 0x0f {
                return Err(WalkError::Varint { field });
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// Ends the cursor `size` bytes from here, until [`Cursor::widen`].
    pub(super) fn narrow(&mut self, size: usize, field: &'static str) -> Result<End, WalkError> {
        let left = self.left();
        if size > left {
            return Err(WalkError::Truncated { field, needed: size, left });
        }
        let before = End(self.end);
        self.end = self.position + size;
        Ok(before)
    }

    pub(super) fn widen(&mut self, before: End) {
        assert!(self.position <= before.0, "{} past {}", self.position, before.0);
        self.end = before.0;
    }

    fn read_array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WalkError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, field)?);
        Ok(array)
    }
}
