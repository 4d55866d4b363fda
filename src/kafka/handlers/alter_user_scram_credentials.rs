//! `AlterUserScramCredentials` (key 51), v0. Source: KIP-554; Kafka `ScramControlManager`, with its words.
//!
//! A user of whom one alteration is wrong keeps what they have.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::acl::bytes;
use crate::access::sasl::{ITERATIONS_MAX, ITERATIONS_MIN, ScramCredential, ScramMechanism};
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use crate::wire::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use crate::wire::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct AlterUserScramCredentials;

type Change = (String, ScramMechanism, Option<ScramCredential>);

impl Handler for AlterUserScramCredentials {
    const KEY: ApiKey = ApiKey::AlterUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const CONTROLLER: bool = true;
    type Request = AlterUserScramCredentialsRequest;
    type Response = AlterUserScramCredentialsResponse;

    async fn handle(
        ctx: &Context,
        request: AlterUserScramCredentialsRequest,
    ) -> Result<AlterUserScramCredentialsResponse, BrokerError> {
        if let Err(denied) = ctx.authorise(Operation::Alter, Resource::cluster()) {
            return Ok(Self::not_taken(request, &Refusal::from(&denied)));
        }
        let mut users: BTreeMap<String, Result<Vec<Change>, Refusal>> = BTreeMap::new();
        for deletion in &request.deletions {
            let name: &str = &deletion.name;
            add(
                &mut users,
                name,
                mechanism(name, deletion.mechanism).and_then(|mechanism| {
                    if ctx.broker.has_scram(name, mechanism) {
                        return Ok((name.to_owned(), mechanism, None));
                    }
                    let words = "Attempt to delete a user credential that does not exist";
                    Err(Refusal::new(ErrorCode::ResourceNotFound, words))
                }),
            );
        }
        for upsertion in &request.upsertions {
            add(&mut users, &upsertion.name, set(upsertion));
        }
        let changes = users.values().filter_map(|user| user.as_ref().ok()).flatten().cloned().collect();
        let failed = ctx.broker.alter_scram(changes).await.err().map(|error| Refusal::from(&error));
        let outcome = |(user, altered): (String, Result<Vec<Change>, Refusal>)| {
            result(&user, altered.err().as_ref().or(failed.as_ref()))
        };
        let results = users.into_iter().map(outcome).collect();
        Ok(AlterUserScramCredentialsResponse::default().with_results(results))
    }

    fn refused(_: ErrorCode) -> AlterUserScramCredentialsResponse {
        AlterUserScramCredentialsResponse::default()
    }

    fn not_taken(
        request: AlterUserScramCredentialsRequest,
        refusal: &Refusal,
    ) -> AlterUserScramCredentialsResponse {
        let deleted = request.deletions.iter().map(|deletion| deletion.name.to_string());
        let mut users: Vec<String> = request.upsertions.iter().map(|set| set.name.to_string()).collect();
        users.extend(deleted);
        users.sort_unstable();
        users.dedup();
        let results = users.iter().map(|user| result(user, Some(refusal))).collect();
        AlterUserScramCredentialsResponse::default().with_results(results)
    }
}

/// The first thing that is wrong counts for the whole user.
fn add(
    users: &mut BTreeMap<String, Result<Vec<Change>, Refusal>>,
    name: &str,
    change: Result<Change, Refusal>,
) {
    let user = users.entry(name.to_owned()).or_insert_with(|| Ok(Vec::new()));
    let Ok(changes) = user else { return };
    match change {
        Ok(change) if changes.iter().any(|(_, mechanism, _)| *mechanism == change.1) => {
            let words = "A user credential cannot be altered twice in the same request";
            *user = Err(Refusal::new(ErrorCode::DuplicateResource, words));
        }
        Ok(change) => changes.push(change),
        Err(refusal) => *user = Err(refusal),
    }
}

fn mechanism(name: &str, code: i8) -> Result<ScramMechanism, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
    }
    let unknown = || Refusal::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism");
    ScramMechanism::from_code(code).ok_or_else(unknown)
}

fn set(upsertion: &ScramCredentialUpsertion) -> Result<Change, Refusal> {
    let unacceptable = |words: &str| Err(Refusal::new(ErrorCode::UnacceptableCredential, words));
    let mechanism = mechanism(&upsertion.name, upsertion.mechanism)?;
    let iterations = i64::from(upsertion.iterations);
    if iterations < i64::from(ITERATIONS_MIN) {
        return unacceptable("Too few iterations");
    }
    if iterations > i64::from(ITERATIONS_MAX) {
        return unacceptable("Too many iterations");
    }
    let made = ScramCredential::from_salted_password(
        mechanism,
        &upsertion.salted_password,
        &upsertion.salt,
        upsertion.iterations,
    );
    match made {
        Ok(credential) => Ok((upsertion.name.to_string(), mechanism, Some(credential))),
        Err(error) => unacceptable(&error.to_string()),
    }
}

fn result(user: &str, refusal: Option<&Refusal>) -> AlterUserScramCredentialsResult {
    let result = AlterUserScramCredentialsResult::default().with_user(bytes(user));
    let Some(refusal) = refusal else { return result };
    result.with_error_code(refusal.code.code()).with_error_message(refusal.text())
}
