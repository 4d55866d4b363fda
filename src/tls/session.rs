//! The server's side of one connection, without the socket: ciphertext in and out, plaintext out and in.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::BufMut;
use rustls::{ServerConfig, ServerConnection};

use super::PeerCertificate;

/// Bytes of ciphertext, handshake aside, that wait for the socket at most.
const UNSENT_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct ServerSession {
    connection: ServerConnection,
    /// Plaintext that was received and not yet taken.
    received: usize,
    has_ended: bool,
}

impl ServerSession {
    /// # Errors
    /// If the configuration makes no connection.
    pub(super) fn begin(config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        connection.set_buffer_limit(Some(UNSENT_MAX));
        Ok(Self { connection, received: 0, has_ended: false })
    }

    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Who showed a certificate in the handshake.
    pub fn peer_certificate(&self) -> Option<PeerCertificate> {
        PeerCertificate::of(&self.connection)
    }

    /// Whether there is plaintext to take, or never will be again.
    pub fn is_readable(&self) -> bool {
        self.received > 0 || self.has_ended
    }

    /// Takes what `socket` has. Call it while [`ServerSession::is_readable`] is false: what is not taken is bounded so.
    ///
    /// # Errors
    /// The socket's, `WouldBlock` among them; `InvalidData` for what is no TLS, or is forged. An alert for the other side
    /// may then wait to be sent.
    pub fn receive(&mut self, socket: &mut dyn Read) -> io::Result<()> {
        if self.connection.read_tls(socket)? == 0 {
            self.has_ended = true;
        }
        let state = self.connection.process_new_packets();
        let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.received = state.plaintext_bytes_to_read();
        self.has_ended |= state.peer_has_closed();
        Ok(())
    }

    /// Moves received plaintext to `buffer`'s spare room: how much. 0 with room left: nothing more has come.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other side went without saying so.
    pub fn take(&mut self, buffer: &mut impl BufMut) -> io::Result<usize> {
        let mut taken = 0;
        let mut few = [0; 4096];
        while self.received > 0 && buffer.has_remaining_mut() {
            let room = few.len().min(buffer.remaining_mut());
            let read = self.connection.reader().read(&mut few[..room])?;
            buffer.put_slice(&few[..read]);
            taken += read;
            self.received -= read;
        }
        Ok(taken)
    }

    /// Whether the other side will send nothing more.
    pub fn has_ended(&self) -> bool {
        self.has_ended && self.received == 0
    }

    /// Encrypts as much of `plaintext` as there is room for: how much.
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn put(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        self.connection.writer().write(plaintext)
    }

    /// Whether ciphertext waits for the socket.
    pub fn wants_to_send(&self) -> bool {
        self.connection.wants_write()
    }

    /// Hands waiting ciphertext to `socket`.
    ///
    /// # Errors
    /// The socket's, `WouldBlock` among them.
    pub fn send(&mut self, socket: &mut dyn Write) -> io::Result<usize> {
        self.connection.write_tls(socket)
    }

    /// Tells the other side that nothing more will come; it still has to be sent.
    pub fn end(&mut self) {
        self.connection.send_close_notify();
    }
}
