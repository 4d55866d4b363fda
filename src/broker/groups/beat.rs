//! The beat on which the coordinators of a busy node write.
//!
//! Many partitions that each write now and then wake tasks, threads and the disk each for themselves; on a beat they
//! wake them together. Not here: what is written (`coordinator.rs`).

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until};

/// How far two beats are apart at most, in milliseconds, where `group.coordinator.append.linger.ms` leaves it to Bateau.
/// Measured with 1,000 commits a second to 50 partitions: with 25 ms a node takes a fifth more CPU.
const ADAPTIVE_MS: u64 = 50;
/// Where it is left to Bateau, nobody waits for others once nobody came for so long: clients that each commit again when
/// they are answered all wait already.
const QUIET: Duration = Duration::from_millis(10);
/// So many partitions write between two beats before any of them waits: a few clients that commit one after the other
/// are answered as fast as the disk can.
const BUSY_FROM: usize = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Beat {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the beat that comes next.
    next: u64,
    /// Partitions that had something to write since the last beat, and between the two before.
    came: usize,
    came_before: usize,
    /// Whom it wakes; bounded, since each partition's task waits for one beat at a time.
    waiting: Vec<Arc<Notify>>,
    /// When the last of them came, since the first beat of all.
    came_at: Duration,
}

impl Default for Beat {
    fn default() -> Self {
        Self { began: Instant::now(), state: Mutex::default() }
    }
}

impl Beat {
    /// Wakes `task`, which has something to write: now or on the next beat. `linger_ms` is how far beats are apart, and
    /// `None` that only a busy node has any. `last` is the task's own: the beat before which it came last.
    ///
    /// What is returned, if anything, has to be spawned: it sounds that beat.
    #[must_use]
    pub(super) fn wake(
        self: &Arc<Self>,
        task: &Arc<Notify>,
        linger_ms: Option<u64>,
        last: &mut u64,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let every_ms = linger_ms.unwrap_or(ADAPTIVE_MS);
        let since = self.began.elapsed();
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        // No beats at all if they are 0 ms apart.
        let next = since_ms.checked_div(every_ms).map(|beats| beats + 1);
        let mut state = self.state.lock();
        let Some(next) = next.filter(|next| state.has_to_wait(*next, linger_ms.is_some(), last)) else {
            drop(state);
            task.notify_one();
            return None;
        };
        state.came_at = since;
        state.waiting.push(Arc::clone(task));
        if state.waiting.len() > 1 {
            return None;
        }
        let beat = Arc::clone(self);
        let at = self.began + Duration::from_millis(next.saturating_mul(every_ms));
        let may_be_early = linger_ms.is_none();
        Some(async move {
            let mut due = beat.due(at, may_be_early);
            loop {
                sleep_until(due).await;
                let later = beat.due(at, may_be_early);
                if later <= due {
                    return beat.sound();
                }
                due = later;
            }
        })
    }

    /// When to sound if nobody else comes.
    fn due(&self, at: Instant, may_be_early: bool) -> Instant {
        match may_be_early {
            true => at.min(self.began + self.state.lock().came_at + QUIET),
            false => at,
        }
    }

    fn sound(&self) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        for task in waiting {
            task.notify_one();
        }
    }
}

impl State {
    fn has_to_wait(&mut self, next: u64, always: bool, last: &mut u64) -> bool {
        if self.next != next {
            self.came_before = if self.next + 1 == next { self.came } else { 0 };
            (self.next, self.came) = (next, 0);
        }
        self.came += usize::from(std::mem::replace(last, next) != next);
        always || self.came.max(self.came_before) >= BUSY_FROM
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt, poll};
    use tokio::time::advance;

    use super::*;

    /// Tasks that come to `beat`, with what each has to keep.
    fn tasks(count: usize) -> Vec<(Arc<Notify>, u64)> {
        (0..count).map(|_| (Arc::default(), 0)).collect()
    }

    fn is_awake(task: &Arc<Notify>) -> bool {
        task.notified().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn one_partition_never_waits_however_often_it_writes() {
        let (beat, mut tasks) = (Arc::new(Beat::default()), tasks(1));
        let (task, last) = &mut tasks[0];
        for _ in 0..100 {
            assert!(beat.wake(task, None, last).is_none());
            assert!(is_awake(task));
            advance(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_partitions_are_woken_by_one_beat() {
        let (beat, mut tasks) = (Arc::new(Beat::default()), tasks(2 * BUSY_FROM));
        let mut sounding = Vec::new();
        for (task, last) in &mut tasks {
            sounding.extend(beat.wake(task, None, last));
        }
        let awake = tasks.iter().filter(|(task, _)| is_awake(task)).count();
        assert_eq!((awake, sounding.len()), (BUSY_FROM - 1, 1), "the first are not held up");
        let (asked, mut sounding) = (Instant::now(), pin!(sounding.remove(0)));
        assert!(poll!(sounding.as_mut()).is_pending());
        advance(QUIET / 2).await;
        let mut late = (Arc::default(), 0);
        assert!(beat.wake(&late.0, None, &mut late.1).is_none() && !is_awake(&late.0));
        sounding.await;
        assert_eq!(asked.elapsed(), QUIET / 2 + QUIET, "nobody else has come");
        assert!(is_awake(&late.0));
        assert!(tasks[BUSY_FROM - 1..].iter().all(|(task, _)| is_awake(task)));
        let (task, last) = &mut tasks[0];
        assert!(beat.wake(task, None, last).is_some(), "it was busy just now");
        advance(Duration::from_millis(3 * ADAPTIVE_MS)).await;
        let (task, last) = &mut tasks[1];
        beat.sound();
        assert!(beat.wake(task, None, last).is_none(), "it is no longer busy");
    }

    #[tokio::test(start_paused = true)]
    async fn a_linger_that_was_set_holds_for_one_partition_too_and_none_for_all() {
        let (beat, mut tasks) = (Arc::new(Beat::default()), tasks(10));
        let (task, last) = &mut tasks[0];
        let sounding = beat.wake(task, Some(25), last).expect("it waits");
        assert!(!is_awake(task));
        let asked = Instant::now();
        sounding.await;
        assert_eq!(asked.elapsed(), Duration::from_millis(25));
        for (task, last) in &mut tasks {
            assert!(beat.wake(task, Some(0), last).is_none());
            assert!(is_awake(task));
        }
    }
}
