//! Following a topic, or one of its partitions, by server-sent events.
//!
//! Each event is a record. Its id says of every partition of the stream how far it came, the record's own first, so that
//! `Last-Event-ID` goes on where a stream broke off, without gaps and without repeats: `1:7,0:12` is offset 7 of
//! partition 1, and of partition 0 all up to 12. Source: the HTML standard, "Server-sent events".

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use super::batches::{RecordOut, Wanted};
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::{From, Named, Params, partition, topic};
use super::records::{self, encoding};
use crate::broker::{Broker, BrokerError, OffsetSpec};
use crate::cluster::TopicImage;
use crate::model::{Offset, PartitionId};

/// A comment goes out after so long a silence, so that proxies and clients know that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long one read waits for records before it is done again.
const WAIT: Duration = Duration::from_secs(10);
/// What one read brings at most: each partition holds so much while its client is slow.
const RECORDS: usize = 200;
const BYTES: usize = 64 * 1024;
/// The most partitions of one stream: each has a place in every id.
const PARTITIONS_MAX: usize = 100;
/// When a client comes again after a stream broke off, in milliseconds.
const COME_AGAIN_MS: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    from: Option<String>,
    encoding: Option<String>,
}

/// How far each partition came: the offset of the last record that was told, -1 for none.
type Positions = BTreeMap<PartitionId, i64>;

/// `GET /v1/topics/{topic}/events`
pub(super) async fn of_topic(
    State(door): State<HttpDoor>,
    Named(name): Named<String>,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let topic = topic(door.broker()?, &name)?;
    let count = topic.partitions.len();
    if count > PARTITIONS_MAX {
        let detail =
            format!("{count} partitions are more than {PARTITIONS_MAX}: follow each of them by itself");
        return Err(Problem::invalid(detail));
    }
    let partitions = 0..i32::try_from(count).unwrap_or(i32::MAX);
    respond(&door, &topic, partitions.collect(), (&query, &headers)).await
}

/// `GET /v1/topics/{topic}/partitions/{partition}/events`
pub(super) async fn of_partition(
    State(door): State<HttpDoor>,
    Named((name, number)): Named<(String, String)>,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let topic = topic(door.broker()?, &name)?;
    let partition = partition(&topic, &number)?;
    respond(&door, &topic, vec![partition], (&query, &headers)).await
}

async fn respond(
    door: &HttpDoor,
    topic: &Arc<TopicImage>,
    partitions: Vec<PartitionId>,
    (query, headers): (&EventsQuery, &HeaderMap),
) -> Result<Response, Problem> {
    let encoding = encoding(query.encoding.as_deref())?;
    let begin = From::parse(query.from.as_deref().unwrap_or("latest"))?;
    if matches!(begin, From::Offset(_)) && partitions.len() > 1 {
        return Err(Problem::invalid(
            "an offset is one partition's: begin at earliest, latest or timestamp:…",
        ));
    }
    let resumed = resumed(headers)?;
    let places = door.follow(partitions.len());
    let places = places.ok_or_else(|| Problem::busy("as many partitions are followed already as can be"))?;
    let broker = door.broker()?.clone();
    let starts = partitions.iter().map(|partition| start(&broker, topic, *partition, (&resumed, begin)));
    let starts = try_join_all(starts).await?;
    let positions = partitions.iter().zip(&starts).map(|(partition, from)| (*partition, from - 1)).collect();
    let (sender, chunks) = mpsc::channel(1);
    let mut followers = JoinSet::new();
    for (partition, from) in partitions.into_iter().zip(starts) {
        let follower = Follower {
            door: door.clone(),
            topic: Arc::clone(topic),
            partition,
            wanted: Wanted { from, records_max: RECORDS, bytes_max: BYTES, encoding },
        };
        followers.spawn(follower.run(broker.clone(), sender.clone()));
    }
    let stream = Stream {
        positions,
        chunks,
        closing: door.closing(),
        began: false,
        ended: false,
        _followers: followers,
        _places: places,
    };
    let body = stream::unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), stream))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What `Last-Event-ID` says.
fn resumed(headers: &HeaderMap) -> Result<Positions, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(Positions::new()) };
    let id = id.to_str().unwrap_or("?");
    let position = |part: &str| {
        let (partition, offset) = part.split_once(':')?;
        let (partition, offset) = (partition.parse::<PartitionId>().ok()?, offset.parse::<i64>().ok()?);
        (partition >= 0 && (-1..i64::MAX).contains(&offset)).then_some((partition, offset))
    };
    let positions: Option<Positions> = id.split(',').filter(|part| !part.is_empty()).map(position).collect();
    positions.ok_or_else(|| Problem::invalid(format!("Last-Event-ID '{id}' is none of these streams'")))
}

/// The first offset to be told.
async fn start(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    partition: PartitionId,
    (resumed, begin): (&Positions, From),
) -> Result<i64, Problem> {
    let begin = resumed.get(&partition).map_or(begin, |told| From::Offset(told + 1));
    let From::Offset(asked) = begin else { return begin.find(broker, topic, partition).await };
    let start = broker.find_offset(topic, partition, OffsetSpec::Earliest).await?.offset;
    let end = broker.find_offset(topic, partition, OffsetSpec::Latest).await?.offset;
    if (start..=end).contains(&asked) {
        return Ok(asked);
    }
    Err(BrokerError::OffsetOutOfRange { asked, start: Offset(start), end: Offset(end) }.into())
}

