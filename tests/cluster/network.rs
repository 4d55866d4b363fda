//! The network between simulated nodes: connections with delay that can be cut one way, reset, or fall silent.
//!
//! Bytes of one connection keep their order, as TCP has it; a cut holds them back, and what is sent before it is healed
//! arrives afterwards. Between connections nothing keeps an order. Not here: what travels.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bateau::peer::{BoxedStream, Connect, Peers};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;

use crate::chance::Chance;

/// What a connection takes in one direction before its writer waits, in bytes.
const IN_FLIGHT_MAX: usize = 1 << 20;

/// All connections; clones share them.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<State>>);

struct State {
    now_ms: u64,
    chance: Chance,
    /// The longest delay of a chunk, in milliseconds.
    delay_max: u64,
    /// Directions in which nothing arrives.
    cuts: BTreeSet<(i32, i32)>,
    doors: BTreeMap<i32, (Handle, Peers)>,
    pipes: Vec<SharedPipe>,
}

type SharedPipe = Arc<Mutex<Pipe>>;

/// One direction of a connection.
#[expect(clippy::struct_excessive_bools, reason = "each can be so without the others")]
struct Pipe {
    from: i32,
    to: i32,
    on_the_way: VecDeque<(u64, Vec<u8>)>,
    arrived: VecDeque<u8>,
    bytes: usize,
    last_at: u64,
    /// The writer is done.
    closed: bool,
    /// The reader has seen, or will see, that nothing more comes.
    ended: bool,
    /// The connection broke: both sides are told.
    reset: bool,
    /// One side vanished without a word: nobody is told anything.
    silent: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// One end of a connection.
struct Stream {
    network: Network,
    incoming: SharedPipe,
    outgoing: SharedPipe,
}

/// How one node opens connections.
pub(crate) struct Dialer {
    pub(crate) network: Network,
    pub(crate) from: i32,
}

pub(crate) fn address(node: i32) -> String {
    format!("node-{node}:1")
}

impl Network {
    pub(crate) fn new(chance: Chance) -> Self {
        Self(Arc::new(Mutex::new(State {
            now_ms: 0,
            chance,
            delay_max: 3,
            cuts: BTreeSet::new(),
            doors: BTreeMap::new(),
            pipes: Vec::new(),
        })))
    }

    /// From now on `node` takes connections.
    pub(crate) fn open(&self, node: i32, handle: Handle, peers: Peers) {
        self.0.lock().doors.insert(node, (handle, peers));
    }

    /// `node` takes no connections any more. If `silently`, those that it has say nothing of its end.
    pub(crate) fn close(&self, node: i32, silently: bool) {
        let mut state = self.0.lock();
        let door = state.doors.remove(&node);
        // Here, in a fixed order: tasks that are dropped with their runtime are so in none.
        for pipe in &state.pipes {
            let mut pipe = pipe.lock();
            let is_end = pipe.from == node || pipe.to == node;
            pipe.silent |= silently && is_end;
            if is_end && !pipe.silent {
                pipe.closed |= pipe.from == node;
                pipe.reset |= pipe.to == node;
                pipe.wake();
            }
        }
        drop(state);
        drop(door);
    }

    pub(crate) fn set_delay_max(&self, delay_max: u64) {
        self.0.lock().delay_max = delay_max;
    }

    pub(crate) fn cut(&self, from: i32, to: i32) {
        self.0.lock().cuts.insert((from, to));
    }

    pub(crate) fn heal(&self) {
        self.0.lock().cuts.clear();
    }

    /// Breaks the connections between two nodes.
    pub(crate) fn reset(&self, one: i32, other: i32) {
        let state = self.0.lock();
        for pipe in &state.pipes {
            let mut pipe = pipe.lock();
            if (pipe.from, pipe.to) == (one, other) || (pipe.from, pipe.to) == (other, one) {
                pipe.reset = true;
                pipe.wake();
            }
        }
    }

