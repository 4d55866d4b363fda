//! The frames that follow the hellos, and their bytes.
//!
//! A frame: length of what follows (4 bytes), kind (1), then by kind: a request's id (8) and what belongs to it, a ping's
//! number (8) and milliseconds since the sender last heard the receiver (4; all ones: never), a pong's number, or the
//! text of a goodbye. All big-endian.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use super::ended::Ended;
use super::hello::printable;

/// Of the text of an error.
pub(super) const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Length, kind and id.
pub(super) const HEAD_BYTES: usize = 4 + 1 + 8;
/// What a length may say beyond the bytes of a request.
pub(super) const EXTRA_BYTES: usize = 1 + 8;

const REQUEST: u8 = 1;
const ANSWER: u8 = 2;
const ERROR: u8 = 3;
const BUSY: u8 = 4;
const PING: u8 = 5;
const PONG: u8 = 6;
const GOODBYE: u8 = 7;
const NEVER: u32 = u32::MAX;

/// One frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Request {
        id: u64,
        body: Bytes,
    },
    Answer {
        id: u64,
        body: Bytes,
    },
    Error {
        id: u64,
        text: String,
    },
    /// The request was not begun: too many are being served.
    Busy {
        id: u64,
    },
    Ping {
        seq: u64,
        since_heard: Option<Duration>,
    },
    Pong {
        seq: u64,
    },
    /// Why the sender closes the connection.
    Goodbye {
        text: String,
    },
}

/// What of a frame stands before its parts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Head {
    Request { id: u64 },
    Answer { id: u64 },
    Error { id: u64 },
    Busy { id: u64 },
    Ping { seq: u64, since_heard: Option<Duration> },
    Pong { seq: u64 },
    Goodbye,
}

impl Frame {
    /// Takes what follows the length. Shares its memory.
    pub(super) fn take(mut frame: Bytes) -> Result<Self, Ended> {
        let short = |frame: &Bytes| Ended::Garbage { what: "frame of length", found: frame.len() as u64 };
        if frame.is_empty() {
            return Err(short(&frame));
        }
        let kind = frame.get_u8();
        if kind == GOODBYE {
            return Ok(Self::Goodbye { text: printable(&frame, TEXT_BYTES_MAX) });
        }
        if frame.len() < 8 {
            return Err(short(&frame));
        }
        let id = frame.get_u64();
        match kind {
            REQUEST => Ok(Self::Request { id, body: frame }),
            ANSWER => Ok(Self::Answer { id, body: frame }),
            ERROR => Ok(Self::Error { id, text: printable(&frame, TEXT_BYTES_MAX) }),
            BUSY => Ok(Self::Busy { id }),
            PING if frame.len() >= 4 => {
                let millis = frame.get_u32();
                let since_heard = (millis != NEVER).then(|| Duration::from_millis(u64::from(millis)));
                Ok(Self::Ping { seq: id, since_heard })
            }
            PONG => Ok(Self::Pong { seq: id }),
            other => Err(Ended::Garbage { what: "frame of kind", found: u64::from(other) }),
        }
    }
}

impl Head {
    /// Writes the head of a frame whose parts have `bytes` bytes.
    pub(super) fn put(self, bytes: usize, out: &mut impl BufMut) {
        let mut start = |kind: u8, own: usize| {
            out.put_u32((1 + own + bytes) as u32);
            out.put_u8(kind);
        };
        match self {
            Self::Request { id } => {
                start(REQUEST, 8);
                out.put_u64(id);
            }
            Self::Answer { id } => {
                start(ANSWER, 8);
                out.put_u64(id);
            }
            Self::Error { id } => {
                start(ERROR, 8);
                out.put_u64(id);
            }
            Self::Busy { id } => {
                start(BUSY, 8);
                out.put_u64(id);
            }
            Self::Ping { seq, since_heard } => {
                start(PING, 12);
                out.put_u64(seq);
                let millis = since_heard.map(|d| u32::try_from(d.as_millis()).unwrap_or(NEVER - 1));
                out.put_u32(millis.unwrap_or(NEVER));
            }
            Self::Pong { seq } => {
                start(PONG, 8);
                out.put_u64(seq);
            }
            Self::Goodbye => start(GOODBYE, 0),
        }
    }
}
