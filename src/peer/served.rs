//! A connection that another node opened: its requests are begun in order and answered as they are done.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior};

use super::Lane;
use super::Serve;
use super::connect::BoxedStream;
use super::ended::Ended;
use super::frame::{Frame, Head, TEXT_BYTES_MAX};
use super::hello::{Hello, Purpose, send_verdict};
use super::shared::Shared;
use super::wire::Wire;

pub(super) struct Served {
    shared: Arc<Shared>,
    serve: Arc<dyn Serve>,
    from: Hello,
    purpose: Purpose,
    wire: Wire,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Of the requests that are running.
    bytes: usize,
}

/// A request that was served.
struct Done {
    id: u64,
    bytes: usize,
    answer: Result<Vec<Bytes>, String>,
}

/// Serves `peer`, who opened `stream`, until either side ends it.
pub(super) async fn serve(
    shared: Arc<Shared>,
    mut stream: BoxedStream,
    purpose: Purpose,
    peer: Hello,
) -> Result<Infallible, Ended> {
    let hello = shared.hello();
    let (serve, peer) = match admit(&shared, &hello, purpose, peer) {
        Ok(admitted) => admitted,
        Err(text) => {
            shared.soon(send_verdict(&mut *stream, Err(&text))).await?;
            return Err(Ended::Unwanted(text));
        }
    };
    let (Some(node), Purpose::Lane(lane, _)) = (peer.node_id, purpose) else {
        shared.soon(send_verdict(&mut *stream, Ok(&hello))).await?;
        let wire = Wire::new(stream, shared.settings.frame_bytes_max, Arc::default());
        return Served::new(shared, serve, peer, purpose, wire).run().await;
    };
    let mut seat = shared.seats.take(node, lane, peer.start_id);
    let turn = Arc::clone(&seat.turn);
    let seated = async {
        let _turn = turn.lock().await;
        if shared.hello() != hello {
            return Err(Ended::Replaced("this node says something else of itself now"));
        }
        if let Some(known) = shared.node(node) {
            known.met(peer.start_id, true);
            shared.tell(&known.pulse);
        }
        shared.soon(send_verdict(&mut *stream, Ok(&hello))).await?;
        let wire = Wire::new(stream, shared.settings.frame_bytes_max, shared.meter(node));
        Served::new(Arc::clone(&shared), serve, peer, purpose, wire).run().await
    };
    tokio::select! {
        biased;
        reason = &mut seat.stop => Err(Ended::Replaced(reason.unwrap_or("its seat is gone"))),
        ended = seated => ended,
    }
}

type Admitted = (Arc<dyn Serve>, Hello);

fn admit(shared: &Shared, hello: &Hello, purpose: Purpose, peer: Hello) -> Result<Admitted, String> {
    let serve = shared.serve().ok_or("the node is not ready yet")?;
    let peer = hello.negotiated(peer)?;
    purpose.looks_for(hello)?;
    if peer.node_id.is_none() && purpose != Purpose::Once {
        return Err("a node without an id may only ask once".to_owned());
    }
    serve.admit(&peer)?;
    Ok((serve, peer))
}

impl Served {
    fn new(shared: Arc<Shared>, serve: Arc<dyn Serve>, from: Hello, purpose: Purpose, wire: Wire) -> Self {
        Self { shared, serve, from, purpose, wire, running: FuturesUnordered::new(), bytes: 0 }
    }

    async fn run(mut self) -> Result<Infallible, Ended> {
        let mut tick = tokio::time::interval(self.shared.settings.dead_after);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = tick.tick() => self.look()?,
                moved = poll_fn(|cx| self.poll(cx)) => moved?,
            }
            while let Some(frame) = self.wire.next()? {
                self.on_frame(frame)?;
            }
        }
    }

    /// Goes on with everything at once: ready if anything moved. Who does not take answers gets no more of them.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let max = self.shared.settings.in_flight_bytes_max;
        let mut moved = false;
        while self.wire.unwritten() < max
            && let Poll::Ready(Some(done)) = self.running.poll_next_unpin(cx)
        {
            self.answer(done);
            moved = true;
        }
        let may_read = self.wire.unwritten() < max;
        match self.wire.poll(cx, may_read) {
            Poll::Pending if moved => Poll::Ready(Ok(())),
            other => other,
        }
    }

    fn on_frame(&mut self, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::Request { id, body } => self.begin(id, body),
            Frame::Ping { seq, since_heard } => {
                if matches!(self.purpose, Purpose::Lane(Lane::Control, _)) {
                    self.shared.pinged(&self.from, since_heard);
                }
                self.wire.put(Head::Pong { seq }, Vec::new());
            }
            Frame::Goodbye { text } => return Err(Ended::Refused(text)),
            Frame::Answer { id, .. } | Frame::Error { id, .. } | Frame::Busy { id } => {
                return Err(Ended::Garbage { what: "answer to nothing", found: id });
            }
            Frame::Pong { seq } => return Err(Ended::Garbage { what: "pong to nothing", found: seq }),
        }
        Ok(())
    }

    fn begin(&mut self, id: u64, body: Bytes) {
        let (settings, bytes) = (&self.shared.settings, body.len());
        let running = self.running.len();
        // A node with our settings stays below by itself, unless it has given requests up that we still serve.
        if running >= settings.in_flight_max
            || (running > 0 && self.bytes + bytes > settings.in_flight_bytes_max)
        {
            return self.wire.put(Head::Busy { id }, Vec::new());
        }
        self.bytes += bytes;
        let lane = match self.purpose {
            Purpose::Lane(lane, _) => lane,
            Purpose::Once => Lane::Control,
        };
        let served = self.serve.serve(&self.from, lane, body);
        self.running.push(served.map(move |answer| Done { id, bytes, answer }).boxed());
    }

    fn answer(&mut self, done: Done) {
        self.bytes -= done.bytes;
        let (id, max) = (done.id, self.shared.settings.frame_bytes_max);
        match done.answer {
            Ok(parts) => {
                let bytes: usize = parts.iter().map(Bytes::len).sum();
                if bytes <= max {
                    return self.wire.put(Head::Answer { id }, parts);
                }
                let text = format!("an answer of {bytes} bytes is larger than {max}");
                self.wire.put_text(Head::Error { id }, &text, TEXT_BYTES_MAX);
            }
            Err(text) => self.wire.put_text(Head::Error { id }, &text, TEXT_BYTES_MAX),
        }
    }

    /// Looks whether the other side still takes and sends what it should.
    fn look(&self) -> Result<(), Ended> {
        let (now, silence_max) = (Instant::now(), self.shared.settings.silence_max());
        let stalled_for = now.duration_since(self.wire.taken);
        if self.wire.unwritten() > 0 && stalled_for >= silence_max {
            return Err(Ended::Stalled(stalled_for));
        }
        let speaks = match self.purpose {
            Purpose::Lane(Lane::Control, _) => true,
            // It says nothing while it has nothing to ask.
            Purpose::Lane(Lane::Data, _) => false,
            Purpose::Once => self.running.is_empty(),
        };
        let silent_for = now.duration_since(self.wire.heard);
        if speaks && silent_for >= silence_max {
            return Err(Ended::Silent(silent_for));
        }
        Ok(())
    }
}
