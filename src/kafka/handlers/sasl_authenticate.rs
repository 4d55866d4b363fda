//! `SaslAuthenticate` (key 36), v0-2. v1 session lifetime (KIP-368) · v2 flexible
//!
//! A refusal is answered after a moment, and then the connection is closed: guessing is to be slow.

use std::ops::RangeInclusive;

use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::authentication::{REFUSED_AFTER, Told};
use crate::kafka::context::Context;
use crate::wire::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct SaslAuthenticate;

impl Handler for SaslAuthenticate {
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = SaslAuthenticateRequest;
    type Response = SaslAuthenticateResponse;

    async fn handle(
        ctx: &Context,
        request: SaslAuthenticateRequest,
    ) -> Result<SaslAuthenticateResponse, BrokerError> {
        Ok(match ctx.step(&request.auth_bytes) {
            Some(Told::Challenge(bytes)) => SaslAuthenticateResponse::default().with_auth_bytes(bytes),
            Some(Told::Welcome(bytes, lifetime_ms)) => SaslAuthenticateResponse::default()
                .with_auth_bytes(bytes)
                .with_session_lifetime_ms(lifetime_ms),
            Some(Told::Refused(words)) => {
                tokio::time::sleep(REFUSED_AFTER).await;
                Self::refused(ErrorCode::SaslAuthenticationFailed)
                    .with_error_message(Some(StrBytes::from_string(words)))
            }
            None => Self::refused(ErrorCode::IllegalSaslState).with_error_message(Some(
                StrBytes::from_static_str(
                    "SaslAuthenticate request received after successful authentication",
                ),
            )),
        })
    }

    fn refused(code: ErrorCode) -> SaslAuthenticateResponse {
        SaslAuthenticateResponse::default().with_error_code(code.code())
    }
}
