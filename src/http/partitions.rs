//! One partition: who leads it, where it is, which offsets it has.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::time::timeout;

use super::body;
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::{Named, partition, topic};
use super::topics::placed;
use crate::broker::OffsetSpec;

/// How long offsets are waited for: a partition without a leader is described without them.
const OFFSETS_WITHIN: Duration = Duration::from_secs(3);

/// `GET /v1/topics/{topic}/partitions/{partition}`
pub(super) async fn describe(
    State(door): State<HttpDoor>,
    Named((name, number)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let topic = topic(broker, &name)?;
    let partition = partition(&topic, &number)?;
    let find = async |spec| {
        let found = timeout(OFFSETS_WITHIN, broker.find_offset(&topic, partition, spec)).await;
        found.ok().and_then(Result::ok).map_or(Value::Null, |found| found.offset.into())
    };
    let (earliest, latest) = tokio::join!(find(OffsetSpec::Earliest), find(OffsetSpec::Latest));
    // Finding them wakes a partition that slept, so its leader is known only now.
    let mut described = placed(broker, &topic, partition);
    described["topic"] = name.into();
    described["log_start_offset"] = earliest;
    described["high_watermark"] = latest;
    body::json(StatusCode::OK, &described)
}
