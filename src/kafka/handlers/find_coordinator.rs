//! `FindCoordinator` (key 10), v0-6. v1 key type, error message · v3 flexible · v4 several keys (KIP-699) · v6 share groups
//!
//! The first group makes `__consumer_offsets`. There are no transactions: their clients are told so by the one code that
//! all of them take as final, as with `InitProducerId`; "not available" would let them ask until they time out.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::find_coordinator_response::Coordinator;
use crate::wire::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// The first versions with words for errors, and with several keys.
const WORDS: i16 = 1;
const BATCHED: i16 = 4;
/// The first version that may ask for a share group's coordinator.
const SHARED: i16 = 6;
/// What Kafka says, where it says something, when nothing is wrong.
const NO_ERROR: &str = "NONE";
const NO_NODE: i32 = -1;

pub(super) struct FindCoordinator;

impl Handler for FindCoordinator {
    const KEY: ApiKey = ApiKey::FindCoordinator;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    type Request = FindCoordinatorRequest;
    type Response = FindCoordinatorResponse;

    async fn handle(
        ctx: &Context,
        request: FindCoordinatorRequest,
    ) -> Result<FindCoordinatorResponse, BrokerError> {
        if ctx.version() < BATCHED {
            return Ok(single(ctx.version(), find(ctx, request.key_type, &request.key).await));
        }
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys {
            let found = find(ctx, request.key_type, &key).await;
            coordinators.push(one_of_several(request.key_type, key, found));
        }
        Ok(FindCoordinatorResponse::default().with_coordinators(coordinators))
    }

    fn refused(code: ErrorCode) -> FindCoordinatorResponse {
        FindCoordinatorResponse::default().with_error_code(code.code()).with_node_id(BrokerId(NO_NODE))
    }
}

/// Where a client of this listener finds a coordinator.
struct Found {
    id: BrokerId,
    host: StrBytes,
    port: i32,
}

async fn find(ctx: &Context, key_type: i8, key: &str) -> Result<Found, Refusal> {
    match key_type {
        GROUP => {
            ctx.authorise(Operation::Describe, Resource::group(key))?;
            let found = ctx.broker.find_group_coordinator(key).await;
            let node = found.map_err(|error| Refusal::from(&error))?;
            let (host, port) = ctx.address(&node).ok_or_else(|| {
                Refusal::new(ErrorCode::CoordinatorNotAvailable, "The coordinator is not on this listener.")
            })?;
            Ok(Found { id: BrokerId(node.id), host, port })
        }
        TRANSACTION => {
            ctx.authorise(Operation::Describe, Resource::transactional_id(key))?;
            let code = ErrorCode::TransactionalIdAuthorizationFailed;
            Err(Refusal::new(code, "Transactions are not supported yet."))
        }
        // Share groups' coordinator keeps state for brokers, of which there is none here.
        _ => {
            if key_type == SHARE && ctx.version() >= SHARED {
                ctx.authorise(Operation::ClusterAction, Resource::cluster())?;
            }
            Err(Refusal::new(ErrorCode::InvalidRequest, "There are no coordinators of this type."))
        }
    }
}

fn single(version: i16, found: Result<Found, Refusal>) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    let (response, words) = match found {
        Ok(node) => {
            let response = response.with_node_id(node.id).with_host(node.host).with_port(node.port);
            (response, Some(StrBytes::from_static_str(NO_ERROR)))
        }
        Err(refusal) => {
            let words = refusal.text();
            let response = response.with_error_code(refusal.code.code());
            (response.with_node_id(BrokerId(NO_NODE)).with_port(-1), words)
        }
    };
    if version >= WORDS { response.with_error_message(words) } else { response }
}

/// With words only where the code alone does not say it; else they are empty, as in Kafka.
fn one_of_several(key_type: i8, key: StrBytes, found: Result<Found, Refusal>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key).with_error_message(Some(StrBytes::default()));
    let refusal = match found {
        Ok(node) => {
            return coordinator.with_node_id(node.id).with_host(node.host).with_port(node.port);
        }
        Err(refusal) => refusal,
    };
    let words = refusal.text().filter(|_| !matches!(key_type, GROUP | SHARE));
    coordinator
        .with_node_id(BrokerId(NO_NODE))
        .with_port(-1)
        .with_error_code(refusal.code.code())
        .with_error_message(Some(words.unwrap_or_default()))
}
