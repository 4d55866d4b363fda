//! `IncrementalAlterConfigs` (key 44), v0-1. v1 flexible. Source: KIP-339

use std::ops::RangeInclusive;

use super::resource::{Resource, counts, fault_of_form};
use crate::broker::{BrokerError, ConfigChange};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::{MALFORMED, Refusal};
use crate::keys::Op;
use crate::wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct IncrementalAlterConfigs;

impl Handler for IncrementalAlterConfigs {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = IncrementalAlterConfigsRequest;
    type Response = IncrementalAlterConfigsResponse;

    async fn handle(
        ctx: &Context,
        request: IncrementalAlterConfigsRequest,
    ) -> Result<IncrementalAlterConfigsResponse, BrokerError> {
        let times = counts(request.resources.iter().map(|r| (r.resource_type, &r.resource_name)));
        let mut responses = Vec::with_capacity(request.resources.len());
        for asked in &request.resources {
            let times = times.get(&(asked.resource_type, &asked.resource_name)).copied().unwrap_or(1);
            let out = AlterConfigsResourceResponse::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone());
            responses.push(match alter(ctx, asked, times, request.validate_only).await {
                Ok(()) => out.with_error_message(None),
                Err(refusal) => out.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
            });
        }
        Ok(IncrementalAlterConfigsResponse::default().with_responses(responses))
    }

    fn refused(_code: ErrorCode) -> IncrementalAlterConfigsResponse {
        IncrementalAlterConfigsResponse::default()
    }
}

async fn alter(
    ctx: &Context,
    asked: &AlterConfigsResource,
    times: usize,
    validate: bool,
) -> Result<(), Refusal> {
    let lacks_value = |c: &AlterableConfig| c.value.is_none() && op(c.config_operation) != Some(Op::Delete);
    if let Some(refusal) =
        fault_of_form(times, asked.configs.iter().map(|c| (c.name.as_str(), lacks_value(c))))
    {
        return Err(refusal);
    }
    let resource = Resource::to_change(asked.resource_type, &asked.resource_name)?;
    let mut changes = Vec::with_capacity(asked.configs.len());
    for config in &asked.configs {
        let op =
            op(config.config_operation).ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, MALFORMED))?;
        changes.push((op, config.name.to_string(), config.value.as_ref().map(StrBytes::to_string)));
    }
    resource.alter(&ctx.broker, ConfigChange::Incremental(changes), validate).await
}

/// Source: Kafka `AlterConfigOp.OpType`.
fn op(code: i8) -> Option<Op> {
    match code {
        0 => Some(Op::Set),
        1 => Some(Op::Delete),
        2 => Some(Op::Append),
        3 => Some(Op::Subtract),
        _ => None,
    }
}