    /// Delivers what is due at `now_ms`.
    pub(crate) fn step(&self, now_ms: u64) {
        let mut state = self.0.lock();
        state.now_ms = now_ms;
        let state = &mut *state;
        state.pipes.retain(|pipe| Arc::strong_count(pipe) > 1);
        for shared in &state.pipes {
            let mut pipe = shared.lock();
            if pipe.silent || state.cuts.contains(&(pipe.from, pipe.to)) {
                continue;
            }
            let mut news = false;
            while pipe.on_the_way.front().is_some_and(|(at, _)| *at <= now_ms) {
                let (_, bytes) = pipe.on_the_way.pop_front().unwrap();
                pipe.arrived.extend(bytes);
                news = true;
            }
            if pipe.closed && pipe.on_the_way.is_empty() && !pipe.ended {
                pipe.ended = true;
                news = true;
            }
            if news && let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
        }
    }

    fn at(&self) -> u64 {
        let mut state = self.0.lock();
        let delay_max = state.delay_max;
        state.now_ms + 1 + state.chance.below(delay_max)
    }

    fn connected(&self, from: i32, to: i32) -> io::Result<Option<BoxedStream>> {
        let mut state = self.0.lock();
        if state.cuts.contains(&(from, to)) || state.cuts.contains(&(to, from)) {
            return Ok(None);
        }
        let (handle, peers) = state.doors.get(&to).cloned().ok_or(io::ErrorKind::ConnectionRefused)?;
        let pipe = |from, to| {
            Arc::new(Mutex::new(Pipe {
                from,
                to,
                on_the_way: VecDeque::new(),
                arrived: VecDeque::new(),
                bytes: 0,
                last_at: 0,
                closed: false,
                ended: false,
                reset: false,
                silent: false,
                reader: None,
                writer: None,
            }))
        };
        let (there, back) = (pipe(from, to), pipe(to, from));
        state.pipes.extend([Arc::clone(&there), Arc::clone(&back)]);
        let stream = |incoming: &SharedPipe, outgoing: &SharedPipe| -> BoxedStream {
            Box::new(Stream {
                network: self.clone(),
                incoming: Arc::clone(incoming),
                outgoing: Arc::clone(outgoing),
            })
        };
        let theirs = stream(&there, &back);
        drop(handle.spawn(async move { peers.accept(theirs, format!("node-{from}")).await }));
        Ok(Some(stream(&back, &there)))
    }
}

impl Connect for Dialer {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let (network, from) = (self.network.clone(), self.from);
        let host = address.split(':').next().unwrap_or_default();
        let to = host.strip_prefix("node-").and_then(|id| id.parse().ok());
        Box::pin(async move {
            let to: i32 = to.ok_or(io::ErrorKind::InvalidInput)?;
            tokio::time::sleep(Duration::from_millis(2)).await;
            match network.connected(from, to)? {
                Some(stream) => Ok(stream),
                None => std::future::pending().await,
            }
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.lock();
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.arrived.is_empty() {
            if pipe.ended {
                return Poll::Ready(Ok(()));
            }
            pipe.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.remaining().min(pipe.arrived.len());
        let bytes: Vec<u8> = pipe.arrived.drain(..count).collect();
        buffer.put_slice(&bytes);
        pipe.bytes -= count;
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let at = self.network.at();
        let mut pipe = self.outgoing.lock();
        if pipe.reset || pipe.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.bytes >= IN_FLIGHT_MAX {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(IN_FLIGHT_MAX - pipe.bytes);
        let at = at.max(pipe.last_at);
        pipe.last_at = at;
        pipe.bytes += count;
        pipe.on_the_way.push_back((at, bytes[..count].to_vec()));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.lock().closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.outgoing.lock().closed = true;
        let mut incoming = self.incoming.lock();
        if !incoming.silent {
            // Whoever writes to it still is told, as by a reset.
            incoming.reset = true;
            incoming.wake();
        }
    }
}
