//! Histories in which a majority is gone for good, and somebody has what is left go on: the metadata on the disk of a
//! stopped node, then each partition by an unclean election.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bateau::broker::BrokerError;
use bateau::cluster::{MetadataReplica, incarnation_of};
use bateau::storage::{CrashPolicy, MemDisk};
use futures_util::FutureExt;

use crate::clients::TOPIC;
use crate::world::World;

const SEEDS: u64 = 4;
const WITHIN_MS: u64 = 40_000;
/// Longer than any history.
const NEVER_MS: u64 = 10_000_000;

fn each(nodes: i32, story: impl Fn(&mut World) + std::panic::RefUnwindSafe) {
    let seed = crate::number("CLUSTER_SEED");
    for seed in seed.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let told = std::panic::catch_unwind(|| {
            let mut world = begun(seed, nodes);
            story(&mut world);
        });
        if let Err(panic) = told {
            eprintln!("it went wrong with seed {seed}: tell it again with CLUSTER_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A whole cluster with a topic of two partitions, and clients at work.
fn begun(seed: u64, nodes: i32) -> World {
    let mut world = World::new(seed, nodes, crate::number("CLUSTER_SEED").is_some());
    for at in 0..world.nodes.len() {
        world.start(at);
    }
    assert!(world.until(WITHIN_MS, all_up), "{}", world.describe());
    let clients = world.clients.clone();
    world.spawn(async move { clients.create(TOPIC, 2, &[]).await });
    work(&world, ["a", "b"]);
    let is_begun = world.until(WITHIN_MS, |world| world.checker.lock().acknowledged > 40 && world.is_whole());
    assert!(is_begun, "{}", world.describe());
    world
}

/// Clients begin: a producer for each partition, and a group.
fn work(world: &World, producers: [&'static str; 2]) {
    world.clients.ending.store(false, Relaxed);
    let clients = world.clients.clone();
    world.spawn(async move {
        for (partition, name) in (0..).zip(producers) {
            drop(tokio::spawn(clients.clone().produce(name.into(), TOPIC, partition, u64::MAX)));
        }
        clients.commit("g").await;
    });
}

/// Clients end, and all replicas have everything.
fn rest(world: &mut World) {
    world.clients.ending.store(true, Relaxed);
    let rested = world.until(WITHIN_MS, |world| world.clients.busy.load(Relaxed) == 0 && world.is_whole());
    assert!(rested, "{}", world.describe());
    world.run(1_000);
}

fn all_up(world: &World) -> bool {
    world.nodes.iter().all(|node| node.up().is_some())
}

/// All lose power; only those that are `left` have their disks afterwards.
fn lose(world: &mut World, left: &[usize]) {
    for at in 0..world.nodes.len() {
        world.crash(at, CrashPolicy::Synced, true, NEVER_MS);
        if !left.contains(&at) {
            world.nodes[at].disk = MemDisk::new();
        }
    }
    world.restarts.clear();
}

fn open(world: &World, at: usize) -> MetadataReplica {
    MetadataReplica::open(Arc::new(world.nodes[at].disk.clone()), Path::new("/data")).unwrap()
}

/// Makes the node that has most of the metadata the only one that votes on it, as a person would.
fn recover_metadata(world: &mut World, left: &[usize]) {
    let greatest = left.iter().copied().max_by_key(|at| open(world, *at).last).unwrap();
    let alone = open(world, greatest).go_alone(0).now_or_never().unwrap().unwrap();
    world.trace(&format!("node {} has the metadata alone: {alone:?}", world.nodes[greatest].id));
    assert_eq!(open(world, greatest).voters, [world.nodes[greatest].id]);
}

/// Asks node `at` to recover every partition, each again until there is nothing to recover.
fn recover_partitions(world: &mut World, at: usize) {
    world.clients.marked.store(0, Relaxed);
    let (clients, id) = (world.clients.clone(), world.nodes[at].id);
    world.spawn(async move {
        let asked = clients.ask(id, |broker| Box::pin(async move { broker.image() }));
        let image = asked.await.unwrap();
        for topic in image.topics() {
            for partition in (0..).take(topic.partitions.len()) {
                loop {
                    let topic = Arc::clone(topic);
                    let name = format!("{}-{partition}", topic.name);
                    let recovered = clients.ask(id, move |broker| {
                        Box::pin(async move { broker.elect_unclean(&topic, partition).await })
                    });
                    let recovered = recovered.await;
                    clients.checker.lock().trace(&format!("{name} is recovered: {recovered:?}"));
                    if matches!(recovered, Some(Ok(()) | Err(BrokerError::ElectionNotNeeded { .. }))) {
                        break;
                    }
                }
            }
        }
        clients.marked.store(1, Relaxed);
    });
    assert!(world.until(WITHIN_MS, |world| world.clients.marked.load(Relaxed) == 1), "{}", world.describe());
}

/// The same, but the node that is asked dies on the way, wherever it is then.
fn break_off(world: &mut World, at: usize) {
    let (clients, id) = (world.clients.clone(), world.nodes[at].id);
    world.spawn(async move {
        let asked = clients.ask(id, |broker| {
            Box::pin(async move {
                let image = broker.image();
                for topic in image.topics() {
                    for partition in (0..).take(topic.partitions.len()) {
                        drop(broker.elect_unclean(topic, partition).await);
                    }
                }
            })
        });
        _ = asked.await;
    });
    let after = world.chance.below(300);
    world.run(after);
    let policy = CrashPolicy::ALL[world.chance.pick(5)];
    world.crash(at, policy, true, 100);
    world.run(200);
    assert!(world.until(WITHIN_MS, |world| world.nodes[at].up().is_some()), "{}", world.describe());
}

fn start_others(world: &mut World, left: &[usize]) {
    for at in 0..world.nodes.len() {
        if !left.contains(&at) {
            world.start(at);
        }
    }
}

#[test]
fn two_of_three_disks_lost_for_good_leave_everything_that_the_third_had() {
    each(3, |world| {
        rest(world);
        let left = world.chance.pick(3);
        lose(world, &[left]);
        recover_metadata(world, &[left]);
        world.start(left);
        assert!(world.until(WITHIN_MS, |world| world.nodes[left].up().is_some()), "{}", world.describe());
        let come_first = world.chance.pick(2) == 0;
        if come_first {
            start_others(world, &[left]);
            let wait = world.chance.below(3_000);
            world.run(wait);
        }
        for _ in 0..world.chance.pick(3) {
            break_off(world, left);
        }
        recover_partitions(world, left);
        if !come_first {
            start_others(world, &[left]);
        }
        assert!(world.until(WITHIN_MS, |world| all_up(world) && world.is_whole()), "{}", world.describe());
        work(world, ["c", "d"]);
        world.run(3_000);
        // Now it outlives any one of them again.
        let other = (left + 1 + world.chance.pick(2)) % 3;
        world.crash(other, CrashPolicy::Synced, true, 2_000);
        world.run(4_000);
        world.settle(WITHIN_MS);
    });
}

#[test]
fn a_majority_lost_under_load_takes_along_only_what_the_third_lacked() {
    each(3, |world| {
        let left = world.chance.pick(3);
        let end = |world: &World| {
            let up = world.nodes[left].up().unwrap();
            let image = up.broker.image();
            let topic = Arc::clone(image.topic(TOPIC).unwrap());
            (0..2).map(|partition| world.checker.lock().end((topic.id, partition))).collect::<Vec<_>>()
        };
        // It lags behind: what is acknowledged now may be lost with the others.
        world.crash(left, CrashPolicy::Synced, true, NEVER_MS);
        world.restarts.clear();
        world.run(1_500);
        lose(world, &[left]);
        {
            let mut checker = world.checker.lock();
            checker.may_lose = true;
            checker.forget();
        }
        world.clients.ending.store(true, Relaxed);
        recover_metadata(world, &[left]);
        world.start(left);
        assert!(world.until(WITHIN_MS, |world| world.nodes[left].up().is_some()), "{}", world.describe());
        recover_partitions(world, left);
        // What it shows from here on is what everybody shows.
        world.run(1_000);
        let had = end(world);
        assert!(had.iter().all(|end| *end > 0), "{had:?}");
        start_others(world, &[left]);
        assert!(world.until(WITHIN_MS, |world| all_up(world) && world.is_whole()), "{}", world.describe());
        world.run(2_000);
        assert!(end(world).iter().zip(&had).all(|(now, had)| now >= had));
    });
}

#[test]
fn a_second_node_that_is_left_follows_the_recovered_metadata_as_what_it_was() {
    each(5, |world| {
        rest(world);
        let pairs = (0..5).flat_map(|one| (one + 1..5).map(move |other| [one, other]));
        // Every partition has a replica on one of them.
        let image = world.nodes[0].up().unwrap().broker.image();
        let covers = |pair: &[usize; 2]| {
            let mut placed = image.topics().flat_map(|topic| &topic.partitions);
            placed.all(|placed| pair.iter().any(|at| placed.on(world.nodes[*at].id).is_some()))
        };
        let pairs: Vec<[usize; 2]> = pairs.filter(covers).collect();
        let left = pairs[world.chance.pick(pairs.len())];
        lose(world, &left);
        recover_metadata(world, &left);
        for at in left {
            world.start(at);
        }
        let up = |world: &World| left.iter().all(|at| world.nodes[*at].up().is_some());
        assert!(world.until(WITHIN_MS, up), "{}", world.describe());
        let asked = left[world.chance.pick(2)];
        recover_partitions(world, asked);
        start_others(world, &left);
        assert!(world.until(WITHIN_MS, |world| all_up(world) && world.is_whole()), "{}", world.describe());
        let image = world.nodes[left[0]].up().unwrap().broker.image();
        for (at, node) in world.nodes.iter().enumerate() {
            let incarnation = incarnation_of(image.nodes[&node.id].metadata_replica);
            assert_eq!(incarnation, if left.contains(&at) { 1 } else { 2 }, "of node {}", node.id);
        }
        work(world, ["c", "d"]);
        world.run(2_000);
        world.settle(WITHIN_MS);
    });
}

#[test]
fn a_leader_that_lost_both_its_followers_for_good_goes_on_alone_while_the_cluster_lives() {
    each(5, |world| {
        rest(world);
        let image = world.nodes[0].up().unwrap().broker.image();
        let topic = image.topic(TOPIC).unwrap();
        let leader = world.nodes[0].up().unwrap().broker.leader(topic, 0).node;
        let lost: Vec<usize> = (0..world.nodes.len())
            .filter(|at| {
                world.nodes[*at].id != leader && topic.partitions[0].on(world.nodes[*at].id).is_some()
            })
            .collect();
        for at in &lost {
            world.crash(*at, CrashPolicy::Synced, true, NEVER_MS);
            world.nodes[*at].disk = MemDisk::new();
        }
        world.restarts.clear();
        // It leads on, and nothing can be agreed on.
        work(world, ["c", "d"]);
        world.run(2_000);
        let left: Vec<usize> = (0..world.nodes.len()).filter(|at| !lost.contains(at)).collect();
        let asked = left[world.chance.pick(left.len())];
        recover_partitions(world, asked);
        world.run(1_000);
        start_others(world, &left);
        assert!(world.until(WITHIN_MS, |world| all_up(world) && world.is_whole()), "{}", world.describe());
        world.settle(WITHIN_MS);
    });
}

#[test]
fn a_topic_that_allows_it_goes_on_by_itself_once_most_of_its_replicas_have_been_silent_for_long() {
    each(5, |world| {
        let clients = world.clients.clone();
        let allows = [("unclean.leader.election.enable", "true")];
        world.spawn(async move { clients.create("rash", 1, &allows).await });
        let is_led = |world: &World| {
            let up = world.nodes.iter().find_map(crate::node::Node::up);
            up.is_some_and(|up| {
                let image = up.broker.image();
                image.topic("rash").is_some_and(|rash| up.broker.leader(rash, 0).epoch.0 > 0)
            })
        };
        assert!(world.until(WITHIN_MS, is_led), "{}", world.describe());
        rest(world);
        let image = world.nodes[0].up().unwrap().broker.image();
        let rash = Arc::clone(image.topic("rash").unwrap());
        let mut holders: Vec<usize> = (0..world.nodes.len())
            .filter(|at| rash.partitions[0].on(world.nodes[*at].id).is_some())
            .collect();
        let left = holders.remove(world.chance.pick(holders.len()));
        for at in &holders {
            world.crash(*at, CrashPolicy::Synced, true, NEVER_MS);
        }
        world.restarts.clear();
        let replica = |world: &World| {
            let image = world.nodes[left].up().unwrap().broker.image();
            let rash = image.topic("rash").unwrap();
            let held: Vec<_> = rash.partitions[0].target().map(|r| (r.node, r.replica_id)).collect();
            held
        };
        let before = replica(world);
        world.run(25_000);
        assert_eq!(replica(world), before, "it gave up too soon");
        let gave_up = |world: &World| {
            let kept = replica(world).iter().filter(|held| before.contains(held)).count();
            kept == 1 && is_led(world)
        };
        assert!(world.until(WITHIN_MS, gave_up), "{}", world.describe());
        // The other topics wait for their majorities, which come back.
        start_others(world, &(0..5).filter(|at| !holders.contains(at)).collect::<Vec<_>>());
        assert!(world.until(WITHIN_MS, |world| all_up(world) && world.is_whole()), "{}", world.describe());
        world.settle(WITHIN_MS);
    });
}
