//! Calls by path, with whatever messages: so that the tests do not depend on how the server's own are generated.

use std::time::Duration;

use futures_util::Stream;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{IntoStreamingRequest, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorInfo, StatusExt};

/// A connection to one node.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    packed: Option<CompressionEncoding>,
}

impl Client {
    pub(crate) async fn to(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect_timeout(Duration::from_secs(20)).connect().await.unwrap();
        Self { channel, packed: None }
    }

    pub(crate) fn packing(&self, encoding: CompressionEncoding) -> Self {
        Self { packed: Some(encoding), ..self.clone() }
    }

    async fn grpc(&self) -> Grpc<Channel> {
        let mut grpc = Grpc::new(self.channel.clone());
        if let Some(encoding) = self.packed {
            grpc = grpc.send_compressed(encoding).accept_compressed(encoding);
        }
        grpc.ready().await.unwrap();
        grpc
    }

    pub(crate) async fn unary<Q: Message + 'static, A: Message + Default + 'static>(
        &self,
        path: &'static str,
        request: Q,
    ) -> Result<A, Status> {
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        Ok(self.grpc().await.unary(Request::new(request), path, codec).await?.into_inner())
    }

    pub(crate) async fn answers<Q: Message + 'static, A: Message + Default + 'static>(
        &self,
        path: &'static str,
        request: Request<Q>,
    ) -> Result<Streaming<A>, Status> {
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        Ok(self.grpc().await.server_streaming(request, path, codec).await?.into_inner())
    }

    pub(crate) async fn both<Q: Message + 'static, A: Message + Default + 'static>(
        &self,
        path: &'static str,
        requests: impl Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<A>, Status> {
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        let requests = requests.into_streaming_request();
        Ok(self.grpc().await.streaming(requests, path, codec).await?.into_inner())
    }

    pub(crate) async fn many<Q: Message + 'static, A: Message + Default + 'static>(
        &self,
        path: &'static str,
        requests: impl Stream<Item = Q> + Send + 'static,
    ) -> Result<A, Status> {
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        let requests = requests.into_streaming_request();
        Ok(self.grpc().await.client_streaming(requests, path, codec).await?.into_inner())
    }
}

/// The `ErrorInfo` of a failure.
pub(crate) fn info(status: &Status) -> ErrorInfo {
    status.get_error_details().error_info().cloned().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"))
}
