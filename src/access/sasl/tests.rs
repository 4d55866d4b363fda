//! Exchanges from their first byte to their end: PLAIN here, the others in their own files.
//!
//! The clients are written out in the tests, so that nothing is checked against itself.

mod arbitrary;
mod bearer;
mod scram;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::*;
use crate::access::Principal;

pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_100_000);

/// The broker's nonces in the tests: the first is of zeros, the next of ones.
#[derive(Default)]
pub(super) struct Nonces(u8);

impl Nonces {
    pub(super) fn next(&mut self) -> NonceBytes {
        self.0 += 1;
        [self.0 - 1; 18]
    }
}

/// One user, "alice" with "pencil", known to PLAIN and to both SCRAMs with a salt and iterations like the decoy's.
pub(super) struct Known {
    decoy: Decoy,
    credentials: Vec<ScramCredential>,
    rules: BearerRules,
    keys: Jwks,
}

/// Made once, for making credentials takes its time.
pub(super) static KNOWN: LazyLock<Known> = LazyLock::new(Known::new);

impl Known {
    fn new() -> Self {
        let salt = [7; Decoy::SALT_LEN];
        let made = |mechanism| ScramCredential::new(mechanism, "pencil", &salt, 4096).unwrap();
        Self {
            decoy: Decoy::new(b"secret"),
            credentials: ScramMechanism::ALL.into_iter().map(made).collect(),
            rules: BearerRules { allow_unsecured: true, ..BearerRules::default() },
            keys: Jwks::default(),
        }
    }
}

impl Directory for Known {
    fn plain(&self, name: &str, password: &str) -> bool {
        name == "alice" && Secret::new("pencil").matches(password)
    }

    fn scram(&self, name: &str, mechanism: ScramMechanism) -> Option<ScramCredential> {
        let mut all = self.credentials.iter();
        all.find(|found| name == "alice" && found.mechanism() == mechanism).cloned()
    }

    fn bearer(&self, token: &str, now: UnixMillis) -> Result<Bearer, AuthError> {
        Ok(self.rules.check(&self.keys, token, now)?)
    }

    fn decoy(&self) -> &Decoy {
        &self.decoy
    }
}

pub(super) fn step(exchange: &mut Exchange, message: impl AsRef<[u8]>) -> Step {
    exchange.step(message.as_ref(), &*KNOWN, NOW, &mut || [0; 18])
}

pub(super) fn done(name: &str, server_final: impl Into<Bytes>, expires: Option<UnixMillis>) -> Step {
    Step::Done { principal: Principal::user(name), server_final: server_final.into(), expires }
}

/// The reason of a refusal.
pub(super) fn reason(step: Step) -> AuthError {
    match step {
        Step::Refused { reason, .. } => reason,
        Step::Challenge(_) | Step::Done { .. } => panic!("{step:?} is no refusal"),
    }
}

fn plain(message: &[u8]) -> Step {
    step(&mut Exchange::begin(Mechanism::Plain), message)
}

#[test]
fn a_password_lets_its_user_in_by_plain() {
    assert_eq!(plain(b"\0alice\0pencil"), done("alice", "", None));
    assert_eq!(plain(b"alice\0alice\0pencil"), done("alice", "", None));
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let told = |message: &[u8]| match plain(message) {
        Step::Refused { answer: None, reason } => reason.told(Mechanism::Plain, false),
        step => panic!("{step:?}"),
    };
    assert_eq!(told(b"\0alice\0pen"), "Authentication failed: Invalid username or password");
    assert_eq!(told(b"\0alice\0pen"), told(b"\0nobody\0pencil"));
    assert_eq!(told(b"\0\0pencil"), "Authentication failed: username not specified");
    assert_eq!(told(b"\0alice\0"), "Authentication failed: password not specified");
    assert_eq!(told(b"alice"), "Invalid SASL/PLAIN response: expected 3 tokens");
}

#[test]
fn only_who_has_the_password_learns_that_another_identity_is_not_for_them() {
    let other = AuthError::OtherIdentity { name: "alice".to_owned(), asked: "root".to_owned() };
    assert_eq!(reason(plain(b"root\0alice\0pencil")), other);
    let wrong = AuthError::WrongCredentials { name: "alice".to_owned() };
    assert_eq!(reason(plain(b"root\0alice\0pen")), wrong);
}

#[test]
fn an_exchange_that_ended_stays_so() {
    let mut exchange = Exchange::begin(Mechanism::Plain);
    assert_eq!(step(&mut exchange, b"\0alice\0pencil"), done("alice", "", None));
    assert_eq!(reason(step(&mut exchange, b"\0alice\0pencil")), AuthError::Ended);
    for mechanism in Mechanism::ALL {
        let mut exchange = Exchange::begin(mechanism);
        reason(step(&mut exchange, b"\xFF"));
        for message in [b"\0alice\0pencil".as_slice(), b"n,,n=alice,r=abc", b"\x01", b""] {
            assert_eq!(reason(step(&mut exchange, message)), AuthError::Ended);
        }
    }
}

#[test]
fn a_message_longer_than_its_mechanism_needs_is_not_looked_at() {
    for mechanism in Mechanism::ALL {
        let max = mechanism.message_max();
        let mut exchange = Exchange::begin(mechanism);
        let refused = reason(step(&mut exchange, vec![b'a'; max + 1]));
        assert_eq!(refused, AuthError::TooLong { bytes: max + 1, max });
        assert_eq!(reason(step(&mut exchange, b"\0alice\0pencil")), AuthError::Ended);
    }
}

#[test]
fn what_a_client_is_told_has_no_more_in_it_than_kafka_tells() {
    let wrong = AuthError::WrongCredentials { name: "alice".to_owned() };
    let malformed = AuthError::Malformed { what: "expected a nonce" };
    let told = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256";
    for reason in [wrong.clone(), malformed, AuthError::Ended, AuthError::OtherChannelBinding] {
        assert_eq!(reason.told(Mechanism::ScramSha256, false), told);
    }
    assert!(wrong.told(Mechanism::ScramSha512, true).contains("during re-authentication"));
    let (before, now) = (Principal::user("a"), Principal::user("b"));
    let changed = AuthError::PrincipalChanged { before, now };
    let words = "Cannot change principals during re-authentication from User.a: User.b";
    assert_eq!(changed.told(Mechanism::Plain, true), words);
    let unsecured = AuthError::Token(TokenError::Unsecured);
    assert_eq!(unsecured.told(Mechanism::OauthBearer, false), r#"{"status":"invalid_token"}"#);
}
