//! `IncrementalAlterConfigs` (key 44), v0-1. v1 flexible. Source: KIP-339

use std::ops::RangeInclusive;

use super::resource::{Altered, alter_each};
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
    const CONTROLLER: bool = true;
    type Request = IncrementalAlterConfigsRequest;
    type Response = IncrementalAlterConfigsResponse;

    async fn handle(
        ctx: &Context,
        request: IncrementalAlterConfigsRequest,
    ) -> Result<IncrementalAlterConfigsResponse, BrokerError> {
        let altered = alter_each(ctx, &request.resources, request.validate_only).await;
        let answers = request.resources.into_iter().zip(&altered);
        let responses = answers.map(|(asked, altered)| answer(asked, altered.as_ref().err())).collect();
        Ok(IncrementalAlterConfigsResponse::default().with_responses(responses))
    }

    fn refused(_code: ErrorCode) -> IncrementalAlterConfigsResponse {
        IncrementalAlterConfigsResponse::default()
    }

    fn not_taken(
        request: IncrementalAlterConfigsRequest,
        refusal: &Refusal,
    ) -> IncrementalAlterConfigsResponse {
        let responses = request.resources.into_iter().map(|asked| answer(asked, Some(refusal))).collect();
        IncrementalAlterConfigsResponse::default().with_responses(responses)
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
        let lacks_value =
            |c: &AlterableConfig| c.value.is_none() && op(c.config_operation) != Some(Op::Delete);
        self.configs.iter().map(|config| (config.name.as_str(), lacks_value(config))).collect()
    }

    fn change(&self) -> Result<ConfigChange, Refusal> {
        let unknown = || Refusal::new(ErrorCode::InvalidRequest, MALFORMED);
        let change = |c: &AlterableConfig| {
            let op = op(c.config_operation).ok_or_else(unknown)?;
            Ok((op, c.name.to_string(), c.value.as_ref().map(StrBytes::to_string)))
        };
        let changes = self.configs.iter().map(change).collect::<Result<_, Refusal>>()?;
        Ok(ConfigChange::Incremental(changes))
    }
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
