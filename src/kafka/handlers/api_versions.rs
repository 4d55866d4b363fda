//! `ApiVersions` (key 18), v0-4. v1 throttle time · v3 flexible, client software (KIP-511) · v4 features from version 0
//!
//! Answers from the table. No finalised features: none of those that Kafka has is served yet, and clients switch on them.

use std::ops::RangeInclusive;

use super::APIS;
use crate::broker::BrokerError;
use crate::kafka::api::{Answer, Handler, Reply};
use crate::kafka::context::{Context, Software};
use crate::wire::messages::api_versions_response::ApiVersion;
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::response::{EncodeError, ReplyTo};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct ApiVersions;

impl Handler for ApiVersions {
    const KEY: ApiKey = ApiKey::ApiVersions;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Request = ApiVersionsRequest;
    type Response = ApiVersionsResponse;

    async fn handle(ctx: &Context, request: ApiVersionsRequest) -> Result<ApiVersionsResponse, BrokerError> {
        if ctx.version() >= 3 {
            let (name, version) = (request.client_software_name, request.client_software_version);
            if !is_software_word(&name) || !is_software_word(&version) {
                return Ok(Self::refused(ErrorCode::InvalidRequest));
            }
            ctx.set_software(Software { name, version });
        }
        let mut keys: Vec<ApiVersion> = APIS.iter().map(|api| listed(api.key, api.listed)).collect();
        keys.sort_by_key(|key| key.api_key);
        Ok(ApiVersionsResponse::default().with_api_keys(keys))
    }

    fn refused(code: ErrorCode) -> ApiVersionsResponse {
        ApiVersionsResponse::default().with_error_code(code.code())
    }
}

/// The answer to a version that nobody serves: v0, which every client reads, with the versions to choose from.
///
/// Source: KIP-511; Kafka `ApiVersionsRequest.getErrorResponse`.
pub(in crate::kafka) fn unsupported(correlation_id: i32) -> Result<Reply, EncodeError> {
    let range = (*ApiVersions::VERSIONS.start(), *ApiVersions::VERSIONS.end());
    let answer = ApiVersions::refused(ErrorCode::UnsupportedVersion);
    answer.with_api_keys(vec![listed(ApiVersions::KEY, range)]).reply(ReplyTo {
        correlation_id,
        version: 0,
        header_version: 0,
    })
}

fn listed(key: ApiKey, (min, max): (i16, i16)) -> ApiVersion {
    ApiVersion::default().with_api_key(key as i16).with_min_version(min).with_max_version(max)
}

/// Letters and digits, with `-` and `.` inside.
///
/// Source: Kafka `ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`.
fn is_software_word(word: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = word.as_bytes();
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().copied().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_words_are_judged_as_kafka_judges_them() {
        for good in ["a", "apache-kafka-java", "4.3.0", "librdkafka", "a.b-c"] {
            assert!(is_software_word(good), "{good}");
        }
        for bad in ["", "a b", "1 ", "-a", "a.", "a/b", "ü"] {
            assert!(!is_software_word(bad), "{bad}");
        }
    }
}
