//! One client's connection: one task that reads frames, begins requests and writes answers in request order.
//!
//! A request is handled after its predecessor is answered, except that consecutive pipelined ones (Produce) begin one
//! after the other and are answered as they complete, in order. Nothing is spawned per request.
//! Not here: what requests do (`handlers`), who may connect (`server.rs`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::debug;

use super::api::{Api, Begun, BoxFuture, Order, Reply, RequestError, ResponseFrame};
use super::authentication::{REFUSED_AFTER, REQUEST_BYTES_MAX, Told};
use super::complaints::Complaints;
use super::context::Context;
use super::ended::Ended;
use super::handlers::{self, APIS};
use super::inbox::{HELD_MAX, Inbox};
use super::memory::{AnswerMemory, Charge, RequestMemory};
use super::outbox::Outbox;
use super::socket::Socket;
use crate::wire::ApiKey;
use crate::wire::header::RequestHeader;
use crate::wire::response::EncodeError;

/// Pipelined requests of one connection that may be on their way.
const IN_FLIGHT_MAX: usize = 64;
/// How long a connection keeps its buffers while nothing happens.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Stands for no limit on idle connections.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

type Pending = (BoxFuture<'static, Result<Reply, EncodeError>>, Charge);

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    inbox: Inbox,
    outbox: Outbox,
    context: Context,
    /// How long a connection without requests is kept.
    idle_max: Duration,
    /// The largest request, once it is known who the client is; `None`: it is.
    allowed_later: Option<usize>,
}

impl Connection {
    pub(super) fn new(
        socket: Socket,
        context: Context,
        (requests, answers): (Arc<RequestMemory>, Arc<AnswerMemory>),
        limits: &super::Limits,
    ) -> Self {
        let (most, is_settled) = (limits.request_bytes_max, context.is_settled());
        let at_first = if is_settled { most } else { most.min(REQUEST_BYTES_MAX) };
        Self {
            socket,
            inbox: Inbox::new(at_first, requests),
            allowed_later: (!is_settled).then_some(most),
            outbox: Outbox::new(answers),
            context,
            idle_max: limits.idle_max.unwrap_or(FOR_EVER),
        }
    }

