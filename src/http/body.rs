//! Bodies of requests: read within bounds, then as JSON.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::door::HttpDoor;
use super::problem::Problem;

/// Characters of what is said to be wrong with one.
const WORDS_MAX: usize = 300;
/// What a body may have beside the largest batch that the topic takes: names, keys, the cost of base64.
pub(super) const BODY_BYTES: usize = 1 << 20;
/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(20);

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why bytes are not the JSON that is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The words name line and column.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body is JSON of another shape: {0}")]
    Shape(String),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotJson(_) => Self::unreadable(error.to_string()),
            BodyError::Shape(_) => Self::invalid(error.to_string()),
        }
    }
}

/// Reads a body to its end.
///
/// # Errors
/// 413 above `max` bytes, 408 if it takes too long, 503 if other bodies take all the room, 400 if it breaks off.
pub(super) async fn read(door: &HttpDoor, body: Body, max: usize) -> Result<Taken, Problem> {
    let deadline = Instant::now() + BODY_WITHIN;
    let too_large = || {
        let detail = format!("the body is larger than {max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    };
    if axum::body::HttpBody::size_hint(&body).lower() > max as u64 {
        return Err(too_large());
    }
    let (mut stream, mut bytes, mut room) = (body.into_data_stream(), BytesMut::new(), None);
    loop {
        let late = |_| {
            let detail = format!("the body did not come within {} s", BODY_WITHIN.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-late", detail)
        };
        let Some(part) = timeout_at(deadline, stream.next()).await.map_err(late)? else { break };
        let part = part.map_err(|error| Problem::unreadable(format!("the body breaks off: {error}")))?;
        if bytes.len() + part.len() > max {
            return Err(too_large());
        }
        let more = door.body_room(part.len());
        let more = more.ok_or_else(|| Problem::busy("other requests take all the memory for bodies"))?;
        match &mut room {
            None => room = Some(more),
            Some(room) => room.merge(more),
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Taken { bytes: bytes.freeze(), _room: room })
}

/// # Errors
/// 415 for a body that says it is something else than JSON.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    if media == "application/json" || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    let detail = format!("a body of type '{media}' is not read: send it with Content-Type: application/json");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
}

/// A JSON object. Alone, serde takes an array of its members for one, too.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        from.deserialize_map(Members(PhantomData))
    }
}

/// # Errors
/// [`BodyError`]
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    serde_json::from_slice(bytes).map(|Object(object)| object).map_err(|error| match error.classify() {
        Category::Data => BodyError::Shape(words(&error)),
        Category::Syntax | Category::Eof | Category::Io => BodyError::NotJson(words(&error)),
    })
}

/// What is wrong, and where. Names that a client made up are quoted in it, however long they are.
fn words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.char_indices().nth(WORDS_MAX) {
        None => words,
        Some((end, _)) => {
            format!("{}… at line {} column {}", &words[..end], error.line(), error.column())
        }
    }
}

/// An answer in JSON.
///
/// # Errors
/// None for what this room answers with; the type spares its callers a cast.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Result<Response, Problem> {
    let mut bytes = serde_json::to_vec(answer).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not-encodable", error.to_string())
    })?;
    bytes.push(b'\n');
    Ok((status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn door() -> HttpDoor {
        HttpDoor::new(tokio::sync::watch::channel(false).1)
    }

    #[tokio::test]
    async fn a_body_has_a_largest_size_and_gives_its_room_back() {
        let door = door();
        let taken = read(&door, Body::from("1234"), 4).await.unwrap();
        assert_eq!(taken.bytes, "1234");
        assert_eq!(read(&door, Body::from("12345"), 4).await.unwrap_err().status, 413);
        let all = door.body_room(64 << 20);
        assert!(all.is_none(), "some of it is taken");
        drop(taken);
        let _all = door.body_room(64 << 20).unwrap();
        assert_eq!(read(&door, Body::from("1234"), 4).await.unwrap_err().status, 503);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        assert_eq!(read(&door(), Body::from_stream(never), 4).await.unwrap_err().status, 408);
    }

    #[test]
    fn what_is_not_json_is_told_from_json_of_another_shape() {
        #[derive(Debug, serde::Deserialize)]
        struct Number {
            #[expect(dead_code, reason = "only read")]
            n: u8,
        }
        assert!(matches!(parse::<Number>(b"{\"n\":1").unwrap_err(), BodyError::NotJson(_)));
        let BodyError::NotJson(words) = parse::<Number>(b"{\n\"n\":x}").unwrap_err() else { panic!() };
        assert!(words.contains("line 2 column 5"), "{words}");
        for other in ["{\"n\":300}", "[1]", "1", "null"] {
            assert!(matches!(parse::<Number>(other.as_bytes()).unwrap_err(), BodyError::Shape(_)), "{other}");
        }
    }

    #[test]
    fn a_body_of_another_type_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(must_be_json(&headers).is_ok());
        for (media, is_json) in [
            ("application/json; charset=utf-8", true),
            ("Application/JSON", true),
            ("application/vnd.x+json", true),
            ("application/x-www-form-urlencoded", false),
            ("text/plain", false),
        ] {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            assert_eq!(must_be_json(&headers).is_ok(), is_json, "{media}");
        }
    }
}
