//! What a request's path and query say, as problems if they make no sense.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::door::HttpDoor;
use super::problem::Problem;
use crate::broker::{Broker, BrokerError, OffsetSpec};
use crate::cluster::TopicImage;
use crate::model::PartitionId;

/// The query, all of whose parameters are known.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<HttpDoor> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpDoor) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|error| Problem::unreadable(error.body_text()))
    }
}

/// What stands in the path's places.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<HttpDoor> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &HttpDoor) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, door).await;
        path.map(|Path(path)| Self(path)).map_err(|error| Problem::unreadable(error.body_text()))
    }
}

/// A topic by its name.
pub(super) fn topic(broker: &Broker, name: &str) -> Result<Arc<TopicImage>, Problem> {
    let image = broker.image();
    let found = image.topic(name).map(Arc::clone);
    found.ok_or_else(|| BrokerError::UnknownTopic { topic: name.to_owned() }.into())
}

/// A partition of `topic` by its number as it stands in a path.
pub(super) fn partition(topic: &TopicImage, number: &str) -> Result<PartitionId, Problem> {
    let parsed = number.parse::<PartitionId>().ok().filter(|_| !number.starts_with('+'));
    let partition =
        parsed.ok_or_else(|| Problem::not_found(format!("'{number}' is no number of a partition")))?;
    match topic.partition(partition) {
        Some(_) => Ok(partition),
        None => Err(BrokerError::UnknownPartition { topic: topic.name.to_string(), partition }.into()),
    }
}

/// Where in a partition to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Offset(i64),
    Earliest,
    Latest,
    /// Milliseconds since 1970.
    Timestamp(i64),
}

impl From {
    /// # Errors
    /// 422 if it is none of the four.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let number = |digits: &str| digits.parse::<i64>().ok().filter(|number| *number >= 0);
        let found = match text {
            "earliest" => Some(Self::Earliest),
            "latest" => Some(Self::Latest),
            _ => match text.strip_prefix("timestamp:") {
                Some(time) => number(time).map(Self::Timestamp),
                None => number(text).map(Self::Offset),
            },
        };
        found.ok_or_else(|| {
            Problem::invalid(format!(
                "'{text}' is no place to begin: an offset from 0 on, earliest, latest or timestamp:MILLISECONDS is"
            ))
        })
    }

    /// The offset that it is. A time after the last record is the log's end.
    pub(super) async fn find(
        self,
        broker: &Broker,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
    ) -> Result<i64, Problem> {
        let spec = match self {
            Self::Offset(offset) => return Ok(offset),
            Self::Earliest => OffsetSpec::Earliest,
            Self::Latest => OffsetSpec::Latest,
            Self::Timestamp(at) => OffsetSpec::Timestamp(at),
        };
        let found = broker.find_offset(topic, partition, spec).await?;
        if found.offset >= 0 {
            return Ok(found.offset);
        }
        Ok(broker.find_offset(topic, partition, OffsetSpec::Latest).await?.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_begin_is_an_offset_an_end_or_a_time() {
        assert_eq!(From::parse("17").unwrap(), From::Offset(17));
        assert_eq!(From::parse("latest").unwrap(), From::Latest);
        assert_eq!(From::parse("timestamp:5").unwrap(), From::Timestamp(5));
        for bad in ["", "-1", "now", "timestamp:", "timestamp:-5", "9999999999999999999"] {
            assert_eq!(From::parse(bad).unwrap_err().status, 422, "{bad}");
        }
    }
}
