//! The one message of PLAIN: `[authzid] NUL name NUL password`. Not here: whether it is the password.

use super::NAME_MAX;
use super::error::AuthError;

/// A PLAIN message, whose name and password are not empty. It has no `Debug`.
pub(super) struct PlainMessage<'a> {
    /// Empty if the client did not ask for another identity.
    pub(super) asked: &'a str,
    pub(super) name: &'a str,
    pub(super) password: &'a str,
}

impl<'a> PlainMessage<'a> {
    /// Source: RFC 4616, 2; Kafka `PlainSaslServer.evaluateResponse`, which also takes bytes that are not UTF-8.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        let malformed = |what| AuthError::Malformed { what };
        let text = str::from_utf8(message).map_err(|_| malformed("expected UTF-8"))?;
        let mut tokens = text.split('\0');
        let (Some(asked), Some(name), Some(password), None) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(malformed("expected 3 tokens"));
        };
        if name.is_empty() {
            return Err(AuthError::Missing { what: "username" });
        }
        if password.is_empty() {
            return Err(AuthError::Missing { what: "password" });
        }
        if name.len() > NAME_MAX || asked.len() > NAME_MAX {
            return Err(malformed("expected a shorter name"));
        }
        Ok(Self { asked, name, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &[u8]) -> AuthError {
        PlainMessage::parse(message).err().unwrap()
    }

    #[test]
    fn a_message_has_three_tokens_of_which_the_first_may_be_empty() {
        for (message, asked) in [(b"\0alice\0p:w d".as_slice(), ""), (b"bob\0alice\0p:w d", "bob")] {
            let parsed = PlainMessage::parse(message).unwrap();
            assert_eq!((parsed.asked, parsed.name, parsed.password), (asked, "alice", "p:w d"));
        }
        for message in [b"".as_slice(), b"alice", b"\0alice", b"\0alice\0pw\0", b"\0a\0b\0c\0d"] {
            assert_eq!(refusal(message), AuthError::Malformed { what: "expected 3 tokens" });
        }
        assert_eq!(refusal(b"\0ali\xFFce\0pw"), AuthError::Malformed { what: "expected UTF-8" });
    }

    #[test]
    fn a_name_and_a_password_are_needed() {
        assert_eq!(refusal(b"\0\0pw"), AuthError::Missing { what: "username" });
        assert_eq!(refusal(b"\0alice\0"), AuthError::Missing { what: "password" });
        let long = format!("\0{}\0pw", "a".repeat(NAME_MAX + 1));
        assert_eq!(refusal(long.as_bytes()), AuthError::Malformed { what: "expected a shorter name" });
    }
}
