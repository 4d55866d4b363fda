//! The connection of one lane that this node opens to another: opened again and again, and what goes over it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, info};

use super::Lane;
use super::ended::Ended;
use super::error::PeerName;
use super::frame::{Frame, Head};
use super::hello::{Hello, Purpose};
use super::jitter::Jitter;
use super::node::{Goal, Node};
use super::requests::Requests;
use super::shared::Shared;
use super::watched::Watch;
use super::wire::Wire;

pub(super) struct Link {
    shared: Arc<Shared>,
    id: i32,
    node: Arc<Node>,
    lane: Lane,
    requests: Arc<Requests>,
    goal: Watch<Goal>,
    jitter: Jitter,
    /// Tries in a row that led to nothing lasting.
    tries: u32,
    /// What was logged last about it.
    said: Option<String>,
}

/// An open connection.
struct Open {
    wire: Wire,
    peer: Hello,
    /// When bytes should have begun to come.
    asked: Instant,
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, id: i32, node: Arc<Node>, lane: Lane) -> Self {
        let requests = Arc::clone(node.requests(lane));
        let goal = node.goal();
        let lane_bit = u64::from(lane == Lane::Data);
        let jitter = Jitter::new(shared.settings.seed ^ (u64::from(id.cast_unsigned()) << 1 | lane_bit));
        Self { shared, id, node, lane, requests, goal, jitter, tries: 0, said: None }
    }

    /// Keeps the connection open until it is no longer wanted.
    pub(super) async fn run(mut self) {
        loop {
            let goal = self.goal.get();
            if goal.gone {
                return self.requests.fail(&self.shared.gone(), true);
            }
            let began = Instant::now();
            let ended = match self.open(&goal).await {
                Err(ended) => {
                    self.requests.fail(&ended, !matches!(ended, Ended::Replaced(_)));
                    ended
                }
                Ok(open) => {
                    info!(node = self.id, lane = ?self.lane, address = goal.address, "connected to a peer");
                    self.said = None;
                    self.requests.open();
                    let Err(ended) = self.stay(open, &goal).await;
                    if began.elapsed() >= self.shared.settings.backoff_max {
                        self.tries = 0;
                    }
                    // The first try to come back is quick enough to be waited for.
                    self.requests.fail(&ended, self.tries > 0);
                    ended
                }
            };
            self.report(&goal, &ended);
            self.wait(&goal, began).await;
        }
    }

    async fn open(&mut self, goal: &Goal) -> Result<Open, Ended> {
        let shared = Arc::clone(&self.shared);
        let purpose = Purpose::Lane(self.lane, self.id);
        let opening = shared.open(&goal.address, purpose, Arc::clone(&self.node.meter));
        let (wire, peer) = tokio::select! {
            biased;
            ended = outdated(&shared, &mut self.goal, goal, None) => return Err(ended),
            opened = opening => opened?,
        };
        shared.seats.clear_former(self.id, peer.start_id);
        self.node.met(peer.start_id, false);
        shared.tell(&self.node.pulse);
        Ok(Open { wire, peer, asked: Instant::now() })
    }

    async fn stay(&mut self, open: Open, goal: &Goal) -> Result<Infallible, Ended> {
        let start_id = open.peer.start_id;
        let mut changes = self.goal.clone();
        tokio::select! {
            biased;
            ended = outdated(&self.shared, &mut changes, goal, Some(start_id)) => Err(ended),
            ended = self.talk(open) => ended,
        }
    }

    async fn talk(&self, mut open: Open) -> Result<Infallible, Ended> {
        let mut tick = tokio::time::interval(self.shared.settings.ping_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.requests.send(&mut open.wire);
            tokio::select! {
                biased;
                _ = tick.tick() => self.on_tick(&mut open)?,
                moved = poll_fn(|cx| open.wire.poll(cx, true)) => moved?,
                () = self.requests.queued() => {}
            }
            while let Some(frame) = open.wire.next()? {
                self.on_frame(&open.peer, frame)?;
            }
        }
    }

    fn on_frame(&self, peer: &Hello, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::Answer { id, body } => self.requests.answered(id, Some(Ok(body))),
            Frame::Error { id, text } => self.requests.answered(id, Some(Err(text))),
            Frame::Busy { id } => self.requests.answered(id, None),
            Frame::Pong { seq } => {
                if self.lane == Lane::Control {
                    self.node.pulse.on_pong(peer.start_id, seq, Instant::now());
                }
                Ok(())
            }
            Frame::Goodbye { text } => Err(Ended::Refused(text)),
            Frame::Request { id, .. } => Err(Ended::Garbage { what: "request to its own sender", found: id }),
            Frame::Ping { seq, .. } => Err(Ended::Garbage { what: "ping to its own sender", found: seq }),
        }
    }

    /// Pings, and looks whether anything comes that should.
    fn on_tick(&self, open: &mut Open) -> Result<(), Ended> {
        let now = Instant::now();
        self.requests.reap(now);
        let expects = self.lane == Lane::Control || self.requests.is_any_waiting();
        if !expects {
            open.asked = now;
        }
        let silent_for = now.duration_since(open.wire.heard.max(open.asked));
        if silent_for >= self.shared.settings.silence_max() {
            return Err(Ended::Silent(silent_for));
        }
        match self.lane {
            Lane::Control => {
                let (seq, since_heard) = self.node.pulse.ping(now);
                open.wire.put(Head::Ping { seq, since_heard }, Vec::new());
            }
            // Whoever is slow to answer still answers this, and is left in peace.
            Lane::Data if silent_for >= self.shared.settings.dead_after => {
                open.wire.put(Head::Ping { seq: 0, since_heard: None }, Vec::<Bytes>::new());
            }
            Lane::Data => {}
        }
        Ok(())
    }

    fn report(&mut self, goal: &Goal, ended: &Ended) {
        let (node, lane, text) = (PeerName::Node(self.id), self.lane, ended.to_string());
        if matches!(ended, Ended::Replaced(_) | Ended::Closing) || self.said.as_ref() == Some(&text) {
            return debug!(%node, ?lane, reason = text, "connection to a peer ended");
        }
        if ended.is_trouble() {
            self.shared.complaints.say(&node, ended);
        } else {
            info!(%node, ?lane, address = goal.address, reason = text, "no connection to a peer");
        }
        self.said = Some(text);
    }

    /// Waits before the next try: longer each time; less once the node shows that it can be reached; not at all for
    /// another goal.
    async fn wait(&mut self, goal: &Goal, began: Instant) {
        let settings = &self.shared.settings;
        let wait = settings.backoff_min.saturating_mul(1 << self.tries.min(16)).min(settings.backoff_max);
        let mut until = Instant::now() + self.jitter.spread(wait);
        self.tries += 1;
        loop {
            let newer = self.goal.get();
            if goal.differs(&newer) {
                self.tries = 0;
                return;
            }
            if newer.signs != goal.signs {
                until = until.min(began + settings.backoff_min);
            }
            tokio::select! {
                biased;
                () = self.goal.changed() => {}
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }
}

/// Resolves once a connection opened for `goal`, and to the start `start_id` of the node, is of no use any more.
async fn outdated(shared: &Shared, newer: &mut Watch<Goal>, goal: &Goal, start_id: Option<u64>) -> Ended {
    loop {
        let now = newer.get();
        if now.gone {
            return shared.gone();
        }
        if goal.differs(&now) {
            return Ended::Replaced("it is opened anew");
        }
        if start_id.is_some() && now.start_id != start_id {
            return Ended::Replaced("the node was started anew");
        }
        newer.changed().await;
    }
}
