//! The load: what records look like, when each is due, and the thread that sends them then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::clock::now_ms;
use crate::cli::interrupt::Interrupt;
use crate::cli::number::real;
use crate::client::{ClientError, OutgoingRecord, Producer};

/// Shorter waits than this are not worth a sleep.
const SHORTEST_SLEEP: Duration = Duration::from_micros(20);
/// The text that values are cut from.
const TEXT: usize = 1 << 20;

/// When records are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) begin: Instant,
    /// Records a second; none: as fast as they are taken.
    pub(super) rate: Option<f64>,
    pub(super) records: u64,
    pub(super) time: Duration,
}

impl Schedule {
    /// When record `number`, from 0, is due; None without a rate.
    pub(super) fn due(&self, number: u64) -> Option<Instant> {
        self.rate.map(|rate| self.begin + Duration::from_secs_f64(real(number) / rate))
    }

    /// Whether record `number` shall be sent at all.
    fn has(&self, number: u64) -> bool {
        let at = self.due(number).unwrap_or_else(Instant::now);
        number < self.records && at < self.begin + self.time
    }
}

/// Values of one size. They look like text, so that codecs find something to do, and each begins with the run and the
/// record's number.
#[derive(Clone, Debug)]
pub(super) struct Values {
    run: u64,
    size: usize,
    text: Arc<[u8]>,
}

impl Values {
    pub(super) fn new(run: u64, size: usize) -> Self {
        let text = text(run, TEXT.max(2 * size));
        Self { run, size, text: text.into() }
    }

    fn fill(&self, number: u64, value: &mut Vec<u8>) {
        value.clear();
        value.extend_from_slice(&self.run.to_be_bytes());
        value.extend_from_slice(&number.to_be_bytes());
        let rest = self.size.saturating_sub(value.len());
        // Another piece for each record, as far as the text reaches: what neighbours share would be compressed away.
        let from = (number as usize).wrapping_mul(rest + 61) % (self.text.len() - rest);
        value.extend_from_slice(&self.text[from..from + rest]);
    }

    /// The number of a record of this run.
    pub(super) fn number(&self, value: &[u8]) -> Option<u64> {
        let (run, rest) = value.split_first_chunk::<8>()?;
        let number = rest.first_chunk::<8>()?;
        Some(u64::from_be_bytes(*number)).filter(|_| u64::from_be_bytes(*run) == self.run)
    }
}

/// Words of a small language, in any order: as of real text, lz4 leaves about half of it.
fn text(seed: u64, size: usize) -> Vec<u8> {
    const LETTERS: &[u8; 32] = b"etaoinshrdluetaoinshraeioucmfpgw";
    const WORDS: usize = 1024;
    const LONGEST: usize = 8;
    let mut state = seed | 1;
    let mut draw = |below: usize| {
        // xorshift64: any pattern will do, as long as it is long.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize % below
    };
    let letters: Vec<u8> = (0..WORDS * LONGEST).map(|_| LETTERS[draw(LETTERS.len())]).collect();
    let mut text = Vec::with_capacity(size + LONGEST + 1);
    while text.len() < size {
        let word = draw(WORDS);
        // A word has the same length wherever it stands: 3 to 8.
        let length = 3 + word % (LONGEST - 2);
        text.extend_from_slice(&letters[word * LONGEST..][..length]);
        text.push(b' ');
    }
    text
}

/// Sends all of `schedule`, on a thread of its own: it sleeps more exactly than the runtime's timer, which counts in
/// milliseconds.
pub(super) async fn send(
    producer: Arc<Producer>,
    values: Values,
    schedule: Schedule,
    interrupt: Interrupt,
) -> Result<(), ClientError> {
    let runtime = tokio::runtime::Handle::current();
    let sending = tokio::task::spawn_blocking(move || {
        let mut value = Vec::new();
        let mut number = 0;
        let mut outcome = Ok(());
        while schedule.has(number) && !interrupt.is_told() && outcome.is_ok() {
            let due = schedule.due(number);
            wait_until(due);
            values.fill(number, &mut value);
            let record = OutgoingRecord {
                partition: None,
                key: None,
                value: Some(&value),
                headers: &[],
                timestamp: now_ms(),
                due: Some(due.unwrap_or_else(Instant::now)),
            };
            outcome = runtime.block_on(producer.send(&record));
            number += 1;
        }
        outcome
    });
    match sending.await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn wait_until(due: Option<Instant>) {
    let Some(due) = due else { return };
    let left = due.saturating_duration_since(Instant::now());
    if left < SHORTEST_SLEEP {
        return;
    }
    let time = rustix::thread::Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    // A signal may end it early: a record that is a little early is no harm.
    _ = rustix::thread::nanosleep(&time);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::compression::Compression;

    #[tokio::test(start_paused = true)]
    async fn a_record_is_due_by_its_number_and_not_by_when_the_last_was_sent() {
        let begin = Instant::now();
        let schedule = Schedule { begin, rate: Some(200.0), records: 1000, time: Duration::from_secs(2) };
        assert_eq!(schedule.due(100), Some(begin + Duration::from_millis(500)));
        assert!(schedule.has(399) && !schedule.has(400));
        let unpaced = Schedule { rate: None, records: 3, ..schedule };
        assert_eq!(unpaced.due(1), None);
        assert!(unpaced.has(2) && !unpaced.has(3));
    }

    #[test]
    fn values_are_packed_to_about_half_as_text_is() {
        let (values, mut value, mut all) = (Values::new(7, 1000), Vec::new(), Vec::new());
        for number in 0..200 {
            values.fill(number, &mut value);
            all.extend_from_slice(&value);
        }
        let packed = Compression::Lz4.compress(None, &all).unwrap().len();
        assert!((all.len() / 3..all.len() * 4 / 5).contains(&packed), "{packed} of {}", all.len());
    }

    #[test]
    fn values_have_their_size_and_tell_their_number() {
        let (values, mut value) = (Values::new(7, 100), Vec::new());
        values.fill(42, &mut value);
        assert_eq!((value.len(), values.number(&value)), (100, Some(42)));
        assert_eq!(Values::new(8, 100).number(&value), None);
    }
}
