//! What is kept of a user for SCRAM: enough to check a proof, not enough to make one. Not here: where it is kept.

use std::fmt;
use std::num::NonZeroU32;

use ring::pbkdf2;
use subtle::ConstantTimeEq;

use super::mechanism::ScramMechanism;

/// The fewest iterations that are taken. Source: RFC 7677, 4; Kafka `ScramMechanism.minIterations`.
pub const ITERATIONS_MIN: u32 = 4096;

/// The most iterations that are taken. Source: Kafka `ScramControlManager.MAX_ITERATIONS`.
pub const ITERATIONS_MAX: u32 = 16384;

/// The longest salt, in bytes: it is sent to whoever asks.
const SALT_MAX: usize = 1024;

/// A user's credential for one SCRAM mechanism. Neither the password nor the salted password is in it.
///
/// Its `==` tells whether two records are the same, and is not for checking who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    mechanism: ScramMechanism,
    salt: Vec<u8>,
    /// Within `ITERATIONS_MIN..=ITERATIONS_MAX`.
    iterations: NonZeroU32,
    /// Both are `mechanism.key_len()` long.
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// What cannot be a credential. Kafka answers with `UNACCEPTABLE_CREDENTIAL`, and has the words of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("Too few iterations")]
    TooFewIterations { iterations: i64 },
    #[error("Too many iterations")]
    TooManyIterations { iterations: i64 },
    #[error("a salt of {bytes} bytes, {SALT_MAX} are allowed")]
    Salt { bytes: usize },
    #[error("{what} of {bytes} bytes, {mechanism} has {expected}")]
    KeyLength { what: &'static str, bytes: usize, mechanism: ScramMechanism, expected: usize },
}

impl ScramCredential {
    /// The credential of a user with this password. Takes milliseconds by design: not for the thread that serves.
    ///
    /// The password is taken as its UTF-8 bytes, without `SASLprep`: so do Kafka and its clients.
    ///
    /// Source: RFC 5802, 3; Kafka `ScramFormatter.generateCredential`, `ScramFormatter.normalize`.
    pub fn new(
        mechanism: ScramMechanism,
        password: &str,
        salt: &[u8],
        iterations: i32,
    ) -> Result<Self, CredentialError> {
        let rounds = checked(salt, iterations)?;
        let salted = salted(mechanism, password, salt, rounds);
        Ok(Self::derived(mechanism, salt, rounds, &salted))
    }

    /// The same of a salted password, as `AlterUserScramCredentials` brings it. Source: KIP-554.
    pub fn from_salted_password(
        mechanism: ScramMechanism,
        salted_password: &[u8],
        salt: &[u8],
        iterations: i32,
    ) -> Result<Self, CredentialError> {
        let rounds = checked(salt, iterations)?;
        key_length("a salted password", mechanism, salted_password)?;
        Ok(Self::derived(mechanism, salt, rounds, salted_password))
    }

    /// The same of keys that were stored.
    pub fn from_keys(
        mechanism: ScramMechanism,
        salt: &[u8],
        iterations: i32,
        stored_key: &[u8],
        server_key: &[u8],
    ) -> Result<Self, CredentialError> {
        let iterations = checked(salt, iterations)?;
        key_length("a stored key", mechanism, stored_key)?;
        key_length("a server key", mechanism, server_key)?;
        let (stored_key, server_key) = (stored_key.to_vec(), server_key.to_vec());
        Ok(Self { mechanism, salt: salt.to_vec(), iterations, stored_key, server_key })
    }

    fn derived(mechanism: ScramMechanism, salt: &[u8], iterations: NonZeroU32, salted: &[u8]) -> Self {
        let client_key = mechanism.mac(salted, b"Client Key");
        Self {
            mechanism,
            salt: salt.to_vec(),
            iterations,
            stored_key: mechanism.hash(client_key.as_ref()).as_ref().to_vec(),
            server_key: mechanism.mac(salted, b"Server Key").as_ref().to_vec(),
        }
    }

    pub fn mechanism(&self) -> ScramMechanism {
        self.mechanism
    }

    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Within [`ITERATIONS_MIN`]`..=`[`ITERATIONS_MAX`].
    pub fn iterations(&self) -> i32 {
        self.iterations.get().cast_signed()
    }

