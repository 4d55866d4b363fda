//! lz4 frames (magic 2's standard ones, with a right header checksum), one or several in a row.
//!
//! `lz4_flex` takes the end of its input for the end of a frame, wherever that is, and an empty block likewise. So a
//! frame is measured first, by its block lengths and without unpacking, and handed over whole.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::invalid;

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();

/// A block's length; the top bit says that it is stored, not packed.
const BLOCK_LENGTH_MASK: u32 = 0x7fff_ffff;

pub(super) fn compress(input: &[u8]) -> io::Result<Vec<u8>> {
    let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(input)?;
    encoder.finish().map_err(io::Error::other)
}

/// Unpacks frame by frame.
pub(super) struct Reader<'a> {
    /// What comes after the current frame.
    rest: &'a [u8],
    frame: FrameDecoder<&'a [u8]>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { rest: input, frame: FrameDecoder::new(&[]) }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            // Nothing came, but the frame goes on: an empty block.
            if !self.frame.get_ref().is_empty() {
                continue;
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            let (frame, rest) = self.rest.split_at(frame_size(self.rest)?);
            self.rest = rest;
            self.frame = FrameDecoder::new(frame);
        }
    }
}

/// How many bytes the frame at the front of `input` has, at most `input.len()`.
fn frame_size(input: &[u8]) -> io::Result<usize> {
    let mut rest = input;
    if take::<4>(&mut rest)? != MAGIC {
        return Err(invalid("no lz4 frame"));
    }
    let [flags, _block_descriptor] = take(&mut rest)?;
    let has = |bit: u8| flags & (1 << bit) != 0;
    let (dictionary, content_checksum, content_size, block_checksums) = (has(0), has(2), has(3), has(4));
    if content_size {
        take::<8>(&mut rest)?;
    }
    if dictionary {
        take::<4>(&mut rest)?;
    }
    let [_header_checksum] = take(&mut rest)?;
    loop {
        let length = u32::from_le_bytes(take(&mut rest)?);
        if length == 0 {
            break;
        }
        rest = rest.get((length & BLOCK_LENGTH_MASK) as usize..).ok_or(io::ErrorKind::UnexpectedEof)?;
        if block_checksums {
            take::<4>(&mut rest)?;
        }
    }
    if content_checksum {
        take::<4>(&mut rest)?;
    }
    Ok(input.len() - rest.len())
}

fn take<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(io::ErrorKind::UnexpectedEof)?;
    *rest = after;
    Ok(*taken)
}
