//! `UnregisterBroker` (key 64), v0. Source: KIP-500
//!
//! A node that lives, or holds replicas, is in use and stays: Kafka would forget even a broker that runs.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct UnregisterBroker;

impl Handler for UnregisterBroker {
    const KEY: ApiKey = ApiKey::UnregisterBroker;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const CONTROLLER: bool = true;
    type Request = UnregisterBrokerRequest;
    type Response = UnregisterBrokerResponse;

    async fn handle(
        ctx: &Context,
        request: UnregisterBrokerRequest,
    ) -> Result<UnregisterBrokerResponse, BrokerError> {
        if let Err(denied) = ctx.authorise(Operation::Alter, Resource::cluster()) {
            let refusal = Refusal::from(denied);
            return Ok(Self::refused(refusal.code).with_error_message(refusal.text()));
        }
        let id = request.broker_id.0;
        let refusal = match ctx.broker.unregister(id).await {
            Ok(()) => return Ok(UnregisterBrokerResponse::default().with_error_message(None)),
            Err(BrokerError::UnknownNode { .. }) => {
                let words = format!("Broker ID {id} is not currently registered");
                Refusal::new(ErrorCode::BrokerIdNotRegistered, words)
            }
            Err(error) => Refusal::from(error),
        };
        Ok(Self::refused(refusal.code).with_error_message(refusal.text()))
    }

    fn refused(code: ErrorCode) -> UnregisterBrokerResponse {
        UnregisterBrokerResponse::default().with_error_code(code.code())
    }
}
