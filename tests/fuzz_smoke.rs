//! The fuzz targets for some seconds on stable: seeds changed by a seeded generator, the same ones in every run.
//!
//! Finds shallow mistakes only; the deep ones are for `cargo fuzz` (see fuzz/Cargo.toml).

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// Some 5 seconds each in a debug build.
const REQUEST_ROUNDS: u32 = 400_000;
const BATCH_ROUNDS: u32 = 100_000;
const FRAME_ROUNDS: u32 = 100_000;
const GROUP_RECORD_ROUNDS: u32 = 400_000;
const SASL_ROUNDS: u32 = 20_000;
const HTTP_BODY_ROUNDS: u32 = 200_000;
const DISK_ROUNDS: u32 = 10_000;

/// No changed input grows beyond this.
const MAX_INPUT: usize = 4096;

/// Bytes at which readers of lengths and counts go wrong.
const EDGES: [&[u8]; 10] = [
    &[0x00],
    &[0x01],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
];

#[test]
fn requests_that_pass_the_walk_are_decoded_whatever_is_in_them() {
    fuzz("request", REQUEST_ROUNDS, targets::request);
}

#[test]
fn batches_unpack_within_their_limit_or_not_at_all() {
    fuzz("batch", BATCH_ROUNDS, targets::batch);
}

#[test]
fn frames_come_out_the_same_however_they_are_cut() {
    fuzz("frame", FRAME_ROUNDS, targets::frame);
}

#[test]
fn records_of_groups_are_refused_or_read_as_what_they_are_when_written_again() {
    fuzz("group_record", GROUP_RECORD_ROUNDS, targets::group_record);
}

#[test]
fn bodies_of_http_requests_are_refused_or_hold_what_is_in_them() {
    fuzz("http_body", HTTP_BODY_ROUNDS, targets::http_body);
}

#[test]
fn whoever_authenticates_with_whatever_bytes_is_not_let_in_where_nobody_is_known() {
    fuzz("sasl", SASL_ROUNDS, targets::sasl);
}

#[test]
fn a_damaged_log_is_refused_or_opened_and_read() {
    fuzz("log", DISK_ROUNDS, targets::log);
}

#[test]
fn a_damaged_index_is_refused_or_rebuilt() {
    fuzz("index", DISK_ROUNDS, targets::index);
}

fn fuzz(target: &str, rounds: u32, run: fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        let _blame = Blame(seed);
        run(seed);
    }
    let mut dice = Dice(0x5eed_0000_0000_0001);
    for _ in 0..rounds {
        let mut input = seeds[dice.below(seeds.len())].clone();
        for _ in 0..=dice.below(4) {
            change(&mut input, &seeds, &mut dice);
        }
        input.truncate(MAX_INPUT);
        let _blame = Blame(&input);
        run(&input);
    }
}

/// In order of their names, so that every run sees the same ones.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(folder).expect("the folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    match dice.below(7) {
        0 => input.truncate(at),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = dice.byte();
            }
        }
        3 => {
            let edge = EDGES[dice.below(EDGES.len())];
            let end = input.len().min(at + edge.len());
            input[at..end].copy_from_slice(&edge[..end - at]);
        }
        4 => {
            let edge = EDGES[dice.below(EDGES.len())];
            input.splice(at..at, edge.iter().copied());
        }
        5 => {
            let end = input.len().min(at + 1 + dice.below(16));
            let piece: Vec<u8> = input.drain(at.min(end)..end).collect();
            if dice.below(2) == 0 {
                let twice = [&piece[..], &piece].concat();
                input.splice(at..at, twice);
            }
        }
        _ => {
            let other = &seeds[dice.below(seeds.len())];
            let from = dice.below(other.len());
            let end = other.len().min(from + dice.below(64));
            input.splice(at.., other[from..end].iter().copied());
        }
    }
}

/// xorshift64*: enough for choosing, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// `limit` must not be 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 33) % limit as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// Shows the input that made a target panic.
struct Blame<'a>(&'a [u8]);

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("input: ");
            self.0.iter().for_each(|byte| eprint!("{byte:02x}"));
            eprintln!();
        }
    }
}
