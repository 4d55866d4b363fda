//! `UnregisterBroker` (key 64), v0. Source: KIP-500
//!
//! The one node that there is answers, so it is in use: Kafka would forget even a broker that runs.

use std::ops::RangeInclusive;

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
    type Request = UnregisterBrokerRequest;
    type Response = UnregisterBrokerResponse;

    async fn handle(
        ctx: &Context,
        request: UnregisterBrokerRequest,
    ) -> Result<UnregisterBrokerResponse, BrokerError> {
        let id = request.broker_id.0;
        let refusal = if ctx.broker.image().nodes.contains_key(&id) {
            Refusal::new(
                ErrorCode::InvalidRequest,
                format!("Broker ID {id} is in use, it cannot be unregistered"),
            )
        } else {
            let words = format!("Broker ID {id} is not currently registered");
            Refusal::new(ErrorCode::BrokerIdNotRegistered, words)
        };
        Ok(Self::refused(refusal.code).with_error_message(refusal.text()))
    }

    fn refused(code: ErrorCode) -> UnregisterBrokerResponse {
        UnregisterBrokerResponse::default().with_error_code(code.code())
    }
}