    /// Serves the client until it goes, misbehaves or `stop` resolves.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()> + Send, complaints: &Complaints) {
        let mut pending = VecDeque::new();
        let ended = match self.serve(&mut pending, stop).await {
            Err(ended) => ended,
            Ok(()) => Ended::Peer,
        };
        drop(pending);
        ended.report(&self.context, complaints);
    }

    /// `Ok` once the client has closed and everything that it sent is answered.
    async fn serve(
        &mut self,
        pending: &mut VecDeque<Pending>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Ended> {
        let mut stop = std::pin::pin!(stop.fuse());
        let mut idle = std::pin::pin!(tokio::time::sleep(QUIET_AFTER.min(self.idle_max)));
        let mut last_active = Instant::now();
        let (mut open, mut stopping) = (true, false);
        loop {
            while !stopping && pending.len() < IN_FLIGHT_MAX {
                let Some((frame, charge)) = self.inbox.next()? else { break };
                self.begin(frame, charge, pending, stop.as_mut()).await?;
                last_active = Instant::now();
            }
            self.gather_ready(pending).await?;
            self.outbox.flush(&self.socket).await?;
            if pending.is_empty() && stopping {
                return Err(Ended::Shutdown);
            }
            if pending.is_empty() && !open {
                return Ok(());
            }
            let may_read = open && !stopping && pending.len() < IN_FLIGHT_MAX;
            tokio::select! {
                reply = front(pending), if !pending.is_empty() => {
                    pending.pop_front();
                    self.answer(reply).await?;
                    last_active = Instant::now();
                }
                read = self.inbox.fill(&self.socket), if may_read => {
                    open = read? > 0;
                    last_active = Instant::now();
                }
                () = &mut idle, if pending.is_empty() => idle.as_mut().reset(self.quiet(last_active)?),
                () = &mut stop, if !stopping => stopping = true,
            }
        }
    }

    /// What a connection does while nothing happens, and when it next has something to do.
    fn quiet(&mut self, last_active: Instant) -> Result<Instant, Ended> {
        let quiet_for = last_active.elapsed();
        if quiet_for >= self.idle_max {
            return Err(Ended::Idle(self.idle_max));
        }
        // Also of a client that sends a byte now and then.
        if let Some(fault) = self.inbox.fault() {
            return Err(fault);
        }
        if quiet_for < QUIET_AFTER {
            return Ok(last_active + QUIET_AFTER.min(self.idle_max));
        }
        self.inbox.rest();
        let look_again = if self.inbox.is_half_sent() { quiet_for + QUIET_AFTER } else { self.idle_max };
        Ok(last_active + look_again.min(self.idle_max))
    }

    /// Begins one request; unless it is pipelined, also answers it.
    async fn begin(
        &mut self,
        mut frame: Bytes,
        charge: Charge,
        pending: &mut VecDeque<Pending>,
        stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), Ended> {
        if self.context.authentication(|authentication| authentication.takes_bare()) {
            return self.bare(&frame).await;
        }
        self.context.request = RequestHeader::take(&mut frame).map_err(RequestError::from)?;
        self.context.admits()?;
        let api = match Api::serving(APIS, &self.context.request) {
            Ok(api) => api,
            Err(error) if self.context.request.api == ApiKey::ApiVersions => {
                debug!(%error, "answering ApiVersions of an unknown version");
                self.settle(pending).await?;
                let reply = handlers::unsupported_api_versions(self.context.request.correlation_id);
                return self.answer(reply).await;
            }
            Err(error) => return Err(error.into()),
        };
        if api.order != Order::Pipelined {
            self.settle(pending).await?;
        }
        let begun = if api.order == Order::Waiting {
            self.outbox.flush(&self.socket).await?;
            self.wait(api, frame, &charge, stop).await?
        } else {
            (api.begin)(&self.context, frame).await?
        };
        match begun {
            Begun::Done(reply) => {
                self.answer(Ok(reply)).await?;
                self.look_who_it_is().await
            }
            Begun::Later(reply) => {
                pending.push_back((reply, charge));
                Ok(())
            }
        }
    }

    /// A message of SASL that comes in no request, and is answered in none.
    async fn bare(&mut self, message: &[u8]) -> Result<(), Ended> {
        match self.context.step(message) {
            Some(Told::Challenge(bytes) | Told::Welcome(bytes, _)) => {
                self.answer(Ok(Reply::Frame(ResponseFrame::bare(&bytes)))).await?;
                self.look_who_it_is().await
            }
            Some(Told::Refused(_)) | None => {
                tokio::time::sleep(REFUSED_AFTER).await;
                Err(Ended::AuthenticationFailed)
            }
        }
    }

    /// After an answer that may have settled who the client is.
    async fn look_who_it_is(&mut self) -> Result<(), Ended> {
        let Some(most) = self.allowed_later else { return Ok(()) };
        if self.context.has_failed() {
            self.outbox.flush(&self.socket).await?;
            return Err(Ended::AuthenticationFailed);
        }
        if self.context.is_settled() {
            self.inbox.allow(most);
        }
        Ok(())
    }

    /// A request that may wait: it ends early if the client goes, the server stops, or others need what `charge` holds.
    async fn wait(
        &mut self,
        api: &Api,
        frame: Bytes,
        charge: &Charge,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Begun, Ended> {
        let Self { socket, inbox, context, .. } = self;
        let mut begun = (api.begin)(context, frame);
        let start = Instant::now();
        let mut look = std::pin::pin!(tokio::time::sleep(QUIET_AFTER));
        loop {
            let watch = inbox.may_read_ahead();
            tokio::select! {
                biased;
                done = &mut begun => return Ok(done?),
                read = inbox.fill_ahead(socket), if watch => if read? == 0 {
                    return Err(Ended::Peer);
                },
                () = &mut look => {
                    inbox.rest();
                    if start.elapsed() >= HELD_MAX && inbox.is_wanted(charge) {
                        return Err(Ended::Hoarding);
                    }
                    look.as_mut().reset(Instant::now() + QUIET_AFTER);
                }
                () = &mut stop => return Err(Ended::Shutdown),
            }
        }
    }

    /// Waits for and gathers the answers of everything that has begun.
    async fn settle(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), Ended> {
        while let Some((reply, _charge)) = pending.front_mut() {
            let reply = if let Some(reply) = reply.now_or_never() {
                reply
            } else {
                self.outbox.flush(&self.socket).await?;
                front(pending).await
            };
            pending.pop_front();
            self.answer(reply).await?;
        }
        Ok(())
    }

    /// Gathers the answers that are there, in order.
    async fn gather_ready(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), Ended> {
        while let Some((reply, _charge)) = pending.front_mut() {
            let Some(reply) = reply.now_or_never() else { break };
            pending.pop_front();
            self.answer(reply).await?;
        }
        Ok(())
    }

    /// Hands an answer to the outbox.
    async fn answer(&mut self, reply: Result<Reply, EncodeError>) -> Result<(), Ended> {
        match reply.map_err(RequestError::from)? {
            Reply::Frame(frame) => self.outbox.put(frame, &self.socket).await,
            Reply::Silent => Ok(()),
            Reply::Close => {
                self.outbox.flush(&self.socket).await?;
                Err(Ended::Unanswerable)
            }
        }
    }
}

async fn front(pending: &mut VecDeque<Pending>) -> Result<Reply, EncodeError> {
    match pending.front_mut() {
        Some((reply, _charge)) => reply.await,
        None => std::future::pending().await,
    }
}
