//! `Seeker`: tries the addresses to join, for ever, and those of members that were lost.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use memberlist::proto::MaybeResolvedAddress;
use parking_lot::Mutex;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::List;
use super::roster::Roster;
use super::settings::speaks_with;

/// The first wait after a round in which an address did not answer, doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, and the wait after a round in which all answered: two halves of a cluster that never met, or were
/// parted for long, meet within it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// For the name service to answer.
const RESOLVE_WITHIN: Duration = Duration::from_secs(3);
/// How many addresses of one name are tried.
const ADDRESSES_OF_A_NAME: usize = 32;
/// An address that does not answer is logged the first time and then once in so many rounds: about every 10 minutes.
const ROUNDS_BETWEEN_LINES: u32 = 60;
/// How much of an error is logged: the other side wrote some of it.
const ERROR_CHARS: usize = 200;

pub(super) struct Seeker {
    pub(super) list: List,
    pub(super) roster: Arc<Mutex<Roster>>,
    /// Where we are ourselves: bound and advertised.
    pub(super) own: [SocketAddr; 2],
    pub(super) targets: Vec<String>,
    /// Rounds in a row in which a target failed.
    pub(super) failing: HashMap<String, u32>,
}

/// Whether everybody at a target was met, else why not.
type Outcome = Result<(), String>;

impl Seeker {
    /// Until aborted.
    pub(super) async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            if self.round().await {
                wait = FIRST_WAIT;
                tokio::time::sleep(LONGEST_WAIT).await;
            } else {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }

    /// Tries all at once; true if every target answered. A join is never cut short but by memberlist's own limits:
    /// what it has learned half-way would be in the roster, and the handler would not hear of it.
    async fn round(&mut self) -> bool {
        let mut attempts = JoinSet::new();
        for target in &self.targets {
            let (list, roster, own, target) =
                (self.list.clone(), self.roster.clone(), self.own, target.clone());
            attempts.spawn(async move {
                let outcome = meet(&list, &roster, own, &target).await;
                (Some(target), outcome)
            });
        }
        for address in self.roster.lock().lost() {
            let list = self.list.clone();
            attempts.spawn(async move { (None, join(&list, address).await) });
        }
        let mut met_all = true;
        while let Some(attempt) = attempts.join_next().await {
            if let Ok((Some(target), outcome)) = attempt {
                met_all &= outcome.is_ok();
                self.note(&target, &outcome);
            }
        }
        met_all
    }

    fn note(&mut self, target: &str, outcome: &Outcome) {
        match outcome {
            Ok(()) => {
                if let Some(rounds) = self.failing.remove(target) {
                    tracing::info!(address = target, rounds, "an address to join answers now");
                }
            }
            Err(reason) => {
                let rounds = self.failing.entry(target.to_owned()).or_default();
                if rounds.is_multiple_of(ROUNDS_BETWEEN_LINES) {
                    tracing::warn!(
                        address = target,
                        reason,
                        rounds,
                        "an address to join does not answer, it is tried again"
                    );
                }
                *rounds = rounds.saturating_add(1);
            }
        }
    }
}

async fn meet(list: &List, roster: &Mutex<Roster>, own: [SocketAddr; 2], target: &str) -> Outcome {
    let mut addresses = resolve(target).await.map_err(|error| legible(&error))?;
    addresses.retain(|address| speaks_with(own[0], *address));
    if addresses.is_empty() {
        return Err("it has no address of the family that is bound".to_owned());
    }
    let mut outcome = Ok(());
    for address in addresses.into_iter().filter(|address| !own.contains(address)) {
        if roster.lock().is_met(address) {
            continue;
        }
        if let Err(reason) = join(list, address).await {
            outcome = Err(reason);
        }
    }
    outcome
}

async fn join(list: &List, address: SocketAddr) -> Outcome {
    let joined = list.join(MaybeResolvedAddress::Resolved(address)).await;
    joined.map(drop).map_err(|error| format!("{address}: {}", legible(&error)))
}

/// What `address` (host:port) stands for just now.
pub(super) async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let found = timeout(RESOLVE_WITHIN, lookup_host(address)).await;
    let found = found
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer from the name service")));
    Ok(found?.take(ADDRESSES_OF_A_NAME).collect())
}

fn legible(error: &impl ToString) -> String {
    error.to_string().escape_debug().take(ERROR_CHARS).collect()
}
