//! Seeded simulations. Each seed is one history, the same every time: `SIM_SEED=17 cargo test --test sim` tells one again,
//! `SIM_SEEDS=100000` tells so many.
//!
//! Here the coordinator of consumer groups lives through members that join, leave, die and dawdle, a log whose end is
//! lost, restarts and rewrites. Not here: time and network of whole nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a simulation that cannot go on has failed")]

mod chance;
mod history;
mod member;
mod node;

use history::History;

const SEEDS: u64 = 300;
const STEPS: u32 = 1_500;

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SIM_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

#[test]
fn groups_keep_their_promises_whatever_members_and_the_log_do() {
    for seed in seeds() {
        let told = std::panic::catch_unwind(|| {
            let mut history = History::new(seed);
            for _ in 0..STEPS {
                history.step();
            }
            history.settle();
        });
        if let Err(panic) = told {
            eprintln!("the history of seed {seed} went wrong: tell it again with SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
