//! Records as clients write them: `POST /v1/topics/{topic}/records`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::body::{self, BODY_BYTES, BodyError, Object};
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::{Named, topic};
use super::spread::{self, Record, Written};
use super::text::Encoding;

/// The most records of one request.
const RECORDS_MAX: usize = 10_000;

/// One record, or several of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProduceRequest {
    records: Option<Vec<Object<RecordIn>>>,
    key: Option<String>,
    #[serde(default)]
    value: ValueIn,
    headers: Option<Vec<Object<HeaderIn>>>,
    partition: Option<i32>,
    timestamp: Option<i64>,
    encoding: Option<Encoding>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordIn {
    key: Option<String>,
    #[serde(default)]
    value: ValueIn,
    headers: Option<Vec<Object<HeaderIn>>>,
    partition: Option<i32>,
    timestamp: Option<i64>,
    encoding: Option<Encoding>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderIn {
    name: String,
    value: Option<String>,
}

/// The value of a record. Null makes a tombstone, and is not the same as nothing.
#[derive(Debug, Default)]
enum ValueIn {
    #[default]
    Missing,
    Given(Option<String>),
}

impl<'de> Deserialize<'de> for ValueIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(Self::Given)
    }
}

/// Why a body holds no records. `at` is a JSON pointer.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("{at} is no base64: {source}")]
    Base64 { at: String, source: base64::DecodeError },
    #[error("{at} is missing; null makes a tombstone")]
    NoValue { at: String },
    #[error("{at} is negative")]
    Timestamp { at: String },
    #[error("either 'records', or the members of one record")]
    OneOrMany,
    #[error("'records' is empty")]
    Empty,
    #[error("{count} records are more than {most}")]
    TooMany { count: usize, most: usize },
}

impl From<ProduceError> for Problem {
    fn from(error: ProduceError) -> Self {
        match error {
            ProduceError::Body(error) => error.into(),
            ProduceError::TooMany { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-records", error.to_string())
            }
            ProduceError::Base64 { .. }
            | ProduceError::NoValue { .. }
            | ProduceError::Timestamp { .. }
            | ProduceError::OneOrMany
            | ProduceError::Empty => Self::invalid(error.to_string()),
        }
    }
}

