//! One replica of a Raft group: propose, move the log start, purge, stop; and as a leader, who follows.
//!
//! openraft's timers are off. Whether a leader lives is a matter of its node (`exchange`), which is asked once for all
//! groups; what an election does is openraft's. Not here: when to campaign (`failover`), and what other replicas ask
//! (`serve`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, RaftError};
use openraft::impls::EmptyNode;
use openraft::raft::{ClientWriteResult, VoteRequest};
use openraft::{ChangeMembers, Config, Raft, SnapshotPolicy};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::log_store::LogStore;
use super::memory::Memory;
use super::network::Links;
use super::rpc::{self, Opinion};
use super::standing::{Candidacy, Role, Standing};
use super::state_machine::{Commands, Machine, Progress, stored_membership};
use super::types::{Answer, Outcome, Proposal, Types, Vote, log_id};
use crate::cluster::durability::Durability;
use crate::cluster::exchange::Exchange;
use crate::model::{LeaderEpoch, Offset, RaftIndex};
use crate::partition::{CheckedBatch, Membership, Partition};
use crate::peer::Lane;
use crate::storage::{GroupId, Votes};

/// How long a group of one voter may take to elect itself before its start is given up.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long the other voters may take to say whether they would vote, or to vote.
const ELECTED_WITHIN: Duration = Duration::from_secs(1);
/// How long the next leader may take to catch up, and then to be elected. Proposals wait meanwhile.
const HANDED_OVER_WITHIN: Duration = Duration::from_millis(500);
/// Requests that may wait in front of a group; the connections' own limits stay far below.
const QUEUE_MAX: u64 = 4096;
/// Milliseconds for which openraft may take its leader for alive: for ever, since nodes decide that here.
const LEASE_MS: u64 = 365 * 24 * 3600 * 1000;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let config = Config {
        cluster_name: "bateau".into(),
        // Links bound what a message may take. A shorter time here would drop one without a word, and each group's clock,
        // though it is off, would begin with a wait of random length, so that no simulation could be told again.
        heartbeat_interval: LEASE_MS / 4,
        election_timeout_min: LEASE_MS / 2,
        election_timeout_max: LEASE_MS,
        max_payload_entries: rpc::ENTRIES_MAX as u64,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        api_channel_size: Some(QUEUE_MAX),
        notification_channel_size: Some(QUEUE_MAX),
        enable_tick: false,
        enable_pre_vote: Some(true),
        // A replica may have forgotten (`storage::Doubt`): it says so, votes for nobody, and is filled up again.
        allow_log_reversion: Some(true),
        // A restarted leader must not lead its old term again over entries that it never synced.
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    Arc::new(config.validate().expect("the configuration above is valid"))
});

/// What a group is made of.
#[derive(Clone)]
pub(in crate::cluster) struct GroupParts {
    pub partition: Arc<Partition>,
    pub id: GroupId,
    pub votes: Arc<Votes>,
    pub durability: Arc<Durability>,
    /// For the metadata group.
    pub commands: Option<Arc<dyn Commands>>,
    /// The greatest Raft index whose effects the partition's and the commands' state hold.
    pub applied: Option<RaftIndex>,
    /// The replicas that the group began with, this one among them; `None` for one that came later.
    pub founders: Option<Vec<u64>>,
    /// Whether the log's files were there before it was opened.
    pub had_files: bool,
    pub exchange: Arc<Exchange>,
    /// Notified when votes cannot be kept.
    pub failed: Arc<Notify>,
}

impl std::fmt::Debug for GroupParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupParts").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a group cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("this node does not lead the partition")]
    NotLeader,
    #[error("the partition's Raft group has stopped: {reason}")]
    Stopped { reason: String },
    #[error("the group has voted, and its log in {} is empty: its files were lost", dir.display())]
    Vanished { dir: PathBuf },
    #[error("the log in {} has entries of term {found}, the replica's vote is of term {voted}: votes were lost", dir.display())]
    VoteLost { dir: PathBuf, found: u64, voted: u64 },
    #[error("the partition's Raft group did not elect itself within {} s", START_WITHIN.as_secs())]
    NoElection,
    #[error("no majority agreed within {} s; it may still", within.as_secs())]
    NoMajority { within: Duration },
    #[error("the replicas of the group cannot be changed now: {reason}")]
    Membership { reason: String },
}

