//! The same seed makes the same history.

use super::*;
use crate::peer::jitter::Jitter;

/// What three nodes live through: events and requests with their times, in order.
async fn history(seed: u64) -> Vec<String> {
    let network = Network::new();
    let began = Instant::now();
    let all = [1, 2, 3];
    let settings = |node: u64| PeerSettings { seed: seed + node, ..PeerSettings::default() };
    let nodes: Vec<_> = (1..=3)
        .map(|node| network.node_with(node, &all, 7, settings(u64::from(node.unsigned_abs()))))
        .collect();
    let mut random = Jitter::new(seed);
    let mut history = Vec::new();
    for round in 0..200 {
        let dice = random.spread(ms(1000)).as_micros();
        let (from, to) = (1 + (dice % 3) as i32, 1 + (dice / 3 % 3) as i32);
        match dice / 9 % 8 {
            0 => network.cut(from, to),
            1 => network.heal(),
            2 if round % 5 == 0 => network.break_all(),
            _ => {
                let lane = if dice.is_multiple_of(2) { Lane::Control } else { Lane::Data };
                let call = nodes[dice as usize % 3].0.call(to, lane, text(&format!("{round}")), ms(700));
                history.push(format!("{:?} {:?}", call.await, began.elapsed()));
            }
        }
        tokio::time::sleep(random.spread(ms(60))).await;
    }
    for (peers, served) in &nodes {
        let events = served.events.lock().iter().map(|(at, e)| (*at - began, *e)).collect::<Vec<_>>();
        history.push(format!("{events:?} {:?} {:?}", served.bodies(), peers.stats()));
        peers.close().await;
    }
    history
}

fn run(seed: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(history(seed))
}

#[test]
fn the_same_seed_makes_the_same_history_and_another_seed_another() {
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}
