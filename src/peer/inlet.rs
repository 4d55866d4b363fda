//! Bytes that come, cut into frames. Memory grows with what came, never by what is announced.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, ReadBuf};

use super::connect::AsyncReadWrite;
use super::ended::Ended;
use super::frame::{EXTRA_BYTES, Frame};

/// Read at once while little is there; later as much as is there already.
const STEP_MIN: usize = 16 * 1024;
/// Frames up to this size are copied out.
const COPY_MAX: usize = 2 * 1024;
/// Read at once at most.
const STEP_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Inlet {
    bytes: BytesMut,
    /// The largest length that a frame may announce.
    length_max: usize,
}

impl Inlet {
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { bytes: BytesMut::new(), length_max: frame_bytes_max.saturating_add(EXTRA_BYTES) }
    }

    /// Reads once. [`Ended::Peer`] at the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        stream: &mut dyn AsyncReadWrite,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Ended>> {
        if self.bytes.is_empty() {
            // A connection at rest holds no memory: see whether anything is there first.
            return self.poll_first(stream, cx);
        }
        if self.bytes.capacity() - self.bytes.len() < STEP_MIN / 4 {
            self.bytes.reserve(self.bytes.len().clamp(STEP_MIN, STEP_MAX));
        }
        let read = ready!(pin!(stream.read_buf(&mut self.bytes)).poll(cx))?;
        if read == 0 { Poll::Ready(Err(Ended::Peer)) } else { Poll::Ready(Ok(read)) }
    }

    fn poll_first(
        &mut self,
        stream: &mut dyn AsyncReadWrite,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Ended>> {
        let mut few = [0; 512];
        let mut few = ReadBuf::new(&mut few);
        ready!(std::pin::Pin::new(stream).poll_read(cx, &mut few))?;
        if few.filled().is_empty() {
            return Poll::Ready(Err(Ended::Peer));
        }
        self.bytes.reserve(STEP_MIN);
        self.bytes.extend_from_slice(few.filled());
        Poll::Ready(Ok(few.filled().len()))
    }

    /// The next frame that came whole.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Ended> {
        let Some(length) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.length_max {
            return Err(Ended::TooLarge { bytes: length, max: self.length_max });
        }
        if self.bytes.len() - 4 < length {
            return Ok(None);
        }
        self.bytes.advance(4);
        let frame = self.split(length);
        Frame::take(frame).map(Some)
    }

    /// Small frames are copied, so that one that is kept does not keep its neighbours' memory.
    fn split(&mut self, length: usize) -> Bytes {
        let frame = if length > COPY_MAX {
            self.bytes.split_to(length).freeze()
        } else {
            let frame = Bytes::copy_from_slice(&self.bytes[..length]);
            self.bytes.advance(length);
            frame
        };
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        frame
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    #[cfg(test)]
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}
