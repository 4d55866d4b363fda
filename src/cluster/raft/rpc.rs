//! What replicas of one group say to each other, and its bytes: our own, so that nothing of openraft's is ever sent.
//!
//! Entries travel as they are stored. Whatever cannot be read is an error that names what was missing; counts and
//! lengths are compared with the bytes that are there before anything is reserved.

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};
use openraft::raft::{AppendEntriesRequest, StreamAppendError, VoteRequest, VoteResponse};
use uuid::Uuid;

use super::standing::Candidacy;
use super::types::{
    Entry, LogId, Payload, RaftMembership, Types, Vote, log_id, membership_from, membership_to, term_of,
};
use crate::model::TopicId;
use crate::partition::{EntryError, Membership, ReceivedEntry, StateError};
use crate::storage::GroupId;

/// The most entries of one append.
pub(super) const ENTRIES_MAX: usize = 4096;

const APPEND: u8 = 1;
const VOTE: u8 = 2;
const CANVASS: u8 = 3;
const SNAPSHOT: u8 = 4;
const CAMPAIGN: u8 = 5;
const HAIL: u8 = 6;

/// Bytes that are no message of a group.
#[derive(Debug, thiserror::Error)]
pub(in crate::cluster) enum RpcError {
    #[error("a message of a group ends early")]
    Short(#[from] TryGetError),
    #[error("a message of a group has the unknown kind {0}")]
    Kind(u8),
    #[error("an append announces {count} entries, {ENTRIES_MAX} are the most")]
    Count { count: usize },
    #[error("an append brings entries after raft index {after} that do not follow it")]
    Order { after: u64 },
    #[error("an entry of an append cannot be read")]
    Entry(#[from] EntryError),
    #[error("a membership of a snapshot cannot be read")]
    State(#[from] StateError),
}

/// What one replica asks of another.
#[derive(Debug)]
pub(super) enum Rpc {
    Append(AppendEntriesRequest<Types>),
    Vote {
        request: VoteRequest<Types>,
        candidacy: Candidacy,
    },
    /// Would you vote for me? Changes nothing (Raft's pre-vote).
    Canvass(VoteRequest<Types>),
    Snapshot(Rebuild),
    /// From the leader of this term: take over.
    Campaign {
        term: u64,
    },
    /// From a replica that has heard nothing of its leader since it started.
    Hail {
        replica: u64,
    },
}

/// What a replica starts from whose next entry the leader does not have any more.
#[derive(Debug)]
pub(super) struct Rebuild {
    pub vote: Vote,
    pub last: LogId,
    /// The newest membership at or before `last`, with its log id.
    pub membership: Option<(LogId, RaftMembership)>,
    pub data: Bytes,
}

/// The first bytes of each message: whom it is for.
pub(super) fn address(out: &mut BytesMut, to: &GroupId) {
    out.put_slice(to.topic_id.0.as_bytes());
    out.put_i32(to.partition);
    out.put_u64(to.replica_id);
}

pub(super) fn addressee(input: &mut Bytes) -> Result<GroupId, RpcError> {
    let topic_id = TopicId(Uuid::from_u128(input.try_get_u128()?));
    Ok(GroupId { topic_id, partition: input.try_get_i32()?, replica_id: input.try_get_u64()? })
}

fn put_vote(out: &mut BytesMut, vote: &Vote) {
    out.put_u64(vote.leader_id.term);
    out.put_u64(vote.leader_id.voted_for);
    out.put_u8(u8::from(vote.committed));
}

fn vote(input: &mut Bytes) -> Result<Vote, RpcError> {
    let (term, voted_for) = (input.try_get_u64()?, input.try_get_u64()?);
    Ok(match input.try_get_u8()? {
        0 => Vote::new(term, voted_for),
        _ => Vote::new_committed(term, voted_for),
    })
}

fn put_log_id(out: &mut BytesMut, id: Option<&LogId>) {
    out.put_u8(u8::from(id.is_some()));
    if let Some(id) = id {
        out.put_u64(term_of(id));
        out.put_u64(id.index);
    }
}

fn optional_log_id(input: &mut Bytes) -> Result<Option<LogId>, RpcError> {
    match input.try_get_u8()? {
        0 => Ok(None),
        _ => Ok(Some(log_id(input.try_get_u64()?, input.try_get_u64()?))),
    }
}

/// An append without its entries' bytes, which follow as they are stored.
pub(super) fn put_append(out: &mut BytesMut, request: &AppendEntriesRequest<Types>) {
    out.put_u8(APPEND);
    put_vote(out, &request.vote);
    put_log_id(out, request.prev_log_id.as_ref());
    put_log_id(out, request.leader_commit.as_ref());
    out.put_u32(u32::try_from(request.entries.len()).unwrap_or(u32::MAX));
}

pub(super) fn put_vote_request(out: &mut BytesMut, request: &VoteRequest<Types>, how: Candidacy) {
    out.put_u8(VOTE);
    put_candidacy(out, request);
    out.put_u8(match how {
        Candidacy::Usual => 0,
        Candidacy::TakesOver => 1,
        Candidacy::AllWereAsked => 2,
    });
}

pub(super) fn put_canvass(out: &mut BytesMut, request: &VoteRequest<Types>) {
    out.put_u8(CANVASS);
    put_candidacy(out, request);
}

pub(super) fn put_campaign(out: &mut BytesMut, term: u64) {
    out.put_u8(CAMPAIGN);
    out.put_u64(term);
}

pub(super) fn put_hail(out: &mut BytesMut, replica: u64) {
    out.put_u8(HAIL);
    out.put_u64(replica);
}

/// A snapshot without its data, which follow.
pub(super) fn put_snapshot(out: &mut BytesMut, rebuild: &Rebuild) {
    out.put_u8(SNAPSHOT);
    put_vote(out, &rebuild.vote);
    put_log_id(out, Some(&rebuild.last));
    put_log_id(out, rebuild.membership.as_ref().map(|(id, _)| id));
    if let Some((_, membership)) = &rebuild.membership {
        let mut bytes = Vec::new();
        membership_to(membership).encode(&mut bytes);
        out.put_slice(&bytes);
    }
}

fn put_candidacy(out: &mut BytesMut, request: &VoteRequest<Types>) {
    put_vote(out, &request.vote);
    put_log_id(out, request.last_log_id.as_ref());
}

fn candidacy(input: &mut Bytes) -> Result<VoteRequest<Types>, RpcError> {
    Ok(VoteRequest::new(vote(input)?, optional_log_id(input)?))
}

impl Rpc {
    pub(super) fn read(mut input: Bytes) -> Result<Self, RpcError> {
        let input = &mut input;
        match input.try_get_u8()? {
            APPEND => append(input).map(Self::Append),
            VOTE => {
                let request = candidacy(input)?;
                let candidacy = match input.try_get_u8()? {
                    0 => Candidacy::Usual,
                    1 => Candidacy::TakesOver,
                    2 => Candidacy::AllWereAsked,
                    kind => return Err(RpcError::Kind(kind)),
                };
                Ok(Self::Vote { request, candidacy })
            }
            CANVASS => candidacy(input).map(Self::Canvass),
            SNAPSHOT => rebuild(input).map(Self::Snapshot),
            CAMPAIGN => Ok(Self::Campaign { term: input.try_get_u64()? }),
            HAIL => Ok(Self::Hail { replica: input.try_get_u64()? }),
            kind => Err(RpcError::Kind(kind)),
        }
    }
}

fn append(input: &mut Bytes) -> Result<AppendEntriesRequest<Types>, RpcError> {
    let vote = vote(input)?;
    let (prev_log_id, leader_commit) = (optional_log_id(input)?, optional_log_id(input)?);
    let count = input.try_get_u32()? as usize;
    if count > ENTRIES_MAX {
        return Err(RpcError::Count { count });
    }
    let mut entries: Vec<Entry> = Vec::new();
    let mut before = prev_log_id;
    for _ in 0..count {
        let received = ReceivedEntry::read(input)?;
        let id = log_id(received.term(), before.map_or(0, |before| before.index + 1));
        if before.is_some_and(|before| term_of(&before) > term_of(&id)) {
            return Err(RpcError::Order { after: id.index.saturating_sub(1) });
        }
        entries.push(openraft::Entry { log_id: id, payload: Payload::received(received) });
        before = Some(id);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

fn rebuild(input: &mut Bytes) -> Result<Rebuild, RpcError> {
    let vote = vote(input)?;
    let last = optional_log_id(input)?.ok_or(RpcError::Order { after: 0 })?;
    let membership = match optional_log_id(input)? {
        None => None,
        Some(id) => {
            let mut rest = &input[..];
            let membership = Membership::decode(&mut rest)?;
            let read = input.len() - rest.len();
            input.advance(read);
            Some((id, membership_from(&membership)))
        }
    };
    Ok(Rebuild { vote, last, membership, data: input.split_off(0) })
}

const DONE: u8 = 0;
const CONFLICT: u8 = 1;
const HIGHER_VOTE: u8 = 2;

/// What a follower answers to an append.
pub(super) type Appended = Result<Option<LogId>, StreamAppendError<Types>>;

pub(super) fn appended_bytes(result: &Appended) -> Bytes {
    let mut out = BytesMut::new();
    match result {
        Ok(last) => {
            out.put_u8(DONE);
            put_log_id(&mut out, last.as_ref());
        }
        Err(StreamAppendError::Conflict(at)) => {
            out.put_u8(CONFLICT);
            put_log_id(&mut out, Some(at));
        }
        Err(StreamAppendError::HigherVote(vote)) => {
            out.put_u8(HIGHER_VOTE);
            put_vote(&mut out, vote);
        }
    }
    out.freeze()
}

pub(super) fn appended(mut input: Bytes) -> Result<Appended, RpcError> {
    let input = &mut input;
    match input.try_get_u8()? {
        DONE => Ok(Ok(optional_log_id(input)?)),
        CONFLICT => {
            let at = optional_log_id(input)?.ok_or(RpcError::Order { after: 0 })?;
            Ok(Err(StreamAppendError::Conflict(at)))
        }
        HIGHER_VOTE => Ok(Err(StreamAppendError::HigherVote(vote(input)?))),
        kind => Err(RpcError::Kind(kind)),
    }
}

pub(super) fn voted_bytes(response: &VoteResponse<Types>) -> Bytes {
    let mut out = BytesMut::new();
    put_vote(&mut out, &response.vote);
    out.put_u8(u8::from(response.vote_granted));
    put_log_id(&mut out, response.last_log_id.as_ref());
    out.freeze()
}

pub(super) fn voted(mut input: Bytes) -> Result<VoteResponse<Types>, RpcError> {
    let input = &mut input;
    let vote = vote(input)?;
    let granted = input.try_get_u8()? != 0;
    Ok(VoteResponse::new(vote, optional_log_id(input)?, granted))
}

/// What a voter says to a canvass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// Somebody leads, or this voter has more.
    No,
    Yes,
    /// Nobody leads and this voter has no more, but it may have forgotten something.
    Forgot,
}

pub(super) fn opinion_bytes(opinion: Opinion) -> Bytes {
    Bytes::from_static(match opinion {
        Opinion::No => &[0],
        Opinion::Yes => &[1],
        Opinion::Forgot => &[2],
    })
}

pub(super) fn opinion(mut input: Bytes) -> Result<Opinion, RpcError> {
    match input.try_get_u8()? {
        0 => Ok(Opinion::No),
        1 => Ok(Opinion::Yes),
        2 => Ok(Opinion::Forgot),
        kind => Err(RpcError::Kind(kind)),
    }
}

pub(super) fn vote_bytes(vote: &Vote) -> Bytes {
    let mut out = BytesMut::new();
    put_vote(&mut out, vote);
    out.freeze()
}

pub(super) fn vote_of(mut input: Bytes) -> Result<Vote, RpcError> {
    vote(&mut input)
}
