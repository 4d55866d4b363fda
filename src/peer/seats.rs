//! Of each node and lane one connection is served at a time: a newer one takes the older one's seat.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Lane;

#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    by: BTreeMap<(i32, Lane), Holder>,
    next: u64,
}

#[derive(Debug)]
struct Holder {
    number: u64,
    start_id: u64,
    stop: oneshot::Sender<&'static str>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    of: (i32, Lane),
    number: u64,
    /// Resolves when the connection has to end, with the reason.
    pub(super) stop: oneshot::Receiver<&'static str>,
    /// Held while requests are served: those of the former holder have ended then.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

impl Seats {
    /// Takes the seat, and sends away who has it, and who has a seat of another start of the node.
    pub(super) fn take(self: &Arc<Self>, node: i32, lane: Lane, start_id: u64) -> Seat {
        let mut taken = self.0.lock();
        let number = taken.next;
        taken.next += 1;
        let (stop, stopped) = oneshot::channel();
        let former = taken.by.remove(&(node, lane));
        let turn = former.as_ref().map(|former| Arc::clone(&former.turn)).unwrap_or_default();
        taken.by.insert((node, lane), Holder { number, start_id, stop, turn: Arc::clone(&turn) });
        drop(taken);
        if let Some(former) = former {
            // It may have ended by itself.
            let _ = former.stop.send("another connection of the same node took its place");
        }
        self.clear_former(node, start_id);
        Seat { seats: Arc::clone(self), of: (node, lane), number, stop: stopped, turn }
    }

    /// Sends away who has a seat of `node`, or of any.
    pub(super) fn clear(&self, node: Option<i32>, reason: &'static str) {
        self.send_away(reason, |of, _| node.is_none_or(|node| node == of));
    }

    /// Sends away who has a seat of another start of `node`.
    pub(super) fn clear_former(&self, node: i32, start_id: u64) {
        self.send_away("the node was started anew", |of, start| of == node && start != start_id);
    }

    /// Their seats stay theirs until they have ended, so that successors wait for that.
    fn send_away(&self, reason: &'static str, whom: impl Fn(i32, u64) -> bool) {
        for ((node, _), holder) in &mut self.0.lock().by {
            if whom(*node, holder.start_id) {
                let stop = std::mem::replace(&mut holder.stop, oneshot::channel().0);
                // It may have ended by itself.
                let _ = stop.send(reason);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        if taken.by.get(&self.of).is_some_and(|holder| holder.number == self.number) {
            taken.by.remove(&self.of);
        }
    }
}
