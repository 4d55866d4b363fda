//! `AlterConfigs` (key 33), v0-2. v2 flexible. Replaces all overrides of a resource; KIP-339's incremental form is better.

use std::ops::RangeInclusive;

use super::resource::{Altered, alter_each};
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
        let altered = alter_each(ctx, &request.resources, request.validate_only).await;
        let answer = |(asked, altered): (AlterConfigsResource, Result<(), Refusal>)| {
            let out = AlterConfigsResourceResponse::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name);
            match altered {
                Ok(()) => out.with_error_message(None),
                Err(refusal) => out.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
            }
        };
        let responses = request.resources.into_iter().zip(altered).map(answer).collect();
        Ok(AlterConfigsResponse::default().with_responses(responses))
    }

    fn refused(_code: ErrorCode) -> AlterConfigsResponse {
        AlterConfigsResponse::default()
    }
}

impl Altered for AlterConfigsResource {
    fn kind(&self) -> i8 {
        self.resource_type
    }

    fn name(&self) -> &str {
        &self.resource_name
    }

    fn keys(&self) -> Vec<(&str, bool)> {
        self.configs.iter().map(|config| (config.name.as_str(), config.value.is_none())).collect()
    }

    fn change(&self) -> Result<ConfigChange, Refusal> {
        let pair = |c: &AlterableConfig| (c.name.to_string(), c.value.as_ref().map(StrBytes::to_string));
        Ok(ConfigChange::Replace(self.configs.iter().map(pair).collect()))
    }
}
