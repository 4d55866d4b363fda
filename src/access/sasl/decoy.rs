//! Stands in for users who do not exist, so that an exchange with one of them looks like any other and fails as one
//! with a wrong password does.

use std::fmt;

use ring::hmac;

use super::credential::{ITERATIONS_MIN, ScramCredential};
use super::mechanism::ScramMechanism;

/// Makes the same credential for the same name each time, that no password fits.
///
/// Every node of a cluster needs the same secret, and needs it after a restart too: otherwise a name whose salt
/// changes from node to node is one that does not exist.
pub struct Decoy {
    key: hmac::Key,
}

impl Decoy {
    /// The length of the decoys' salts. Who makes credentials for real users is well advised to use the same.
    pub const SALT_LEN: usize = 16;

    /// `secret` is known to the broker only, 32 random bytes or so.
    pub fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA512, secret) }
    }

    /// What `name` gets that is no user. There is no password for it, for its keys are derived from none.
    pub fn credential(&self, mechanism: ScramMechanism, name: &str) -> ScramCredential {
        let derived = |what: &[u8]| {
            let mut context = hmac::Context::with_key(&self.key);
            // The code and the words are of fixed length, so that no two inputs run into each other.
            context.update(&mechanism.code().to_be_bytes());
            context.update(what);
            context.update(name.as_bytes());
            context.sign()
        };
        let (salt, stored, server) = (derived(b"salt.."), derived(b"stored"), derived(b"server"));
        let keys = (&stored.as_ref()[..mechanism.key_len()], &server.as_ref()[..mechanism.key_len()]);
        let salt = &salt.as_ref()[..Self::SALT_LEN];
        ScramCredential::from_keys(mechanism, salt, ITERATIONS_MIN.cast_signed(), keys.0, keys.1)
            .expect("lengths and iterations are within their bounds")
    }
}

impl fmt::Debug for Decoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_is_the_same_for_a_name_and_another_for_another() {
        let decoy = Decoy::new(b"secret");
        for mechanism in ScramMechanism::ALL {
            let credential = decoy.credential(mechanism, "nobody");
            assert_eq!(Decoy::new(b"secret").credential(mechanism, "nobody"), credential);
            assert_ne!(decoy.credential(mechanism, "nobodx").salt(), credential.salt());
            assert_ne!(Decoy::new(b"other").credential(mechanism, "nobody").salt(), credential.salt());
            assert_eq!(credential.salt().len(), Decoy::SALT_LEN);
        }
        let salt = |mechanism| decoy.credential(mechanism, "nobody").salt().to_vec();
        assert_ne!(salt(ScramMechanism::Sha256), salt(ScramMechanism::Sha512));
    }
}
