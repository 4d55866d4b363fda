//! SCRAM as a client speaks it, by the letter of RFC 5802. Not here: where the nonce comes from.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

use super::ScramHash;

/// Channel binding is not to be had.
const HEADER: &str = "n,,";
/// A broker that asks for fewer might be after the password. Source: Kafka `ScramMechanism.minIterations`.
const ITERATIONS_MIN: u32 = 4096;
/// A broker that asks for more keeps us busy. Kafka itself allows 16384.
const ITERATIONS_MAX: u32 = 1_000_000;

/// A client that has said who it is.
pub(in crate::client) struct First {
    hash: ScramHash,
    password: String,
    nonce: String,
    bare: String,
}

/// A client that has proved that it knows the password, and wants the same of the broker.
pub(in crate::client) struct Challenged {
    expected: Vec<u8>,
}

impl First {
    /// The first message, too.
    pub(super) fn of(hash: ScramHash, user: &str, password: &str, nonce: &str) -> (Self, String) {
        let bare = format!("n={},r={nonce}", user.replace('=', "=3D").replace(',', "=2C"));
        let message = format!("{HEADER}{bare}");
        (Self { hash, password: password.to_owned(), nonce: nonce.to_owned(), bare }, message)
    }

    /// Source: RFC 5802, 3.
    pub(super) fn challenged(self, challenge: &[u8]) -> Result<(Challenged, String), &'static str> {
        let challenge = str::from_utf8(challenge).map_err(|_| "its challenge is not in UTF-8")?;
        let mut parts = challenge.split(',');
        let mut part = |key| parts.next().and_then(|part| part.strip_prefix(key));
        let (nonce, salt, iterations) = (part("r="), part("s="), part("i="));
        let (Some(nonce), Some(salt), Some(iterations)) = (nonce, salt, iterations) else {
            return Err("its challenge is not of SCRAM");
        };
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its challenge is to another client");
        }
        let salt = STANDARD.decode(salt).map_err(|_| "its salt is not in base64")?;
        let iterations = iterations.parse().ok();
        let iterations = iterations.filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count));
        let iterations = iterations.ok_or("it wants too few or too many iterations")?;
        let salted = salted_password(self.hash, &self.password, &salt, iterations);

        let without_proof = format!("c={},r={nonce}", STANDARD.encode(HEADER));
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let client_key = mac(self.hash, &salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), &client_key);
        let signature = mac(self.hash, stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, bits)| key ^ bits).collect();
        let server_key = mac(self.hash, &salted, b"Server Key");
        let expected = mac(self.hash, &server_key, signed.as_bytes());
        Ok((Challenged { expected }, format!("{without_proof},p={}", STANDARD.encode(proof))))
    }
}

impl Challenged {
    /// Whether the broker knows the user, too.
    pub(super) fn check(self, last: &[u8]) -> Result<(), &'static str> {
        let signature = last.strip_prefix(b"v=").and_then(|signature| {
            let end = signature.iter().position(|byte| *byte == b',').unwrap_or(signature.len());
            STANDARD.decode(&signature[..end]).ok()
        });
        let signature = signature.ok_or("its last message is not of SCRAM")?;
        let is_equal = bool::from(signature.ct_eq(&self.expected));
        is_equal.then_some(()).ok_or("it does not know the password itself: it may be an impostor")
    }
}

/// `Hi` of RFC 5802, which is PBKDF2. `iterations` of 0 count as 1. The password's bytes are taken as they are, as Kafka takes them.
pub(in crate::client) fn salted_password(
    hash: ScramHash,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Vec<u8> {
    let mut salted = vec![0; hash.digest().output_len()];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(hash.pbkdf2(), iterations, salt, password.as_bytes(), &mut salted);
    salted
}

fn mac(hash: ScramHash, key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hash.hmac(), key), data).as_ref().to_vec()
}

impl ScramHash {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn first() -> First {
        First::of(ScramHash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO").0
    }

    #[test]
    fn the_example_of_rfc_7677_is_played_to_its_end() {
        let (_, message) = First::of(ScramHash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(message, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (challenged, message) = first().challenged(CHALLENGE.as_bytes()).unwrap();
        assert_eq!(message, PROOF);
        assert_eq!(challenged.check(SIGNATURE.as_bytes()), Ok(()));
    }

    #[test]
    fn a_broker_that_does_not_know_the_password_is_found_out() {
        for last in ["v=AAAA", "v=", "e=other-error", ""] {
            let (challenged, _) = first().challenged(CHALLENGE.as_bytes()).unwrap();
            assert!(challenged.check(last.as_bytes()).is_err(), "{last}");
        }
    }

    #[test]
    fn a_challenge_that_is_not_ours_or_too_weak_is_refused() {
        for (from, to) in [
            ("r=rOpr", "r=xOpr"),
            ("i=4096", "i=1"),
            ("i=4096", "i=99999999"),
            (",s=", ",x="),
            ("=W22Z", "=!"),
        ] {
            let challenge = CHALLENGE.replace(from, to);
            assert!(first().challenged(challenge.as_bytes()).is_err(), "{challenge}");
        }
        assert!(first().challenged(&[0xFF]).is_err());
    }

    #[test]
    fn commas_in_a_name_do_not_end_it() {
        let (_, message) = First::of(ScramHash::Sha512, "a,b=c", "", "n");
        assert_eq!(message, "n,,n=a=2Cb=3Dc,r=n");
    }
}
