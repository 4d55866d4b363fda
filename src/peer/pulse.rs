//! Whether one node is alive, by its pings and pongs.
//!
//! It is alive while its newest ping is younger than `dead_after` and said that it heard us within `dead_after`: so a
//! cut in one direction is death on both sides. Hearing is a hello, a ping or a pong.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Serve;

/// Unanswered pings that are remembered; a later pong brings no lease.
const UNANSWERED_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Pulse {
    node: i32,
    dead_after: Duration,
    lease: Duration,
    beat: Mutex<Beat>,
    /// Held while [`Serve`] is told, so that it is told in order.
    telling: Mutex<()>,
    /// A ping came.
    began: Notify,
}

#[derive(Debug, Default)]
struct Beat {
    start_id: Option<u64>,
    heard: Option<Instant>,
    /// When its newest ping came, and whether that one said that it heard us.
    ping: Option<(Instant, bool)>,
    next_seq: u64,
    unanswered: VecDeque<(u64, Instant)>,
    /// When the newest answered ping that counts was sent.
    lease_from: Option<Instant>,
    /// What was said last: the start id of a living node.
    told: Option<u64>,
    /// Nothing more is said.
    forgotten: bool,
}

enum News {
    Up(u64),
    Down,
}

impl Beat {
    fn alive_until(&self, dead_after: Duration) -> Option<Instant> {
        self.ping.and_then(|(at, heard_us)| heard_us.then_some(at + dead_after))
    }

    fn is_alive(&self, now: Instant, dead_after: Duration) -> bool {
        self.alive_until(dead_after).is_some_and(|until| now < until)
    }

    /// Takes note of a start of the node; of one that was alive until now, a new start counts as its first ping.
    fn started(&mut self, start_id: u64, now: Instant, dead_after: Duration) {
        if self.start_id == Some(start_id) {
            return;
        }
        let was_alive = self.is_alive(now, dead_after);
        self.ping = was_alive.then_some((now, true));
        self.start_id = Some(start_id);
        self.heard = None;
        self.unanswered.clear();
        self.lease_from = None;
    }

    fn news(&mut self, now: Instant, dead_after: Duration) -> Option<News> {
        if self.forgotten {
            return None;
        }
        let living = if self.is_alive(now, dead_after) { self.start_id } else { None };
        if living == self.told {
            return None;
        }
        self.told = living;
        Some(living.map_or(News::Down, News::Up))
    }
}

impl Pulse {
    pub(super) fn new(node: i32, dead_after: Duration, lease: Duration) -> Self {
        Self {
            node,
            dead_after,
            lease,
            beat: Mutex::default(),
            telling: Mutex::default(),
            began: Notify::new(),
        }
    }

    /// A connection with the node opened, in either direction.
    pub(super) fn on_hello(&self, start_id: u64, now: Instant) {
        let mut beat = self.beat.lock();
        beat.started(start_id, now, self.dead_after);
        beat.heard = Some(now);
    }

    /// A ping came, and says how long ago the node last heard us.
    pub(super) fn on_ping(&self, start_id: u64, since_heard: Option<Duration>, now: Instant) {
        let mut beat = self.beat.lock();
        beat.started(start_id, now, self.dead_after);
        beat.heard = Some(now);
        beat.ping = Some((now, since_heard.is_some_and(|since| since < self.dead_after)));
        drop(beat);
        self.began.notify_one();
    }

    /// A pong came. One of an earlier start of the node says nothing.
    pub(super) fn on_pong(&self, start_id: u64, seq: u64, now: Instant) {
        let mut beat = self.beat.lock();
        if beat.start_id != Some(start_id) {
            return;
        }
        beat.heard = Some(now);
        while let Some(&(sent, at)) = beat.unanswered.front()
            && sent <= seq
        {
            beat.unanswered.pop_front();
            if sent == seq {
                beat.lease_from = beat.lease_from.max(Some(at));
            }
        }
    }

    /// The number of a ping that is sent now, and how long ago we last heard the node.
    pub(super) fn ping(&self, now: Instant) -> (u64, Option<Duration>) {
        let mut beat = self.beat.lock();
        let seq = beat.next_seq;
        beat.next_seq += 1;
        let since_heard = beat.heard.map(|heard| now.duration_since(heard));
        if since_heard.is_none_or(|since| since >= self.dead_after) {
            // It makes us dead to the node: neither its answer nor those that are still under way promise anything.
            beat.unanswered.clear();
            beat.lease_from = None;
        } else {
            if beat.unanswered.len() == UNANSWERED_MAX {
                beat.unanswered.pop_front();
            }
            beat.unanswered.push_back((seq, now));
        }
        (seq, since_heard)
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        self.beat.lock().is_alive(now, self.dead_after)
    }

    pub(super) fn lease_until(&self, now: Instant) -> Option<Instant> {
        let until = self.beat.lock().lease_from? + self.lease;
        (now < until + self.dead_after).then_some(until)
    }

    /// Tells `serve` what has changed.
    pub(super) fn tell(&self, serve: &dyn Serve) {
        let _in_order = self.telling.lock();
        loop {
            let news = self.beat.lock().news(Instant::now(), self.dead_after);
            match news {
                Some(News::Up(start_id)) => serve.up(self.node, start_id),
                Some(News::Down) => serve.down(self.node),
                None => return,
            }
        }
    }

    /// From now on nothing is told.
    pub(super) fn forget(&self) {
        self.beat.lock().forgotten = true;
    }

    /// Calls `tell` each time the node may have died of silence. Never returns.
    pub(super) async fn watch(&self, tell: impl Fn(&Self)) {
        loop {
            let until = self.beat.lock().alive_until(self.dead_after);
            if let Some(until) = until.filter(|until| *until > Instant::now()) {
                tokio::time::sleep_until(until).await;
            } else {
                tell(self);
                self.began.notified().await;
            }
        }
    }
}
