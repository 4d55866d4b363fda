//! SASL as state machines: bytes of a client go in, a challenge, a principal or a refusal comes out.
//!
//! Pure: no socket, no clock, no file, no randomness of its own; time and nonces are handed in. Who exists and what
//! they can prove is behind [`Directory`]. Not here: the frames of `SaslHandshake` and `SaslAuthenticate`, which the
//! Kafka door has, and how many attempts somebody gets.
//!
//! Sources: RFC 4616 (PLAIN), RFC 5802 and 7677 (SCRAM), RFC 7628 (OAUTHBEARER), and where Kafka differs, Kafka's
//! `SaslServerAuthenticator` and the servers under it.

mod bearer;
mod bearer_message;
mod credential;
mod decoy;
mod directory;
mod error;
mod exchange;
mod jwks;
mod mechanism;
mod plain_message;
mod scram;
mod scram_message;
mod secret;
mod session;
#[cfg(test)]
mod tests;

pub use bearer::{Bearer, BearerRules};
pub use credential::{CredentialError, ITERATIONS_MAX, ITERATIONS_MIN, ScramCredential};
pub use decoy::Decoy;
pub use directory::Directory;
pub use error::{AuthError, TokenError};
pub use exchange::{Exchange, Step};
pub use jwks::{Jwks, JwksError};
pub use mechanism::{Mechanism, MechanismError, ScramMechanism};
pub use secret::Secret;
pub use session::{Session, UnixMillis, session_lifetime};

/// The longest name that is taken, in bytes. RFC 4616 demands 255; no answer depends on whether such a user exists.
pub const NAME_MAX: usize = 1024;

/// What a nonce is made from. 18 bytes are 24 characters of base64 without padding.
pub type NonceBytes = [u8; 18];
