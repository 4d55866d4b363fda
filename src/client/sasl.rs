//! The client's side of SASL: who it says it is, and the messages by which it shows that. The broker's side is `access`.
//!
//! Not here: the connection that carries the messages, and where passwords and tokens come from.

mod scram;

use std::fmt;
use std::io;
use std::sync::Arc;

pub(super) use scram::salted_password;
use scram::{Challenged, First};

/// Who logs in, and how. Its `Debug` shows no secret.
#[derive(Clone)]
pub enum Login {
    Plain {
        user: String,
        password: String,
    },
    Scram {
        hash: ScramHash,
        user: String,
        password: String,
    },
    /// Asked for anew at each login, since tokens do not last.
    Bearer(Arc<dyn Fn() -> io::Result<String> + Send + Sync>),
}

/// The hash of a SCRAM mechanism, with Kafka's code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ScramHash {
    Sha256 = 1,
    Sha512 = 2,
}

/// A login between two of its messages.
pub(super) enum Exchange {
    /// Nothing but a yes or no is to come.
    Told,
    First(First),
    Challenged(Challenged),
    /// The broker said why not and waits for this to be acknowledged.
    Refused,
}

impl ScramHash {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    pub const fn code(self) -> i8 {
        self as i8
    }
}

impl Login {
    /// As `SaslHandshake` has it.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain { .. } => "PLAIN",
            Self::Scram { hash, .. } => hash.name(),
            Self::Bearer(_) => "OAUTHBEARER",
        }
    }

    /// The first message, and what awaits its answer. `nonce` is printable ASCII without a comma, never used before.
    ///
    /// # Errors
    /// If there is no token.
    pub(super) fn begin(&self, nonce: &str) -> io::Result<(Exchange, Vec<u8>)> {
        match self {
            // Source: RFC 4616, 2.
            Self::Plain { user, password } => {
                Ok((Exchange::Told, format!("\0{user}\0{password}").into_bytes()))
            }
            Self::Scram { hash, user, password } => {
                let (first, message) = First::of(*hash, user, password, nonce);
                Ok((Exchange::First(first), message.into_bytes()))
            }
            // Source: RFC 7628, 3.1.
            Self::Bearer(token) => {
                let message = format!("n,,\u{1}auth=Bearer {}\u{1}\u{1}", token()?);
                Ok((Exchange::Told, message.into_bytes()))
            }
        }
    }
}

impl Exchange {
    /// What is sent after `answer`; None when the broker has said all that it should.
    ///
    /// # Errors
    /// What is wrong with the answer, which no broker that knows the password would give.
    pub(super) fn step(&mut self, answer: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        match std::mem::replace(self, Self::Told) {
            Self::Told if answer.is_empty() => Ok(None),
            // Source: RFC 7628, 3.2.3: only after this the broker says no.
            Self::Told => {
                *self = Self::Refused;
                Ok(Some(vec![1]))
            }
            Self::Refused => Err("it refused the token, and said yes behind that"),
            Self::First(first) => {
                let (challenged, message) = first.challenged(answer)?;
                *self = Self::Challenged(challenged);
                Ok(Some(message.into_bytes()))
            }
            Self::Challenged(challenged) => challenged.check(answer).map(|()| None),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.mechanism());
        match self {
            Self::Plain { user, .. } | Self::Scram { user, .. } => shown.field("user", user),
            Self::Bearer(_) => &mut shown,
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_one_message_and_a_yes() {
        let login = Login::Plain { user: "alice".into(), password: "pen cil".into() };
        let (mut exchange, message) = login.begin("").unwrap();
        assert_eq!(message, b"\0alice\0pen cil");
        assert_eq!(exchange.step(b""), Ok(None));
        assert!(!format!("{login:?}").contains("pen"));
    }

    #[test]
    fn a_token_that_is_refused_is_acknowledged_so_that_the_broker_says_no() {
        let login = Login::Bearer(Arc::new(|| Ok("abc.def".to_owned())));
        let (mut exchange, message) = login.begin("").unwrap();
        assert_eq!(message, b"n,,\x01auth=Bearer abc.def\x01\x01");
        assert_eq!(exchange.step(br#"{"status":"invalid_token"}"#), Ok(Some(vec![1])));
        assert!(exchange.step(b"").is_err());
    }
}
