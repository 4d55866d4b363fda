//! Requests that only the controller serves: sent to it by whoever got them, and served there for the others.
//!
//! What goes over is who the client is (`sender.rs`), the request as it was sent, header and body, and the response as it
//! goes out. The controller's node authorises. A request is sent on once: if the controller has changed meanwhile, the
//! client hears so and tries again.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::api::{Api, Begun, BoxFuture, Reply, RequestError, ResponseFrame};
use super::authentication::{Authentication, Demands};
use super::context::{Client, Context};
use super::error::Refusal;
use super::fetch_session::FetchSessions;
use super::handlers::APIS;
use super::sender::{Sender, SenderError};
use crate::broker::{Broker, BrokerError, ServeKafka};
use crate::wire::ApiKey;
use crate::wire::header::{HeaderError, RequestHeader};
use crate::wire::response::ReplyTo;

/// The first version of a request's header with tagged fields.
const TAGGED_HEADER: i16 = 2;
/// Length and correlation id of a response.
const RESPONSE_FIXED_LEN: usize = 8;

/// Serves on the controller what other nodes got. Such a request has no connection of its own.
#[derive(Debug)]
pub struct ForwardedRequests {
    sessions: Arc<FetchSessions>,
}

impl Default for ForwardedRequests {
    fn default() -> Self {
        Self { sessions: Arc::new(FetchSessions::new(0)) }
    }
}

/// Why a request that another node sent on got no answer.
#[derive(Debug, thiserror::Error)]
enum ForwardedError {
    #[error("a request of {len} bytes was sent on, {most} are the most")]
    TooLarge { len: usize, most: usize },
    #[error("{api:?} is not for the controller")]
    NotForController { api: ApiKey },
    #[error("{api:?} has no answer that can be sent back")]
    Unanswered { api: ApiKey },
    #[error(transparent)]
    Sender(#[from] SenderError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl From<HeaderError> for ForwardedError {
    fn from(error: HeaderError) -> Self {
        Self::Request(error.into())
    }
}

impl ServeKafka for ForwardedRequests {
    fn serve(&self, broker: Broker, request: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let sessions = Arc::clone(&self.sessions);
        Box::pin(async move { serve(broker, sessions, request).await.map_err(|error| error.to_string()) })
    }
}

async fn serve(
    broker: Broker,
    sessions: Arc<FetchSessions>,
    mut request: Bytes,
) -> Result<Bytes, ForwardedError> {
    let Sender { principal, host } = Sender::take(&mut request)?;
    // The node that it came in on is believed: it belongs to the cluster, and asked the client who it is.
    let known = Authentication::new(Demands::Nothing, Some(principal));
    let client = Client { peer: SocketAddr::from((host, 0)), listener: "".into() };
    let mut ctx = Context::new(broker, sessions, client, known).of_another_node();
    let most = ctx.broker.settings().socket_request_max_bytes as usize;
    if request.len() > most {
        return Err(ForwardedError::TooLarge { len: request.len(), most });
    }
    ctx.request = RequestHeader::take(&mut request)?;
    let api = ctx.request.api;
    let entry = Api::serving(APIS, &ctx.request)?;
    if !entry.for_controller {
        return Err(ForwardedError::NotForController { api });
    }
    match (entry.begin)(&ctx, request).await? {
        Begun::Done(Reply::Frame(frame)) => whole(frame).ok_or(ForwardedError::Unanswered { api }),
        Begun::Done(Reply::Silent | Reply::Close) | Begun::Later(_) => {
            Err(ForwardedError::Unanswered { api })
        }
    }
}

/// The bytes of a response that lends none.
fn whole(frame: ResponseFrame) -> Option<Bytes> {
    let (bytes, lent) = frame.into_parts();
    lent.is_empty().then(|| bytes.freeze())
}

/// Has the controller serve the request whose body, which has passed the walk, is `body`.
///
/// # Errors
/// What the controller's node says of the request as a whole, or that there is no controller.
pub(super) async fn to_controller(ctx: &Context, body: &[u8]) -> Result<Reply, Refusal> {
    let mut request = BytesMut::new();
    let sender = Sender { principal: ctx.principal(), host: ctx.client.peer.ip().to_canonical() };
    sender.put(&mut request).map_err(|error| BrokerError::InvalidRequest { reason: error.to_string() })?;
    put_with_header(&mut request, &ctx.request, body);
    let response = ctx.broker.forward_kafka(request.freeze()).await.map_err(Refusal::from)?;
    let unreadable = || BrokerError::ControllerRefused { reason: "its response is cut short".into() };
    frame(ctx.reply_to(), &response).map(Reply::Frame).ok_or_else(|| unreadable().into())
}

/// A response of another node as this one's.
fn frame(to: ReplyTo, response: &[u8]) -> Option<ResponseFrame> {
    let mut frame = ResponseFrame::new(to);
    let header_len = RESPONSE_FIXED_LEN + usize::from(to.header_version >= 1);
    frame.head_mut().put_slice(response.get(header_len..)?);
    Some(frame.finish())
}

fn put_with_header(out: &mut BytesMut, header: &RequestHeader, body: &[u8]) {
    let client = header.client_id.as_deref().unwrap_or("");
    out.reserve(16 + client.len() + body.len());
    out.put_i16(header.api as i16);
    out.put_i16(header.version);
    out.put_i32(header.correlation_id);
    match &header.client_id {
        // It came with a length of the same width.
        Some(_) => out.put_i16(i16::try_from(client.len()).unwrap_or(i16::MAX)),
        None => out.put_i16(-1),
    }
    out.put_slice(client.as_bytes());
    if header.api.request_header_version(header.version) >= TAGGED_HEADER {
        out.put_u8(0); // no tagged fields
    }
    out.put_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::StrBytes;

    fn header(api: ApiKey, version: i16, client_id: Option<&'static str>) -> RequestHeader {
        RequestHeader { api, version, correlation_id: 7, client_id: client_id.map(StrBytes::from_static_str) }
    }

    #[test]
    fn a_request_is_sent_on_as_it_came() {
        for (version, client) in [(2, Some("tool")), (2, None), (7, Some("")), (7, None)] {
            let header = header(ApiKey::CreateTopics, version, client);
            let mut whole = BytesMut::new();
            put_with_header(&mut whole, &header, b"body");
            let mut whole = whole.freeze();
            assert_eq!(RequestHeader::take(&mut whole).unwrap(), header);
            assert_eq!(&whole[..], b"body");
        }
    }

    #[test]
    fn a_response_comes_back_byte_for_byte_and_one_that_is_cut_short_is_none() {
        for version in [2, 7] {
            let to = ReplyTo::from(&header(ApiKey::CreateTopics, version, None));
            let mut made = ResponseFrame::new(to);
            made.head_mut().put_slice(b"what the controller says");
            let bytes = whole(made.finish()).unwrap();
            assert_eq!(whole(frame(to, &bytes).unwrap()).unwrap(), bytes);
            assert!(frame(to, &bytes[..RESPONSE_FIXED_LEN - 1]).is_none());
        }
    }
}
