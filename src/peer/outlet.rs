//! Bytes that go: small frames are gathered into one write, large parts are written as they are, without a copy.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};

use super::connect::AsyncReadWrite;
use super::ended::Ended;
use super::frame::{HEAD_BYTES, Head};

/// Parts up to this size are copied beside each other.
const COPY_MAX: usize = 2 * 1024;
/// Parts in one write.
const PARTS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Outlet {
    parts: VecDeque<Bytes>,
    /// The small ones behind `parts`.
    gathered: BytesMut,
    bytes: usize,
    unflushed: bool,
}

impl Outlet {
    /// Unwritten bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0 && !self.unflushed
    }

    /// Puts a frame behind those before it.
    pub(super) fn put(&mut self, head: Head, parts: impl IntoIterator<Item = Bytes>, bytes: usize) {
        self.gathered.reserve(HEAD_BYTES);
        let before = self.gathered.len();
        head.put(bytes, &mut self.gathered);
        self.bytes += self.gathered.len() - before + bytes;
        for part in parts {
            if part.len() <= COPY_MAX {
                self.gathered.extend_from_slice(&part);
            } else {
                self.close_gathered();
                self.parts.push_back(part);
            }
        }
        self.unflushed = true;
    }

    fn close_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.parts.push_back(self.gathered.split().freeze());
        }
    }

    /// Writes once, and flushes what is buffered below once all is written: the bytes that were taken.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut dyn AsyncReadWrite,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Ended>> {
        if self.bytes == 0 {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
            return Poll::Ready(Ok(0));
        }
        self.close_gathered();
        let mut slices = [IoSlice::new(&[]); PARTS_MAX];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(Ended::Peer));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(part) = self.parts.front_mut() {
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            self.parts.pop_front();
        }
    }
}
