//! `UpdateFeatures` (key 57), v0-2. Source: KIP-584. v1 kinds of upgrade, validation alone (KIP-778) · v2 one error for all
//!
//! There is no feature to switch on (see `api_versions.rs`), so only what changes nothing is taken.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::update_features_request::FeatureUpdateKey;
use crate::wire::messages::update_features_response::UpdatableFeatureResult;
use crate::wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Features of Kafka that may be off, as they all are here.
const OFF: [&str; 6] = [
    "eligible.leader.replicas.version",
    "group.version",
    "kraft.version",
    "share.version",
    "streams.version",
    "transaction.version",
];

/// Upgrade, safe downgrade, unsafe downgrade.
const UPGRADE_TYPES: RangeInclusive<i8> = 1..=3;

pub(super) struct UpdateFeatures;

impl Handler for UpdateFeatures {
    const KEY: ApiKey = ApiKey::UpdateFeatures;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const CONTROLLER: bool = true;
    type Request = UpdateFeaturesRequest;
    type Response = UpdateFeaturesResponse;

    async fn handle(
        ctx: &Context,
        request: UpdateFeaturesRequest,
    ) -> Result<UpdateFeaturesResponse, BrokerError> {
        if let Err(denied) = ctx.authorise(Operation::Alter, Resource::cluster()) {
            let refusal = Refusal::from(denied);
            return Ok(Self::refused(refusal.code).with_error_message(refusal.text()));
        }
        let node = ctx.broker.node_id();
        let faults = request.feature_updates.iter().find_map(|update| fault(update, ctx.version(), node));
        if let Some(words) = faults {
            let words = format!(
                "The update failed for all features since the following feature had an error: {words}"
            );
            let refusal = Refusal::new(ErrorCode::InvalidUpdateVersion, words);
            return Ok(Self::refused(refusal.code).with_error_message(refusal.text()));
        }
        let done = |update: &FeatureUpdateKey| {
            UpdatableFeatureResult::default()
                .with_feature(update.feature.clone())
                .with_error_message(Some(StrBytes::from_static_str("NONE"))) // as Kafka has it
        };
        let results = match ctx.version() {
            0 | 1 => request.feature_updates.iter().map(done).collect(),
            _ => Vec::new(),
        };
        Ok(UpdateFeaturesResponse::default().with_error_message(None).with_results(results))
    }

    fn refused(code: ErrorCode) -> UpdateFeaturesResponse {
        UpdateFeaturesResponse::default().with_error_code(code.code())
    }
}

/// Why an update cannot be made.
///
/// Source: Kafka `FeatureControlManager.updateFeature`, with its words.
fn fault(update: &FeatureUpdateKey, version: i16, node: i32) -> Option<String> {
    let (feature, level) = (update.feature.as_str(), update.max_version_level);
    let reason = if version >= 1 && !UPGRADE_TYPES.contains(&update.upgrade_type) {
        "The controller does not support the given upgrade type.".to_owned()
    } else if level < 0 {
        "A feature version cannot be less than 0.".to_owned()
    } else if level > 0 {
        format!("Local controller {node} does not support this feature.")
    } else if OFF.contains(&feature) {
        return None;
    } else {
        format!("Feature {feature} not found.")
    };
    Some(format!("Invalid update version {level} for feature {feature}. {reason}"))
}
