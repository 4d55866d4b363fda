//! What a client has sent and nobody has taken yet, within the memory that all connections share.
//!
//! Not here: where frames end (`wire/frame.rs`), the budget (`memory.rs`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use tokio::time::Instant;

use super::ended::Ended;
use super::memory::{Charge, FREE, RequestMemory};
use super::socket::Socket;
use crate::wire::frame::{FrameBuffer, FrameError};

/// How long a request may hold memory that others wait for: half of it by lying still, or all of it by waiting.
pub(super) const HELD_MAX: Duration = Duration::from_secs(10);
/// How long a request may wait for memory. Source: the clients' `request.timeout.ms`, after which they give it up.
const STARVED_MAX: Duration = Duration::from_secs(30);
/// The least pace, in bytes a second, at which a request must come while others wait for the memory that it holds.
const PACE_MIN: u64 = 1024 * 1024;

/// Bytes that have come in, and what they hold of the shared budget.
#[derive(Debug)]
pub(super) struct Inbox {
    frames: FrameBuffer,
    charge: Charge,
    memory: Arc<RequestMemory>,
    /// Since when the first bytes of the half request at the end are here.
    half_since: Option<Instant>,
    /// Since when there is more to read and no memory to read it into.
    starved_since: Option<Instant>,
}

impl Inbox {
    pub(super) fn new(frame_max: usize, memory: Arc<RequestMemory>) -> Self {
        let frames = FrameBuffer::new(frame_max);
        Self { frames, charge: Charge::default(), memory, half_since: None, starved_since: None }
    }

    /// From now on requests of up to `frame_max` bytes are taken.
    pub(super) fn allow(&mut self, frame_max: usize) {
        self.frames.allow(frame_max);
    }

    /// Reads once what is there. 0: the peer has closed. Cancel safe.
    pub(super) async fn fill(&mut self, socket: &Socket) -> io::Result<usize> {
        let wanted = self.frames.room_wanted();
        loop {
            // First the bytes, then the room for them: who sends nothing waits for no memory, and holds none.
            socket.readable().await?;
            self.pay_for(self.frames.len() + wanted).await;
            if let Some(read) = socket.try_read(self.frames.space(wanted))? {
                self.note_half(read);
                return Ok(read);
            }
        }
    }

    /// As [`Inbox::fill`], into what each connection has free: for while a request waits, which may be long.
    pub(super) async fn fill_ahead(&mut self, socket: &Socket) -> io::Result<usize> {
        loop {
            socket.readable().await?;
            let room = FREE.saturating_sub(self.frames.len()).max(1);
            if let Some(read) = socket.try_read(&mut self.frames.space(room).limit(room))? {
                self.note_half(read);
                return Ok(read);
            }
        }
    }

    async fn pay_for(&mut self, bytes: usize) {
        if self.charge.covers(bytes) {
            self.starved_since = None;
            return;
        }
        self.starved_since.get_or_insert_with(Instant::now);
        self.charge.grow_to(bytes, &self.memory).await;
        let waited = self.starved_since.take().map(|since| since.elapsed());
        // The wait for memory is not the client's slowness.
        self.half_since = self.half_since.zip(waited).map(|(since, waited)| since + waited);
    }

    fn note_half(&mut self, read: usize) {
        if read > 0 && self.half_since.is_none() {
            self.half_since = Some(Instant::now());
        }
    }

    /// The next whole request, with what it holds.
    pub(super) fn next(&mut self) -> Result<Option<(Bytes, Charge)>, FrameError> {
        let frame = self.frames.next_frame()?;
        if frame.is_some() {
            self.half_since = (!self.frames.is_empty()).then(Instant::now);
        }
        Ok(frame.map(|frame| {
            let charge = self.charge.split(frame.len());
            (frame, charge)
        }))
    }

    /// Lets go of what a quiet connection does not need.
    pub(super) fn rest(&mut self) {
        self.frames.release();
        self.charge.shrink_to(self.frames.room());
    }

    /// Whether there is room to read on before anything is taken out.
    pub(super) fn may_read_ahead(&self) -> bool {
        !self.frames.has_frame() && self.frames.len() < FREE
    }

    /// Why a half request has to go that others wait for.
    pub(super) fn fault(&self) -> Option<Ended> {
        if let Some(since) = self.starved_since {
            return (since.elapsed() >= STARVED_MAX).then_some(Ended::Starved(STARVED_MAX));
        }
        let since = self.half_since?;
        let due = HELD_MAX + Duration::from_secs(self.frames.len() as u64 / PACE_MIN);
        (self.is_wanted(&self.charge) && since.elapsed() >= due).then_some(Ended::Hoarding)
    }

    /// Whether others wait for memory that `charge` holds.
    pub(super) fn is_wanted(&self, charge: &Charge) -> bool {
        !charge.is_empty() && self.memory.is_short()
    }

    /// Whether part of a request is here.
    pub(super) fn is_half_sent(&self) -> bool {
        !self.frames.is_empty()
    }
}
