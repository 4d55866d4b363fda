//! Histories that are told on purpose, each with several seeds: what a random one would rarely come to.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use bateau::storage::{CrashPolicy, Disk, MemDisk};

use crate::clients::TOPIC;
use crate::node::Node;
use crate::world::World;

const SEEDS: u64 = 4;
const RESTED_WITHIN_MS: u64 = 30_000;

/// Tells `story` with several seeds.
fn each(story: impl Fn(&mut World) + std::panic::RefUnwindSafe) {
    let seed = crate::number("CLUSTER_SEED");
    for seed in seed.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let told = std::panic::catch_unwind(|| {
            let mut world = begun(seed, &[]);
            story(&mut world);
            world.settle(RESTED_WITHIN_MS);
        });
        if let Err(panic) = told {
            eprintln!("it went wrong with seed {seed}: tell it again with CLUSTER_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Three nodes with a topic, and clients at work.
fn begun(seed: u64, configs: &'static [(&str, &str)]) -> World {
    let mut world = World::new(seed, 3, crate::number("CLUSTER_SEED").is_some());
    for at in 0..3 {
        world.start(at);
    }
    let clients = world.clients.clone();
    world.spawn(async move {
        clients.create(TOPIC, 2, configs).await;
        for (name, partition) in [("a", 0), ("b", 1)] {
            drop(tokio::spawn(clients.clone().produce(name.into(), TOPIC, partition, u64::MAX)));
        }
        clients.clone().commit("g").await;
    });
    assert!(
        world.until(10_000, |world| world.checker.lock().acknowledged > 20),
        "the cluster does not begin"
    );
    world
}

fn is_whole(world: &World) -> bool {
    world.nodes.iter().all(|node| node.up().is_some()) && world.is_whole()
}

#[test]
fn a_node_whose_disk_was_wiped_comes_back_as_another_and_nothing_is_lost() {
    each(|world| {
        let at = world.chance.pick(3);
        world.crash(at, CrashPolicy::Synced, true, 1_000);
        world.nodes[at].disk = MemDisk::new();
        assert!(world.until(RESTED_WITHIN_MS, is_whole), "{}", world.describe());
        // Now another one: what the first lost it must have again.
        let other = (at + 1) % 3;
        world.crash(other, CrashPolicy::Synced, true, 1_000);
        world.nodes[other].disk = MemDisk::new();
        world.run(2_000);
    });
}

#[test]
fn nodes_that_stop_one_after_the_other_lose_nothing() {
    each(|world| {
        for at in 0..3 {
            assert!(world.until(RESTED_WITHIN_MS, is_whole), "{}", world.describe());
            world.nodes[at].stop();
            world.run(1_500);
        }
    });
}

#[test]
fn a_cluster_that_loses_power_keeps_what_it_acknowledged() {
    each(|world| {
        for policy in CrashPolicy::ALL {
            for at in 0..3 {
                let back = world.chance.below(1_000);
                world.crash(at, policy, true, back);
            }
            world.run(4_000);
        }
    });
}

#[test]
fn two_nodes_that_start_in_the_same_moment_do_not_split_the_votes_for_ever() {
    each(|world| {
        for off in 0..3 {
            let all_vote = |world: &World| is_whole(world) && world.nodes.iter().all(votes_on_metadata);
            assert!(world.until(RESTED_WITHIN_MS, all_vote), "{}", world.describe());
            for at in 0..3 {
                world.crash(at, CrashPolicy::Synced, true, 1_000);
            }
            world.restarts.clear();
            let pair = [(off + 1) % 3, (off + 2) % 3];
            for at in pair {
                world.start(at);
            }
            let are_up = |world: &World| pair.iter().all(|at| world.nodes[*at].up().is_some());
            assert!(world.until(4_000, are_up), "{}", world.describe());
            world.start(off);
        }
    });
}

/// Whether it and two others do.
fn votes_on_metadata(node: &Node) -> bool {
    let group = node.up().and_then(|up| up.metadata.log().running());
    group.is_some_and(|group| group.voters().iter().flatten().count() == 3)
}

#[test]
fn a_replica_that_is_damaged_below_its_recovery_point_takes_nothing_acknowledged_along() {
    each(|world| {
        world.run(1_000);
        let at = world.chance.pick(3);
        world.crash(at, CrashPolicy::Synced, true, 500);
        let disk = world.nodes[at].disk.clone();
        damage(world, &disk);
        world.run(5_000);
    });
}

/// What can be wrong with one file, as its name ends.
const FILES: [&str; 5] = [".log", ".index", ".snapshot", "votes", "meta.properties"];

#[test]
fn a_file_of_one_node_that_is_damaged_cut_or_gone_harms_no_other_node() {
    for (seed, name) in (0..).zip(FILES) {
        for harm in [Harm::Byte, Harm::Cut, Harm::Gone] {
            let mut world = begun(seed, &[]);
            world.run(500);
            // Stopped cleanly first, so that there are snapshots.
            let at = world.chance.pick(3);
            world.nodes[at].stop();
            assert!(world.until(RESTED_WITHIN_MS, |world| world.nodes[at].life.is_none()));
            world.restarts.insert(at, world.now_ms + 1_000);
            let disk = world.nodes[at].disk.clone();
            harm_a_file(&mut world, &disk, name, harm);
            world.run(8_000);
            // A node that says that it cannot start is given an empty directory.
            if world.nodes[at].up().is_none() {
                world.crash(at, CrashPolicy::Synced, true, 1_000);
                world.nodes[at].disk = MemDisk::new();
                world.restarts.insert(at, world.now_ms + 1_000);
            }
            world.settle(RESTED_WITHIN_MS);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Byte,
    Cut,
    Gone,
}

/// Harms one of the files whose names end so.
fn harm_a_file(world: &mut World, disk: &MemDisk, name: &str, harm: Harm) {
    let data = PathBuf::from("/data");
    let mut found = Vec::new();
    for entry in disk.read_dir(&data).unwrap() {
        let path = data.join(&entry);
        let inside = disk.read_dir(&path).unwrap_or_default();
        found.extend(inside.iter().map(|file| path.join(file)));
        found.push(path);
    }
    found.retain(|path| path.to_str().unwrap().ends_with(name));
    found.sort();
    assert!(!found.is_empty(), "no file ends in {name}");
    let path = &found[world.chance.pick(found.len())];
    world.trace(&format!("{harm:?} of {}", path.display()));
    let file = disk.open(path, false).unwrap();
    let len = file.len().unwrap();
    match harm {
        Harm::Byte => {
            let position = world.chance.below(len);
            let mut byte = [0];
            file.read_at(&mut byte, position).unwrap();
            file.write_at(&[IoSlice::new(&[!byte[0]])], position).unwrap();
            file.sync().unwrap();
        }
        Harm::Cut => {
            file.set_len(len / 2).unwrap();
            file.sync().unwrap();
        }
        Harm::Gone => {
            disk.remove_file(path).unwrap();
            disk.sync_dir(path.parent().unwrap()).unwrap();
        }
    }
}

/// Changes a byte somewhere in the first half of a partition's log.
fn damage(world: &mut World, disk: &MemDisk) {
    let dir = PathBuf::from("/data").join(format!("{TOPIC}-0"));
    let names = disk.read_dir(&dir).unwrap();
    let name = names.iter().find(|name| name.strip_suffix(".log").is_some()).unwrap();
    let file = disk.open(&dir.join(name), false).unwrap();
    let position = world.chance.below(file.len().unwrap() / 2);
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    file.write_at(&[IoSlice::new(&[!byte[0]])], position).unwrap();
    file.sync().unwrap();
    world.trace(&format!("byte {position} of {name} is damaged"));
}

#[test]
fn a_topic_made_again_while_a_node_slept_is_another_topic_there() {
    each(|world| {
        let clients = world.clients.clone();
        world.spawn(async move {
            clients.create("u", 2, &[]).await;
            clients.clone().produce("old".into(), "u", 0, 10).await;
            clients.clone().produce("older".into(), "u", 1, 10).await;
            clients.marked.store(1, Relaxed);
        });
        assert!(world.until(20_000, |world| world.clients.marked.load(Relaxed) == 1));
        let at = world.chance.pick(3);
        let policy = CrashPolicy::ALL[world.chance.pick(5)];
        world.crash(at, policy, false, 8_000);
        let clients = world.clients.clone();
        world.spawn(async move {
            clients.delete("u").await;
            clients.create("u", 2, &[]).await;
            clients.clone().produce("new".into(), "u", 0, 10).await;
            clients.clone().produce("newer".into(), "u", 1, 10).await;
            clients.marked.store(2, Relaxed);
        });
        assert!(world.until(30_000, |world| world.clients.marked.load(Relaxed) == 2));
        world.run(2_000);
    });
}

/// Acknowledged is what a majority has in memory.
const RELAXED: &[(&str, &str)] = &[("flush.messages", "1000000"), ("flush.ms", "500")];

#[test]
fn a_replica_that_forgot_what_was_in_memory_only_elects_nobody_who_lacks_it() {
    for seed in 0..SEEDS {
        let mut world = begun(seed, RELAXED);
        for _ in 0..4 {
            assert!(world.until(RESTED_WITHIN_MS, is_whole), "seed {seed}: {}", world.describe());
            // One lags, so that the two others alone have what is acknowledged meanwhile.
            let lags = world.chance.pick(3);
            let (forgets, goes) = ((lags + 1) % 3, (lags + 2) % 3);
            for other in [forgets, goes] {
                let (one, other) = (world.nodes[lags].id, world.nodes[other].id);
                world.network.cut(one, other);
                world.network.cut(other, one);
            }
            world.run(1_000);
            let before = world.checker.lock().acknowledged;
            let goes_on = world.until(20_000, |world| world.checker.lock().acknowledged > before + 20);
            assert!(goes_on, "seed {seed}: {}", world.describe());
            world.network.heal();
            // Now one of them loses its memory and the other one its process: the first and the third are a majority.
            world.crash(forgets, CrashPolicy::Synced, true, 100);
            world.crash(goes, CrashPolicy::Killed, true, 3_000);
            world.run(3_000);
        }
        world.settle(RESTED_WITHIN_MS);
    }
}

#[test]
fn a_cluster_at_relaxed_durability_comes_back_when_all_lose_power() {
    for seed in 0..SEEDS {
        let mut world = begun(seed, RELAXED);
        world.run(1_000);
        // The machine of one alone takes nothing along: the others have it in memory.
        let at = world.chance.pick(3);
        world.crash(at, CrashPolicy::Synced, true, 300);
        assert!(world.until(RESTED_WITHIN_MS, is_whole), "{}", world.describe());
        {
            let mut checker = world.checker.lock();
            checker.may_lose = true;
            checker.forget();
        }
        for at in 0..3 {
            world.crash(at, CrashPolicy::Synced, true, 500);
        }
        world.clients.ending.store(true, Relaxed);
        assert!(world.until(RESTED_WITHIN_MS, is_whole), "{}", world.describe());
    }
}

#[test]
fn one_seed_is_one_history() {
    for seed in [3, 4] {
        assert_eq!(crate::tell(seed, false), crate::tell(seed, false), "seed {seed}");
    }
}