    pub fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    pub fn server_key(&self) -> &[u8] {
        &self.server_key
    }

    /// Whether the credential was made of `password`: for doors where the password itself comes. Takes milliseconds,
    /// as making one does.
    pub fn matches(&self, password: &str) -> bool {
        let salted = salted(self.mechanism, password, &self.salt, self.iterations);
        let other = Self::derived(self.mechanism, &self.salt, self.iterations, &salted);
        other.stored_key.ct_eq(&self.stored_key).into()
    }
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mechanism, iterations) = (&self.mechanism, &self.iterations);
        f.debug_struct("ScramCredential")
            .field("mechanism", mechanism)
            .field("iterations", iterations)
            .finish_non_exhaustive()
    }
}

/// `Hi(password, salt, iterations)` of RFC 5802.
fn salted(mechanism: ScramMechanism, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    let mut salted = vec![0; mechanism.key_len()];
    pbkdf2::derive(mechanism.pbkdf2(), iterations, salt, password.as_bytes(), &mut salted);
    salted
}

fn checked(salt: &[u8], iterations: i32) -> Result<NonZeroU32, CredentialError> {
    if salt.len() > SALT_MAX {
        return Err(CredentialError::Salt { bytes: salt.len() });
    }
    let rounds = u32::try_from(iterations).ok().filter(|rounds| *rounds >= ITERATIONS_MIN);
    let too_few = CredentialError::TooFewIterations { iterations: i64::from(iterations) };
    let rounds = rounds.and_then(NonZeroU32::new).ok_or(too_few)?;
    if rounds.get() > ITERATIONS_MAX {
        return Err(CredentialError::TooManyIterations { iterations: i64::from(iterations) });
    }
    Ok(rounds)
}

fn key_length(what: &'static str, mechanism: ScramMechanism, key: &[u8]) -> Result<(), CredentialError> {
    let expected = mechanism.key_len();
    if key.len() != expected {
        return Err(CredentialError::KeyLength { what, bytes: key.len(), mechanism, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_and_its_salted_form_make_the_same_credential() {
        for mechanism in ScramMechanism::ALL {
            let made = ScramCredential::new(mechanism, "pencil", b"salt", 4096).unwrap();
            let salted = salted(mechanism, "pencil", b"salt", NonZeroU32::new(4096).unwrap());
            let brought = ScramCredential::from_salted_password(mechanism, &salted, b"salt", 4096).unwrap();
            assert!(made == brought && made.matches("pencil") && !made.matches("Pencil"));
            let (stored, server) = (made.stored_key(), made.server_key());
            let read = ScramCredential::from_keys(mechanism, made.salt(), made.iterations(), stored, server);
            assert_eq!(read, Ok(made));
        }
    }

    #[test]
    fn iterations_outside_of_kafkas_bounds_are_refused() {
        let made = |iterations| ScramCredential::new(ScramMechanism::Sha256, "p", b"salt", iterations);
        for iterations in [i32::MIN, -1, 0, 1, 4095] {
            let iterations_64 = i64::from(iterations);
            let refused = Err(CredentialError::TooFewIterations { iterations: iterations_64 });
            assert_eq!(made(iterations), refused);
        }
        for iterations in [16385, i32::MAX] {
            let refused = Err(CredentialError::TooManyIterations { iterations: i64::from(iterations) });
            assert_eq!(made(iterations), refused);
        }
        assert_eq!(made(16384).unwrap().iterations(), 16384);
    }

    #[test]
    fn keys_of_another_length_and_salts_without_bound_are_refused() {
        let mechanism = ScramMechanism::Sha512;
        assert!(ScramCredential::from_salted_password(mechanism, &[0; 32], b"salt", 4096).is_err());
        assert!(ScramCredential::from_keys(mechanism, b"salt", 4096, &[0; 64], &[0; 63]).is_err());
        assert!(ScramCredential::new(mechanism, "p", &[0; 1025], 4096).is_err());
    }

    #[test]
    fn a_credential_shows_no_key_to_a_log() {
        let made = ScramCredential::new(ScramMechanism::Sha256, "pencil", b"salt", 4096).unwrap();
        assert_eq!(format!("{made:?}"), "ScramCredential { mechanism: Sha256, iterations: 4096, .. }");
    }
}