impl From<Fatal<Types>> for GroupError {
    fn from(fatal: Fatal<Types>) -> Self {
        Self::Stopped { reason: fatal.to_string() }
    }
}

/// A running replica. Dropping it does not stop its tasks: [`Group::stop`] does.
pub struct Group {
    pub partition: Arc<Partition>,
    pub durability: Arc<Durability>,
    pub(super) id: GroupId,
    pub(super) raft: Raft<Types, Machine>,
    pub(super) standing: Arc<Standing>,
    pub(super) exchange: Arc<Exchange>,
    votes: Arc<Votes>,
    links: Links,
    progress: Arc<Progress>,
    stopped: Arc<AtomicBool>,
    memory: Memory,
    /// Held for writing while leadership is handed over: proposals wait for the outcome.
    handing_over: tokio::sync::RwLock<()>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("partition", &self.partition.identity.name).finish_non_exhaustive()
    }
}

/// A proposal on its way.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<ClientWriteResult<Types>>,
    stopped: Arc<AtomicBool>,
}

impl Pending {
    /// What became of it, once a majority has it on disk (or as durable as the topic asks).
    pub async fn outcome(self) -> Result<Outcome, GroupError> {
        let stopped = |reason: String| {
            self.stopped.store(true, Relaxed);
            Err(GroupError::Stopped { reason })
        };
        match self.answer.await {
            Ok(Ok(done)) => Ok(done.data),
            Ok(Err(ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_))) => {
                Err(GroupError::NotLeader)
            }
            Ok(Err(other)) => stopped(other.to_string()),
            Err(_) => stopped("it dropped the proposal".into()),
        }
    }
}

/// How far a follower is, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    pub replica: u64,
    /// The last Raft index that it is known to have, durably; `None`: nothing is known of it.
    pub matched: Option<RaftIndex>,
}

/// What a candidate may hope for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chance {
    None,
    Usual,
    /// Some have forgotten what they acknowledged, all voters answered, and nobody has more.
    AllWereAsked,
}

impl Group {
    /// Starts the replica. The only voter of its group elects itself, and is ready when this returns; any other waits
    /// to be asked, or to campaign.
    ///
    /// # Errors
    /// [`GroupError`] if storage failed on the way.
    pub(in crate::cluster) async fn start(parts: GroupParts) -> Result<Self, GroupError> {
        found(&parts).await?;
        let GroupParts { partition, id, votes, durability, commands, applied, exchange, failed, .. } = parts;
        let before = partition.before_first();
        let applied = applied.or(before.map(|(_, index)| index));
        let progress = Arc::new(Progress::new(applied));
        let last_applied = applied.and_then(|index| {
            let stored = partition.reader().entry(index).map(|e| u64::from(e.term));
            let term = stored.or(before.filter(|b| b.1 == index).map(|b| b.0));
            term.map(|term| log_id(term, index))
        });
        let standing = exchange.follow(id, votes.get(&id).map_or(0, |vote| vote.term));
        let (rebuilds, rebuilt) = watch::channel(0);
        let machine = Machine {
            partition: Arc::clone(&partition),
            commands,
            progress: Arc::clone(&progress),
            standing: Arc::clone(&standing),
            rebuilds,
            durability: Arc::clone(&durability),
            last_applied,
            // Not the newest in the log, which a leader may still overrule.
            membership: stored_membership(partition.membership_at(applied)),
        };
        durability.follow(Arc::clone(&progress));
        let store = LogStore {
            partition: Arc::clone(&partition),
            group: id,
            votes: Arc::clone(&votes),
            durability: Arc::clone(&durability),
            standing: Arc::clone(&standing),
            rebuilds: rebuilt,
            failed,
        };
        let links = Links {
            exchange: Arc::clone(&exchange),
            partition: Arc::clone(&partition),
            group: id,
            standing: Arc::clone(&standing),
        };
        let raft = Raft::new(id.replica_id, Arc::clone(&CONFIG), links.clone(), store, machine).await?;
        let group = Self {
            partition,
            durability,
            id,
            raft,
            standing,
            exchange,
            votes,
            links,
            progress,
            stopped: Arc::default(),
            memory: Memory::default(),
            handing_over: tokio::sync::RwLock::default(),
        };
        if group.is_sole_voter() {
            // Nobody has more.
            group.recollect();
        }
        if group.is_sole_voter()
            && let Err(error) = group.elect_itself().await
        {
            // Its tasks must not go on beside those of the next try.
            group.stop().await;
            return Err(error);
        }
        Ok(group)
    }

