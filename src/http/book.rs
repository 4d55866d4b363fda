//! The book's two calls on `/`: `POST` a record to the topic `log`, `GET` the one at an offset. And a page for browsers.
//!
//! Kept as the book's clients know them: values in base64 only, any content type, 404 for an offset that has no record.
//! Source: "Distributed Services with Go", part I.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::batches::Wanted;
use super::body::{self, BODY_BYTES, BodyError, Object};
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::Params;
use super::records;
use super::spread::{self, Record};
use super::text::Encoding;
use crate::broker::{Broker, BrokerError};
use crate::cluster::TopicImage;

/// Where the book's records are. Made by the first one.
const TOPIC: &str = "log";
const PARTITION: i32 = 0;
/// What a body with an offset may have.
const OFFSET_BODY_BYTES: usize = 4096;

/// `{"record":{"value":"…"}}` or `{"offset":0}`. Other members are not looked at, as in the book.
#[derive(Debug, Deserialize)]
pub struct BookRequest {
    record: Option<Object<BookRecord>>,
    offset: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct BookRecord {
    /// None is empty, as Go has it.
    value: Option<String>,
}

impl BookRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`BodyError`]
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        body::parse(body)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookQuery {
    offset: Option<u64>,
}

/// `POST /`
pub(super) async fn post(State(door): State<HttpDoor>, body: Body) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let image = broker.image();
    let largest = image.topic(TOPIC).map(|topic| broker.topic_settings(topic).max_message_bytes as usize);
    let max = BODY_BYTES + largest.unwrap_or(BODY_BYTES);
    let taken = body::read(&door, body, max).await?;
    let request = BookRequest::parse(&taken.bytes)?;
    let Object(record) = request.record.ok_or_else(|| Problem::invalid("'record' is missing"))?;
    let value = Encoding::Base64.decode(record.value.unwrap_or_default());
    let value = value.map_err(|error| Problem::invalid(format!("/record/value is no base64: {error}")))?;
    let topic = made(broker).await?;
    let record = Record { value: Some(value), partition: Some(PARTITION), ..Record::default() };
    let mut written = spread::write(broker, &topic, vec![record], 0).await?;
    let offset = written.pop().map_or_else(|| Err(Problem::starting()), |written| written.result)?;
    body::json(StatusCode::OK, &json!({ "offset": offset }))
}

/// `GET /`
pub(super) async fn get(
    State(door): State<HttpDoor>,
    Params(query): Params<BookQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let taken = body::read(&door, body, OFFSET_BODY_BYTES).await?;
    let offset = match (query.offset, taken.bytes.is_empty()) {
        (Some(offset), _) => offset,
        (None, true) if wants_html(&headers) => return Ok(page(&door)),
        (None, true) => {
            return Err(Problem::unreadable("which offset? Send {\"offset\":0}, or ask for /?offset=0"));
        }
        (None, false) => {
            let offset = BookRequest::parse(&taken.bytes)?.offset;
            offset.ok_or_else(|| Problem::invalid("'offset' is missing"))?
        }
    };
    let broker = door.broker()?;
    // No topic is a log that nothing was written to.
    let Some(topic) = broker.image().topic(TOPIC).map(Arc::clone) else {
        return Err(nothing_at(offset, 0, 0));
    };
    let from = i64::try_from(offset).map_err(|_| nothing_at(offset, 0, 0))?;
    let wanted = Wanted { from, records_max: 1, bytes_max: 1, encoding: Some(Encoding::Base64) };
    let read = records::read(&door, broker, (&topic, PARTITION), (wanted, Duration::ZERO)).await;
    let (read, out) = read.map_err(|problem| match problem.status {
        StatusCode::RANGE_NOT_SATISFIABLE => problem.with_status(StatusCode::NOT_FOUND),
        _ => problem,
    })?;
    match out.records.into_iter().next().filter(|record| record.offset == from) {
        Some(record) => {
            let record = json!({ "value": record.value, "offset": record.offset });
            body::json(StatusCode::OK, &json!({ "record": record }))
        }
        None => Err(nothing_at(offset, read.log_start_offset, read.high_watermark)),
    }
}

fn nothing_at(offset: u64, start: i64, end: i64) -> Problem {
    let detail =
        format!("there is no record at offset {offset} of {TOPIC}-{PARTITION}, which has [{start}, {end})");
    let problem = Problem::new(StatusCode::NOT_FOUND, "offset-out-of-range", detail);
    problem.of_kafka("OFFSET_OUT_OF_RANGE").with("start", start).with("end", end)
}

/// The book's topic; made now if it was not yet.
async fn made(broker: &Broker) -> Result<Arc<TopicImage>, Problem> {
    if let Some(topic) = broker.image().topic(TOPIC) {
        return Ok(Arc::clone(topic));
    }
    broker.auto_create_topic(TOPIC).await?;
    let image = broker.image();
    let made = image.topic(TOPIC).map(Arc::clone);
    made.ok_or_else(|| BrokerError::UnknownTopic { topic: TOPIC.into() }.into())
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

/// Something for a browser to show.
fn page(door: &HttpDoor) -> Response {
    let node = match door.broker_if_open() {
        Some(broker) => format!("node {} of cluster {}", broker.node_id(), broker.cluster_id_text()),
        None => "a node that is starting".into(),
    };
    let text = format!(
        "bateau {}, {node}\n\n/v1/topics        topics and their records\n/v1/groups        consumer groups\n\
         /v1/cluster       nodes\n/openapi.json     what can be asked for\n/healthz /readyz  whether it lives, whether it serves\n",
        env!("CARGO_PKG_VERSION"),
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_s_bodies_are_read() {
        let request = BookRequest::parse(br#"{"record": {"value": "TGV0J3MgR28gIzEK"}}"#).unwrap();
        assert_eq!(request.record.unwrap().0.value.as_deref(), Some("TGV0J3MgR28gIzEK"));
        assert_eq!(BookRequest::parse(br#"{"offset": 7}"#).unwrap().offset, Some(7));
        assert!(BookRequest::parse(br#"{"offset": -1}"#).is_err());
    }
}
