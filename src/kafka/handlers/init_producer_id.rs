//! `InitProducerId` (key 22), v0-5. v2 flexible · v3 the producer's own id and epoch (KIP-360) · v4 `PRODUCER_FENCED` · v5 KIP-890
//!
//! For idempotent producers; transactional ids are refused until transactions exist.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource, ResourceKind};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct InitProducerId;

impl Handler for InitProducerId {
    const KEY: ApiKey = ApiKey::InitProducerId;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;

    async fn handle(
        ctx: &Context,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, BrokerError> {
        let half_known = (request.producer_id.0 == -1) != (request.producer_epoch == -1);
        let permissions = ctx.permissions();
        if request
            .transactional_id
            .as_ref()
            .is_some_and(|id| !permissions.allows(Operation::Write, Resource::transactional_id(id)))
        {
            return Ok(Self::refused(ErrorCode::TransactionalIdAuthorizationFailed));
        }
        // Whoever may write to some topic may do so without duplicates (KIP-679).
        if request.transactional_id.is_none()
            && !permissions.shows(Operation::IdempotentWrite, Resource::cluster())
            && !permissions.allows_any_of_kind(Operation::Write, ResourceKind::Topic)
        {
            return Ok(Self::refused(ErrorCode::ClusterAuthorizationFailed));
        }
        match &request.transactional_id {
            Some(id) if id.is_empty() => return Ok(Self::refused(ErrorCode::InvalidRequest)),
            Some(_) => return Ok(Self::refused(ErrorCode::TransactionalIdAuthorizationFailed)),
            None if half_known => return Ok(Self::refused(ErrorCode::InvalidRequest)),
            None => {}
        }
        let (id, epoch) = ctx.broker.init_producer_id().await?;
        Ok(InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(epoch))
    }

    fn refused(code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse::default()
            .with_error_code(code.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    }
}
