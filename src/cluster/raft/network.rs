//! How a group reaches its other replicas. A cluster of one has none: every call says so.

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
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

use super::types::{Types, Vote};

/// Makes links to replicas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links;

/// The link to a replica on a node that this cluster does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoLink {
    replica: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("replica {replica} is on no node of this cluster of one")]
struct NoPeer {
    replica: u64,
}

impl NoLink {
    fn unreachable(self) -> Unreachable<Types> {
        Unreachable::new(&NoPeer { replica: self.replica })
    }
}

impl RaftNetworkFactory<Types> for Links {
    type Network = NoLink;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> NoLink {
        NoLink { replica: target }
    }
}

impl NetBackoff<Types> for NoLink {
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}

type Boxed<'s, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 's>>;
type Answers<'s> = std::pin::Pin<
    Box<dyn futures_util::Stream<Item = Result<StreamAppendResult<Types>, RPCError<Types>>> + Send + 's>,
>;

impl NetStreamAppend<Types> for NoLink {
    fn stream_append<S>(
        &mut self,
        _input: S,
        _option: RPCOption,
    ) -> Boxed<'_, Result<Answers<'_>, RPCError<Types>>>
    where
        S: futures_util::Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let refused = RPCError::Unreachable(self.unreachable());
        Box::pin(async move { Err(refused) })
    }
}

impl NetVote<Types> for NoLink {
    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    /// The crate's default grants a pre-vote without asking anybody.
    async fn pre_vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }
}

impl NetSnapshot<Types> for NoLink {
    type SnapshotData = Vec<u8>;

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: SnapshotOf<Types, Vec<u8>>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }
}

impl NetTransferLeader<Types> for NoLink {
    async fn transfer_leader(
        &mut self,
        _req: TransferLeaderRequest<Types>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }
}
