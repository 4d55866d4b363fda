//! One partition of `__consumer_offsets` at work: a [`Shard`] that decides, and a task that writes what it decided.
//!
//! Verbs change the shard under a lock and put what has to be written into a queue; the task takes all that is queued
//! and proposes it as one batch, so that the busier the partition, the fewer the batches. *Invariant*: whoever is
//! answered saw a state that is agreed on: answers wait for all records that were queued before them. Only heartbeats
//! do not wait. If a write fails, nobody can say which state is agreed on: the coordinator has failed for good, all who
//! wait are told to look for it again, and it is loaded anew.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Duration, Instant, sleep_until};

use super::batch;
use crate::broker::Broker;
use crate::cluster::{Group as RaftGroup, Outcome, spawn};
use crate::coordinator::{Effects, GroupError, GroupRecord, Now, Reply, ReplyTo, Shard};
use crate::model::{LeaderEpoch, Offset};

/// A log below this is never rewritten, and a larger one only when most of it is outdated.
const REWRITE_FROM_BYTES: usize = 512 << 10;
/// How much is written for each byte that lives before the log is rewritten.
const REWRITE_FACTOR: usize = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Coordinator {
    broker: Broker,
    group: Arc<RaftGroup>,
    /// Under which this node leads: with it the coordinator's time ends.
    epoch: LeaderEpoch,
    state: Mutex<State>,
    /// Something is queued, or has to be looked at earlier than before; told by [`Coordinator::call`].
    work: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    shard: Shard,
    queue: Queue,
    /// Whether the task is writing what it took from the queue.
    writing: bool,
    waiting: HashMap<ReplyTo, oneshot::Sender<Reply>>,
    next_reply: u64,
    /// Whether the task was called and has not looked yet.
    called: bool,
    /// The beat before which it was called last.
    beat: u64,
    failed: Option<String>,
}

/// What has been decided and is not written.
#[derive(Debug, Default)]
struct Queue {
    records: Vec<GroupRecord>,
    replies: Vec<(ReplyTo, Reply)>,
    /// Others who wait for all of it.
    barriers: Vec<oneshot::Sender<()>>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty() && self.barriers.is_empty()
    }
}

impl Coordinator {
    /// Puts a shard that has read its log to work.
    pub(super) fn start(
        broker: Broker,
        (group, epoch): (Arc<RaftGroup>, LeaderEpoch),
        shard: Shard,
        log_bytes: usize,
    ) -> Arc<Self> {
        let state = State {
            shard,
            queue: Queue::default(),
            writing: false,
            waiting: HashMap::new(),
            next_reply: 0,
            called: false,
            beat: 0,
            failed: None,
        };
        group.durability.gather_syncs();
        let (state, work) = (Mutex::new(state), Arc::default());
        let coordinator = Arc::new(Self { broker, group, epoch, state, work });
        let task = Arc::clone(&coordinator);
        coordinator.broker.0.coordinators.spawn(async move { task.run(log_bytes).await });
        let (watched, mut roles) = (Arc::downgrade(&coordinator), coordinator.group.roles());
        spawn(async move {
            let leads = |coordinator: &Self| coordinator.group.leads() == Some(coordinator.epoch);
            while watched.upgrade().is_some_and(|coordinator| leads(&coordinator)) {
                if roles.changed().await.is_err() {
                    return;
                }
            }
            if let Some(coordinator) = watched.upgrade() {
                coordinator.end("this node leads its partition no more");
            }
        });
        coordinator
    }

    /// Why it is of no use any more, if so.
    pub(super) fn failed(&self) -> Option<String> {
        self.state.lock().failed.clone()
    }

    /// Decides something whose answer may come later: when a round ends, say.
    pub(super) async fn wait(
        &self,
        decide: impl FnOnce(&mut Shard, Now, ReplyTo) -> Effects,
    ) -> Result<Reply, GroupError> {
        let (sender, wait) = oneshot::channel();
        {
            let mut state = self.usable()?;
            let to = ReplyTo(state.next_reply);
            state.next_reply += 1;
            state.waiting.insert(to, sender);
            let now = self.now();
            let effects = decide(&mut state.shard, now, to);
            state.take_in(effects);
            state.send_if_idle();
            self.call(&mut state);
        }
        wait.await.map_err(|_| self.gone())
    }

