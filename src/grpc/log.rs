//! The service `log.v1.Log`: one method for each call, each in a file of its own.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, unfold};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::consume_stream::ConsumeStream;
use super::permit::Permit;
use super::produce_stream::ProduceStream;
use super::target::Turns;
use super::{consume, deadline, produce, produce_batches, servers};
use crate::broker::Broker;
use crate::proto::log::log_server::Log;
use crate::proto::log::{
    ConsumeRequest, ConsumeResponse, GetServersRequest, GetServersResponse, ProduceBatchesRequest,
    ProduceBatchesResponse, ProduceRequest, ProduceResponse,
};

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LogService {
    pub(super) broker: Broker,
    pub(super) turns: Arc<Turns>,
    /// True once the node stops.
    pub(super) stopping: watch::Receiver<bool>,
}

impl LogService {
    pub(super) fn new(broker: Broker, stopping: watch::Receiver<bool>) -> Self {
        Self { broker, turns: Arc::default(), stopping }
    }
}

#[tonic::async_trait]
impl Log for LogService {
    async fn produce(&self, request: Request<ProduceRequest>) -> Result<Response<ProduceResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "Produce");
        let answer = produce::produce(&self.broker, &permit, &self.turns, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn consume(&self, request: Request<ConsumeRequest>) -> Result<Response<ConsumeResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "Consume");
        let mut stopping = self.stopping.clone();
        tokio::select! {
            answer = consume::consume(&self.broker, &permit, request.into_inner()) => Ok(Response::new(answer?)),
            () = super::server::stopped(&mut stopping) => Err(super::error::Refusal::closing().into()),
        }
    }

    type ConsumeStreamStream = BoxStream<'static, Result<ConsumeResponse, Status>>;

    async fn consume_stream(
        &self,
        request: Request<ConsumeRequest>,
    ) -> Result<Response<Self::ConsumeStreamStream>, Status> {
        let permit = Permit::of(&self.broker, &request, "ConsumeStream");
        let deadline = deadline::of(request.metadata());
        let call = ConsumeStream::new(self, permit, request.into_inner(), deadline).await?;
        let next = |mut call: ConsumeStream| async move { Some((call.next().await?, call)) };
        Ok(Response::new(unfold(call, next).boxed()))
    }

    type ProduceStreamStream = BoxStream<'static, Result<ProduceResponse, Status>>;

    async fn produce_stream(
        &self,
        request: Request<Streaming<ProduceRequest>>,
    ) -> Result<Response<Self::ProduceStreamStream>, Status> {
        let permit = Permit::of(&self.broker, &request, "ProduceStream");
        let deadline = deadline::of(request.metadata());
        let call = ProduceStream::new(self.clone(), permit, request.into_inner(), deadline);
        let next = |mut call: ProduceStream| async move { Some((call.next().await?, call)) };
        Ok(Response::new(unfold(call, next).boxed()))
    }

    async fn get_servers(
        &self,
        request: Request<GetServersRequest>,
    ) -> Result<Response<GetServersResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "GetServers");
        Ok(Response::new(servers::get_servers(&self.broker, &permit, request.into_inner()).await?))
    }

    async fn produce_batches(
        &self,
        request: Request<Streaming<ProduceBatchesRequest>>,
    ) -> Result<Response<ProduceBatchesResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "ProduceBatches");
        Ok(Response::new(produce_batches::produce_batches(self, &permit, request.into_inner()).await?))
    }
}
