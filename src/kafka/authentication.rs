//! Who a connection's client is: by the certificate that it showed, or by SASL, and for how long that counts.
//!
//! Not here: the frames of SASL (`handlers`), how a mechanism works (`access::sasl`), what a principal may do.

use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::ended::Ended;
use crate::access::sasl::{
    AuthError, Directory, Exchange, Mechanism, NonceBytes, Session, Step, UnixMillis, session_lifetime,
};
use crate::access::{ANONYMOUS, Principal};
use crate::wire::ApiKey;

/// What a request may have, in bytes, before its client said who it is: enough for any token.
pub(super) const REQUEST_BYTES_MAX: usize = 768 * 1024;

/// Before a refusal is told: Kafka's `connection.failed.authentication.delay.ms`.
pub(super) const REFUSED_AFTER: Duration = Duration::from_millis(100);

/// How the clients of a listener say who they are.
#[derive(Clone, Debug, Default)]
pub(super) enum Demands {
    /// They need not, or showed a certificate.
    #[default]
    Nothing,
    /// By one of these.
    Sasl(Arc<[Mechanism]>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Authentication {
    demands: Demands,
    principal: Principal,
    exchange: Option<Exchange>,
    /// After `SaslHandshake` v0 messages come as they are, in no request.
    is_bare: bool,
    session: Option<(Session, Option<Instant>)>,
    has_failed: bool,
}

/// What a client is told after one of its messages.
#[derive(Debug)]
pub(super) enum Told {
    Challenge(bytes::Bytes),
    /// And how long its session lasts, in milliseconds; 0: without end.
    Welcome(bytes::Bytes, i64),
    /// The connection ends with the answer.
    Refused(String),
}

/// Why an exchange cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoExchange {
    /// Clients of this listener do not authenticate by SASL.
    NotHere,
    UnknownMechanism,
}

impl Authentication {
    /// `certified`: by the certificate that the client showed.
    pub(super) fn new(demands: Demands, certified: Option<Principal>) -> Self {
        let principal = certified.unwrap_or_else(|| ANONYMOUS.clone());
        Self { demands, principal, exchange: None, is_bare: false, session: None, has_failed: false }
    }

    /// As long as it has to say who it is, [`ANONYMOUS`].
    pub(super) fn principal(&self) -> &Principal {
        self.session.as_ref().map_or(&self.principal, |(session, _)| &session.principal)
    }

    /// Whether a request may be served at all.
    ///
    /// # Errors
    /// What ends the connection: a client that has not said who it is, or not again, asks for something else.
    pub(super) fn admits(&self, api: ApiKey) -> Result<(), Ended> {
        let Demands::Sasl(_) = self.demands else { return Ok(()) };
        if matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate) {
            return Ok(());
        }
        match &self.session {
            None => Err(Ended::Unauthenticated { api }),
            Some((_, Some(until))) if Instant::now() >= *until => Err(Ended::SessionOver),
            Some(_) => Ok(()),
        }
    }

    /// Whether it is known who the client is, or does not matter.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.demands, Demands::Nothing) || self.session.is_some()
    }

    /// Whether the connection has to end, since the client is not who it says it is.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The names of the mechanisms that there are.
    pub(super) fn mechanisms(&self) -> Vec<&'static str> {
        match &self.demands {
            Demands::Nothing => Vec::new(),
            Demands::Sasl(mechanisms) => mechanisms.iter().map(|mechanism| mechanism.name()).collect(),
        }
    }

    /// Whether the next frame is no request, but a message of the exchange.
    pub(super) fn takes_bare(&self) -> bool {
        self.is_bare && self.exchange.is_some()
    }

    /// The client wants to use a mechanism; `is_bare`: its messages come in no requests.
    pub(super) fn begin(&mut self, name: &str, is_bare: bool) -> Result<(), NoExchange> {
        let Demands::Sasl(mechanisms) = &self.demands else { return Err(NoExchange::NotHere) };
        let Some(mechanism) = mechanisms.iter().find(|mechanism| mechanism.name() == name) else {
            self.has_failed = true;
            return Err(NoExchange::UnknownMechanism);
        };
        self.exchange = Some(Exchange::begin(*mechanism));
        self.is_bare = is_bare;
        Ok(())
    }

    /// Takes a message of the exchange. `None`: there is no exchange.
    pub(super) fn step(
        &mut self,
        message: &[u8],
        directory: &dyn Directory,
        now: UnixMillis,
        max_reauth_ms: i64,
    ) -> Option<Told> {
        let exchange = self.exchange.as_mut()?;
        let mechanism = exchange.mechanism();
        let again = self.session.as_ref().map(|(session, _)| session);
        let stepped = match again.map_or(Ok(()), |session| session.may_begin(mechanism)) {
            Ok(()) => exchange.step(message, directory, now, &mut nonce),
            Err(reason) => Step::Refused { answer: None, reason },
        };
        Some(match stepped {
            Step::Challenge(bytes) => Told::Challenge(bytes),
            Step::Done { principal, server_final, expires } => {
                if let Some(Err(reason)) = again.map(|session| session.may_continue_as(&principal)) {
                    return Some(self.refuse(mechanism, &reason));
                }
                let lifetime = session_lifetime(max_reauth_ms, expires, now);
                let lasts = lifetime.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
                let until = lasts.and_then(|lasts| Instant::now().checked_add(lasts));
                self.exchange = None;
                self.session = Some((Session { principal, mechanism }, until));
                Told::Welcome(server_final, lifetime.unwrap_or(0))
            }
            Step::Refused { reason, .. } => self.refuse(mechanism, &reason),
        })
    }

    fn refuse(&mut self, mechanism: Mechanism, reason: &AuthError) -> Told {
        self.exchange = None;
        self.has_failed = true;
        let again = self.session.is_some();
        tracing::info!(target: "bateau::audit", %mechanism, again, %reason, "authentication failed");
        Told::Refused(reason.told(mechanism, again))
    }
}

fn nonce() -> NonceBytes {
    let mut bytes = [0; 18];
    // Without randomness no exchange is safe; the system has always some.
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
