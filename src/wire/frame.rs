//! Frames as they arrive: a 4-byte size, then that many bytes.
//!
//! Not here: the socket (`kafka/socket.rs` reads into [`FrameBuffer::space`]) and what a frame says (`header.rs`).
//!
//! A peer announces a size long before it has sent as much. So room is made as bytes arrive: at most as much again as
//! is already there, or as the connection's last whole frame had, which it has paid for once.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the size field.
const SIZE_LEN: usize = 4;
/// The least room that a read is given: small requests, many at once.
pub const READ_MIN: usize = 16 * 1024;
/// The most room that a read is given because the last frame was as large.
const PROVEN_MAX: usize = 1024 * 1024;
/// Buffers of earlier frames that are kept to be read into again, and the size up to which one is worth it:
/// memory that goes back to the system costs page faults when it is next needed.
const SPARES_MAX: usize = 8;
const SPARE_BYTES_MAX: usize = 128 * 1024;

/// A size that no request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {size} bytes is announced")]
    NotPositive { size: i32 },
    #[error("a frame of {size} bytes is announced, more than the {limit} that are allowed")]
    TooLarge { size: i32, limit: usize },
}

/// Bytes of one connection that are not yet whole frames.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: BytesMut,
    frame_max: usize,
    /// Size of the last whole frame, size field included: what the next read may take for granted.
    proven: usize,
    /// Empty handles on the memory of earlier frames, which can be had again once those frames are gone.
    spares: Vec<BytesMut>,
}

impl FrameBuffer {
    /// From now on frames of up to `frame_max` bytes are taken.
    pub fn allow(&mut self, frame_max: usize) {
        self.frame_max = frame_max;
    }

    /// Frames of up to `frame_max` bytes, size field excluded.
    pub fn new(frame_max: usize) -> Self {
        Self { bytes: BytesMut::new(), frame_max, proven: 0, spares: Vec::new() }
    }

