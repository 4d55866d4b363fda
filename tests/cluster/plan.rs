//! What goes wrong in a history, by seed.

use bateau::storage::CrashPolicy;

use crate::clients::TOPIC;
use crate::world::World;

/// Faults of one history: how often, and of which kinds.
pub(crate) struct Plan {
    /// The longest time between two faults, in milliseconds.
    every_ms: u64,
    next_ms: u64,
    /// When cuts are healed.
    heal_ms: Option<u64>,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Crash,
    Halt,
    Cut,
    OneWay,
    Isolate,
    Reset,
    Slow,
    Clock,
    DiskError,
    Stop,
    /// A partition is to be on other nodes.
    Move,
}

const ALL: [Kind; 11] = [
    Kind::Crash,
    Kind::Halt,
    Kind::Cut,
    Kind::OneWay,
    Kind::Isolate,
    Kind::Reset,
    Kind::Slow,
    Kind::Clock,
    Kind::DiskError,
    Kind::Stop,
    Kind::Move,
];

impl Plan {
    pub(crate) fn new(world: &mut World) -> Self {
        let every_ms = [100, 300, 800, 2_000][world.chance.pick(4)];
        // Not all kinds in every history: what one hides, another shows.
        let mut kinds: Vec<Kind> = ALL.into_iter().filter(|_| world.chance.percent(60)).collect();
        if kinds.is_empty() {
            kinds = ALL.to_vec();
        }
        world.trace(&format!("faults every {every_ms} ms: {kinds:?}"));
        Self { every_ms, next_ms: world.now_ms + world.chance.below(1_000), heal_ms: None, kinds }
    }

    /// Does what is due.
    pub(crate) fn step(&mut self, world: &mut World) {
        if self.heal_ms.is_some_and(|at| at <= world.now_ms) {
            self.heal_ms = None;
            world.trace("the network is healed");
            world.network.heal();
            world.network.set_delay_max(3);
        }
        for at in 0..world.nodes.len() {
            // A disk that stands still is soon followed by its machine.
            let halted = world.nodes[at].life.as_ref().is_some_and(|life| life.is_halted);
            if halted && world.chance.below(20) == 0 {
                let (policy, back) = (policy(world), 100 + world.chance.below(1_500));
                world.crash(at, policy, true, back);
            }
        }
        if world.now_ms < self.next_ms {
            return;
        }
        self.next_ms = world.now_ms + 10 + world.chance.below(self.every_ms);
        let kind = self.kinds[world.chance.pick(self.kinds.len())];
        self.happen(kind, world);
    }

    fn happen(&mut self, kind: Kind, world: &mut World) {
        let count = world.nodes.len();
        let at = world.chance.pick(count);
        let other = (at + 1 + world.chance.pick(count - 1)) % count;
        let (id, other_id) = (world.nodes[at].id, world.nodes[other].id);
        let alive = world.nodes[at].life.is_some();
        match kind {
            Kind::Cut | Kind::OneWay | Kind::Isolate => self.part(kind, world, (id, other_id)),
            Kind::Move => move_replicas(world),
            Kind::Crash if alive => {
                let (policy, silently) = (policy(world), world.chance.percent(30));
                let back = 20 + world.chance.below(2_000);
                world.crash(at, policy, silently, back);
            }
            Kind::Halt if alive => {
                let changes = world.chance.below(30);
                world.trace(&format!("the disk of node {id} stands still after {changes} changes"));
                world.nodes[at].disk.halt_after(changes);
                world.nodes[at].life.as_mut().unwrap().is_halted = true;
            }
            Kind::Stop if world.nodes[at].up().is_some() => {
                world.trace(&format!("node {id} is stopped"));
                world.nodes[at].stop();
            }
            Kind::DiskError if alive => {
                let count = world.chance.below(20);
                world.trace(&format!("a disk error of node {id} after {count}"));
                if world.chance.percent(50) {
                    world.nodes[at].disk.fail_sync_after(count);
                } else {
                    world.nodes[at].disk.fail_write_after(count);
                }
            }
            Kind::Reset => {
                world.trace(&format!("connections between {id} and {other_id} break"));
                world.network.reset(id, other_id);
            }
            Kind::Slow => {
                let delay = 10 + world.chance.below(150);
                world.trace(&format!("delays up to {delay} ms"));
                world.network.set_delay_max(delay);
                self.heal_ms = Some(world.now_ms + 50 + world.chance.below(1_000));
            }
            Kind::Clock => {
                let skew = i64::try_from(world.chance.below(7_200_000)).unwrap() - 3_600_000;
                world.trace(&format!("the clock of node {id} is off by {skew} ms"));
                world.nodes[at].skew_ms = skew;
            }
            Kind::Crash | Kind::Halt | Kind::Stop | Kind::DiskError => {}
        }
    }

    /// Parts a node from another, or from all, for a while.
    fn part(&mut self, kind: Kind, world: &mut World, (id, other): (i32, i32)) {
        world.trace(&format!("{kind:?} {id} {other}"));
        world.network.cut(id, other);
        if kind != Kind::OneWay {
            world.network.cut(other, id);
        }
        let all = world.nodes.iter().map(|node| node.id);
        for third in all.filter(|third| kind == Kind::Isolate && *third != id) {
            world.network.cut(id, third);
            world.network.cut(third, id);
        }
        self.heal_ms = Some(world.now_ms + 50 + world.chance.below(2_500));
    }
}

/// Has a partition on three nodes, another one of them first.
fn move_replicas(world: &mut World) {
    let mut nodes: Vec<i32> = world.nodes.iter().map(|node| node.id).collect();
    while nodes.len() > 3 {
        nodes.remove(world.chance.pick(nodes.len()));
    }
    let first = world.chance.pick(3);
    nodes.rotate_left(first);
    let partition = i32::from(world.chance.percent(50));
    world.trace(&format!("{TOPIC}-{partition} is to be on {nodes:?}"));
    world.spawn(world.clients.clone().reassign(TOPIC, partition, nodes));
}

fn policy(world: &mut World) -> CrashPolicy {
    CrashPolicy::ALL[world.chance.pick(CrashPolicy::ALL.len())]
}
