//! What a replica does with the messages of the others.

use std::sync::Arc;

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, VoteRequest, VoteResponse};
use openraft::storage::{Snapshot, SnapshotMeta};

use super::group::Group;
use super::rpc::{self, Opinion, Rebuild, Rpc, RpcError};
use super::standing::Candidacy;
use super::types::{StoredMembership, Types, Vote, log_id, term_of};
use crate::cluster::raft::spawn;
use crate::storage::GroupId;

/// Why a message gets no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cluster) enum ServeError {
    #[error(transparent)]
    Unreadable(#[from] RpcError),
    #[error("the replica has stopped: {reason}")]
    Stopped { reason: String },
}

fn stopped(error: impl std::fmt::Display) -> ServeError {
    ServeError::Stopped { reason: error.to_string() }
}

/// Whom a message is for; what is left is the message.
pub(in crate::cluster) fn addressee(message: &mut Bytes) -> Result<GroupId, RpcError> {
    rpc::addressee(message)
}

impl Group {
    /// Answers `message`, whose address was taken off.
    pub(in crate::cluster) async fn serve(self: Arc<Self>, message: Bytes) -> Result<Bytes, ServeError> {
        match Rpc::read(message)? {
            Rpc::Append(request) => self.on_append(request).await,
            Rpc::Vote { request, candidacy } => self.on_vote(request, candidacy).await,
            Rpc::Canvass(request) => Ok(rpc::opinion_bytes(self.on_canvass(&request))),
            Rpc::Snapshot(rebuild) => self.on_snapshot(rebuild).await,
            Rpc::Campaign { .. } if self.exchange.is_leaving() => Err(stopped("its node is about to stop")),
            Rpc::Hail { replica } => {
                self.reach(vec![replica]).await;
                Ok(Bytes::new())
            }
            Rpc::Campaign { term } => {
                // The leader watches what comes of it.
                spawn(async move { drop(self.take_over(term).await) });
                Ok(Bytes::new())
            }
        }
    }

    async fn on_append(&self, request: AppendEntriesRequest<Types>) -> Result<Bytes, ServeError> {
        let leader = request.vote.leader_id;
        let prev = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(prev);
        let expected = last.max(request.leader_commit).map(|id| id.index);
        let answer = self.raft.append_entries(request).await.map_err(stopped)?;
        let result = answer.into_stream_result(prev, last);
        if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
            self.standing.on_vote(leader.term, Some(leader.voted_for));
            self.remember(expected, result.as_ref().ok().and_then(|last| last.map(|id| id.index)));
        }
        Ok(rpc::appended_bytes(&result))
    }

    async fn on_vote(&self, mut request: VoteRequest<Types>, how: Candidacy) -> Result<Bytes, ServeError> {
        let candidate = request.vote.leader_id.voted_for;
        let obeys_another = how != Candidacy::TakesOver && self.obeys_another_than(candidate);
        // What it forgot may be what the candidate lacks.
        let may_vote = how == Candidacy::AllWereAsked || !self.has_forgotten();
        if obeys_another || !may_vote {
            return Ok(rpc::voted_bytes(&self.refusal()));
        }
        // openraft would wait for timers, which are off: whether the leader lives was decided above.
        request.leadership_transfer = true;
        let response = self.raft.vote(request).await.map_err(stopped)?;
        Ok(rpc::voted_bytes(&response))
    }

    fn on_canvass(&self, request: &VoteRequest<Types>) -> Opinion {
        if self.obeys_another_than(request.vote.leader_id.voted_for)
            || request.last_log_id < self.refusal().last_log_id
        {
            return Opinion::No;
        }
        if self.has_forgotten() { Opinion::Forgot } else { Opinion::Yes }
    }

    /// Whether this replica follows a leader that its node hears, or leads and is heard.
    fn obeys_another_than(&self, candidate: u64) -> bool {
        match self.role().leader {
            Some(leader) if leader == self.replica_id() => candidate != leader && self.has_lease(),
            // It is forgotten when its node goes silent, starts anew, or says that it cannot lead.
            Some(leader) => candidate != leader,
            // This replica heard nothing of it yet, for example since its own start; its node may have.
            None => {
                let candidate = self.exchange.node_of(&GroupId { replica_id: candidate, ..self.group_id() });
                let key = (self.group_id().topic_id, self.group_id().partition);
                self.exchange.leaders.announced(&key).is_some_and(|known| {
                    Some(known.node) != candidate
                        && known.term >= self.role().term
                        && known.node != self.exchange.node()
                        && self.exchange.is_alive(known.node)
                })
            }
        }
    }

    fn refusal(&self) -> VoteResponse<Types> {
        let last = self.partition.last_entry().or(self.partition.before_first());
        let role = self.role();
        VoteResponse::new(
            Vote::new(role.term, role.leader.unwrap_or_default()),
            last.map(|(term, index)| log_id(term, index)),
            false,
        )
    }

    async fn on_snapshot(&self, rebuild: Rebuild) -> Result<Bytes, ServeError> {
        let Rebuild { vote, last, membership, data } = rebuild;
        if term_of(&last) > vote.leader_id.term {
            return Err(stopped(format!(
                "a snapshot up to {last} is no leader's of term {}",
                vote.leader_id.term
            )));
        }
        let last_membership = match membership {
            None => StoredMembership::default(),
            Some((id, membership)) => StoredMembership::new(Some(id), membership),
        };
        let meta = SnapshotMeta { last_log_id: Some(last), last_membership };
        let snapshot = Snapshot { meta, snapshot: data.to_vec() };
        let response = self.raft.install_full_snapshot(vote, snapshot).await.map_err(stopped)?;
        Ok(rpc::vote_bytes(&response.vote))
    }
}
