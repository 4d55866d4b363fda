//! A socket under TLS. What is received and what waits to be sent is bounded by the session's own buffers.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use bytes::BufMut;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::tls::{PeerCertificate, ServerSession};

/// Read of a file at once, to be encrypted.
const FILE_STEP: usize = 256 * 1024;

#[derive(Debug)]
pub(in crate::kafka) struct Secure {
    stream: TcpStream,
    /// One task has the connection; the lock is never waited for.
    session: Mutex<ServerSession>,
    stall_max: Duration,
}

/// The stream as rustls wants it: nothing waits.
struct Now<'a>(&'a TcpStream);

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secure {
    pub(super) async fn begin(
        stream: TcpStream,
        stall_max: Duration,
        session: ServerSession,
    ) -> io::Result<Self> {
        let secure = Self { stream, session: Mutex::new(session), stall_max };
        loop {
            secure.push()?;
            let (is_handshaking, wants_to_send) = {
                let session = secure.session.lock();
                (session.is_handshaking(), session.wants_to_send())
            };
            if wants_to_send {
                secure.stream.writable().await?;
                continue;
            }
            if !is_handshaking {
                return Ok(secure);
            }
            secure.stream.readable().await?;
            if let Err(error) = secure.pull() {
                // The alert says why.
                drop(secure.push());
                return Err(error);
            }
            if secure.session.lock().has_ended() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(super) fn peer_certificate(&self) -> Option<PeerCertificate> {
        self.session.lock().peer_certificate()
    }

    /// Cancel safe: what was received stays in the session.
    pub(super) async fn readable(&self) -> io::Result<()> {
        loop {
            if self.session.lock().is_readable() {
                return Ok(());
            }
            self.stream.readable().await?;
            self.pull()?;
            // Answers of TLS itself, say to new keys.
            self.push()?;
        }
    }

    pub(super) fn try_read(&self, buffer: &mut impl BufMut) -> io::Result<Option<usize>> {
        if !self.session.lock().is_readable() {
            self.pull()?;
        }
        let mut session = self.session.lock();
        let taken = session.take(buffer)?;
        Ok(Some(taken).filter(|taken| *taken > 0 || session.has_ended()))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let now = self.session.lock().put(&bytes[taken..])?;
            taken += now;
            self.push()?;
            if now == 0 || taken == bytes.len() {
                return Ok(taken);
            }
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        !self.session.lock().wants_to_send()
    }

    pub(super) fn stall_max(&self) -> Duration {
        self.stall_max
    }

    pub(super) async fn writable_within(&self, pause: Duration) -> io::Result<()> {
        tokio::time::timeout(pause, self.stream.writable()).await.unwrap_or(Ok(()))
    }

    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let taken = self.try_write(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            if bytes.is_empty() && self.is_sent() {
                return Ok(());
            }
            match tokio::time::timeout(self.stall_max, self.stream.writable()).await {
                Ok(ready) => ready?,
                Err(_) => return Err(ErrorKind::TimedOut.into()),
            }
        }
    }

    pub(super) async fn send_file(
        &self,
        file: BorrowedFd<'_>,
        position: u64,
        length: usize,
    ) -> io::Result<()> {
        let mut step = vec![0; FILE_STEP.min(length)];
        let (mut at, end) = (position, position + length as u64);
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(FILE_STEP).min(step.len());
            let read = rustix::io::pread(file, &mut step[..wanted], at)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into()); // the file is shorter than what was lent
            }
            self.write_all(&step[..read]).await?;
            at += read as u64;
        }
        Ok(())
    }

    /// Receives what the system has.
    fn pull(&self) -> io::Result<()> {
        let mut session = self.session.lock();
        while !session.is_readable() {
            match session.receive(&mut Now(&self.stream)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if session.is_handshaking() && session.wants_to_send() {
                break;
            }
        }
        Ok(())
    }

    /// Sends what the system takes.
    fn push(&self) -> io::Result<()> {
        let mut session = self.session.lock();
        while session.wants_to_send() {
            match session.send(&mut Now(&self.stream)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for Secure {
    /// Says goodbye, so that the other side can tell an end from a cut.
    fn drop(&mut self) {
        self.session.get_mut().end();
        drop(self.push());
    }
}
