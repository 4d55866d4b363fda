//! Records as clients read them: `GET /v1/topics/{topic}/partitions/{partition}/records`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::batches::{self, ReadOut, RecordOut, Wanted};
use super::body;
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::{From, Named, Params, partition, topic};
use super::text::Encoding;
use crate::broker::{Broker, LARGEST_READ, ReadFrom, ReadRecords};
use crate::cluster::TopicImage;
use crate::model::PartitionId;

/// How many records and bytes come unless a client says, and at most.
const RECORDS: usize = 500;
const RECORDS_MAX: usize = 10_000;
const BYTES: usize = 1 << 20;
/// The longest that a request waits for a first record.
const WAIT_MAX_MS: u64 = 20_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    offset: Option<String>,
    max: Option<usize>,
    max_bytes: Option<usize>,
    wait_ms: Option<u64>,
    encoding: Option<String>,
}

/// An answer.
#[derive(Debug, Serialize)]
struct RecordsOut<'a> {
    topic: &'a str,
    partition: PartitionId,
    log_start_offset: i64,
    high_watermark: i64,
    next_offset: i64,
    records: &'a [RecordOut],
}

/// `auto` or nothing: as each record allows.
pub(super) fn encoding(asked: Option<&str>) -> Result<Option<Encoding>, Problem> {
    match asked {
        None | Some("auto") => Ok(None),
        Some("utf8") => Ok(Some(Encoding::Utf8)),
        Some("base64") => Ok(Some(Encoding::Base64)),
        Some(other) => Err(Problem::invalid(format!("'{other}' is no encoding: auto, utf8 and base64 are"))),
    }
}

/// `GET /v1/topics/{topic}/partitions/{partition}/records`
pub(super) async fn get(
    State(door): State<HttpDoor>,
    Named((name, number)): Named<(String, String)>,
    Params(query): Params<RecordsQuery>,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let encoding = encoding(query.encoding.as_deref())?;
    let begin = From::parse(query.offset.as_deref().unwrap_or("earliest"))?;
    let (records_max, bytes_max) = (query.max.unwrap_or(RECORDS), query.max_bytes.unwrap_or(BYTES));
    let wait_ms = query.wait_ms.unwrap_or(0);
    for (what, asked, most) in [
        ("max", records_max as u64, RECORDS_MAX as u64),
        ("max_bytes", bytes_max as u64, LARGEST_READ as u64),
        ("wait_ms", wait_ms, WAIT_MAX_MS),
    ] {
        if asked > most {
            return Err(Problem::invalid(format!("{what} is {asked}, {most} is the most")));
        }
    }
    let topic = topic(broker, &name)?;
    let partition = partition(&topic, &number)?;
    let from = begin.find(broker, &topic, partition).await?;
    if wait_ms > 0 {
        // Who waits takes no room for what is not there yet.
        let (topic, wait) = (Arc::clone(&topic), Duration::from_millis(wait_ms));
        let want = ReadFrom { topic, partition, offset: from, max_bytes: 1, wait };
        broker.read_anywhere(&want).await?;
    }
    let room = door.answer_room(bytes_max).await?;
    let wanted = Wanted { from, records_max, bytes_max, encoding };
    let (read, out) = read(&door, broker, (&topic, partition), (wanted, Duration::ZERO)).await?;
    let answer = RecordsOut {
        topic: &name,
        partition,
        log_start_offset: read.log_start_offset,
        high_watermark: read.high_watermark,
        next_offset: out.next,
        records: &out.records,
    };
    Ok(room.held_by(body::json(StatusCode::OK, &answer)?))
}

/// Reads a partition from wherever it can be read, and unpacks what came.
pub(super) async fn read(
    door: &HttpDoor,
    broker: &Broker,
    (topic, partition): (&Arc<TopicImage>, PartitionId),
    (wanted, wait): (Wanted, Duration),
) -> Result<(ReadRecords, ReadOut), Problem> {
    let want = ReadFrom {
        topic: Arc::clone(topic),
        partition,
        offset: wanted.from,
        max_bytes: wanted.bytes_max,
        wait,
    };
    let mut read = broker.read_anywhere(&want).await?;
    let batches = std::mem::take(&mut read.records);
    if batches.is_empty() {
        return Ok((read, ReadOut { records: Vec::new(), next: wanted.from }));
    }
    let place = door.reader().await?;
    let unpacked = tokio::task::spawn_blocking(move || {
        let out = batches::read(&batches, wanted);
        drop(place);
        out
    });
    let failed =
        |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unpacking-failed", "unpacking ended early");
    let out = unpacked.await.map_err(failed)??;
    Ok((read, out))
}
