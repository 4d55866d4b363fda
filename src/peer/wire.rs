//! One open connection as frames: what both its sides do with bytes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::connect::BoxedStream;
use super::ended::Ended;
use super::frame::{Frame, Head};
use super::hello::cut;
use super::inlet::Inlet;
use super::meter::Meter;
use super::outlet::Outlet;

/// Of the text of a goodbye.
const GOODBYE_BYTES_MAX: usize = 1024;
/// How long the other side has to take a goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_millis(100);

pub(super) struct Wire {
    stream: BoxedStream,
    inlet: Inlet,
    outlet: Outlet,
    meter: Arc<Meter>,
    /// When bytes last came.
    pub(super) heard: Instant,
    /// When bytes were last taken, or there were none to be taken.
    pub(super) taken: Instant,
}

impl Wire {
    pub(super) fn new(stream: BoxedStream, frame_bytes_max: usize, meter: Arc<Meter>) -> Self {
        let now = Instant::now();
        let inlet = Inlet::new(frame_bytes_max);
        Self { stream, inlet, outlet: Outlet::default(), meter, heard: now, taken: now }
    }

    /// Unwritten bytes.
    pub(super) fn unwritten(&self) -> usize {
        self.outlet.len()
    }

    /// Queues a frame for writing.
    pub(super) fn put(&mut self, head: Head, parts: Vec<Bytes>) {
        if self.outlet.is_empty() {
            self.taken = Instant::now();
        }
        let bytes = parts.iter().map(Bytes::len).sum();
        self.outlet.put(head, parts, bytes);
        self.meter.frame_out();
    }

    /// Queues a frame that has a text.
    pub(super) fn put_text(&mut self, head: Head, text: &str, max: usize) {
        self.put(head, vec![Bytes::copy_from_slice(cut(text, max).as_bytes())]);
    }

    /// The next frame that came whole.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Ended> {
        let frame = self.inlet.next()?;
        if frame.is_some() {
            self.meter.frame_in();
        }
        Ok(frame)
    }

    /// Reads (if `may_read`) and writes what goes at once: ready if either went on. Take all frames before the next call.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<Result<(), Ended>> {
        let mut moved = false;
        if may_read && let Poll::Ready(read) = self.inlet.poll_fill(&mut *self.stream, cx) {
            self.meter.bytes_in(read?);
            self.heard = Instant::now();
            moved = true;
        }
        while !self.outlet.is_empty()
            && let Poll::Ready(written) = self.outlet.poll_write(&mut *self.stream, cx)
        {
            match written {
                Ok(written) => self.meter.bytes_out(written),
                // What came before is looked at first: it may say why.
                Err(_) if moved => return Poll::Ready(Ok(())),
                Err(ended) => return Poll::Ready(Err(ended)),
            }
            self.taken = Instant::now();
            moved = true;
        }
        if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Tells the other side why the connection ends, if it takes that soon.
    pub(super) async fn goodbye(mut self, text: &str) {
        self.put_text(Head::Goodbye, text, GOODBYE_BYTES_MAX);
        let written = std::future::poll_fn(|cx| {
            while !self.outlet.is_empty() {
                match self.outlet.poll_write(&mut *self.stream, cx) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        });
        // Whether it got there shows on the other side only.
        let _ = tokio::time::timeout(GOODBYE_WITHIN, written).await;
    }
}
