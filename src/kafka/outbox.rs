//! Answers on their way out: small ones gathered into one write, lent records sent from their file.
//!
//! Not here: their order (`connection.rs`), the socket itself (`socket.rs`).

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::api::ResponseFrame;
use super::ended::Ended;
use super::memory::{AnswerMemory, FREE};
use super::socket::Socket;
use crate::storage::Run;
use crate::wire::response::{Chunk, Lent};

/// Bytes of small answers that are gathered before they are written.
const GATHER_MAX: usize = 64 * 1024;
/// Lent records up to this size are copied into the gathered bytes: one `send` beats `send` and `sendfile`.
const COPY_MAX: usize = 8 * 1024;

/// How long an answer may be under way while much is unread.
const UNREAD_FOR_MAX: Duration = Duration::from_secs(10);
/// How often an answer under way is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Outbox {
    gathered: BytesMut,
    memory: Arc<AnswerMemory>,
}

impl Outbox {
    pub(super) fn new(memory: Arc<AnswerMemory>) -> Self {
        Self { gathered: BytesMut::new(), memory }
    }

    /// Puts an answer behind those before it; writes if enough has gathered, or records are lent.
    pub(super) async fn put(&mut self, frame: ResponseFrame, socket: &Socket) -> Result<(), Ended> {
        let (head, tail) = frame.into_parts();
        if self.gathered.is_empty() {
            self.gathered = head;
        } else {
            self.gathered.extend_from_slice(&head);
        }
        let mut tail = tail.into_iter().peekable();
        while let Some(chunk) = tail.next() {
            let more = tail.peek().is_some();
            match chunk {
                Chunk::Bytes(bytes) => self.gathered.extend_from_slice(&bytes),
                Chunk::Lent(run) if run.size() <= COPY_MAX => self.gathered.extend_from_slice(&run.copy()?),
                Chunk::Lent(run) => {
                    self.flush_before_more(socket).await?;
                    lend(&run, socket, more).await?;
                }
            }
            if more && self.gathered.len() >= GATHER_MAX {
                self.flush_before_more(socket).await?;
            }
        }
        if self.gathered.len() >= GATHER_MAX { self.flush(socket).await } else { Ok(()) }
    }

    /// Writes what has gathered.
    pub(super) async fn flush(&mut self, socket: &Socket) -> Result<(), Ended> {
        self.write(socket, false).await
    }

    async fn flush_before_more(&mut self, socket: &Socket) -> Result<(), Ended> {
        self.write(socket, true).await
    }

    async fn write(&mut self, socket: &Socket, more: bool) -> Result<(), Ended> {
        let bytes = std::mem::take(&mut self.gathered);
        let mut sent = socket.try_write(&bytes, more)?;
        if sent == bytes.len() && socket.is_sent() {
            return Ok(());
        }
        let unread = self.memory.hold(bytes.len());
        let _unread = unread.map_err(|held| Ended::AnswersFull { held, bytes: bytes.len() })?;
        let start = Instant::now();
        let mut last = start;
        while sent < bytes.len() || !socket.is_sent() {
            socket.writable_within(LOOK_EVERY).await?;
            let now = socket.try_write(&bytes[sent..], more)?;
            sent += now;
            last = if now > 0 { Instant::now() } else { last };
            let wanted = bytes.len() > FREE && self.memory.is_short() && start.elapsed() > UNREAD_FOR_MAX;
            if wanted || last.elapsed() > socket.stall_max() {
                return Err(Ended::Stalled);
            }
        }
        Ok(())
    }
}

/// Sends records from their file, or a copy if they have none.
async fn lend(run: &Run, socket: &Socket, more: bool) -> Result<(), Ended> {
    let Some((file, position, length)) = run.fd_range() else {
        return Ok(socket.write_all(&run.copy()?, more).await?);
    };
    Ok(socket.send_file(file, position, length).await?)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wire::response::ReplyTo;

    /// More than the system takes of an answer that nobody reads.
    const LARGE: usize = 32 * 1024 * 1024;

    fn answer(bytes: usize) -> ResponseFrame {
        let mut frame = ResponseFrame::new(ReplyTo { correlation_id: 1, version: 0, header_version: 0 });
        frame.head_mut().resize(bytes, 0);
        frame.finish()
    }

    async fn client(stall_max: Duration) -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Socket::plain(stream, stall_max).unwrap(), peer)
    }

    #[tokio::test]
    async fn while_unread_answers_hold_all_memory_the_next_unread_one_ends_its_own_connection_only() {
        let memory = Arc::new(AnswerMemory::new(LARGE));
        let stall_max = Duration::from_mins(1);
        let ((deaf, _peer), (late, _other), (good, mut reads)) =
            (client(stall_max).await, client(stall_max).await, client(stall_max).await);
        let mut first = Outbox::new(Arc::clone(&memory));
        let mut unread = std::pin::pin!(first.put(answer(LARGE), &deaf));
        assert!(futures_util::poll!(unread.as_mut()).is_pending());
        let ended = Outbox::new(Arc::clone(&memory)).put(answer(LARGE), &late).await;
        assert!(matches!(ended, Err(Ended::AnswersFull { held: LARGE, bytes: LARGE })), "{ended:?}");
        let mut small = Outbox::new(Arc::clone(&memory));
        small.put(answer(1000), &good).await.unwrap();
        small.flush(&good).await.unwrap();
        assert!(reads.read(&mut [0; 1000]).await.unwrap() > 0);
        assert!(memory.is_short());
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_let_go_and_the_memory_is_free() {
        let memory = Arc::new(AnswerMemory::new(LARGE));
        let (deaf, _peer) = client(Duration::from_millis(10)).await;
        let ended = Outbox::new(Arc::clone(&memory)).put(answer(LARGE), &deaf).await;
        assert!(matches!(ended, Err(Ended::Stalled)), "{ended:?}");
        assert!(!memory.is_short());
    }
}