impl ProduceRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ProduceError`]
    pub fn parse(body: &[u8]) -> Result<Self, ProduceError> {
        Ok(body::parse(body)?)
    }

    /// The records, and whether they came as one without a list around it.
    ///
    /// # Errors
    /// [`ProduceError`], for the first record that is none.
    pub fn into_records(self) -> Result<(Vec<Record>, bool), ProduceError> {
        let Self { records, key, value, headers, partition, timestamp, encoding } = self;
        let has_members = key.is_some()
            || matches!(value, ValueIn::Given(_))
            || headers.is_some()
            || partition.is_some()
            || timestamp.is_some()
            || encoding.is_some();
        let Some(records) = records else {
            let record = RecordIn { key, value, headers, partition, timestamp, encoding };
            return Ok((vec![record.decode("")?], true));
        };
        if has_members {
            return Err(ProduceError::OneOrMany);
        }
        match records.len() {
            0 => return Err(ProduceError::Empty),
            count if count > RECORDS_MAX => {
                return Err(ProduceError::TooMany { count, most: RECORDS_MAX });
            }
            _ => {}
        }
        let decode =
            |(at, Object(record)): (usize, Object<RecordIn>)| record.decode(&format!("/records/{at}"));
        let records: Result<_, _> = records.into_iter().enumerate().map(decode).collect();
        Ok((records?, false))
    }
}

impl RecordIn {
    fn decode(self, at: &str) -> Result<Record, ProduceError> {
        let encoding = self.encoding.unwrap_or_default();
        let bytes = |text: Option<String>, name: &dyn Fn() -> String| {
            let decoded = text.map(|text| encoding.decode(text)).transpose();
            decoded.map_err(|source| ProduceError::Base64 { at: name(), source })
        };
        let ValueIn::Given(value) = self.value else {
            return Err(ProduceError::NoValue { at: format!("{at}/value") });
        };
        if self.timestamp.is_some_and(|timestamp| timestamp < 0) {
            return Err(ProduceError::Timestamp { at: format!("{at}/timestamp") });
        }
        let mut headers = Vec::new();
        for (index, Object(header)) in self.headers.unwrap_or_default().into_iter().enumerate() {
            let value = bytes(header.value, &|| format!("{at}/headers/{index}/value"))?;
            headers.push((header.name, value));
        }
        Ok(Record {
            key: bytes(self.key, &|| format!("{at}/key"))?,
            value: bytes(value, &|| format!("{at}/value"))?,
            headers,
            partition: self.partition,
            timestamp: self.timestamp,
        })
    }
}

/// `POST /v1/topics/{topic}/records`
pub(super) async fn post(
    State(door): State<HttpDoor>,
    Named(name): Named<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    body::must_be_json(&headers)?;
    let topic = topic(broker, &name)?;
    let max = BODY_BYTES + broker.topic_settings(&topic).max_message_bytes as usize;
    let taken = body::read(&door, body, max).await?;
    let (records, is_one) = ProduceRequest::parse(&taken.bytes)?.into_records()?;
    let written = spread::write(broker, &topic, records, door.next_keyless()).await?;
    let failures = written.iter().filter(|done| done.result.is_err()).count();
    // One that failed for all is the answer; what is half done is told for each.
    if failures == written.len()
        && let Some(Err(problem)) = written.first().map(|first| first.result.clone())
    {
        return Err(problem);
    }
    let told = |done: &Written| match &done.result {
        Ok(offset) => json!({ "partition": done.partition, "offset": offset }),
        Err(problem) => json!({ "partition": done.partition, "error": problem.to_json() }),
    };
    let told: Vec<Value> = written.iter().map(told).collect();
    match told.first() {
        Some(one) if is_one => body::json(StatusCode::OK, one),
        _ => {
            let status = if failures == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS };
            body::json(status, &json!({ "records": told }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(body: &str) -> Result<(Vec<Record>, bool), ProduceError> {
        ProduceRequest::parse(body.as_bytes())?.into_records()
    }

    fn refused(body: &str) -> (u16, String) {
        let problem = Problem::from(records(body).unwrap_err());
        (problem.status.as_u16(), problem.to_json()["detail"].as_str().unwrap().to_owned())
    }

    #[test]
    fn one_record_or_a_list_is_read() {
        let (one, is_one) = records(r#"{"key":"aw==","value":"dg==","encoding":"base64"}"#).unwrap();
        assert!(is_one);
        assert_eq!((one[0].key.as_deref(), one[0].value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
        let body = r#"{"records":[{"value":null},{"value":"v","headers":[{"name":"h","value":"x"},{"name":"n"}],"partition":3,"timestamp":5}]}"#;
        let (many, is_one) = records(body).unwrap();
        assert!(!is_one && many[0].value.is_none());
        assert_eq!(many[1].headers, [("h".into(), Some(b"x".to_vec())), ("n".into(), None)]);
        assert_eq!((many[1].partition, many[1].timestamp), (Some(3), Some(5)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(refused("{").0, 400);
        assert_eq!(refused("[]").0, 422);
        for (body, place) in [
            (r#"{"records":[{"value":"v"},{"value":"%","encoding":"base64"}]}"#, "/records/1/value"),
            (r#"{"records":[{"key":"k"}]}"#, "/records/0/value"),
            (r#"{"value":"v","headers":[{"name":"a","value":"!"}],"encoding":"base64"}"#, "/headers/0/value"),
            (r#"{"value":"v","timestamp":-1}"#, "/timestamp"),
            (r#"{"value":"v","key":1}"#, "line 1 column "),
            (r#"{"value":"v","valve":1}"#, "valve"),
            (r#"{"records":[],"value":"v"}"#, "either"),
            (r#"{"records":[]}"#, "empty"),
        ] {
            let (status, detail) = refused(body);
            assert!(status == 422 && detail.contains(place), "{body}: {status} {detail}");
        }
        let many = format!(r#"{{"records":[{}]}}"#, vec![r#"{"value":""}"#; RECORDS_MAX + 1].join(","));
        assert_eq!(refused(&many).0, 413);
    }
}
