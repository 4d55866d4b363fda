//! Snappy as Kafka's clients write it: in snappy-java's framing, or as one bare block.
//!
//! snappy-java's framing: 8 bytes of magic, version and lowest compatible version as `int32`, then chunks of an `int32`
//! length and a bare block. Streams may be concatenated, header and all. (Google's own framing is something else and no
//! client of Kafka writes it.)

use std::io::{self, Read};

use super::{CompressionError, invalid};

const MAGIC: &[u8] = b"\x82SNAPPY\0";
const VERSION: [u8; 4] = 1_i32.to_be_bytes();
const HEADER: usize = MAGIC.len() + 2 * VERSION.len();

/// How much goes into one chunk: what snappy-java does by default.
const CHUNK: usize = 32 * 1024;

/// No block unpacks to more than this times its size: an element of 3 bytes copies up to 64.
const MAX_RATIO: usize = 22;

pub(super) fn compress(input: &[u8]) -> io::Result<Vec<u8>> {
    let mut output = Vec::with_capacity(HEADER + snap::raw::max_compress_len(CHUNK.min(input.len())));
    output.extend_from_slice(MAGIC);
    output.extend_from_slice(&VERSION);
    output.extend_from_slice(&VERSION);
    let mut encoder = snap::raw::Encoder::new();
    for chunk in input.chunks(CHUNK) {
        let block = encoder.compress_vec(chunk)?;
        let length = i32::try_from(block.len()).map_err(io::Error::other)?;
        output.extend_from_slice(&length.to_be_bytes());
        output.extend_from_slice(&block);
    }
    Ok(output)
}

/// Unpacks block by block.
pub(super) struct Reader<'a> {
    /// What was not unpacked yet.
    rest: &'a [u8],
    framed: bool,
    /// The unpacked block, of which the bytes up to `read` were handed out.
    block: Vec<u8>,
    read: usize,
    limit: usize,
    /// How much of `limit` the blocks so far left.
    left: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a [u8], limit: usize) -> Self {
        let framed = input.starts_with(MAGIC);
        Self { rest: input, framed, block: Vec::new(), read: 0, limit, left: limit }
    }

    /// The next block, still packed; `None` at the end.
    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        while self.framed && self.rest.starts_with(MAGIC) {
            self.take(HEADER)?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let mut length = [0; 4];
        length.copy_from_slice(self.take(4)?);
        let length =
            usize::try_from(i32::from_be_bytes(length)).map_err(|_| invalid("negative snappy chunk"))?;
        self.take(length).map(Some)
    }

    fn take(&mut self, needed: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(needed).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.rest = rest;
        Ok(taken)
    }

    fn unpack(&mut self, packed: &[u8]) -> io::Result<()> {
        let announced = snap::raw::decompress_len(packed)?;
        if announced > packed.len().saturating_mul(MAX_RATIO) {
            return Err(invalid("snappy block announces more than it can hold"));
        }
        if announced > self.left {
            let limit = self.limit;
            return Err(io::Error::other(CompressionError::AboveLimit { codec: "snappy", limit }));
        }
        self.left -= announced;
        self.block.clear();
        self.block.resize(announced, 0);
        self.read = 0;
        snap::raw::Decoder::new().decompress(packed, &mut self.block)?;
        Ok(())
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            match self.next_block()? {
                Some(packed) => self.unpack(packed)?,
                None => return Ok(0),
            }
        }
        let mut unread = &self.block[self.read..];
        let read = unread.read(buffer)?;
        self.read += read;
        Ok(read)
    }
}
