//! The links of one group to its other replicas, over the connections between nodes that all groups share.
//!
//! Appends are sent without waiting for the answers of earlier ones; answers come in their order. Not here: what a
//! replica does with a message (`serve`), and connections (`peer`).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::EmptyNode;
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use openraft::{OptionalSend, RaftNetworkFactory};

use super::rpc::{self, Rebuild, RpcError};
use super::standing::Standing;
use super::types::{Types, Vote, term_of};
use crate::cluster::exchange::{Exchange, Service};
use crate::partition::Partition;
use crate::peer::{Lane, PeerError};
use crate::storage::{GroupId, StorageError};

/// Appends on their way to one replica.
const IN_FLIGHT: usize = 32;
/// How long a follower may take to have an append on its disk.
const APPEND_WITHIN: Duration = Duration::from_secs(10);
/// How long a vote may take.
const VOTE_WITHIN: Duration = Duration::from_secs(1);
/// How long a replica may take to start over from what it is sent.
const REBUILD_WITHIN: Duration = Duration::from_mins(1);
/// Bytes of entries that one append brings, unless a single one is larger.
pub(super) const APPEND_BYTES: usize = 1 << 20;

/// Makes links to the replicas of one group.
#[derive(Clone)]
pub(super) struct Links {
    pub exchange: Arc<Exchange>,
    pub partition: Arc<Partition>,
    /// This node's replica.
    pub group: GroupId,
    pub standing: Arc<Standing>,
}

/// The link to one replica.
pub(super) struct Link {
    links: Links,
    replica: u64,
}

/// Why a message to a replica got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("replica {replica} is on no node that is known here")]
    NoNode { replica: u64 },
    #[error("entries from raft index {from} were cut while they were read")]
    Overtaken { from: u64 },
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Answer(#[from] RpcError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<LinkError> for RPCError<Types> {
    fn from(error: LinkError) -> Self {
        match &error {
            LinkError::NoNode { .. }
            | LinkError::Peer(
                PeerError::NotConnected { .. }
                | PeerError::Refused { .. }
                | PeerError::Failed { .. }
                | PeerError::Closed,
            ) => Self::Unreachable(Unreachable::new(&error)),
            _ => Self::Network(NetworkError::new(&error)),
        }
    }
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> Link {
        Link { links: self.clone(), replica: target }
    }
}

impl NetBackoff<Types> for Link {
    /// Short, since whoever comes back is caught up at once by a reset; see `Group::reach`.
    fn backoff(&self) -> Option<Backoff> {
        let steps = [50, 100, 200, 500, 1_000].into_iter().map(Duration::from_millis);
        Some(Backoff::new(steps.chain(std::iter::repeat(Duration::from_secs(2)))))
    }
}

impl Links {
    /// Sends a message to a replica; it leaves in the order of these calls.
    pub(super) fn send(
        &self,
        replica: u64,
        lane: Lane,
        message: impl FnOnce(&mut BytesMut) -> Result<Option<Bytes>, LinkError>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let sent = self.start_sending(replica, lane, message, within);
        Box::pin(async move { Ok(sent?.await?) })
    }

    fn start_sending(
        &self,
        replica: u64,
        lane: Lane,
        message: impl FnOnce(&mut BytesMut) -> Result<Option<Bytes>, LinkError>,
        within: Duration,
    ) -> Result<BoxFuture<'static, Result<Bytes, PeerError>>, LinkError> {
        let to = GroupId { replica_id: replica, ..self.group };
        let node = self.exchange.node_of(&to).ok_or(LinkError::NoNode { replica })?;
        let mut head = BytesMut::with_capacity(128);
        rpc::address(&mut head, &to);
        let body = message(&mut head)?;
        let mut parts = vec![head.freeze()];
        parts.extend(body);
        Ok(self.exchange.call(node, (lane, Service::Raft), parts, within))
    }

    fn entries_of(&self, request: &AppendEntriesRequest<Types>) -> Result<Option<Bytes>, LinkError> {
        let (Some(first), Some(last)) = (request.entries.first(), request.entries.last()) else {
            return Ok(None);
        };
        let (from, to) = (first.log_id.index, last.log_id.index + 1);
        let copied = self.partition.copy_entries(from, to, usize::MAX)?;
        let asked = request.entries.iter().map(|entry| (term_of(&entry.log_id), entry.log_id.index));
        if !asked.eq(copied.entries.iter().copied()) {
            return Err(LinkError::Overtaken { from });
        }
        Ok(Some(copied.bytes))
    }
}

