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
    const CONTROLLER: bool = true;
    type Request = AlterConfigsRequest;
    type Response = AlterConfigsResponse;

    async fn handle(
        ctx: &Context,
        request: AlterConfigsRequest,
    ) -> Result<AlterConfigsResponse, BrokerError> {
        let altered = alter_each(ctx, &request.resources, request.validate_only).await;
        let answers = request.resources.into_iter().zip(&altered);
        let responses = answers.map(|(asked, altered)| answer(asked, altered.as_ref().err())).collect();
        Ok(AlterConfigsResponse::default().with_responses(responses))
    }

    fn refused(_code: ErrorCode) -> AlterConfigsResponse {
        AlterConfigsResponse::default()
    }

    fn not_taken(request: AlterConfigsRequest, refusal: &Refusal) -> AlterConfigsResponse {
        let responses = request.resources.into_iter().map(|asked| answer(asked, Some(refusal))).collect();
        AlterConfigsResponse::default().with_responses(responses)
    }
}

fn answer(asked: AlterConfigsResource, refusal: Option<&Refusal>) -> AlterConfigsResourceResponse {
    let out = AlterConfigsResourceResponse::default()
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name);
    match refusal {
        None => out.with_error_message(None),
        Some(refusal) => out.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
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
