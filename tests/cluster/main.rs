//! Seeded simulations of whole nodes that are one cluster: network, disks, clocks and crashes are all of a seed's making.
//! `CLUSTER_SEED=17 cargo test --test cluster whatever` tells one history again with every step (and `BATEAU_LOG=debug`
//! what nodes say), `CLUSTER_SEEDS=2000` tells so many, from `CLUSTER_FIRST` on.
//!
//! Not here: processes, sockets and gossip.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a simulation that cannot go on has failed")]

#[path = "../sim/chance.rs"]
mod chance;
mod checker;
mod clients;
mod log;
mod network;
mod node;
mod panics;
mod plan;
mod recovery;
mod stories;
mod world;

use plan::Plan;
use world::World;

const SEEDS: u64 = 30;
/// Simulated time with faults, in milliseconds.
const TROUBLED_MS: u64 = 10_000;
/// Within which everything has to be well again after the last fault.
const RESTED_WITHIN_MS: u64 = 30_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn tell(seed: u64, verbose: bool) -> (u64, u64) {
    // With a fourth node replicas can be elsewhere.
    let count = if seed.is_multiple_of(3) { 4 } else { 3 };
    let mut world = World::new(seed, i32::try_from(count).unwrap(), verbose);
    for at in 0..count {
        world.start(at);
    }
    let clients = world.clients.clone();
    world.spawn(async move {
        clients.create(clients::TOPIC, 2, &[]).await;
        for (name, partition) in [("a", 0), ("b", 0), ("c", 1)] {
            drop(tokio::spawn(clients.clone().produce(name.into(), clients::TOPIC, partition, u64::MAX)));
        }
        clients.clone().commit("g").await;
    });
    assert!(world.until(10_000, |world| world.checker.lock().acknowledged > 0), "the cluster does not begin");
    let mut plan = Plan::new(&mut world);
    for _ in 0..TROUBLED_MS {
        plan.step(&mut world);
        world.step();
    }
    world.settle(RESTED_WITHIN_MS);
    let checker = world.checker.lock();
    (checker.hash(), checker.acknowledged)
}

fn seeds() -> (Vec<u64>, bool) {
    if let Some(seed) = number("CLUSTER_SEED") {
        return (vec![seed], true);
    }
    let first = number("CLUSTER_FIRST").unwrap_or(0);
    ((first..first + number("CLUSTER_SEEDS").unwrap_or(SEEDS)).collect(), false)
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_to_nodes_and_network() {
    let (seeds, verbose) = seeds();
    let mut failed = Vec::new();
    for seed in seeds {
        if let Ok((hash, acknowledged)) = std::panic::catch_unwind(|| tell(seed, verbose)) {
            eprintln!("seed {seed}: {acknowledged} records, trace {hash:016x}");
        } else {
            eprintln!("the history of seed {seed} went wrong: tell it again with CLUSTER_SEED={seed}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?} went wrong");
}