    /// Takes the next whole frame, without its size. It shares the buffer's memory.
    ///
    /// # Errors
    /// [`FrameError`] as soon as an impossible size has arrived; the connection can only be closed then.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(size) = self.announced()? else { return Ok(None) };
        let end = SIZE_LEN + size;
        if self.bytes.len() < end {
            return Ok(None);
        }
        self.proven = end;
        self.bytes.advance(SIZE_LEN);
        Ok(Some(self.bytes.split_to(size).freeze()))
    }

    /// How many bytes the next read should have room for.
    pub fn room_wanted(&self) -> usize {
        let have = self.bytes.len();
        let room = have.max(self.proven.min(PROVEN_MAX)).max(READ_MIN);
        match self.announced() {
            // A frame larger than one read: not past its end, so that the next one starts its own buffer.
            Ok(Some(size)) if SIZE_LEN + size > have + READ_MIN => room.min(SIZE_LEN + size - have),
            _ => room,
        }
    }

    /// The buffer with room for at least `wanted` more bytes.
    pub fn space(&mut self, wanted: usize) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < wanted && !self.bytes.try_reclaim(wanted) {
            self.move_house(self.bytes.len() + wanted);
        }
        &mut self.bytes
    }

    /// Goes on in a buffer of `capacity`: an earlier frame's if one is free, else a new one.
    fn move_house(&mut self, capacity: usize) {
        let free = self.spares.iter_mut().position(|spare| spare.try_reclaim(capacity));
        let mut next = match free {
            Some(index) => self.spares.swap_remove(index),
            None => BytesMut::with_capacity(capacity),
        };
        next.extend_from_slice(&self.bytes);
        let mut old = std::mem::replace(&mut self.bytes, next);
        if self.proven <= SPARE_BYTES_MAX && self.spares.len() < SPARES_MAX {
            old.clear();
            self.spares.push(old);
        }
    }

    /// Bytes that have arrived and belong to no whole frame taken so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether [`FrameBuffer::next_frame`] would yield a frame or an error.
    pub fn has_frame(&self) -> bool {
        match self.announced() {
            Ok(Some(size)) => self.bytes.len() >= SIZE_LEN + size,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Gives memory back that an idle connection does not need.
    pub fn release(&mut self) {
        self.spares = Vec::new();
        if self.bytes.len() <= READ_MIN && self.bytes.capacity() > READ_MIN {
            self.bytes = BytesMut::from(&self.bytes[..]);
        }
    }

    /// Bytes that the buffer takes, filled or not.
    pub fn room(&self) -> usize {
        self.bytes.capacity()
    }

    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(size) = self.bytes.first_chunk::<SIZE_LEN>() else { return Ok(None) };
        let size = i32::from_be_bytes(*size);
        match usize::try_from(size) {
            Err(_) | Ok(0) => Err(FrameError::NotPositive { size }),
            Ok(n) if n > self.frame_max => Err(FrameError::TooLarge { size, limit: self.frame_max }),
            Ok(n) => Ok(Some(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(buffer: &mut FrameBuffer, bytes: &[u8]) {
        buffer.space(bytes.len()).extend_from_slice(bytes);
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let size = i32::try_from(body.len()).unwrap();
        [&size.to_be_bytes(), body].concat()
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let bytes = [framed(b"one"), framed(b"second"), framed(b"3")].concat();
        for cut in 1..bytes.len() {
            let mut buffer = FrameBuffer::new(100);
            let mut out = Vec::new();
            for part in bytes.chunks(cut) {
                feed(&mut buffer, part);
                while let Some(frame) = buffer.next_frame().unwrap() {
                    out.push(frame);
                }
            }
            assert_eq!(out, [&b"one"[..], b"second", b"3"]);
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn an_impossible_size_is_refused_before_its_body_arrives() {
        for (size, error) in [
            (0, FrameError::NotPositive { size: 0 }),
            (-1, FrameError::NotPositive { size: -1 }),
            (101, FrameError::TooLarge { size: 101, limit: 100 }),
            (i32::MAX, FrameError::TooLarge { size: i32::MAX, limit: 100 }),
        ] {
            let mut buffer = FrameBuffer::new(100);
            feed(&mut buffer, &size.to_be_bytes());
            assert!(buffer.has_frame());
            assert_eq!(buffer.next_frame(), Err(error));
        }
    }

    #[test]
    fn an_announced_size_asks_for_no_memory() {
        let mut buffer = FrameBuffer::new(100 << 20);
        feed(&mut buffer, &(90i32 << 20).to_be_bytes());
        assert_eq!(buffer.next_frame(), Ok(None));
        assert_eq!(buffer.room_wanted(), READ_MIN);
    }

    #[test]
    fn the_memory_of_a_frame_that_is_gone_is_read_into_again() {
        let mut buffer = FrameBuffer::new(1 << 20);
        let bytes = framed(&vec![7; 60_000]);
        let mut next = |held: &mut Vec<Bytes>| {
            let room = buffer.room_wanted().max(bytes.len());
            buffer.space(room).extend_from_slice(&bytes);
            let frame = buffer.next_frame().unwrap().unwrap();
            let at = frame.as_ptr();
            held.push(frame);
            at
        };
        let mut held = Vec::new();
        let first: Vec<_> = (0..4).map(|_| next(&mut held)).collect();
        held.clear();
        let second: Vec<_> = (0..4).map(|_| next(&mut held)).collect();
        let again = second.iter().filter(|at| first.contains(at)).count();
        assert!(again >= 3, "{again} of 4");
        feed(&mut buffer, &[0, 1]);
        buffer.release();
        assert!(buffer.spares.is_empty());
        assert!(buffer.len() == 2 && buffer.room() <= READ_MIN, "{} bytes of room", buffer.room());
    }

    #[test]
    fn room_grows_with_what_has_arrived_and_stops_at_the_frame_end() {
        let mut buffer = FrameBuffer::new(100 << 20);
        feed(&mut buffer, &(300i32 * 1024).to_be_bytes());
        feed(&mut buffer, &vec![0; 200 * 1024]);
        assert_eq!(buffer.room_wanted(), 100 * 1024);
        feed(&mut buffer, &vec![0; 100 * 1024]);
        assert_eq!(buffer.next_frame().unwrap().unwrap().len(), 300 * 1024);
        assert_eq!(buffer.room_wanted(), 300 * 1024 + 4);
    }
}
