//! Group commit: the threads of one disk that make logs durable, several at a time.
//!
//! A dirty log is queued at most once. While its sync runs, later requests gather and share the
//! next round; one log's requests complete in order. Logs that are written together with others share
//! threads: each takes a few, one after the other, and completes them together, which costs fewer wakes
//! than a thread for each. Not here: what a sync does (`sync`, `votes`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::error::StorageError;

/// Background jobs that may wait; beyond it the one who brings another runs it.
pub const JOBS_MAX: usize = 16_384;
/// Logs that a thread syncs in turn; if as many wait, another thread helps. So a slow disk delays none by more than
/// these syncs. Measured (ext4 without a journal, 20 dirty logs, CPU of each sync): all in one thread 60 to 100 µs,
/// four threads 26 to 33, seven 27, a thread each 29 to 34: syncs side by side share what the disk has to flush.
const TURNS_MAX: usize = 3;

/// What a [`Flusher`] can make durable.
pub trait FlushTarget: fmt::Debug + Send + Sync {
    /// Makes durable all that was written before the call.
    fn flush(&self) -> Result<(), StorageError>;
}

/// Told once what became of a sync.
pub type SyncDone = Box<dyn FnOnce(Result<(), Arc<StorageError>>) + Send>;

type Job = Box<dyn FnOnce() + Send>;

/// Has a job done sometime, once.
type Defer = Box<dyn Fn(Job) + Send + Sync>;

/// A log, or the votes, as the flusher knows it; cheap to clone.
#[derive(Clone, Debug)]
pub struct FlushHandle(Arc<Target>);

#[derive(Debug)]
struct Target {
    target: Box<dyn FlushTarget>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    done: Vec<SyncDone>,
    /// Whether it is in the queue or its sync runs.
    busy: bool,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("done", &self.done.len()).field("busy", &self.busy).finish()
    }
}

/// A sync that ran, and who is to be told.
struct Flushed {
    done: Vec<SyncDone>,
    result: Result<(), Arc<StorageError>>,
}

impl FlushHandle {
    pub fn new(target: impl FlushTarget + 'static) -> Self {
        Self(Arc::new(Target { target: Box::new(target), waiting: Mutex::default() }))
    }

    /// One round: all requests registered before it starts are completed by it. True if more came.
    fn round(&self) -> bool {
        self.complete(self.flush())
    }

    fn flush(&self) -> Flushed {
        let done = std::mem::take(&mut self.0.waiting.lock().done);
        Flushed { done, result: self.0.target.flush().map_err(Arc::new) }
    }

    /// True if more came meanwhile: the handle has to be queued again.
    fn complete(&self, flushed: Flushed) -> bool {
        for done in flushed.done {
            done(flushed.result.clone());
        }
        let mut waiting = self.0.waiting.lock();
        waiting.busy = !waiting.done.is_empty();
        waiting.busy
    }
}

/// The syncing threads of one disk.
pub struct Flusher {
    pool: Option<Arc<Pool>>,
    defer: Option<Defer>,
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flusher").field("inline", &self.pool.is_none()).finish_non_exhaustive()
    }
}

struct Pool {
    threads: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    syncs: VecDeque<FlushHandle>,
    /// Those that are synced in turn.
    in_turn: VecDeque<FlushHandle>,
    /// Threads that do so now.
    turning: usize,
    jobs: VecDeque<Job>,
    /// Background jobs that run now.
    running_jobs: usize,
    idle: usize,
    workers: Vec<JoinHandle<()>>,
    stopping: bool,
}

enum Work {
    Sync(FlushHandle),
    InTurn(Vec<FlushHandle>),
    Job(Job),
}

impl State {
    fn has_no_work(&self) -> bool {
        self.syncs.is_empty() && self.in_turn.is_empty() && self.jobs.is_empty()
    }
}

impl Flusher {
    /// A flusher of up to `threads` threads, each started when first needed.
    pub fn new(threads: usize) -> Arc<Self> {
        let pool = Pool { threads: threads.max(1), state: Mutex::default(), work: Condvar::new() };
        Arc::new(Self { pool: Some(Arc::new(pool)), defer: None })
    }

