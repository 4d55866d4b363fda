//! A login on a new connection: `SaslHandshake`, then `SaslAuthenticate` until the broker says yes or no.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::{CONNECT_WITHIN, Connection};
use crate::client::{ClientError, Login};
use crate::wire::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use crate::wire::{ErrorCode, StrBytes};

/// After version 0 tokens would come in no requests.
const HANDSHAKE_VERSION: i16 = 1;
/// More than any mechanism here has.
const MESSAGES_MAX: usize = 4;
const NONCE_LEN: usize = 24;
/// How much of a session passes before another connection is opened; Kafka's clients take as much.
const SESSION_PERCENT: u32 = 85;

impl Connection {
    /// When the connection gets stale, if it does.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's words, if it lets nobody in.
    pub(super) async fn log_in(&self, login: &Login) -> Result<Option<Instant>, ClientError> {
        let subject = || format!("{}: login by {}", self.address(), login.mechanism());
        let protocol = |what: String| ClientError::Protocol { subject: subject(), what };
        self.agree_on(login, subject()).await?;

        let mut nonce = [0; NONCE_LEN];
        let filled = SystemRandom::new().fill(&mut nonce);
        filled.map_err(|_| protocol("this machine has no random numbers".into()))?;
        let begun = login.begin(&STANDARD.encode(nonce));
        let (mut exchange, mut message) = begun.map_err(|error| protocol(format!("no token: {error}")))?;
        let version = self.version::<SaslAuthenticateRequest>()?;
        for _ in 0..MESSAGES_MAX {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
            let sent = Instant::now();
            let answer = self.call_within(&request, version, CONNECT_WITHIN).await?;
            ClientError::check(answer.error_code, subject(), answer.error_message.as_deref())?;
            match exchange.step(&answer.auth_bytes).map_err(|what| protocol(what.into()))? {
                Some(next) => message = next,
                None => return Ok(stale_from(sent, answer.session_lifetime_ms)),
            }
        }
        Err(protocol("the broker wants ever more messages".into()))
    }

    async fn agree_on(&self, login: &Login, subject: String) -> Result<(), ClientError> {
        let mechanism = StrBytes::from_static_str(login.mechanism());
        let request = SaslHandshakeRequest::default().with_mechanism(mechanism);
        let answer = self.call_within(&request, HANDSHAKE_VERSION, CONNECT_WITHIN).await?;
        let is_other =
            ErrorCode::try_from_code(answer.error_code) == Some(ErrorCode::UnsupportedSaslMechanism);
        let offers = is_other.then(|| {
            let offers: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
            format!("the broker takes {}: choose with --sasl-mechanism", offers.join(", "))
        });
        ClientError::check(answer.error_code, subject, offers.as_deref())
    }
}

/// A session of 0 ms lasts.
fn stale_from(sent: Instant, session_ms: i64) -> Option<Instant> {
    let session = u64::try_from(session_ms).ok().filter(|session| *session > 0)?;
    sent.checked_add(Duration::from_millis(session) / 100 * SESSION_PERCENT)
}
