//! `DescribeCluster` (key 60), v0-2. v1 endpoint type (KIP-919) · v2 fenced brokers (KIP-1073)

use std::ops::RangeInclusive;

use super::metadata::{cluster_operations, controller};
use crate::broker::BrokerError;
use crate::cluster::NodeImage;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::describe_cluster_response::DescribeClusterBroker;
use crate::wire::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Endpoint types of KIP-919.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) struct DescribeCluster;

impl Handler for DescribeCluster {
    const KEY: ApiKey = ApiKey::DescribeCluster;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DescribeClusterRequest;
    type Response = DescribeClusterResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeClusterRequest,
    ) -> Result<DescribeClusterResponse, BrokerError> {
        if let Some(refusal) = fault(request.endpoint_type) {
            return Ok(Self::refused(refusal.code).with_error_message(refusal.text()));
        }
        let image = ctx.broker.image();
        let living = ctx.broker.living_nodes(&image);
        let is_listed = |node: &&NodeImage| {
            let is_fenced = node.is_serving() && !ctx.broker.is_alive(node.id);
            living.iter().any(|other| other.id == node.id) || (is_fenced && request.include_fenced_brokers)
        };
        let listed = image.nodes.values().filter(is_listed);
        let mut response = DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_string(ctx.broker.cluster_id_text()))
            .with_controller_id(controller(ctx, &living))
            .with_brokers(listed.filter_map(|node| broker(ctx, node, !living.contains(node))).collect());
        if request.include_cluster_authorized_operations {
            response.cluster_authorized_operations = cluster_operations(ctx);
        }
        Ok(response)
    }

    fn refused(code: ErrorCode) -> DescribeClusterResponse {
        DescribeClusterResponse::default().with_error_code(code.code()).with_controller_id(BrokerId(-1))
    }
}

fn broker(ctx: &Context, node: &NodeImage, is_fenced: bool) -> Option<DescribeClusterBroker> {
    let (host, port) = ctx.address(node)?;
    let broker =
        DescribeClusterBroker::default().with_broker_id(BrokerId(node.id)).with_host(host).with_port(port);
    Some(broker.with_rack(node.rack.clone().map(StrBytes::from_string)).with_is_fenced(is_fenced))
}

fn fault(endpoint_type: i8) -> Option<Refusal> {
    match endpoint_type {
        BROKERS => None,
        CONTROLLERS => {
            let words = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            Some(Refusal::new(ErrorCode::MismatchedEndpointType, words))
        }
        other => Some(Refusal::new(
            ErrorCode::UnsupportedEndpointType,
            format!("Unsupported endpoint type {other}"),
        )),
    }
}
