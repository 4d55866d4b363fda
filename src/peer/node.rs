//! One other node, as seen from here: where it is, its pulse, and what is on its way to it.

use std::sync::Arc;

use tokio::time::Instant;

use super::Lane;
use super::error::PeerName;
use super::meter::Meter;
use super::pulse::Pulse;
use super::requests::Requests;
use super::settings::PeerSettings;
use super::watched::{Watch, Watched};

#[derive(Debug)]
pub(super) struct Node {
    pub(super) pulse: Arc<Pulse>,
    pub(super) meter: Arc<Meter>,
    control: Arc<Requests>,
    data: Arc<Requests>,
    goal: Arc<Watched<Goal>>,
}

/// What the connections to a node are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) address: String,
    /// Counts our own hellos: connections with an earlier one are opened anew.
    pub(super) hellos: u64,
    /// The newest start of the node that was seen: connections with another one are dead.
    pub(super) start_id: Option<u64>,
    /// Counts signs that the node can be reached now.
    pub(super) signs: u64,
    /// No connection is wanted any more.
    pub(super) gone: bool,
}

impl Goal {
    /// Whether a connection to it must be opened anew once it is `newer`, whichever process answers.
    pub(super) fn differs(&self, newer: &Self) -> bool {
        self.address != newer.address || self.hellos != newer.hellos || newer.gone
    }
}

impl Node {
    pub(super) fn new(id: i32, address: String, settings: &PeerSettings, meter: Arc<Meter>) -> Self {
        let requests = || Arc::new(Requests::new(PeerName::Node(id), settings));
        let goal = Goal { address, hellos: 0, start_id: None, signs: 0, gone: false };
        Self {
            pulse: Arc::new(Pulse::new(id, settings.dead_after, settings.lease)),
            meter,
            control: requests(),
            data: requests(),
            goal: Watched::new(goal),
        }
    }

    pub(super) fn requests(&self, lane: Lane) -> &Arc<Requests> {
        match lane {
            Lane::Control => &self.control,
            Lane::Data => &self.data,
        }
    }

    pub(super) fn goal(&self) -> Watch<Goal> {
        self.goal.watch()
    }

    pub(super) fn set_address(&self, address: String) {
        self.goal.change(|goal| {
            let changed = goal.address != address;
            goal.address = address;
            changed
        });
    }

    pub(super) fn set_hello(&self) {
        self.goal.change(|goal| {
            goal.hellos += 1;
            true
        });
    }

    /// A connection with the node opened, in either direction; `sign`: it was the node that opened it.
    pub(super) fn met(&self, start_id: u64, sign: bool) {
        self.pulse.on_hello(start_id, Instant::now());
        self.goal.change(|goal| {
            let changed = sign || goal.start_id != Some(start_id);
            goal.start_id = Some(start_id);
            goal.signs += u64::from(sign);
            changed
        });
    }

    /// Ends the connections to it.
    pub(super) fn end(&self) {
        self.pulse.forget();
        self.goal.change(|goal| !std::mem::replace(&mut goal.gone, true));
    }
}