    async fn elect_itself(&self) -> Result<(), GroupError> {
        let mut role = self.standing.watch();
        self.raft.trigger().elect(false).await?;
        let mut metrics = self.raft.server_metrics();
        let led = async {
            loop {
                tokio::select! {
                    ready = role.wait_for(|role| role.ready && role.leader == Some(self.id.replica_id)) => {
                        return ready.map(|_| ()).map_err(|e| e.to_string());
                    }
                    changed = metrics.changed() => {
                        if changed.is_err() {
                            return Err("its tasks ended".into());
                        }
                    }
                }
            }
        };
        match timeout(START_WITHIN, led).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(GroupError::Stopped { reason }),
            Err(_) => Err(GroupError::NoElection),
        }
    }

    /// Puts `batch` before the group. Proposals are appended in the order of these calls.
    pub async fn propose(&self, batch: CheckedBatch) -> Result<Pending, GroupError> {
        self.submit(Proposal::Batch { batch: Box::new(batch), expected_term: None }).await
    }

    /// As [`Group::propose`], for what was decided in this term: no other term takes it.
    pub async fn propose_in(&self, epoch: LeaderEpoch, batch: CheckedBatch) -> Result<Pending, GroupError> {
        let expected_term = Some(u64::try_from(epoch.0).unwrap_or(0));
        self.submit(Proposal::Batch { batch: Box::new(batch), expected_term }).await
    }

    /// Moves the log start to `offset`, which must not be past the high watermark.
    pub async fn move_log_start(&self, offset: Offset) -> Result<(), GroupError> {
        self.submit(Proposal::LogStart(offset)).await?.outcome().await.map(|_| ())
    }

    async fn submit(&self, proposal: Proposal) -> Result<Pending, GroupError> {
        let (answer, wait) = oneshot::channel();
        let _not_handed_over = self.handing_over.read().await;
        if let Err(fatal) = self.raft.client_write_ff(proposal, Some(Answer(answer))).await {
            self.stopped.store(true, Relaxed);
            return Err(fatal.into());
        }
        Ok(Pending { answer: wait, stopped: Arc::clone(&self.stopped) })
    }

    /// The epoch that this replica knows of: its own, if it leads.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        epoch_of(self.standing.role().term)
    }

    /// The epoch under which this replica leads, its `Term` marker agreed on.
    pub fn leads(&self) -> Option<LeaderEpoch> {
        self.standing.leads().map(epoch_of)
    }

    /// If this replica was elected and is not ready yet, waits for it.
    pub async fn taken_over(&self, within: Duration) {
        let me = self.id.replica_id;
        let takes_over = |role: &Role| role.leader == Some(me) && !role.ready;
        if takes_over(&self.role()) {
            let mut roles = self.roles();
            drop(timeout(within, roles.wait_for(|role| !takes_over(role))).await);
        }
    }

    /// Who leads, as this replica knows.
    pub fn role(&self) -> Role {
        self.standing.role()
    }

    /// Believes in `leader` no more, until it is heard of again.
    pub(in crate::cluster) fn forget_leader(&self, leader: u64) {
        self.standing.forget_leader(leader);
    }

    /// Tells of each change of [`Self::role`].
    pub fn roles(&self) -> watch::Receiver<Role> {
        self.standing.watch()
    }

    pub(in crate::cluster) fn group_id(&self) -> GroupId {
        self.id
    }

    pub fn replica_id(&self) -> u64 {
        self.id.replica_id
    }

    /// Whether a proposal has found the group's tasks ended, by a storage error for example.
    /// What was agreed on before can still be read.
    pub fn has_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Looks whether the group's tasks have ended by themselves. If so it leads no more.
    pub(in crate::cluster) fn look(&self) {
        let ended = self.raft.metrics().borrow_watched().running_state.is_err();
        if ended || self.has_stopped() {
            self.stopped.store(true, Relaxed);
            self.exchange.unfollow(&self.id);
        }
    }

    /// The greatest applied Raft index.
    pub fn applied(&self) -> Option<RaftIndex> {
        self.progress.applied()
    }

    /// Who votes: one set, or two while they change.
    pub fn voters(&self) -> Vec<Vec<u64>> {
        self.partition.membership().map(|(_, _, membership)| membership.configs).unwrap_or_default()
    }

    /// All replicas of the group, learners among them.
    pub fn members(&self) -> Vec<u64> {
        self.partition.membership().map(|(_, _, membership)| membership.replicas).unwrap_or_default()
    }

    fn is_sole_voter(&self) -> bool {
        self.voters().iter().flatten().all(|voter| *voter == self.id.replica_id) && !self.voters().is_empty()
    }

    /// Whether nobody else can lead now: a majority of every set of voters promised lately not to take this node for
    /// dead. What this leader knows may then be told as the truth.
    pub fn has_lease(&self) -> bool {
        self.standing.leads().is_some()
            && self.is_majority(|voter| self.exchange.promised(&GroupId { replica_id: voter, ..self.id }))
    }

    /// Whether those for whom `holds` is true, and this replica, are a majority of every set of voters.
    fn is_majority(&self, holds: impl Fn(u64) -> bool) -> bool {
        let me = self.id.replica_id;
        let enough = |set: &Vec<u64>| {
            let count = set.iter().filter(|voter| **voter == me || holds(**voter)).count();
            count * 2 > set.len()
        };
        let voters = self.voters();
        !voters.is_empty() && voters.iter().all(enough)
    }

    /// How far the others are. Empty unless this replica leads.
    pub fn followers(&self) -> Vec<Follower> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication: BTreeMap<_, _> = metrics.replication.clone().unwrap_or_default();
        let follower = |(replica, matched): (u64, Option<super::types::LogId>)| Follower {
            replica,
            matched: matched.map(|id| id.index),
        };
        let me = self.id.replica_id;
        replication.into_iter().filter(|(replica, _)| *replica != me).map(follower).collect()
    }

    /// Whether `replica` took something from this leader since `since`: what it had before says nothing of what it has.
    pub(in crate::cluster) fn has_heard_since(&self, replica: u64, since: Instant) -> bool {
        self.standing.taken_at(replica).is_some_and(|at| at >= since)
    }

    /// The index of the last entry of this replica's log.
    pub fn last_index(&self) -> Option<RaftIndex> {
        self.partition.last_entry().map(|(_, index)| index)
    }

    /// Campaigns, unless the other voters say that it would be in vain: somebody leads, or has more. Returns when
    /// somebody was elected, or it is known that nobody was this time.
    pub(in crate::cluster) async fn campaign(&self) -> Result<(), GroupError> {
        let me = self.id.replica_id;
        if self.standing.role().leader.is_some() || !self.voters().iter().flatten().any(|voter| *voter == me)
        {
            return Ok(());
        }
        let chance = self.canvass().await;
        if self.standing.role().leader.is_some() {
            return Ok(());
        }
        match chance {
            Chance::None => Ok(()),
            Chance::Usual => self.run(Candidacy::Usual).await,
            Chance::AllWereAsked => self.run(Candidacy::AllWereAsked).await,
        }
    }

    /// Campaigns because the leader of `term` asked for it: the others need not take it for dead.
    pub(super) async fn take_over(&self, term: u64) -> Result<(), GroupError> {
        if self.standing.role().term != term {
            return Ok(());
        }
        if self.has_forgotten() {
            return Ok(());
        }
        self.run(Candidacy::TakesOver).await
    }

    async fn run(&self, how: Candidacy) -> Result<(), GroupError> {
        self.standing.set_candidacy(how);
        let ran = self.run_as_said().await;
        self.standing.set_candidacy(Candidacy::Usual);
        ran
    }

    async fn run_as_said(&self) -> Result<(), GroupError> {
        let mut role = self.standing.watch();
        let before = role.borrow_and_update().term;
        self.raft.trigger().elect(false).await?;
        // Nobody is elected in vain: whoever waits looks again, and so does the next round.
        _ = timeout(ELECTED_WITHIN, role.wait_for(|role| role.term > before && role.leader.is_some())).await;
        Ok(())
    }

    /// Whether a majority would vote for this replica now. Votes of replicas that have forgotten count only if all voters
    /// answered, and none has more.
    async fn canvass(&self) -> Chance {
        let me = self.id.replica_id;
        let term = self.votes.get(&self.id).map_or(0, |vote| vote.term) + 1;
        let last = self.partition.last_entry().or(self.partition.before_first());
        let request = VoteRequest::new(Vote::new(term, me), last.map(|(term, index)| log_id(term, index)));
        let others: BTreeSet<u64> =
            self.voters().into_iter().flatten().filter(|voter| *voter != me).collect();
        let asked: FuturesUnordered<_> =
            others.into_iter().map(|voter| self.would_vote(voter, &request)).collect();
        let mut asked = asked;
        let (mut granted, mut all) = (BTreeSet::new(), true);
        loop {
            if !self.has_forgotten() && self.is_majority(|voter| granted.contains(&voter)) {
                return Chance::Usual;
            }
            match asked.next().await {
                Some((voter, Opinion::Yes)) => _ = granted.insert(voter),
                Some((_, Opinion::Forgot)) => {}
                Some((_, Opinion::No)) => all = false,
                None => return if all { Chance::AllWereAsked } else { Chance::None },
            }
        }
    }

    fn would_vote(
        &self,
        voter: u64,
        request: &VoteRequest<Types>,
    ) -> impl Future<Output = (u64, Opinion)> + Send + 'static {
        let message = |head: &mut BytesMut| {
            rpc::put_canvass(head, request);
            Ok(None)
        };
        let answer = self.links.send(voter, Lane::Control, message, ELECTED_WITHIN);
        async move {
            let opinion = answer.await.ok().and_then(|answer| rpc::opinion(answer).ok());
            (voter, opinion.unwrap_or(Opinion::No))
        }
    }

    /// Whether this replica may lack what it acknowledged: then it votes for nobody, and does not campaign, but if all
    /// voters were asked and nobody has more.
    pub(super) fn has_forgotten(&self) -> bool {
        self.partition.doubt.has_forgotten()
    }

    /// An append of a leader was taken, after which this replica has everything up to `last`.
    pub(super) fn remember(&self, expected: Option<RaftIndex>, last: Option<RaftIndex>) {
        if self.has_forgotten() && self.memory.is_whole(expected, last) {
            self.recollect();
        }
    }

    /// Takes the note away that something is missing: a leader filled this log up, or it is the one that counts.
    pub(in crate::cluster) fn recollect(&self) {
        if !self.has_forgotten() || self.memory.begin() {
            return;
        }
        let (partition, durability) = (Arc::clone(&self.partition), Arc::clone(&self.durability));
        let memory = self.memory.clone();
        self.durability.in_background(move || {
            if let Err(error) = partition.doubt.recollect(durability.is_relaxed()) {
                let name = &partition.identity.name;
                tracing::warn!(partition = %name, %error, "the replica goes on to count as one that forgot");
            }
            memory.end();
        });
    }

    /// Hands leadership to replica `to`, which must be a voter. Proposals wait meanwhile, and are refused afterwards.
    /// Whether another leads now.
    pub async fn hand_over(&self, to: u64) -> bool {
        let Some(term) = self.standing.leads() else { return true };
        let _closed = self.handing_over.write().await;
        let caught_up = timeout(HANDED_OVER_WITHIN, async {
            let mut metrics = self.raft.metrics();
            loop {
                let (last, followers) = (self.last_index(), self.followers());
                if followers.iter().any(|f| f.replica == to && f.matched == last) {
                    return true;
                }
                if metrics.changed().await.is_err() {
                    return false;
                }
            }
        });
        if !caught_up.await.unwrap_or(false) {
            return false;
        }
        let message = |head: &mut BytesMut| {
            rpc::put_campaign(head, term);
            Ok(None)
        };
        let mut role = self.standing.watch();
        let asked = self.links.send(to, Lane::Control, message, HANDED_OVER_WITHIN).await;
        if let Err(error) = asked {
            tracing::debug!(partition = %self.partition.identity.name, %error, "leadership was not handed over");
            return false;
        }
        timeout(HANDED_OVER_WITHIN, role.wait_for(|role| role.term > term)).await.is_ok()
    }

    /// Asks the leader to say that it leads, and what is agreed on: it says so by itself only when there is news.
    pub(in crate::cluster) async fn hail(&self, leader: u64) {
        let me = self.id.replica_id;
        let message = |head: &mut BytesMut| {
            rpc::put_hail(head, me);
            Ok(None)
        };
        drop(self.links.send(leader, Lane::Control, message, ELECTED_WITHIN).await);
    }

    /// Tells replicas again to which messages were lost, as far as their nodes live.
    pub(in crate::cluster) fn reach_missed(self: &Arc<Self>) {
        let missed = self.standing.take_missed();
        if missed.is_empty() {
            return;
        }
        let (living, silent): (Vec<u64>, Vec<u64>) =
            missed.into_iter().partition(|replica| self.exchange.is_alive_replica(self, *replica));
        for replica in silent {
            self.standing.miss(replica);
        }
        if !living.is_empty() {
            let group = Arc::clone(self);
            super::types::spawn(async move { group.reach(living).await });
        }
    }

    /// A node came back: its replicas are tried again at once, and told who leads and what is agreed on.
    pub(in crate::cluster) async fn reach(&self, replicas: Vec<u64>) {
        drop(self.raft.trigger().reset_backoff(replicas).await);
        drop(self.raft.trigger().heartbeat().await);
    }

    /// Has the log copied to `replica`, which does not vote yet.
    pub(in crate::cluster) async fn add_learner(&self, replica: u64) -> Result<(), GroupError> {
        let added = self.raft.add_learner(replica, EmptyNode::default(), false).await;
        added.map(|_| ()).map_err(membership_error)
    }

    /// Makes `voters` the voters, all of them learners or voters already. The others leave the group.
    pub(in crate::cluster) async fn set_voters(&self, voters: BTreeSet<u64>) -> Result<(), GroupError> {
        let changed = self.raft.change_membership(voters, false).await;
        changed.map(|_| ()).map_err(membership_error)
    }

    /// Makes learners voters; who votes stays so.
    pub(in crate::cluster) async fn add_voters(&self, voters: BTreeSet<u64>) -> Result<(), GroupError> {
        let changed = self.raft.change_membership(ChangeMembers::AddVoterIds(voters), true).await;
        changed.map(|_| ()).map_err(membership_error)
    }

    /// Makes `voters` the only voters; the others follow as learners.
    pub(in crate::cluster) async fn keep_voters(&self, voters: BTreeSet<u64>) -> Result<(), GroupError> {
        let changed = self.raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), true).await;
        changed.map(|_| ()).map_err(membership_error)
    }

    /// Takes replicas out, voters or not.
    pub(in crate::cluster) async fn remove(&self, replicas: BTreeSet<u64>) -> Result<(), GroupError> {
        let voters: BTreeSet<u64> = self.voters().into_iter().flatten().collect();
        if voters.intersection(&replicas).next().is_some() {
            self.keep_voters(voters.difference(&replicas).copied().collect()).await?;
        }
        let removed = self.raft.change_membership(ChangeMembers::RemoveNodes(replicas), true).await;
        removed.map(|_| ()).map_err(membership_error)
    }

    /// Lets go of every entry up to `upto` (inclusive), which must be the last of a segment that
    /// lies below the log start.
    pub async fn purge(&self, upto: RaftIndex) -> Result<(), GroupError> {
        let Some(entry) = self.partition.reader().entry(upto) else {
            return Ok(());
        };
        self.progress.allow_purge(upto);
        self.raft.trigger().snapshot().await?;
        let covered = log_id(u64::from(entry.term), upto);
        let watch = self.raft.wait(Some(START_WITHIN));
        let seen = watch.snapshot(covered, "the prefix is covered");
        seen.await.map_err(|e| GroupError::Stopped { reason: e.to_string() })?;
        self.raft.trigger().purge_log(upto).await?;
        let gone = watch.metrics(|m| m.purged >= Some(covered), "the prefix is gone");
        gone.await.map_err(|e| GroupError::Stopped { reason: e.to_string() })?;
        Ok(())
    }

    /// Ends the group's tasks; what was appended stays to be synced by the flusher.
    pub async fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.exchange.unfollow(&self.id);
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(partition = %self.partition.identity.name, %error, "a Raft group ended badly");
        }
    }
}