    /// Decides something, and answers when it is written; a refusal, too, waits for what it saw.
    pub(super) async fn carry_out<T>(
        &self,
        decide: impl FnOnce(&mut Shard, Now) -> Result<(T, Effects), GroupError>,
    ) -> Result<T, GroupError> {
        let (answer, written) = {
            let mut state = self.usable()?;
            let now = self.now();
            let decided = decide(&mut state.shard, now);
            let answer = decided.map(|(answer, effects)| {
                state.take_in(effects);
                answer
            });
            let written = state.barrier();
            self.call(&mut state);
            (answer, written)
        };
        self.pass(written).await?;
        answer
    }

    /// Decides something that writes nothing and tells nothing that could be taken back.
    pub(super) fn at_once<T>(
        &self,
        decide: impl FnOnce(&mut Shard, Now) -> Result<T, GroupError>,
    ) -> Result<T, GroupError> {
        let mut state = self.usable()?;
        let now = self.now();
        decide(&mut state.shard, now)
    }

    /// Looks at the shard, and answers when all that was seen is agreed on.
    pub(super) async fn read<T>(&self, look: impl FnOnce(&Shard) -> T) -> Result<T, GroupError> {
        let (seen, written) = {
            let mut state = self.usable()?;
            (look(&state.shard), state.barrier())
        };
        self.pass(written).await?;
        // Looked at afterwards: whoever leads now led when it was seen. A deposed coordinator would move offsets back.
        if !self.group.has_lease() {
            return Err(GroupError::Loading { partition: self.group.partition.identity.name.to_string() });
        }
        Ok(seen)
    }

    /// Nothing is decided here any more; whoever waits is told.
    pub(super) fn end(&self, reason: &str) {
        let mut state = self.state.lock();
        state.failed.get_or_insert_with(|| reason.to_owned());
        state.queue = Queue::default();
        state.waiting.clear();
        drop(state);
        self.work.notify_one();
    }

    /// Lets the task look, once for all that call before it does. Whoever queues something calls, under the same lock.
    fn call(&self, state: &mut State) {
        if std::mem::replace(&mut state.called, true) {
            return;
        }
        let coordinators = &self.broker.0.coordinators;
        let linger_ms = self.broker.settings().group_append_linger_ms;
        if let Some(sounding) = coordinators.beat.wake(&self.work, linger_ms, &mut state.beat) {
            coordinators.spawn(sounding);
        }
    }

    async fn pass(&self, barrier: Option<oneshot::Receiver<()>>) -> Result<(), GroupError> {
        match barrier {
            Some(barrier) => barrier.await.map_err(|_| self.gone()),
            None => Ok(()),
        }
    }

