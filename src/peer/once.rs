//! One request over a connection of its own, to an address of which no node id is known yet.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::ended::Ended;
use super::error::{PeerError, PeerName};
use super::frame::{Frame, Head};
use super::hello::{Hello, Purpose};
use super::requests::WITHIN_MAX;
use super::shared::Shared;

/// Opens a connection, asks, and closes it.
pub(super) async fn ask(
    shared: Arc<Shared>,
    address: String,
    request: Vec<Bytes>,
    within: Duration,
) -> Result<(Hello, Bytes), PeerError> {
    let (node, within) = (PeerName::Address(address.clone()), within.min(WITHIN_MAX));
    let bytes = request.iter().map(Bytes::len).sum();
    let max = shared.settings.frame_bytes_max;
    if bytes > max {
        return Err(PeerError::TooLarge { node, bytes, max });
    }
    let mut sent = false;
    let asked = async {
        let (mut wire, peer) = shared.open(&address, Purpose::Once, Arc::default()).await?;
        wire.put(Head::Request { id: 0 }, request);
        sent = true;
        loop {
            poll_fn(|cx| wire.poll(cx, true)).await?;
            if let Some(frame) = wire.next()? {
                return Ok((peer, frame));
            }
        }
    };
    let deadline = Instant::now() + within;
    let mut closing = shared.closing();
    let ended = tokio::select! {
        biased;
        () = closing.wait_for(|closing| *closing) => return Err(PeerError::Closed),
        ended = tokio::time::timeout_at(deadline, asked) => ended,
    };
    match ended {
        Ok(Ok((peer, Frame::Answer { id: 0, body }))) => Ok((peer, body)),
        Ok(Ok((_, Frame::Error { id: 0, text }))) => Err(PeerError::Failed { node, text }),
        Ok(Ok((_, Frame::Busy { id: 0 }))) => Err(PeerError::Busy { node, in_flight: 1, bytes }),
        Ok(Ok((_, Frame::Goodbye { text })) | Err(Ended::Refused(text) | Ended::Unwanted(text))) => {
            Err(PeerError::Refused { node, text })
        }
        Ok(Ok(_)) => {
            let reason = "what came is no answer to this request".to_owned();
            Err(PeerError::NotConnected { node, reason, sent })
        }
        Ok(Err(ended)) => Err(PeerError::NotConnected { node, reason: ended.to_string(), sent }),
        Err(_) => Err(PeerError::TimedOut { node, within }),
    }
}
