//! The requests of one lane to one node: queued in the order of the calls, then waiting for their answers. Bounded.
//!
//! Not here: the connection (`link.rs`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::ended::Ended;
use super::error::{PeerError, PeerName};
use super::frame::Head;
use super::settings::PeerSettings;
use super::wire::Wire;

/// Requests are moved to the connection until it has this many unwritten bytes.
const GATHER_MAX: usize = 256 * 1024;
/// The longest that a call may take.
pub(super) const WITHIN_MAX: Duration = Duration::from_hours(24);

pub(super) type Answer = Result<Bytes, PeerError>;

#[derive(Debug)]
pub(super) struct Requests {
    node: PeerName,
    frame_bytes_max: usize,
    bytes_max: usize,
    count_max: usize,
    state: Mutex<State>,
    /// There is something to be sent.
    queued: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Unsent ones, by ascending id. One that is no longer awaited is not in `waiting`.
    queue: VecDeque<(u64, Vec<Bytes>)>,
    waiting: BTreeMap<u64, Waiting>,
    /// Of all in `waiting`.
    bytes: usize,
    next_id: u64,
    /// All below it were handed to a connection.
    sent_below: u64,
    /// Why calls fail at once.
    down: Option<PeerError>,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Answer>,
    bytes: usize,
    deadline: Instant,
    within: Duration,
}

impl State {
    fn remove(&mut self, id: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        self.bytes -= waiting.bytes;
        if id >= self.sent_below
            && let Ok(at) = self.queue.binary_search_by_key(&id, |(id, _)| *id)
        {
            self.queue.remove(at);
        }
        Some(waiting)
    }
}

impl Requests {
    pub(super) fn new(node: PeerName, settings: &PeerSettings) -> Self {
        Self {
            node,
            frame_bytes_max: settings.frame_bytes_max,
            bytes_max: settings.in_flight_bytes_max,
            count_max: settings.in_flight_max,
            state: Mutex::default(),
            queued: Notify::new(),
        }
    }

    /// Queues a request; the future only waits for its answer.
    pub(super) fn call(
        self: &Arc<Self>,
        request: Vec<Bytes>,
        within: Duration,
    ) -> BoxFuture<'static, Answer> {
        let within = within.min(WITHIN_MAX);
        let deadline = Instant::now() + within;
        let (id, answer) = match self.enqueue(request, deadline, within) {
            Ok(queued) => queued,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let requests = Arc::clone(self);
        async move {
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(PeerError::Closed),
                Err(_) => {
                    requests.state.lock().remove(id);
                    Err(PeerError::TimedOut { node: requests.node.clone(), within })
                }
            }
        }
        .boxed()
    }

    fn enqueue(
        &self,
        request: Vec<Bytes>,
        deadline: Instant,
        within: Duration,
    ) -> Result<(u64, oneshot::Receiver<Answer>), PeerError> {
        let bytes = request.iter().map(Bytes::len).sum();
        let mut state = self.state.lock();
        if let Some(down) = &state.down {
            return Err(down.clone());
        }
        if bytes > self.frame_bytes_max {
            return Err(PeerError::TooLarge { node: self.node.clone(), bytes, max: self.frame_bytes_max });
        }
        let in_flight = state.waiting.len();
        if in_flight >= self.count_max || (in_flight > 0 && state.bytes + bytes > self.bytes_max) {
            return Err(PeerError::Busy { node: self.node.clone(), in_flight, bytes: state.bytes });
        }
        let (answer, answered) = oneshot::channel();
        let id = state.next_id;
        state.next_id += 1;
        state.bytes += bytes;
        state.waiting.insert(id, Waiting { answer, bytes, deadline, within });
        let first = state.queue.is_empty();
        state.queue.push_back((id, request));
        drop(state);
        if first {
            self.queued.notify_one();
        }
        Ok((id, answered))
    }

    /// Moves requests to `wire`, as many as it should have unwritten.
    pub(super) fn send(&self, wire: &mut Wire) {
        let mut state = self.state.lock();
        while wire.unwritten() < GATHER_MAX
            && let Some((id, request)) = state.queue.pop_front()
        {
            state.sent_below = id + 1;
            wire.put(Head::Request { id }, request);
        }
    }

    /// Resolves when there may be something to send.
    pub(super) async fn queued(&self) {
        self.queued.notified().await;
    }

    pub(super) fn is_any_waiting(&self) -> bool {
        !self.state.lock().waiting.is_empty()
    }

    /// An answer came: `Err` is the other side's text, `None` that it is busy.
    pub(super) fn answered(&self, id: u64, answer: Option<Result<Bytes, String>>) -> Result<(), Ended> {
        let mut state = self.state.lock();
        if id >= state.sent_below {
            return Err(Ended::Garbage { what: "answer to request", found: id });
        }
        // Nobody waits any more for what timed out.
        let Some(waiting) = state.remove(id) else { return Ok(()) };
        let (in_flight, bytes) = (state.waiting.len() + 1, state.bytes + waiting.bytes);
        drop(state);
        let node = self.node.clone();
        let answer = match answer {
            Some(Ok(body)) => Ok(body),
            Some(Err(text)) => Err(PeerError::Failed { node, text }),
            None => Err(PeerError::Busy { node, in_flight, bytes }),
        };
        // Who asked may have gone.
        let _ = waiting.answer.send(answer);
        Ok(())
    }

    /// Fails what has waited too long though nobody polls it, or whose caller has gone.
    pub(super) fn reap(&self, now: Instant) {
        let mut state = self.state.lock();
        let late = state.waiting.iter().filter(|(_, waiting)| waiting.deadline < now);
        let late: Vec<u64> = late.map(|(id, _)| *id).collect();
        for id in late {
            if let Some(waiting) = state.remove(id) {
                let timed_out = PeerError::TimedOut { node: self.node.clone(), within: waiting.within };
                let _ = waiting.answer.send(Err(timed_out));
            }
        }
    }

    /// From now on calls are queued.
    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        if state.down != Some(PeerError::Closed) {
            state.down = None;
        }
    }

    /// Fails all that wait because the connection broke or did not open. From now on calls fail at once, if `down`, or
    /// are queued for the next connection.
    pub(super) fn fail(&self, ended: &Ended, down: bool) {
        let node = || self.node.clone();
        let error = |sent: bool| match ended {
            Ended::Closing => PeerError::Closed,
            Ended::Refused(text) | Ended::Unwanted(text) if !sent => {
                PeerError::Refused { node: node(), text: text.clone() }
            }
            other => PeerError::NotConnected { node: node(), reason: other.to_string(), sent },
        };
        let mut state = self.state.lock();
        if state.down != Some(PeerError::Closed) {
            state.down = down.then(|| error(false));
        }
        state.queue.clear();
        state.bytes = 0;
        let sent_below = state.sent_below;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (id, waiting) in waiting {
            let _ = waiting.answer.send(Err(error(id < sent_below)));
        }
    }
}
