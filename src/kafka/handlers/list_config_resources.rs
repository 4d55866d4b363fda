//! `ListConfigResources` (key 74), v0-1. v0 subscriptions to client metrics alone (KIP-714) · v1 any kind (KIP-1142)

use std::ops::RangeInclusive;

use super::resource::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::keys::NamedResource;
use crate::wire::messages::list_config_resources_response::ConfigResource;
use crate::wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// All kinds, in the order of the answer.
const KINDS: [i8; 5] = [GROUP, CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC];

pub(super) struct ListConfigResources;

impl Handler for ListConfigResources {
    const KEY: ApiKey = ApiKey::ListConfigResources;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = ListConfigResourcesRequest;
    type Response = ListConfigResourcesResponse;

    async fn handle(
        ctx: &Context,
        request: ListConfigResourcesRequest,
    ) -> Result<ListConfigResourcesResponse, BrokerError> {
        ctx.authorise(Operation::DescribeConfigs, Resource::cluster())?;
        let asked = match ctx.version() {
            0 => vec![CLIENT_METRICS],
            _ => request.resource_types,
        };
        if asked.iter().any(|kind| !KINDS.contains(kind)) {
            return Ok(Self::refused(ErrorCode::UnsupportedVersion));
        }
        let mut resources = Vec::new();
        for kind in KINDS.into_iter().filter(|kind| asked.is_empty() || asked.contains(kind)) {
            let resource = |name| {
                ConfigResource::default()
                    .with_resource_name(StrBytes::from_string(name))
                    .with_resource_type(kind)
            };
            resources.extend(names(ctx, kind).into_iter().map(resource));
        }
        Ok(ListConfigResourcesResponse::default().with_config_resources(resources))
    }

    fn refused(code: ErrorCode) -> ListConfigResourcesResponse {
        ListConfigResourcesResponse::default().with_error_code(code.code())
    }
}

fn names(ctx: &Context, kind: i8) -> Vec<String> {
    match kind {
        GROUP => ctx.broker.named_configs(NamedResource::Group),
        CLIENT_METRICS => ctx.broker.named_configs(NamedResource::ClientMetrics),
        BROKER => ctx.broker.image().nodes.keys().map(ToString::to_string).collect(),
        TOPIC => ctx.broker.image().topics().map(|topic| topic.name.to_string()).collect(),
        _ => Vec::new(),
    }
}
