//! A password in memory, that no log can show. Not here: where it came from.

use std::fmt;

use ring::digest;
use subtle::ConstantTimeEq;

/// A password. It has no `Display`, and its `Debug` says nothing of it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself: to make a credential of it, never to print it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this password. Digests are compared, in a time that tells neither where two passwords differ
    /// nor whether they have the same length.
    pub fn matches(&self, other: &str) -> bool {
        let digest = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
        digest(&self.0).as_ref().ct_eq(digest(other).as_ref()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_and_shows_itself_to_nobody() {
        let secret = Secret::new("pencil");
        assert!(secret.matches("pencil"));
        for other in ["", "Pencil", "pencil ", "penci"] {
            assert!(!secret.matches(other));
        }
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