    fn usable(&self) -> Result<parking_lot::MutexGuard<'_, State>, GroupError> {
        let mut state = self.state.lock();
        if state.failed.is_some() {
            drop(state);
            return Err(self.gone());
        }
        state.shard.settings = self.broker.group_settings();
        Ok(state)
    }

    fn gone(&self) -> GroupError {
        let reason = self.failed().unwrap_or_else(|| "it went away".into());
        GroupError::NotCoordinator { group: self.group.partition.identity.name.to_string(), reason }
    }

    fn now(&self) -> Now {
        self.broker.group_time()
    }

    /// Writes what is queued and lets happen what is due, until it fails.
    async fn run(self: Arc<Self>, log_bytes: usize) {
        // Whatever ends this task, nobody waits for it in vain.
        let _end = EndsWith(&self);
        let mut upkeep = Rewriting { since: log_bytes, live: 0 };
        loop {
            match self.next_wake() {
                Wake::Never => return,
                Wake::ByWork => self.work.notified().await,
                Wake::At(at) => tokio::select! {
                    () = self.work.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
            if let Err(reason) = self.work_off(&mut upkeep).await {
                tracing::warn!(partition = %self.group.partition.identity.name, reason, "groups are loaded anew at their next use");
                self.end(&reason);
                return;
            }
        }
    }

    fn next_wake(&self) -> Wake {
        let state = self.state.lock();
        if state.failed.is_some() {
            return Wake::Never;
        }
        let now = self.now().monotonic_ms;
        match state.shard.next_wake() {
            Some(at) => Wake::At(Instant::now() + Duration::from_millis(at.saturating_sub(now))),
            None => Wake::ByWork,
        }
    }

    /// What is queued meanwhile has called, and has its own turn.
    async fn work_off(&self, upkeep: &mut Rewriting) -> Result<(), String> {
        let queue = {
            let mut state = self.state.lock();
            state.called = false;
            let now = self.now();
            if state.shard.next_wake().is_some_and(|at| at <= now.monotonic_ms) {
                state.shard.settings = self.broker.group_settings();
                let effects = state.shard.on_tick(now);
                state.take_in(effects);
            }
            if state.queue.is_empty() {
                return Ok(());
            }
            state.writing = true;
            std::mem::take(&mut state.queue)
        };
        upkeep.since += self.write(&queue.records).await?.bytes;
        {
            let mut state = self.state.lock();
            state.writing = false;
            state.send(queue);
            // Whoever only waited for what was written has nothing to wait for.
            state.send_if_idle();
        }
        if upkeep.is_due() {
            self.rewrite(upkeep).await?;
        }
        Ok(())
    }

    /// Returns when all `records` are agreed on.
    async fn write(&self, records: &[GroupRecord]) -> Result<Written, String> {
        let mut written = Written { bytes: 0, first: None };
        if records.is_empty() {
            return Ok(written);
        }
        let batches = batch::batches(records, self.broker.now_ms()).map_err(|e| e.to_string())?;
        let mut pending = Vec::with_capacity(batches.len());
        for batch in batches {
            written.bytes += batch.body.len() + crate::model::batch::HEADER_LEN;
            pending.push(self.group.propose_in(self.epoch, batch).await.map_err(|e| e.to_string())?);
        }
        for pending in pending {
            match pending.outcome().await.map_err(|e| e.to_string())? {
                Outcome::Appended { base_offset } => _ = written.first.get_or_insert(base_offset),
                other => return Err(format!("its records were refused: {other:?}")),
            }
        }
        Ok(written)
    }

    /// Writes all that lives once more, so that what was written before it can go.
    ///
    /// Until topics are compacted this is what keeps the log bounded. What is queued already is in the state that is
    /// written here, and will be written again after it: nothing is lost, nothing goes back.
    async fn rewrite(&self, upkeep: &mut Rewriting) -> Result<(), String> {
        let partition = &self.group.partition;
        // Nothing is on its way now. What lives begins a segment, so that those before it can go as a whole.
        let end = partition.lines.high_watermark();
        partition.close_active_below(end).map_err(|e| e.to_string())?;
        let live: Vec<GroupRecord> = self.state.lock().shard.live().collect();
        let written = self.write(&live).await?;
        *upkeep = Rewriting { since: 0, live: written.bytes };
        if let Err(error) = self.broker.move_log_start(&self.group, written.first.unwrap_or(end)).await {
            // Only space is lost, and the next time tries again.
            tracing::warn!(partition = %partition.identity.name, %error, "outdated records stay for now");
        }
        Ok(())
    }
}

/// Ends a coordinator when its task does.
struct EndsWith<'a>(&'a Coordinator);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.end("its task has ended");
    }
}

/// When the task has to look again.
#[derive(Debug)]
enum Wake {
    /// It has failed.
    Never,
    ByWork,
    At(Instant),
}

/// What a write came to.
#[derive(Debug)]
struct Written {
    bytes: usize,
    first: Option<Offset>,
}

/// How much of the log is outdated, nearly.
#[derive(Debug)]
struct Rewriting {
    /// Bytes since the log was last rewritten.
    since: usize,
    /// Bytes that it was rewritten to.
    live: usize,
}

impl Rewriting {
    fn is_due(&self) -> bool {
        self.since >= REWRITE_FROM_BYTES.max(self.live * REWRITE_FACTOR)
    }
}

impl State {
    fn take_in(&mut self, effects: Effects) {
        for record in &effects.records {
            self.shard.replay(record.clone());
        }
        self.queue.records.extend(effects.records);
        self.queue.replies.extend(effects.replies);
    }

    /// Something to wait for, unless all is written.
    fn barrier(&mut self) -> Option<oneshot::Receiver<()>> {
        if !self.writing && self.queue.records.is_empty() {
            self.send_if_idle();
            return None;
        }
        let (sender, wait) = oneshot::channel();
        self.queue.barriers.push(sender);
        Some(wait)
    }

    /// Replies at once if nothing has to be written before.
    fn send_if_idle(&mut self) {
        if !self.writing && self.queue.records.is_empty() {
            let queue = std::mem::take(&mut self.queue);
            self.send(queue);
        }
    }

    fn send(&mut self, queue: Queue) {
        for (to, reply) in queue.replies {
            if let Some(waiting) = self.waiting.remove(&to) {
                // Whoever went away gets none.
                drop(waiting.send(reply));
            }
        }
        for barrier in queue.barriers {
            _ = barrier.send(());
        }
    }
}
