//! The broker's side of SCRAM, between its two steps. Not here: the messages' form, and what is kept of a user.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use subtle::{Choice, ConstantTimeEq};

use super::credential::ScramCredential;
use super::directory::Directory;
use super::error::AuthError;
use super::mechanism::ScramMechanism;
use super::scram_message::{ClientFinal, ClientFirst};

/// An exchange whose client was challenged and has still to prove that it knows the password.
pub(super) struct Challenged {
    name: String,
    /// The user's, or the decoy's if there is no such user.
    credential: ScramCredential,
    exists: bool,
    /// The header that the client began with.
    header: String,
    /// The client's nonce and ours behind it.
    nonce: String,
    /// `client-first-message-bare "," server-first-message ","`
    signed: String,
}

impl fmt::Debug for Challenged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenged").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Challenged {
    /// Answers the first message with a challenge, whose nonce ends with `own_nonce`.
    ///
    /// A user who does not exist is challenged as well. The decoy's keys are made for everybody, so that the time tells
    /// nothing either.
    ///
    /// Source: RFC 5802, 3 and 7; Kafka `ScramSaslServer`, which refuses unknown users here.
    pub(super) fn by(
        mechanism: ScramMechanism,
        message: &[u8],
        directory: &dyn Directory,
        own_nonce: &str,
    ) -> Result<(Self, Bytes), AuthError> {
        let first = ClientFirst::parse(message)?;
        if let Some(asked) = first.asked.filter(|asked| *asked != first.name) {
            return Err(AuthError::OtherIdentity { name: first.name, asked });
        }
        let decoy = directory.decoy().credential(mechanism, &first.name);
        let found = directory.scram(&first.name, mechanism).filter(|found| found.mechanism() == mechanism);
        let exists = found.is_some();
        let credential = found.unwrap_or(decoy);

        let nonce = format!("{}{own_nonce}", first.nonce);
        let salt = STANDARD.encode(credential.salt());
        let challenge = format!("r={nonce},s={salt},i={}", credential.iterations());
        let signed = format!("{},{challenge},", first.bare);
        let header = first.header.to_owned();
        Ok((Self { name: first.name, credential, exists, header, nonce, signed }, challenge.into()))
    }

    /// Checks the proof; who it is, and the message by which the client can tell that the broker knows the user too.
    ///
    /// Source: RFC 5802, 3.
    pub(super) fn proved(self, message: &[u8]) -> Result<(String, Bytes), AuthError> {
        let last = ClientFinal::parse(message)?;
        if last.header != self.header.as_bytes() {
            return Err(AuthError::OtherChannelBinding);
        }
        // RFC 5802 wants it equal. librdkafka up to 2.0 puts its own part in front once more, and Kafka looks at the end
        // alone; what ends with ours was made for this exchange.
        if !last.nonce.ends_with(&self.nonce) {
            return Err(AuthError::OtherNonce { name: self.name });
        }
        let mechanism = self.credential.mechanism();
        if last.proof.len() != mechanism.key_len() {
            return Err(AuthError::Malformed { what: "expected a proof as long as the mechanism's keys" });
        }
        let signed = format!("{}{}", self.signed, last.without_proof);
        let client_signature = mechanism.mac(self.credential.stored_key(), signed.as_bytes());
        let server_signature = mechanism.mac(self.credential.server_key(), signed.as_bytes());
        let both = client_signature.as_ref().iter().zip(&last.proof);
        let client_key: Vec<u8> = both.map(|(signature, proof)| signature ^ proof).collect();
        let fits = mechanism.hash(&client_key).as_ref().ct_eq(self.credential.stored_key());
        if !bool::from(fits & Choice::from(u8::from(self.exists))) {
            return Err(AuthError::WrongCredentials { name: self.name });
        }
        let server_final = format!("v={}", STANDARD.encode(server_signature.as_ref()));
        Ok((self.name, server_final.into()))
    }
}
