//! The seam between connections and handlers: what a handler is, and its entry in the table.
//!
//! Not here: the table itself (`handlers/mod.rs`) and the order of requests (`connection.rs`).

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

use bytes::Bytes;

use super::context::Context;
use super::error::Refusal;
use super::forwarded;
use crate::broker::BrokerError;
use crate::storage::Run;
use crate::wire::header::{HeaderError, RequestHeader};
use crate::wire::response::{self, EncodeError, ReplyTo};
use crate::wire::schema::{self, WalkError};
use crate::wire::{ApiKey, Decodable, Encodable, ErrorCode};

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
pub(super) type ResponseFrame = response::ResponseFrame<Run>;

/// One Kafka API.
pub(super) trait Handler: 'static {
    const KEY: ApiKey;
    /// What is served.
    const VERSIONS: RangeInclusive<i16>;
    /// Whether it may wait for data, so that the client's going away must be noticed.
    const WAITS: bool = false;
    /// Whether only the controller can do it: any other node sends the request there.
    const CONTROLLER: bool = false;
    /// The highest version that the protocol crate codes; what is above has the same layout.
    const CODED_TO: i16 = i16::MAX;
    type Request: Decodable + Send;
    type Response: Answer;

    /// Reads the body of a request that has passed the walk; another reader goes here if the protocol crate has none.
    fn decode(body: &mut Bytes, version: i16) -> Result<Self::Request, RequestError> {
        decoded(body, version.min(Self::CODED_TO))
    }

    fn handle(
        ctx: &Context,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, BrokerError>> + Send;

    /// The answer when the whole request failed.
    fn refused(code: ErrorCode) -> Self::Response;

    /// As [`Handler::refused`], for a request that the controller did not take. Where the answer has no place for an
    /// error of the whole, each part of the request gets it: clients would take their absence for a fault of ours.
    fn not_taken(_request: Self::Request, refusal: &Refusal) -> Self::Response {
        Self::refused(refusal.code)
    }
}

/// An API whose requests follow each other without waiting for their answers.
pub(super) trait Pipelined: 'static {
    const KEY: ApiKey;
    const VERSIONS: RangeInclusive<i16>;
    /// The lowest version in `ApiVersions`, below which nothing is served.
    const LISTED_FROM: i16;
    type Request: Decodable + Send;
    type Response: Answer;

    /// Does what must happen in request order; the rest is in the future that it returns.
    fn begin(
        ctx: &Context,
        request: Self::Request,
    ) -> impl Future<Output = BoxFuture<'static, Self::Response>> + Send;
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Reply {
    Frame(ResponseFrame),
    /// Nothing is sent (acks=0).
    Silent,
    /// Nothing can be sent, and the client must learn of it: the connection is closed.
    Close,
}

/// A request that has begun.
pub(super) enum Begun {
    Done(Reply),
    Later(BoxFuture<'static, Result<Reply, EncodeError>>),
}

/// Something that can be sent back.
pub(super) trait Answer: Send {
    fn reply(self, to: ReplyTo) -> Result<Reply, EncodeError>;
}

impl<T: Encodable + Send> Answer for T {
    fn reply(self, to: ReplyTo) -> Result<Reply, EncodeError> {
        ResponseFrame::around(to, &self).map(Reply::Frame)
    }
}

/// Why a request got no answer at all. The connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("version {version} of {api:?} is not served")]
    Unsupported { api: ApiKey, version: i16 },
    #[error(transparent)]
    Malformed(#[from] WalkError),
    #[error("the request cannot be decoded")]
    Undecodable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

type Begin = for<'a> fn(&'a Context, Bytes) -> BoxFuture<'a, Result<Begun, RequestError>>;

/// How a request stands to its neighbours on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// After all earlier ones are answered, before any later one begins.
    Alone,
    /// As [`Order::Alone`], and it may wait for long.
    Waiting,
    /// Begins while earlier ones of its kind are still on their way.
    Pipelined,
}

/// An entry of the table.
#[derive(Clone, Copy)]
pub(super) struct Api {
    pub(super) key: ApiKey,
    /// What `ApiVersions` lists.
    pub(super) listed: (i16, i16),
    /// The lowest version that is served.
    served_from: i16,
    pub(super) order: Order,
    /// Whether the controller serves it, wherever it is asked for.
    pub(super) for_controller: bool,
    pub(super) begin: Begin,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}-{}", self.key, self.listed.0, self.listed.1)
    }
}

impl Api {
    pub(super) const fn of<H: Handler>() -> Self {
        Self {
            key: H::KEY,
            listed: (*H::VERSIONS.start(), *H::VERSIONS.end()),
            served_from: *H::VERSIONS.start(),
            order: if H::WAITS { Order::Waiting } else { Order::Alone },
            for_controller: H::CONTROLLER,
            begin: begin::<H>,
        }
    }

    pub(super) const fn pipelined<P: Pipelined>() -> Self {
        Self {
            key: P::KEY,
            listed: (P::LISTED_FROM, *P::VERSIONS.end()),
            served_from: *P::VERSIONS.start(),
            order: Order::Pipelined,
            for_controller: false,
            begin: begin_pipelined::<P>,
        }
    }

    /// The entry that serves `header`'s request.
    pub(super) fn serving(
        table: &'static [Self],
        header: &RequestHeader,
    ) -> Result<&'static Self, RequestError> {
        let (api, version) = (header.api, header.version);
        let entry = table.iter().find(|entry| entry.key == api);
        entry
            .filter(|entry| (entry.served_from..=entry.listed.1).contains(&version))
            .ok_or(RequestError::Unsupported { api, version })
    }
}

fn begin<H: Handler>(ctx: &Context, body: Bytes) -> BoxFuture<'_, Result<Begun, RequestError>> {
    Box::pin(async move {
        let sent_on = (H::CONTROLLER && ctx.asks_controller()).then(|| body.clone());
        let request = walked(ctx, body, H::decode)?;
        let mut to = ctx.reply_to();
        to.version = to.version.min(H::CODED_TO);
        if let Some(body) = sent_on {
            let served = Box::pin(forwarded::to_controller(ctx, &body)).await;
            return Ok(Begun::Done(match served {
                Ok(reply) => reply,
                Err(refusal) => H::not_taken(request, &refusal).reply(to)?,
            }));
        }
        let answer = H::handle(ctx, request).await;
        let answer = answer.unwrap_or_else(|error| H::refused(ErrorCode::from(&error)));
        Ok(Begun::Done(answer.reply(to)?))
    })
}

fn begin_pipelined<P: Pipelined>(ctx: &Context, body: Bytes) -> BoxFuture<'_, Result<Begun, RequestError>> {
    Box::pin(async move {
        let request = walked(ctx, body, decoded::<P::Request>)?;
        let to = ctx.reply_to();
        let answer = P::begin(ctx, request).await;
        Ok(Begun::Later(Box::pin(async move { answer.await.reply(to) })))
    })
}

/// Nothing is read that the walk has not passed.
fn walked<T>(
    ctx: &Context,
    mut body: Bytes,
    read: fn(&mut Bytes, i16) -> Result<T, RequestError>,
) -> Result<T, RequestError> {
    let header = &ctx.request;
    schema::walk(header.api as i16, header.version, &body)?;
    read(&mut body, header.version)
}

fn decoded<T: Decodable>(body: &mut Bytes, version: i16) -> Result<T, RequestError> {
    T::decode(body, version).map_err(|source| RequestError::Undecodable(source.into()))
}
