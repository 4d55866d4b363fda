//! A socket whose bytes go as they are.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use bytes::BufMut;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// The most that one `sendfile` is asked for, so that a fast reader does not hold a worker.
const SEND_FILE_MAX: usize = 1024 * 1024;

#[derive(Debug)]
pub(in crate::kafka) struct Plain {
    stream: TcpStream,
    /// How long a write may go without progress.
    stall_max: Duration,
}

impl Plain {
    pub(super) fn new(stream: TcpStream, stall_max: Duration) -> Self {
        Self { stream, stall_max }
    }

    /// Waits until there is something to read, or the peer is gone. Cancel safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Reads what is there into `buffer`'s spare room; `None`: nothing was, after all. 0: the peer has closed.
    pub(super) fn try_read(&self, buffer: &mut impl BufMut) -> io::Result<Option<usize>> {
        match self.stream.try_read_buf(buffer) {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what the system takes at once of `bytes`: how many.
    pub(super) fn try_write(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL | if more { SendFlags::MORE } else { SendFlags::empty() };
        let mut sent = 0;
        while sent < bytes.len() {
            let attempt = self.stream.try_io(Interest::WRITABLE, || {
                rustix::net::send(self.stream.as_fd(), &bytes[sent..], flags).map_err(Into::into)
            });
            match attempt {
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// How long a write may go without progress.
    pub(super) fn stall_max(&self) -> Duration {
        self.stall_max
    }

    /// Waits until more can be written, or `pause` is over.
    pub(super) async fn writable_within(&self, pause: Duration) -> io::Result<()> {
        tokio::time::timeout(pause, self.stream.writable()).await.unwrap_or(Ok(()))
    }

    /// Writes all of `bytes`. With `more` the kernel may hold them back for what follows at once.
    pub(super) async fn write_all(&self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        let flags = SendFlags::NOSIGNAL | if more { SendFlags::MORE } else { SendFlags::empty() };
        while !bytes.is_empty() {
            let now = bytes;
            let sent = self.when_writable(|fd| rustix::net::send(fd, now, flags)).await?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends `length` bytes of `file` from `position`, without copying them through this process.
    pub(super) async fn send_file(
        &self,
        file: BorrowedFd<'_>,
        position: u64,
        length: usize,
    ) -> io::Result<()> {
        let mut at = position;
        let mut left = length;
        while left > 0 {
            let sent = self
                .when_writable(|fd| rustix::fs::sendfile(fd, file, Some(&mut at), left.min(SEND_FILE_MAX)))
                .await?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into()); // the file is shorter than what was lent
            }
            left -= sent;
        }
        Ok(())
    }

    async fn when_writable(
        &self,
        mut write: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let attempt =
                self.stream.try_io(Interest::WRITABLE, || write(self.stream.as_fd()).map_err(Into::into));
            match attempt {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                done => return done,
            }
            match tokio::time::timeout(self.stall_max, self.stream.writable()).await {
                Ok(ready) => ready?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}
