//! What a client has sent and nobody has taken yet, within the memory that all connections share.
//!
//! Not here: where frames end (`wire/frame.rs`), the budget (`memory.rs`).

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::memory::{Charge, RequestMemory};
use super::socket::Socket;
use crate::wire::frame::{FrameBuffer, FrameError};

/// What a client may send ahead while its request waits.
const AHEAD_MAX: usize = 64 * 1024;

/// Bytes that have come in, and what they hold of the shared budget.
#[derive(Debug)]
pub(super) struct Inbox {
    frames: FrameBuffer,
    charge: Charge,
    memory: Arc<RequestMemory>,
}

impl Inbox {
    pub(super) fn new(frame_max: usize, memory: Arc<RequestMemory>) -> Self {
        Self { frames: FrameBuffer::new(frame_max), charge: Charge::default(), memory }
    }

    /// Reads once what is there. 0: the peer has closed. Cancel safe.
    pub(super) async fn fill(&mut self, socket: &Socket) -> io::Result<usize> {
        if self.frames.is_empty() {
            socket.readable().await?; // an idle connection holds nothing
        }
        let wanted = self.frames.room_wanted();
        self.charge.grow_to(self.frames.len() + wanted, &self.memory).await;
        loop {
            socket.readable().await?;
            if let Some(read) = socket.try_read(self.frames.space(wanted))? {
                return Ok(read);
            }
        }
    }

    /// The next whole request, with what it holds.
    pub(super) fn next(&mut self) -> Result<Option<(Bytes, Charge)>, FrameError> {
        let frame = self.frames.next_frame()?;
        Ok(frame.map(|frame| {
            let charge = self.charge.split(frame.len());
            (frame, charge)
        }))
    }

    /// Lets go of what a quiet connection does not need.
    pub(super) fn rest(&mut self) {
        self.frames.release();
        if self.frames.is_empty() {
            self.charge.release();
        }
    }

    /// Whether there is room to read on before anything is taken out.
    pub(super) fn may_read_ahead(&self) -> bool {
        !self.frames.has_frame() && self.frames.len() < AHEAD_MAX
    }

    /// Whether part of a request is here and others wait for the memory that it holds.
    pub(super) fn is_hoarding(&self) -> bool {
        self.is_half_sent() && self.memory.is_short()
    }

    /// Whether part of a request is here.
    pub(super) fn is_half_sent(&self) -> bool {
        !self.frames.is_empty()
    }
}