/// Records of one partition, in their order, and how far that is.
struct Chunk {
    partition: PartitionId,
    records: Vec<RecordOut>,
    next: i64,
}

/// Reads one partition for as long as somebody listens.
struct Follower {
    door: HttpDoor,
    topic: Arc<TopicImage>,
    partition: PartitionId,
    wanted: Wanted,
}

impl Follower {
    async fn run(mut self, broker: Broker, to: mpsc::Sender<Result<Chunk, Problem>>) {
        loop {
            let place = (&self.topic, self.partition);
            let chunk = match records::read(&self.door, &broker, place, (self.wanted, WAIT)).await {
                Ok((_, out)) if out.next <= self.wanted.from => continue,
                Ok((_, out)) => {
                    self.wanted.from = out.next;
                    Ok(Chunk { partition: self.partition, records: out.records, next: out.next })
                }
                Err(problem) => Err(problem),
            };
            let failed = chunk.is_err();
            if to.send(chunk).await.is_err() || failed {
                return;
            }
        }
    }
}

/// An answer that goes on. Dropped with the connection, and with it whoever reads for it.
struct Stream {
    positions: Positions,
    chunks: mpsc::Receiver<Result<Chunk, Problem>>,
    closing: watch::Receiver<bool>,
    began: bool,
    ended: bool,
    _followers: JoinSet<()>,
    _places: OwnedSemaphorePermit,
}

impl Stream {
    /// The next piece of text; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if !self.began {
            self.began = true;
            return Some(format!("retry: {COME_AGAIN_MS}\n\n"));
        }
        if self.ended {
            return None;
        }
        let chunk = tokio::select! {
            _ = self.closing.wait_for(|closing| *closing) => return None,
            () = tokio::time::sleep(KEEP_ALIVE) => return Some(": still here\n\n".into()),
            chunk = self.chunks.recv() => chunk?,
        };
        match chunk {
            Ok(chunk) => Some(self.told(&chunk)),
            Err(problem) => {
                self.ended = true;
                Some(format!("event: error\ndata: {}\n\n", problem.to_json()))
            }
        }
    }

    fn told(&mut self, chunk: &Chunk) -> String {
        let mut text = String::new();
        for record in &chunk.records {
            self.positions.insert(chunk.partition, record.offset);
            text += &event(&self.positions, chunk.partition, record);
        }
        self.positions.insert(chunk.partition, chunk.next - 1);
        // Never empty: that would end the answer.
        if text.is_empty() { ":\n\n".into() } else { text }
    }
}

fn event(positions: &Positions, partition: PartitionId, record: &RecordOut) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        partition: PartitionId,
        #[serde(flatten)]
        record: &'a RecordOut,
    }
    let data = serde_json::to_string(&Told { partition, record }).unwrap_or_default();
    let mut text = format!("id: {partition}:{}", record.offset);
    for (other, position) in positions.iter().filter(|(other, _)| **other != partition) {
        // A string takes whatever is written to it.
        _ = write!(text, ",{other}:{position}");
    }
    // JSON has no line ends of its own.
    _ = write!(text, "\ndata: {data}\n\n");
    text
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::http::text::Encoding;

    fn record(offset: i64) -> RecordOut {
        RecordOut {
            offset,
            timestamp: 5,
            encoding: Encoding::Utf8,
            key: None,
            value: Some("two\nlines".into()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn an_id_says_of_all_partitions_how_far_they_came_and_is_read_again() {
        let positions = Positions::from([(0, 12), (1, 7), (2, -1)]);
        let text = event(&positions, 1, &record(7));
        let id = text.lines().next().unwrap().strip_prefix("id: ").unwrap();
        assert_eq!(id, "1:7,0:12,2:-1");
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", HeaderValue::from_str(id).unwrap());
        assert_eq!(resumed(&headers).unwrap(), positions);
        assert_eq!(text.matches('\n').count(), 3, "{text}");
        assert!(text.contains(r#"data: {"partition":1,"offset":7,"#), "{text}");
    }

    #[test]
    fn an_id_of_somebody_else_is_refused() {
        for id in ["7", "a:1", "0:-2", "0:9223372036854775807", "-1:0", "0:1,x"] {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", HeaderValue::from_static(id));
            assert_eq!(resumed(&headers).unwrap_err().status, 422, "{id}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_that_it_lives_and_a_closing_node_ends_it() {
        let (closing, is_closing) = watch::channel(false);
        let (_sender, chunks) = mpsc::channel(1);
        let door = HttpDoor::new(is_closing.clone());
        let mut stream = Stream {
            positions: Positions::new(),
            chunks,
            closing: is_closing,
            began: false,
            ended: false,
            _followers: JoinSet::new(),
            _places: door.follow(1).unwrap(),
        };
        assert_eq!(stream.next().await.unwrap(), "retry: 1000\n\n");
        assert!(stream.next().await.unwrap().starts_with(':'));
        closing.send_replace(true);
        assert_eq!(stream.next().await, None);
    }
}
