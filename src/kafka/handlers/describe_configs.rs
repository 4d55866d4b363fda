//! `DescribeConfigs` (key 32), v1-4. v1 synonyms (KIP-226) · v3 type and documentation (KIP-569) · v4 flexible

use std::ops::RangeInclusive;

use super::resource::{BROKER, CLIENT_METRICS, GROUP, Resource, TOPIC, guarded};
use crate::access::Operation;
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::{MALFORMED, Refusal};
use crate::keys::{ConfigEntry, ConfigSource};
use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct DescribeConfigs;

impl Handler for DescribeConfigs {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
    const VERSIONS: RangeInclusive<i16> = 1..=4;
    type Request = DescribeConfigsRequest;
    type Response = DescribeConfigsResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeConfigsRequest,
    ) -> Result<DescribeConfigsResponse, BrokerError> {
        let result = |asked: &DescribeConfigsResource| {
            let out = DescribeConfigsResult::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone());
            match describe(ctx, asked) {
                Ok(entries) => out
                    .with_error_message(Some(StrBytes::new()))
                    .with_configs(entries.into_iter().map(|entry| config(entry, &request)).collect()),
                Err(refusal) => out
                    .with_error_code(refusal.code.code())
                    .with_error_message(Some(refusal.text().unwrap_or_default())),
            }
        };
        Ok(DescribeConfigsResponse::default().with_results(request.resources.iter().map(result).collect()))
    }

    fn refused(_code: ErrorCode) -> DescribeConfigsResponse {
        DescribeConfigsResponse::default()
    }
}

fn describe(ctx: &Context, asked: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, Refusal> {
    let keys: Option<Vec<String>> =
        asked.configuration_keys.as_ref().map(|keys| keys.iter().map(ToString::to_string).collect());
    let invalid = |words: String| Err(Refusal::new(ErrorCode::InvalidRequest, words));
    if let Some(guarded) = guarded(asked.resource_type, &asked.resource_name) {
        ctx.authorise(Operation::DescribeConfigs, guarded)?;
    }
    let broker = &ctx.broker;
    match Resource::parse(asked.resource_type, &asked.resource_name) {
        Ok(Resource::Topic(name)) => {
            let found = broker.describe_topic_config(&name, keys.as_deref());
            found.map_err(|error| match error {
                BrokerError::UnknownTopic { .. } => Refusal { message: None, ..Refusal::from(error) },
                error => Refusal::from(error),
            })
        }
        Ok(Resource::Broker(Some(node))) if node != broker.node_id() => {
            let expected = broker.node_id();
            invalid(format!("Unexpected broker id, expected {expected} or empty string, but received {node}"))
        }
        Ok(Resource::Broker(node)) => Ok(broker.describe_broker_config(node, keys.as_deref())?),
        Ok(Resource::Named(resource, name)) => {
            Ok(broker.describe_named_config(resource, &name, keys.as_deref()))
        }
        Err(refusal) => match asked.resource_type {
            BROKER => invalid(format!("Broker id must be an integer, but it is: {}", asked.resource_name)),
            TOPIC | GROUP | CLIENT_METRICS => Err(refusal),
            _ => invalid(MALFORMED.into()),
        },
    }
}

fn config(entry: ConfigEntry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let synonym = |synonym: crate::keys::Synonym| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(synonym.name))
            .with_value(Some(StrBytes::from_string(synonym.value)))
            .with_source(ConfigSource::code(synonym.source))
    };
    let synonyms = if request.include_synonyms { entry.synonyms } else { Vec::new() };
    let documentation =
        request.include_documentation.then(|| StrBytes::from_string(entry.documentation.into_owned()));
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(entry.name))
        .with_value(entry.value.map(StrBytes::from_string))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.code())
        .with_is_sensitive(entry.sensitive)
        .with_synonyms(synonyms.into_iter().map(synonym).collect())
        .with_config_type(entry.config_type.code())
        .with_documentation(documentation)
}
