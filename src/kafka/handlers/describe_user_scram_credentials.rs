//! `DescribeUserScramCredentials` (key 50), v0. Source: KIP-554; Kafka `ScramImage.describe`, with its words.

use std::ops::RangeInclusive;

use super::acl::bytes;
use crate::access::sasl::ScramMechanism;
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use crate::wire::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct DescribeUserScramCredentials;

impl Handler for DescribeUserScramCredentials {
    const KEY: ApiKey = ApiKey::DescribeUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeUserScramCredentialsRequest;
    type Response = DescribeUserScramCredentialsResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeUserScramCredentialsRequest,
    ) -> Result<DescribeUserScramCredentialsResponse, BrokerError> {
        ctx.authorise(Operation::Describe, Resource::cluster())?;
        let known = ctx.broker.scram_users();
        let asked = request.users.unwrap_or_default();
        if asked.is_empty() {
            let results = known.iter().map(|(user, has)| described(user, has)).collect();
            return Ok(DescribeUserScramCredentialsResponse::default().with_results(results));
        }
        let mut results = Vec::new();
        for (at, user) in asked.iter().enumerate() {
            if asked[..at].iter().any(|earlier| earlier.name == user.name) {
                continue;
            }
            let name: &str = &user.name;
            let is_twice = asked[at + 1..].iter().any(|later| later.name == user.name);
            results.push(match known.get(name) {
                _ if is_twice => failed(
                    name,
                    ErrorCode::DuplicateResource,
                    format!("Cannot describe SCRAM credentials for the same user twice in a single request: {name}"),
                ),
                Some(has) => described(name, has),
                None => failed(
                    name,
                    ErrorCode::ResourceNotFound,
                    format!("Attempt to describe a user credential that does not exist: {name}"),
                ),
            });
        }
        Ok(DescribeUserScramCredentialsResponse::default().with_results(results))
    }

    fn refused(code: ErrorCode) -> DescribeUserScramCredentialsResponse {
        DescribeUserScramCredentialsResponse::default().with_error_code(code.code())
    }
}

fn described(user: &str, has: &[(ScramMechanism, i32)]) -> DescribeUserScramCredentialsResult {
    let info = |(mechanism, iterations): &(ScramMechanism, i32)| {
        CredentialInfo::default().with_mechanism(mechanism.code()).with_iterations(*iterations)
    };
    DescribeUserScramCredentialsResult::default()
        .with_user(bytes(user))
        .with_credential_infos(has.iter().map(info).collect())
}

fn failed(user: &str, code: ErrorCode, words: String) -> DescribeUserScramCredentialsResult {
    DescribeUserScramCredentialsResult::default()
        .with_user(bytes(user))
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_string(words)))
}