fn epoch_of(term: u64) -> LeaderEpoch {
    LeaderEpoch(i32::try_from(term).unwrap_or(i32::MAX))
}

fn membership_error(error: RaftError<Types, ClientWriteError<Types>>) -> GroupError {
    match error {
        RaftError::Fatal(fatal) => fatal.into(),
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => GroupError::NotLeader,
        RaftError::APIError(other) => GroupError::Membership { reason: other.to_string() },
    }
}

/// A founder's first entry, the same on every founder, durable before its first vote.
async fn found(parts: &GroupParts) -> Result<(), GroupError> {
    let GroupParts { partition, id, votes, founders, had_files, durability, .. } = parts;
    let is_empty = partition.last_entry().is_none() && partition.before_first().is_none();
    let has_voted = votes.get(id).is_some();
    if has_voted && (!had_files || (is_empty && founders.is_some())) {
        return Err(GroupError::Vanished { dir: partition.reader().dir().to_path_buf() });
    }
    let others = partition.membership().is_some_and(|(_, _, membership)| membership.replicas.len() > 1);
    let (found, voted) =
        (partition.last_entry().map_or(0, |last| last.0), votes.get(id).map_or(0, |v| v.term));
    if others && found > voted {
        // A vote is on the disk before entries of its term are; without it this replica might vote twice.
        return Err(GroupError::VoteLost { dir: partition.reader().dir().to_path_buf(), found, voted });
    }
    let Some(founders) = founders.as_ref().filter(|_| is_empty) else { return Ok(()) };
    let mut replicas = founders.clone();
    replicas.sort_unstable();
    let stopped = |reason: String| GroupError::Stopped { reason };
    let membership = Membership { configs: vec![replicas.clone()], replicas };
    partition.found(membership, durability.now_ms()).map_err(|e| stopped(e.to_string()))?;
    durability.synced(partition).await.map_err(|e| stopped(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_that_safety_rests_on_hold() {
        assert!(!CONFIG.enable_tick, "nodes decide who is alive");
        assert_eq!(CONFIG.enable_leader_restore, Some(false));
        assert_eq!(CONFIG.enable_pre_vote, Some(true));
        assert_eq!(CONFIG.snapshot_policy, SnapshotPolicy::Never);
        assert_eq!(CONFIG.max_in_snapshot_log_to_keep, u64::MAX);
    }
}