    /// One without threads: everything runs on the caller's, at once.
    pub fn inline() -> Arc<Self> {
        Arc::new(Self { pool: None, defer: None })
    }

    /// One without threads, whose work `defer` has done later: for a simulation.
    pub fn deferred(defer: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { pool: None, defer: Some(Box::new(defer)) })
    }

    /// Makes durable what `handle`'s log has published, then calls `done`, on a flusher's thread.
    pub fn sync(&self, handle: &FlushHandle, done: SyncDone) {
        self.register(handle, done, Pool::queue_sync);
    }

    /// As [`Flusher::sync`], for a log that may wait until others are synced, and completes when they do.
    pub fn sync_in_turn(&self, handle: &FlushHandle, done: SyncDone) {
        self.register(handle, done, Pool::queue_in_turn);
    }

    fn register(&self, handle: &FlushHandle, done: SyncDone, queue: fn(&Arc<Pool>, &FlushHandle) -> bool) {
        let mut waiting = handle.0.waiting.lock();
        waiting.done.push(done);
        if std::mem::replace(&mut waiting.busy, true) {
            return;
        }
        drop(waiting);
        if let Some(defer) = &self.defer {
            let handle = handle.clone();
            return defer(Box::new(move || while handle.round() {}));
        }
        let taken = self.pool.as_ref().is_some_and(|pool| queue(pool, handle));
        while !taken && handle.round() {}
    }

    /// Runs `job` in the background: snapshots, unlinking. It gives way to syncs.
    pub fn run(&self, job: Job) {
        if let Some(defer) = &self.defer {
            return defer(job);
        }
        let refused = match &self.pool {
            Some(pool) => pool.queue_job(job),
            None => Some(job),
        };
        if let Some(job) = refused {
            job();
        }
    }

    /// Finishes all that waits and ends the threads; later work runs on its caller's thread.
    pub fn stop(&self) {
        let Some(pool) = &self.pool else { return };
        let workers = {
            let mut state = pool.state.lock();
            state.stopping = true;
            std::mem::take(&mut state.workers)
        };
        pool.work.notify_all();
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a flusher thread panicked");
            }
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.state.lock().stopping = true;
            pool.work.notify_all();
        }
    }
}

impl Pool {
    /// False if the threads are ending.
    fn queue_sync(self: &Arc<Self>, handle: &FlushHandle) -> bool {
        let mut state = self.state.lock();
        if state.stopping {
            return false;
        }
        state.syncs.push_back(handle.clone());
        let called = self.call_worker(&mut state);
        if !called {
            state.syncs.pop_back();
        }
        called
    }

    /// False if the threads are ending.
    fn queue_in_turn(self: &Arc<Self>, handle: &FlushHandle) -> bool {
        let mut state = self.state.lock();
        if state.stopping {
            return false;
        }
        state.in_turn.push_back(handle.clone());
        let queued = state.in_turn.len();
        let is_first = queued == 1 && state.turning == 0;
        if !is_first && !queued.is_multiple_of(TURNS_MAX) {
            return true; // whoever was called for the first takes this one, too, or comes back for it
        }
        let called = self.call_worker(&mut state);
        if !called {
            state.in_turn.pop_back();
        }
        called
    }

    /// The job, if it is the caller's to run.
    fn queue_job(self: &Arc<Self>, job: Job) -> Option<Job> {
        let mut state = self.state.lock();
        if state.stopping || state.jobs.len() >= JOBS_MAX {
            return Some(job);
        }
        state.jobs.push_back(job);
        if self.call_worker(&mut state) {
            return None;
        }
        state.jobs.pop_back()
    }

    /// Wakes a thread or starts one. False if there is none and none can be started.
    fn call_worker(self: &Arc<Self>, state: &mut State) -> bool {
        let waiting = state.syncs.len() + state.jobs.len() + usize::from(!state.in_turn.is_empty());
        if waiting > state.idle && state.workers.len() < self.threads {
            let pool = Arc::clone(self);
            let builder = thread::Builder::new().name("flusher".into());
            match builder.spawn(move || pool.work()) {
                Ok(worker) => state.workers.push(worker),
                Err(error) if state.workers.is_empty() => {
                    tracing::error!(%error, "no flusher thread could be started");
                    return false;
                }
                Err(error) => tracing::warn!(%error, "flusher stays at fewer threads"),
            }
        }
        self.work.notify_one();
        true
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            let Some(work) = self.next(&mut state) else {
                if state.stopping && state.has_no_work() {
                    return;
                }
                state.idle += 1;
                self.work.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            parking_lot::MutexGuard::unlocked(&mut state, || match work {
                Work::Sync(handle) => self.sync_once(handle),
                Work::InTurn(handles) => self.sync_each(handles),
                Work::Job(job) => self.run_job(job),
            });
        }
    }

