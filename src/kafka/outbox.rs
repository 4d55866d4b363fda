//! Answers on their way out: small ones gathered into one write, lent records sent from their file.
//!
//! Not here: their order (`connection.rs`), the socket itself (`socket.rs`).

use bytes::BytesMut;

use super::api::ResponseFrame;
use super::ended::Ended;
use super::socket::Socket;
use crate::storage::Run;
use crate::wire::response::{Chunk, Lent};

/// Bytes of small answers that are gathered before they are written.
const GATHER_MAX: usize = 64 * 1024;
/// Lent records up to this size are copied into the gathered bytes: one `send` beats `send` and `sendfile`.
const COPY_MAX: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    gathered: BytesMut,
}

impl Outbox {
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
        let bytes = std::mem::take(&mut self.gathered);
        Ok(socket.write_all(&bytes, false).await?)
    }

    async fn flush_before_more(&mut self, socket: &Socket) -> Result<(), Ended> {
        let bytes = std::mem::take(&mut self.gathered);
        Ok(socket.write_all(&bytes, true).await?)
    }
}

/// Sends records from their file, or a copy if they have none.
async fn lend(run: &Run, socket: &Socket, more: bool) -> Result<(), Ended> {
    let Some((file, position, length)) = run.fd_range() else {
        return Ok(socket.write_all(&run.copy()?, more).await?);
    };
    Ok(socket.send_file(file, position, length).await?)
}
