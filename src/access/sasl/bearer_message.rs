//! The first message of OAUTHBEARER, which has the token. Not here: whether the token is any good.

use super::error::AuthError;
use super::scram_message::sasl_name;

/// Between the parts of a message; alone, it is what a client sends after it was told that its token is no good.
pub(super) const SEPARATOR: char = '\x01';

/// What a client sends first. It has no `Debug`, for a token lets in whoever has it.
pub(super) struct BearerMessage<'a> {
    /// Who the client asked to be, if it did.
    pub(super) asked: Option<String>,
    pub(super) token: &'a str,
}

impl<'a> BearerMessage<'a> {
    /// Extensions are checked for their form and passed over, as Kafka's own handlers do.
    ///
    /// Source: RFC 7628, 3.1; Kafka `OAuthBearerClientInitialResponse`.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        let text = str::from_utf8(message).map_err(|_| malformed("expected UTF-8"))?;
        let (header, pairs) = text.split_once(SEPARATOR).ok_or(malformed("expected a gs2 header"))?;
        let asked = header.strip_prefix("n,").and_then(|header| header.strip_suffix(','));
        let asked = match asked.ok_or(malformed("expected a gs2 header"))? {
            "" => None,
            asked => {
                let asked = asked.strip_prefix("a=").filter(|asked| !asked.contains([',', '\0']));
                Some(sasl_name(asked.ok_or(malformed("expected an identity"))?)?)
            }
        };
        // Each pair ends with a separator, and one more ends the message.
        let pairs = pairs.strip_suffix(SEPARATOR).ok_or(malformed("expected two separators at the end"))?;
        let pairs = pairs.strip_suffix(SEPARATOR).ok_or(malformed("expected two separators at the end"))?;
        let mut token = None;
        for pair in pairs.split(SEPARATOR) {
            let (key, value) = pair.split_once('=').ok_or(malformed("expected a key and a value"))?;
            if key.is_empty() || value.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Err(malformed("expected a key and a value"));
            }
            if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')) {
                return Err(malformed("expected a value of printable characters"));
            }
            if key == "auth" && token.replace(token_of(value)?).is_some() {
                return Err(malformed("expected one token"));
            }
        }
        Ok(Self { asked, token: token.ok_or(malformed("expected a token"))? })
    }
}

/// The token behind "Bearer ", whose case does not matter.
fn token_of(value: &str) -> Result<&str, AuthError> {
    let (scheme, token) = value.split_once(' ').ok_or(malformed("expected a scheme and a token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed("expected a bearer token"));
    }
    let token = token.trim_start_matches(' ');
    let bare = token.trim_end_matches('=');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~+/.".contains(&byte);
    if bare.is_empty() || !bare.bytes().all(is_token) {
        return Err(malformed("expected a token"));
    }
    Ok(token)
}

const fn malformed(what: &'static str) -> AuthError {
    AuthError::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_token_and_perhaps_an_identity_and_extensions() {
        let plain = BearerMessage::parse(b"n,,\x01auth=Bearer a.b.c\x01\x01").unwrap();
        assert_eq!((plain.asked, plain.token), (None, "a.b.c"));
        let full = b"n,a=al=2Cice,\x01traceId=1 2\x01auth=bEARER  a-._~+/b==\x01\x01";
        let full = BearerMessage::parse(full).unwrap();
        assert_eq!((full.asked.as_deref(), full.token), (Some("al,ice"), "a-._~+/b=="));
    }

    #[test]
    fn a_message_out_of_form_is_refused() {
        for message in [
            "",
            "\x01",
            "n,,",
            "n,,\x01",
            "n,,\x01\x01",
            "n,,\x01auth=Bearer a\x01",
            "n,,auth=Bearer a\x01\x01",
            "y,,\x01auth=Bearer a\x01\x01",
            "p=x,,\x01auth=Bearer a\x01\x01",
            "n,b,\x01auth=Bearer a\x01\x01",
            "n,a=b,c,\x01auth=Bearer a\x01\x01",
            "n,,\x01auth=Bearer\x01\x01",
            "n,,\x01auth=Bearer \x01\x01",
            "n,,\x01auth=Basic a\x01\x01",
            "n,,\x01auth=Bearer a b\x01\x01",
            "n,,\x01auth=Bearer ==\x01\x01",
            "n,,\x01auth=Bearer a\x01auth=Bearer a\x01\x01",
            "n,,\x01k=v\x01\x01",
            "n,,\x01k1=v\x01auth=Bearer a\x01\x01",
            "n,,\x01k=\x01auth=Bearer a\x01\x01",
            "n,,\x01k=é\x01auth=Bearer a\x01\x01",
            "n,,\x01auth=Bearer a\x01\x01\x01",
        ] {
            let refused = BearerMessage::parse(message.as_bytes()).err();
            assert!(matches!(refused, Some(AuthError::Malformed { .. })), "{message:?}");
        }
    }
}
