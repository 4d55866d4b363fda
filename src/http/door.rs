//! What all requests share: the broker once the node has one, and the bounds on what they may take together.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::problem::Problem;
use crate::broker::Broker;

/// Bytes of bodies that are held at the same time, in KiB.
const BODIES_KIB: usize = 64 * 1024;
/// Bytes of records that are being read and sent at the same time, in KiB, by what their readers ask for.
const ANSWERS_KIB: usize = 64 * 1024;
/// Reads that unpack and print records at the same time: each may hold a batch that unfolds to 128 MiB.
const READERS: usize = 4;
/// Partitions that are followed at the same time, all streams together.
const FOLLOWED_MAX: usize = 2048;

/// The state of the HTTP edge. Cheap to clone.
///
/// The server runs before the node has a broker, so that probes are answered while the node waits for others.
#[derive(Clone, Debug)]
pub struct HttpDoor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    broker: OnceLock<Broker>,
    is_leaving: AtomicBool,
    closing: watch::Receiver<bool>,
    bodies: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    followed: Arc<Semaphore>,
    next_partition: AtomicU32,
}

impl HttpDoor {
    /// `closing` ends what would go on for ever.
    pub fn new(closing: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Inner {
            broker: OnceLock::new(),
            is_leaving: AtomicBool::new(false),
            closing,
            bodies: Arc::new(Semaphore::new(BODIES_KIB)),
            answers: Arc::new(Semaphore::new(ANSWERS_KIB)),
            readers: Arc::new(Semaphore::new(READERS)),
            followed: Arc::new(Semaphore::new(FOLLOWED_MAX)),
            next_partition: AtomicU32::new(0),
        }))
    }

    /// From now on requests are served by `broker`, which has begun.
    pub fn open(&self, broker: Broker) {
        drop(self.0.broker.set(broker));
    }

    /// From now on the node is not ready any more: it goes.
    pub fn leave(&self) {
        self.0.is_leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.0.is_leaving.load(Ordering::Relaxed)
    }

    pub(super) fn broker_if_open(&self) -> Option<&Broker> {
        self.0.broker.get()
    }

    /// # Errors
    /// 503 while the node starts. 403 once there are rules about who may do what: nobody can say here yet who they are,
    /// and a door that does not ask must not lead around those that do.
    pub(super) fn broker(&self) -> Result<&Broker, Problem> {
        let broker = self.broker_if_open().ok_or_else(Problem::starting)?;
        match broker.authorizer() {
            None => Ok(broker),
            Some(_) => Err(Problem::unidentified()),
        }
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.0.closing.clone()
    }

    /// Room for `bytes` more of a body, or none now.
    pub(super) fn body_room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        Arc::clone(&self.0.bodies).try_acquire_many_owned(kib).ok()
    }

    /// Room for an answer of some `bytes`, once there is some.
    pub(super) async fn answer_room(&self, bytes: usize) -> Result<AnswerRoom, Problem> {
        let kib = u32::try_from(bytes.div_ceil(1024).clamp(1, ANSWERS_KIB)).unwrap_or(1);
        let room = Arc::clone(&self.0.answers).acquire_many_owned(kib).await;
        room.map(AnswerRoom).map_err(|_| Problem::starting())
    }

    /// A place to unpack records in, once there is one.
    pub(super) async fn reader(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0.readers).acquire_owned().await.map_err(|_| Problem::starting())
    }

    /// Places for `partitions` to be followed, or none now.
    pub(super) fn follow(&self, partitions: usize) -> Option<OwnedSemaphorePermit> {
        let count = u32::try_from(partitions).ok()?;
        Arc::clone(&self.0.followed).try_acquire_many_owned(count).ok()
    }

    /// The number of the next request whose records have no key: they stay together, the next one's go elsewhere.
    pub(super) fn next_keyless(&self) -> u32 {
        self.0.next_partition.fetch_add(1, Ordering::Relaxed)
    }
}

/// Room that an answer takes until it is sent.
#[derive(Debug)]
pub(super) struct AnswerRoom(OwnedSemaphorePermit);

impl AnswerRoom {
    /// The answer, which gives the room back when it is gone; what it does not need, at once.
    pub(super) fn held_by(self, answer: Response) -> Response {
        let Self(mut room) = self;
        let (mut head, body) = answer.into_parts();
        let size = HttpBody::size_hint(&body).exact().unwrap_or_default();
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        let kib = usize::try_from(size.div_ceil(1024)).unwrap_or(usize::MAX);
        let room = room.split(kib).unwrap_or(room);
        let parts = stream::unfold((body.into_data_stream(), room), |(mut parts, room)| async move {
            Some((parts.next().await?, (parts, room)))
        });
        Response::from_parts(head, Body::from_stream(parts))
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn an_answer_takes_room_until_it_is_gone() {
        let door = HttpDoor::new(watch::channel(false).1);
        let room = door.answer_room(8 << 20).await.unwrap();
        assert_eq!(door.0.answers.available_permits(), ANSWERS_KIB - 8 * 1024);
        let answer = room.held_by("x".repeat(5000).into_response());
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "5000");
        assert_eq!(door.0.answers.available_permits(), ANSWERS_KIB - 5);
        let bytes = axum::body::to_bytes(answer.into_body(), 9000).await.unwrap();
        assert_eq!((bytes.len(), door.0.answers.available_permits()), (5000, ANSWERS_KIB));
    }
}
