//! The two directions of a connection, each in a task: requests out, answers in, matched by their order.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::client::ClientError;
use crate::client::security::{Circumstances, Reader, Writer, looks_like_tls};

/// No answer is larger: a Fetch's is bounded by what it asks for, and metadata of 100,000 partitions takes 10 MB.
const FRAME_MAX: usize = 256 << 20;

#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order in which they were written, which is that of the answers. At most [`super::IN_FLIGHT_MAX`].
    pub(super) waiting: VecDeque<Waiting>,
    /// How many answers came. Saturates nowhere near.
    pub(super) answers: u64,
    /// Set once: nothing is sent or received any more.
    pub(super) broken: Option<ClientError>,
}

pub(super) type Answer = Result<Bytes, ClientError>;

#[derive(Debug)]
pub(super) struct Waiting {
    correlation_id: i32,
    answer: oneshot::Sender<Answer>,
    /// Held until the answer is there.
    _room: OwnedSemaphorePermit,
}

impl Waiting {
    pub(super) fn new(
        correlation_id: i32,
        answer: oneshot::Sender<Answer>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self { correlation_id, answer, _room: room }
    }
}

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) frame: Bytes,
    pub(super) then: Then,
}

/// What the sender waits for.
#[derive(Debug)]
pub(super) enum Then {
    Answered(Waiting),
    /// The broker does not answer (acks=0): until the system has the bytes.
    Written(oneshot::Sender<()>),
}

/// One direction of a connection.
pub(super) struct Line {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) address: String,
    pub(super) circumstances: Circumstances,
}

impl Line {
    pub(super) async fn write_all(self, mut write: Writer, mut queue: mpsc::Receiver<Outgoing>) {
        while let Some(Outgoing { frame, then }) = queue.recv().await {
            let written = match then {
                Then::Written(written) => Some(written),
                Then::Answered(waiting) => {
                    let mut state = self.state.lock();
                    if let Some(error) = &state.broken {
                        // Whoever gave up does not mind.
                        _ = waiting.answer.send(Err(error.clone()));
                        continue;
                    }
                    state.waiting.push_back(waiting);
                    None
                }
            };
            let sent = match write.write_all(&frame).await {
                Ok(()) => write.flush().await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                return self.fail(self.broken(error));
            }
            // As above.
            _ = written.map(|written| written.send(()));
        }
    }

    pub(super) async fn read_all(self, read: Reader) {
        let mut read = BufReader::with_capacity(64 << 10, read);
        loop {
            let answer = match self.read_frame(&mut read).await {
                Ok(answer) => answer,
                Err(error) => return self.fail(error),
            };
            if let Err(error) = self.deliver(answer) {
                return self.fail(error);
            }
        }
    }

    async fn read_frame(&self, read: &mut BufReader<Reader>) -> Result<Bytes, ClientError> {
        let size = read.read_i32().await.map_err(|error| self.broken(error))?;
        let fits = usize::try_from(size).ok().filter(|size| (4..=FRAME_MAX).contains(size));
        let Some(size) = fits else {
            let what = if looks_like_tls(size) && !self.circumstances.has_tls {
                "it answers by TLS: try --tls".to_owned()
            } else {
                format!("it announces {size} bytes")
            };
            return Err(ClientError::NotKafka { address: self.address.clone(), what });
        };
        // Grows as bytes come, not by what is announced.
        let mut frame = Vec::new();
        let read = read.take(size as u64).read_to_end(&mut frame).await;
        let read = read.map_err(|error| self.broken(error))?;
        if read < size {
            return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(frame.into())
    }

    fn deliver(&self, mut frame: Bytes) -> Result<(), ClientError> {
        let found = frame.get_i32();
        let waiting = {
            let mut state = self.state.lock();
            state.answers += 1;
            state.waiting.pop_front()
        };
        match waiting {
            Some(waiting) if waiting.correlation_id == found => {
                // Whoever gave up does not mind.
                _ = waiting.answer.send(Ok(frame));
                Ok(())
            }
            Some(_) | None => {
                let what = format!("nothing waits for correlation id {found}");
                Err(ClientError::NotKafka { address: self.address.clone(), what })
            }
        }
    }

    fn broken(&self, source: io::Error) -> ClientError {
        let hint = self.circumstances.of_end(&source, self.state.lock().answers);
        ClientError::Broken { address: self.address.clone(), hint, source: Arc::new(source) }
    }

    fn fail(&self, error: ClientError) {
        let mut state = self.state.lock();
        let error = state.broken.get_or_insert(error).clone();
        for waiting in std::mem::take(&mut state.waiting) {
            // Whoever gave up does not mind.
            _ = waiting.answer.send(Err(error.clone()));
        }
    }
}
