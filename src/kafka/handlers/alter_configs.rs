//! `AlterConfigs` (key 33), v0-2. v2 flexible. Replaces all overrides of a resource; KIP-339's incremental form is better.

use std::ops::RangeInclusive;

use super::resource::{Resource, counts, fault_of_form};
use crate::broker::{BrokerError, ConfigChange};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::wire::messages::{AlterConfigsRequest, AlterConfigsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct AlterConfigs;

impl Handler for AlterConfigs {
    const KEY: ApiKey = ApiKey::AlterConfigs;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = AlterConfigsRequest;
    type Response = AlterConfigsResponse;

    async fn handle(
        ctx: &Context,
        request: AlterConfigsRequest,
    ) -> Result<AlterConfigsResponse, BrokerError> {
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
        Ok(AlterConfigsResponse::default().with_responses(responses))
    }

    fn refused(_code: ErrorCode) -> AlterConfigsResponse {
        AlterConfigsResponse::default()
    }
}

async fn alter(
    ctx: &Context,
    asked: &AlterConfigsResource,
    times: usize,
    validate: bool,
) -> Result<(), Refusal> {
    if let Some(refusal) =
        fault_of_form(times, asked.configs.iter().map(|c| (c.name.as_str(), c.value.is_none())))
    {
        return Err(refusal);
    }
    let resource = Resource::to_change(asked.resource_type, &asked.resource_name)?;
    let pair = |c: &AlterableConfig| (c.name.to_string(), c.value.as_ref().map(StrBytes::to_string));
    let all = asked.configs.iter().map(pair).collect();
    resource.alter(&ctx.broker, ConfigChange::Replace(all), validate).await
}