impl Link {
    fn append(
        &self,
        request: &AppendEntriesRequest<Types>,
    ) -> impl Future<Output = Result<StreamAppendResult<Types>, RPCError<Types>>> + Send + use<> {
        let message = |head: &mut BytesMut| {
            rpc::put_append(head, request);
            self.links.entries_of(request)
        };
        let answer = self.links.send(self.replica, Lane::Data, message, APPEND_WITHIN);
        let (standing, replica) = (Arc::clone(&self.links.standing), self.replica);
        async move {
            // openraft sends entries again, and news of what is agreed on only with later ones.
            let answer = answer.await.inspect_err(|_| standing.miss(replica))?;
            let appended = rpc::appended(answer).map_err(LinkError::Answer)?;
            if appended.is_ok() {
                standing.take(replica);
            }
            Ok(appended)
        }
    }
}

type Boxed<'s, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 's>>;
type Answers<'s> =
    std::pin::Pin<Box<dyn Stream<Item = Result<StreamAppendResult<Types>, RPCError<Types>>> + Send + 's>>;

impl NetStreamAppend<Types> for Link {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> Boxed<'s, Result<Answers<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let link = &*self;
        let answers = input.map(move |request| link.append(&request)).buffered(IN_FLIGHT);
        // The stream ends behind the first answer that is not a plain success.
        let until_failure = answers.scan(false, |failed, answer| {
            let goes_on = !std::mem::replace(failed, !matches!(answer, Ok(Ok(_))));
            std::future::ready(goes_on.then_some(answer))
        });
        let answers: Answers<'s> = Box::pin(until_failure);
        Box::pin(std::future::ready(Ok(answers)))
    }
}

impl NetVote<Types> for Link {
    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let candidacy = self.links.standing.candidacy();
        let message = |head: &mut BytesMut| {
            rpc::put_vote_request(head, &request, candidacy);
            Ok(None)
        };
        let answer = self.links.send(self.replica, Lane::Control, message, VOTE_WITHIN).await?;
        Ok(rpc::voted(answer).map_err(LinkError::Answer)?)
    }
}

impl NetSnapshot<Types> for Link {
    type SnapshotData = Vec<u8>;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, Vec<u8>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let meta = snapshot.meta;
        let Some(last) = meta.last_log_id else {
            return Err(NetworkError::new(&LinkError::Overtaken { from: 0 }).into());
        };
        let membership =
            (*meta.last_membership.log_id()).map(|id| (id, meta.last_membership.membership().clone()));
        let rebuild = Rebuild { vote, last, membership, data: Bytes::new() };
        let data = Bytes::from(snapshot.snapshot);
        let message = |head: &mut BytesMut| {
            rpc::put_snapshot(head, &rebuild);
            Ok(Some(data))
        };
        let answer = self.links.send(self.replica, Lane::Data, message, REBUILD_WITHIN);
        let unreachable = |error: LinkError| StreamingError::Unreachable(Unreachable::new(&error));
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = answer => {
                let vote = rpc::vote_of(answer.map_err(unreachable)?);
                Ok(SnapshotResponse::new(vote.map_err(|e| unreachable(e.into()))?))
            }
        }
    }
}

impl NetTransferLeader<Types> for Link {
    /// Not used: leadership is handed over by `Group::hand_over`, which needs no timers.
    async fn transfer_leader(
        &mut self,
        _request: TransferLeaderRequest<Types>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        Err(LinkError::NoNode { replica: self.replica }.into())
    }
}
