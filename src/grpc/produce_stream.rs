//! `ProduceStream`: records as they come, offsets in their order.
//!
//! Requests that are there together become one batch for each partition; while batches are on their way the next are
//! gathered, as far as there is room. Nothing is read for a client that does not take its answers.

use std::collections::VecDeque;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

use super::appends::{InFlight, Round, Settled};
use super::error::Refusal;
use super::log::LogService;
use super::permit::Permit;
use super::produce;
use super::server::stopped;
use crate::proto::log::{ProduceRequest, ProduceResponse};

/// One call.
#[derive(Debug)]
pub(super) struct ProduceStream {
    service: LogService,
    permit: Permit,
    stopping: watch::Receiver<bool>,
    requests: Streaming<ProduceRequest>,
    deadline: Instant,
    in_flight: InFlight,
    /// For each request that is on its way, whether it names its topic.
    named: VecDeque<bool>,
    ready: VecDeque<ProduceResponse>,
    /// No more is read: the client has said all, or the stream ends otherwise.
    is_read: bool,
    /// What the stream ends with, once everything that was taken is answered.
    end: Option<Status>,
    answered: u64,
}

impl ProduceStream {
    pub(super) fn new(
        service: LogService,
        permit: Permit,
        requests: Streaming<ProduceRequest>,
        deadline: Instant,
    ) -> Self {
        Self {
            stopping: service.stopping.clone(),
            service,
            permit,
            requests,
            deadline,
            in_flight: InFlight::default(),
            named: VecDeque::new(),
            ready: VecDeque::new(),
            is_read: false,
            end: None,
            answered: 0,
        }
    }

    /// The next answer, in the order of the requests.
    pub(super) async fn next(&mut self) -> Option<Result<ProduceResponse, Status>> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                self.answered += 1;
                return Some(Ok(answer));
            }
            if self.is_read && self.in_flight.is_empty() {
                return self.end.take().map(Err);
            }
            let may_read = !self.is_read && self.in_flight.has_room();
            tokio::select! {
                settled = self.in_flight.next() => self.settle(&settled),
                request = self.requests.message(), if may_read => self.take(request).await,
                () = stopped(&mut self.stopping), if !self.is_read => self.stop_with(Refusal::closing()),
                () = sleep_until(self.deadline) => {
                    self.is_read = true;
                    self.in_flight = InFlight::default();
                    self.end = Some(self.refused(Refusal::late(), 0));
                }
            }
        }
    }

    /// Takes a request, and those that are there behind it, and sends them on their way.
    async fn take(&mut self, first: Result<Option<ProduceRequest>, Status>) {
        let mut round = Round::default();
        let mut next = Some(first);
        while let Some(message) = next.take() {
            let request = match message {
                Ok(Some(request)) => request,
                Ok(None) => {
                    self.is_read = true;
                    break;
                }
                Err(status) => {
                    self.is_read = true;
                    self.end.get_or_insert(status);
                    break;
                }
            };
            let LogService { broker, turns, .. } = &self.service;
            if let Err(refusal) = produce::take(broker, &self.permit, turns, (&mut round, &request)).await {
                self.stop_with(refusal);
                break;
            }
            self.named.push_back(!request.topic.is_empty());
            if !round.is_full() {
                next = self.requests.message().now_or_never();
            }
        }
        if !round.is_empty() {
            self.in_flight.push(round.begin(&self.service.broker).await);
        }
    }

    /// What is on its way is still answered.
    fn stop_with(&mut self, refusal: Refusal) {
        self.is_read = true;
        let status = self.refused(refusal, self.named.len());
        self.end.get_or_insert(status);
    }

    fn settle(&mut self, settled: &Settled) {
        for (batch, index) in settled.records() {
            let is_named = self.named.pop_front().unwrap_or(true);
            match batch {
                Ok(batch) => self.ready.push_back(produce::answer(batch, index, is_named)),
                Err(refusal) => {
                    // Nothing behind it is answered.
                    self.is_read = true;
                    self.end = Some(self.refused(refusal.clone(), 0));
                    self.in_flight = InFlight::default();
                    return;
                }
            }
        }
    }

    /// The status for the request that comes `behind` others that are not answered yet.
    fn refused(&self, refusal: Refusal, behind: usize) -> Status {
        refusal.with("request", &(self.answered + (self.ready.len() + behind) as u64)).into()
    }
}
