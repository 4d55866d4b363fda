//! Consumer groups: listed, described with their lag, deleted.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::body;
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::Named;
use crate::broker::{Broker, GroupMember, OffsetSpec, StoredOffset};
use crate::coordinator::GroupError;

/// Log ends that are asked for at the same time, and how long one may take.
const ENDS_AT_ONCE: usize = 16;
const END_WITHIN: Duration = Duration::from_secs(3);

/// `GET /v1/groups`
pub(super) async fn list(State(door): State<HttpDoor>) -> Result<Response, Problem> {
    let (groups, silent) = door.broker()?.groups_anywhere().await;
    let told = |group: &crate::broker::GroupInList| {
        json!({
            "group": group.group,
            "state": group.state,
            "protocol_type": group.protocol_type,
            "coordinator": group.coordinator,
        })
    };
    let groups: Vec<Value> = groups.iter().map(told).collect();
    // Groups of nodes that do not answer are not in the list.
    body::json(StatusCode::OK, &json!({ "groups": groups, "silent_nodes": silent }))
}

/// `GET /v1/groups/{group}`
pub(super) async fn describe(
    State(door): State<HttpDoor>,
    Named(group): Named<String>,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let Some(view) = broker.group_anywhere(&group).await? else {
        return Err(GroupError::NotFound { group }.into());
    };
    let offsets = stream::iter(view.offsets).map(|stored| with_lag(broker.clone(), stored));
    let offsets: Vec<Value> = offsets.buffered(ENDS_AT_ONCE).collect().await;
    let lag: i64 = offsets.iter().filter_map(|offset| offset["lag"].as_i64()).sum();
    let described = json!({
        "group": view.group,
        "state": view.state,
        "protocol_type": view.protocol_type,
        "protocol": view.protocol,
        "coordinator": view.coordinator,
        "members": view.members.iter().map(member).collect::<Vec<_>>(),
        "offsets": offsets,
        "lag": lag,
    });
    body::json(StatusCode::OK, &described)
}

/// `DELETE /v1/groups/{group}`
pub(super) async fn delete(
    State(door): State<HttpDoor>,
    Named(group): Named<String>,
) -> Result<Response, Problem> {
    door.broker()?.delete_group_anywhere(&group).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn member(member: &GroupMember) -> Value {
    json!({
        "member_id": member.member_id,
        "instance_id": member.instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "assignment": assignment(&member.assignment),
    })
}

/// Null where the end of the log is not known.
async fn with_lag(broker: Broker, stored: StoredOffset) -> Value {
    let topic = broker.image().topic(&stored.topic).map(std::sync::Arc::clone);
    let end = match &topic {
        Some(topic) => {
            let found = timeout(END_WITHIN, broker.find_offset(topic, stored.partition, OffsetSpec::Latest));
            found.await.ok().and_then(Result::ok).map(|found| found.offset)
        }
        None => None,
    };
    json!({
        "topic": stored.topic,
        "partition": stored.partition,
        "offset": stored.offset,
        "metadata": stored.metadata,
        "end": end,
        "lag": end.map(|end| (end - stored.offset).max(0)),
    })
}

/// What a consumer got; null for what is none's assignment.
///
/// Source: Kafka `ConsumerProtocolAssignment.json`.
fn assignment(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut rest = bytes;
    let version = i16::from_be_bytes(take(&mut rest)?);
    let topics = i32::from_be_bytes(take(&mut rest)?);
    if version < 0 {
        return None;
    }
    let mut assigned = Vec::new();
    for _ in 0..topics {
        let length = usize::try_from(i16::from_be_bytes(take(&mut rest)?)).ok()?;
        let (name, behind) = rest.split_at_checked(length)?;
        rest = behind;
        let mut partitions = Vec::new();
        for _ in 0..i32::from_be_bytes(take(&mut rest)?) {
            partitions.push(i32::from_be_bytes(take(&mut rest)?));
        }
        assigned.push(json!({ "topic": std::str::from_utf8(name).ok()?, "partitions": partitions }));
    }
    Some(assigned)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_what_is_none_is_not() {
        let bytes =
            [0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(assignment(&bytes).unwrap(), [json!({ "topic": "t", "partitions": [0, 3] })]);
        assert_eq!(assignment(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(assignment(&[0, 0, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(assignment(b""), None);
    }
}
