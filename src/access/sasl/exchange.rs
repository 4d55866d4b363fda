//! One authentication of one client, step by step. Not here: the frames around it, and what a principal may do.

use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::NonceBytes;
use super::bearer_message::{BearerMessage, SEPARATOR};
use super::directory::Directory;
use super::error::{AuthError, TokenError};
use super::mechanism::{Mechanism, ScramMechanism};
use super::plain_message::PlainMessage;
use super::scram::Challenged;
use super::session::UnixMillis;
use crate::access::Principal;

/// An exchange that is under way. Its end is final: one exchange lets in at most one client, once.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing came yet.
    Begun,
    /// A SCRAM client has to prove itself.
    Challenged(Box<Challenged>),
    /// An OAUTHBEARER client was told that its token is no good, and has to take note of it.
    TokenRefused(AuthError),
    Ended,
}

/// What follows from a message of the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this without an error and wait for the next message.
    Challenge(Bytes),
    /// Send `server_final`, which may be empty. The client is `principal`, until `expires` if that is known.
    Done { principal: Principal, server_final: Bytes, expires: Option<UnixMillis> },
    /// Tell the client [`AuthError::told`] of `reason` and close. `answer` is what the mechanism itself has for it, and
    /// the door may leave it out, as Kafka does: with an error, its `SaslAuthenticate` has no token.
    Refused { answer: Option<Bytes>, reason: AuthError },
}

impl Exchange {
    /// An exchange whose client speaks first, as all of them here do.
    pub const fn begin(mechanism: Mechanism) -> Self {
        Self { mechanism, state: State::Begun }
    }

    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the client's next message, as it stands in `SaslAuthenticate`, at the time `now`. `nonce` is asked at most
    /// once, and must never give the same twice.
    ///
    /// After [`Step::Done`] and [`Step::Refused`] the exchange has ended: all that follows is refused.
    pub fn step(
        &mut self,
        client_bytes: &[u8],
        directory: &dyn Directory,
        now: UnixMillis,
        nonce: &mut dyn FnMut() -> NonceBytes,
    ) -> Step {
        let max = self.mechanism.message_max();
        let bytes = client_bytes.len();
        let state = mem::replace(&mut self.state, State::Ended);
        let next = if bytes > max {
            Err(AuthError::TooLong { bytes, max })
        } else {
            match state {
                State::Begun => self.first(client_bytes, directory, now, nonce),
                State::Challenged(challenged) => {
                    challenged.proved(client_bytes).map(|(name, server_final)| Step::Done {
                        principal: Principal::user(name),
                        server_final,
                        expires: None,
                    })
                }
                State::TokenRefused(reason) => Err(after_refusal(client_bytes, reason)),
                State::Ended => Err(AuthError::Ended),
            }
        };
        next.unwrap_or_else(|reason| self.refused(reason))
    }

    fn first(
        &mut self,
        message: &[u8],
        directory: &dyn Directory,
        now: UnixMillis,
        nonce: &mut dyn FnMut() -> NonceBytes,
    ) -> Result<Step, AuthError> {
        match self.mechanism {
            Mechanism::Plain => plain(message, directory),
            Mechanism::ScramSha256 => self.scram(ScramMechanism::Sha256, message, directory, nonce),
            Mechanism::ScramSha512 => self.scram(ScramMechanism::Sha512, message, directory, nonce),
            Mechanism::OauthBearer => self.bearer(message, directory, now),
        }
    }

    fn scram(
        &mut self,
        mechanism: ScramMechanism,
        message: &[u8],
        directory: &dyn Directory,
        nonce: &mut dyn FnMut() -> NonceBytes,
    ) -> Result<Step, AuthError> {
        let (challenged, challenge) =
            Challenged::by(mechanism, message, directory, &STANDARD.encode(nonce()))?;
        self.state = State::Challenged(Box::new(challenged));
        Ok(Step::Challenge(challenge))
    }

    /// A bad token is answered by a challenge that says so, and refused when the client took note of it.
    ///
    /// Source: RFC 7628, 3.2.2 and 3.2.3; Kafka `OAuthBearerSaslServer`, which then also takes another token instead.
    fn bearer(
        &mut self,
        message: &[u8],
        directory: &dyn Directory,
        now: UnixMillis,
    ) -> Result<Step, AuthError> {
        let message = BearerMessage::parse(message)?;
        let bearer = match directory.bearer(message.token, now) {
            Ok(bearer) => bearer,
            Err(reason) => {
                self.state = State::TokenRefused(reason);
                return Ok(Step::Challenge(Bytes::from_static(TokenError::STATUS.as_bytes())));
            }
        };
        if let Some(asked) = message.asked.filter(|asked| *asked != bearer.name) {
            return Err(AuthError::OtherIdentity { name: bearer.name, asked });
        }
        let principal = Principal::user(bearer.name);
        Ok(Step::Done { principal, server_final: Bytes::new(), expires: Some(bearer.expires) })
    }

    fn refused(&self, reason: AuthError) -> Step {
        let answer = match self.mechanism {
            Mechanism::ScramSha256 | Mechanism::ScramSha512 => {
                Some(format!("e={}", reason.scram_code()).into())
            }
            Mechanism::Plain | Mechanism::OauthBearer => None,
        };
        Step::Refused { answer, reason }
    }
}

/// Kafka's order: who has not the password does not learn what is thought of the other identity.
///
/// Source: Kafka `PlainSaslServer.evaluateResponse`.
fn plain(message: &[u8], directory: &dyn Directory) -> Result<Step, AuthError> {
    let PlainMessage { asked, name, password } = PlainMessage::parse(message)?;
    if !directory.plain(name, password) {
        return Err(AuthError::WrongCredentials { name: name.to_owned() });
    }
    if !asked.is_empty() && asked != name {
        return Err(AuthError::OtherIdentity { name: name.to_owned(), asked: asked.to_owned() });
    }
    Ok(Step::Done { principal: Principal::user(name), server_final: Bytes::new(), expires: None })
}

fn after_refusal(message: &[u8], reason: AuthError) -> AuthError {
    if message == [SEPARATOR as u8] {
        return reason;
    }
    AuthError::Malformed { what: "expected the client to take note of the refused token" }
}
