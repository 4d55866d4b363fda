//! `SaslHandshake` (key 17), v0-1. After v0 tokens come in no requests; after v1 in `SaslAuthenticate` (KIP-152). librdkafka
//! takes a broker without v0 for one without SASL.

use std::ops::RangeInclusive;

use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::authentication::NoExchange;
use crate::kafka::context::Context;
use crate::wire::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct SaslHandshake;

impl Handler for SaslHandshake {
    const KEY: ApiKey = ApiKey::SaslHandshake;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = SaslHandshakeRequest;
    type Response = SaslHandshakeResponse;

    async fn handle(
        ctx: &Context,
        request: SaslHandshakeRequest,
    ) -> Result<SaslHandshakeResponse, BrokerError> {
        let begun =
            ctx.authentication(|authentication| authentication.begin(&request.mechanism, ctx.version() == 0));
        let code = match begun {
            Ok(()) => 0,
            Err(NoExchange::NotHere) => ErrorCode::IllegalSaslState.code(),
            Err(NoExchange::UnknownMechanism) => ErrorCode::UnsupportedSaslMechanism.code(),
        };
        let mechanisms = ctx.authentication(|authentication| authentication.mechanisms());
        let mechanisms = mechanisms.into_iter().map(StrBytes::from_static_str).collect();
        Ok(SaslHandshakeResponse::default().with_error_code(code).with_mechanisms(mechanisms))
    }

    fn refused(code: ErrorCode) -> SaslHandshakeResponse {
        SaslHandshakeResponse::default().with_error_code(code.code())
    }
}
