//! Why somebody is not let in. A log may have all that is in here; a client is told only [`AuthError::told`].

use super::mechanism::Mechanism;
use super::session::UnixMillis;
use crate::access::Principal;

/// Why an exchange was refused. Names are as the client sent them and are printed quoted; nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("malformed message: {what}")]
    Malformed { what: &'static str },
    #[error("a message of {bytes} bytes is longer than the {max} that are allowed")]
    TooLong { bytes: usize, max: usize },
    #[error("{what} not specified")]
    Missing { what: &'static str },
    /// No such user, or a wrong password or proof: one situation, for nobody is to learn which.
    #[error("{name:?} has not these credentials")]
    WrongCredentials { name: String },
    #[error("{name:?} asked to be {asked:?}")]
    OtherIdentity { name: String, asked: String },
    #[error("channel binding {flag:?} is not supported")]
    ChannelBinding { flag: char },
    /// The header that the exchange began with is not the one that the proof covers: a sign of a downgrade.
    #[error("the channel binding is not the one that the exchange began with")]
    OtherChannelBinding,
    /// An answer to another exchange, perhaps one that was listened to.
    #[error("the nonce of {name:?} is not that of this exchange")]
    OtherNonce { name: String },
    #[error("{name:?} came with a delegation token, which are not supported")]
    DelegationToken { name: String },
    #[error("mandatory extensions are not supported")]
    MandatoryExtension,
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The exchange came to its end before.
    #[error("nothing more was expected of the client")]
    Ended,
    #[error("{asked} cannot follow {before} on the same connection")]
    MechanismChanged { before: Mechanism, asked: Mechanism },
    #[error("{before} cannot become {now} on the same connection")]
    PrincipalChanged { before: Principal, now: Principal },
}

impl AuthError {
    /// What the client is told as the error message of `SaslAuthenticate`, beside `SASL_AUTHENTICATION_FAILED`; `again`
    /// if it was authenticated before (KIP-368). The words are Kafka's, and say no more than Kafka's do: neither whether
    /// a user exists nor why a token is no good.
    ///
    /// Source: Kafka `PlainSaslServer`, `OAuthBearerSaslServer`, `SaslServerAuthenticator.handleSaslToken`.
    pub fn told(&self, mechanism: Mechanism, again: bool) -> String {
        match self {
            Self::WrongCredentials { .. } if mechanism == Mechanism::Plain => {
                "Authentication failed: Invalid username or password".to_owned()
            }
            Self::Missing { what } => format!("Authentication failed: {what} not specified"),
            Self::Malformed { what } if mechanism == Mechanism::Plain => {
                format!("Invalid SASL/PLAIN response: {what}")
            }
            Self::OtherIdentity { .. } => {
                "Authentication failed: Client requested an authorization id that is different from username"
                    .to_owned()
            }
            Self::DelegationToken { .. } => {
                "Authentication failed: delegation tokens are not supported".to_owned()
            }
            Self::Token(_) => TokenError::STATUS.to_owned(),
            Self::MechanismChanged { before, asked } => format!(
                "SASL mechanism '{asked}' requested by client is not supported for re-authentication of mechanism '{before}'"
            ),
            Self::PrincipalChanged { before, now } => format!(
                "Cannot change principals during re-authentication from {}.{}: {}.{}",
                before.kind, before.name, now.kind, now.name
            ),
            Self::WrongCredentials { .. }
            | Self::Malformed { .. }
            | Self::TooLong { .. }
            | Self::ChannelBinding { .. }
            | Self::OtherChannelBinding
            | Self::OtherNonce { .. }
            | Self::MandatoryExtension
            | Self::Ended => {
                let what = if again { "re-authentication" } else { "authentication" };
                format!(
                    "Authentication failed during {what} due to invalid credentials with SASL mechanism {mechanism}"
                )
            }
        }
    }

    /// The `server-error` that RFC 5802 has for it. Never `unknown-user`.
    pub(super) const fn scram_code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Missing { .. } | Self::TooLong { .. } => "invalid-encoding",
            Self::WrongCredentials { .. } => "invalid-proof",
            Self::ChannelBinding { .. } => "channel-binding-not-supported",
            Self::OtherChannelBinding => "channel-bindings-dont-match",
            Self::DelegationToken { .. } | Self::MandatoryExtension => "extensions-not-supported",
            Self::OtherIdentity { .. }
            | Self::OtherNonce { .. }
            | Self::Token(_)
            | Self::Ended
            | Self::MechanismChanged { .. }
            | Self::PrincipalChanged { .. } => "other-error",
        }
    }
}

/// Why a bearer token is no good. Claims are named, and quoted where that helps whoever runs the broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("malformed token: {what}")]
    Malformed { what: &'static str },
    #[error("unsecured tokens are not allowed")]
    Unsecured,
    #[error("tokens signed by {algorithm:?} are not supported")]
    Algorithm { algorithm: String },
    #[error("no key fits the token (key id {kid:?})")]
    UnknownKey { kid: Option<String> },
    #[error("the signature of the token is wrong (key id {kid:?})")]
    Signature { kid: Option<String> },
    #[error("the token has no usable claim {claim:?}")]
    Claim { claim: String },
    #[error("the token expired at {expires:?}, and it is {now:?}")]
    Expired { expires: UnixMillis, now: UnixMillis },
    #[error("the token counts from {from:?}, and it is {now:?}")]
    NotYet { from: UnixMillis, now: UnixMillis },
    #[error("the token is by issuer {issuer:?}")]
    Issuer { issuer: String },
    #[error("the token is for {audience:?}")]
    Audience { audience: Vec<String> },
}

impl TokenError {
    /// What a client is told of a bad token, whatever is wrong with it. Source: RFC 7628, 3.2.2; Kafka
    /// `OAuthBearerSaslServer.jsonErrorResponse`.
    pub(super) const STATUS: &str = r#"{"status":"invalid_token"}"#;
}
