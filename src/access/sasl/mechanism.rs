//! The mechanisms by Kafka's names. Not here: which of them a listener offers.

use std::fmt;
use std::str::FromStr;

use ring::{digest, hmac, pbkdf2};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OauthBearer,
}

impl Mechanism {
    pub const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The longest message of a client, in bytes. Kafka bounds all by `sasl.server.max.receive.size` (524288); only a
    /// token may need as much.
    pub const fn message_max(self) -> usize {
        match self {
            Self::Plain | Self::ScramSha256 | Self::ScramSha512 => 64 * 1024,
            Self::OauthBearer => 512 * 1024,
        }
    }

    pub const fn scram(self) -> Option<ScramMechanism> {
        match self {
            Self::ScramSha256 => Some(ScramMechanism::Sha256),
            Self::ScramSha512 => Some(ScramMechanism::Sha512),
            Self::Plain | Self::OauthBearer => None,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown SASL mechanism {name:?}")]
pub struct MechanismError {
    pub name: String,
}

/// Names are taken in capitals only, as Kafka takes them.
impl FromStr for Mechanism {
    type Err = MechanismError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|mechanism| mechanism.name() == name);
        found.ok_or_else(|| MechanismError { name: name.to_owned() })
    }
}

/// The two SCRAM mechanisms, for credentials are kept for each of them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

impl ScramMechanism {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// By the code that the credential APIs use. Source: KIP-554, `ScramMechanism.type`.
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub const fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    pub const fn mechanism(self) -> Mechanism {
        match self {
            Self::Sha256 => Mechanism::ScramSha256,
            Self::Sha512 => Mechanism::ScramSha512,
        }
    }

    /// The length of a key, of a proof and of a salted password, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// HMAC of `text` under `key`.
    pub(super) fn mac(self, key: &[u8], text: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), text)
    }

    pub(super) fn hash(self, bytes: &[u8]) -> digest::Digest {
        match self {
            Self::Sha256 => digest::digest(&digest::SHA256, bytes),
            Self::Sha512 => digest::digest(&digest::SHA512, bytes),
        }
    }

    pub(super) const fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mechanism().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_has_the_name_that_kafka_gives_it() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().parse(), Ok(mechanism));
        }
        for name in ["", "plain", "GSSAPI", "SCRAM-SHA-1", "PLAIN "] {
            assert_eq!(name.parse::<Mechanism>(), Err(MechanismError { name: name.to_owned() }));
        }
    }

    #[test]
    fn a_scram_mechanism_has_the_code_of_the_credential_apis() {
        for scram in ScramMechanism::ALL {
            assert_eq!(ScramMechanism::from_code(scram.code()), Some(scram));
            assert_eq!(scram.mechanism().scram(), Some(scram));
        }
        assert_eq!(ScramMechanism::from_code(0), None);
        assert_eq!(ScramMechanism::from_code(3), None);
    }
}