    /// Syncs first, but one thread takes turns whatever else waits; jobs on at most half of the threads, so that an
    /// unlink delays no acknowledgement.
    fn next(&self, state: &mut State) -> Option<Work> {
        let turns_are_due = state.turning == 0 && !state.in_turn.is_empty();
        if let Some(handle) = state.syncs.pop_front_if(|_| !turns_are_due) {
            return Some(Work::Sync(handle));
        }
        if !state.in_turn.is_empty() {
            state.turning += 1;
            let turns = state.in_turn.len().min(TURNS_MAX);
            return Some(Work::InTurn(state.in_turn.drain(..turns).collect()));
        }
        if state.running_jobs >= self.threads.div_ceil(2) {
            return None;
        }
        let job = state.jobs.pop_front()?;
        state.running_jobs += 1;
        Some(Work::Job(job))
    }

    fn sync_once(&self, handle: FlushHandle) {
        if handle.round() {
            self.state.lock().syncs.push_back(handle);
        }
    }

    fn sync_each(&self, handles: Vec<FlushHandle>) {
        let flushed: Vec<_> = handles.iter().map(FlushHandle::flush).collect();
        let completed = handles.into_iter().zip(flushed);
        let again: Vec<_> =
            completed.filter_map(|(handle, f)| handle.complete(f).then_some(handle)).collect();
        let mut state = self.state.lock();
        state.turning -= 1;
        state.in_turn.extend(again);
    }

    fn run_job(&self, job: Job) {
        job();
        let mut state = self.state.lock();
        state.running_jobs -= 1;
        if state.stopping {
            self.work.notify_all();
        } else if !state.jobs.is_empty() {
            self.work.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::ThreadId;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Event {
        Flushed(usize, ThreadId),
        Told(usize),
    }

    #[derive(Debug)]
    struct Log {
        number: usize,
        events: mpsc::Sender<Event>,
        /// What the first one waits for.
        released: Mutex<mpsc::Receiver<()>>,
    }

    impl FlushTarget for Log {
        fn flush(&self) -> Result<(), StorageError> {
            if self.number == 0 {
                self.released.lock().recv().unwrap();
            }
            self.events.send(Event::Flushed(self.number, thread::current().id())).unwrap();
            Ok(())
        }
    }

    #[test]
    fn logs_that_sync_in_turn_share_a_thread_and_are_told_together() {
        let flusher = Flusher::new(4);
        let (events, seen) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let mut released = Some(released);
        for number in 0..TURNS_MAX {
            // Only the first has anything to wait for.
            let released = Mutex::new(released.take().unwrap_or_else(|| mpsc::channel().1));
            let handle = FlushHandle::new(Log { number, events: events.clone(), released });
            let told = events.clone();
            let done = move |result: Result<(), _>| {
                result.unwrap();
                told.send(Event::Told(number)).unwrap();
            };
            flusher.sync_in_turn(&handle, Box::new(done));
        }
        release.send(()).unwrap();
        flusher.stop();
        drop(events);
        let seen: Vec<Event> = seen.iter().collect();
        assert_eq!(seen.len(), 2 * TURNS_MAX);
        let threads = seen.iter().filter_map(|event| match event {
            Event::Flushed(_, thread) => Some(*thread),
            Event::Told(_) => None,
        });
        assert!(threads.clone().all(|thread| Some(thread) == threads.clone().next()));
        // Those that the thread found at first, and those that came while the first of all held it up.
        let begins =
            |last: &Event, next: &Event| matches!(last, Event::Told(_)) && matches!(next, Event::Flushed(..));
        let rounds = seen.chunk_by(|last, next| !begins(last, next)).count();
        assert!(rounds <= 2, "{seen:?}");
    }
}
