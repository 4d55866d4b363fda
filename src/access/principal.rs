//! Who is asking: Kafka's principal, a kind and a name. Not here: how somebody proves to be one, or what one may do.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// Whoever has proved nothing. Source: Kafka `KafkaPrincipal.ANONYMOUS`.
pub static ANONYMOUS: LazyLock<Principal> = LazyLock::new(|| Principal::user("ANONYMOUS"));

/// A principal, written `User:alice`. Only the first colon divides, so the name may have more of them, and a
/// certificate's distinguished name is a name as it is.
///
/// Source: Kafka `KafkaPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// [`Principal::USER`] for all who come in by a door; an ACL may name another kind.
    pub kind: String,
    pub name: String,
}

impl Principal {
    pub const USER: &str = "User";

    pub fn user(name: impl Into<String>) -> Self {
        Self { kind: Self::USER.to_owned(), name: name.into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// A text that is no principal. The words are Kafka's, `SecurityUtils.parseKafkaPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a string in format principalType:principalName but got {text:?}")]
pub struct PrincipalError {
    pub text: String,
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
                Ok(Self { kind: kind.to_owned(), name: name.to_owned() })
            }
            _ => Err(PrincipalError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_read_as_it_is_written() {
        for text in ["User:alice", "User:CN=a,O=b:c", "Group:x", "User:*", "User: spaced "] {
            assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
        }
        let named = "User:CN=a:b".parse::<Principal>().unwrap();
        assert_eq!((named.kind.as_str(), named.name.as_str()), ("User", "CN=a:b"));
        assert_eq!(ANONYMOUS.to_string(), "User:ANONYMOUS");
    }

    #[test]
    fn a_text_without_a_kind_or_a_name_is_no_principal() {
        for text in ["", ":", "alice", "User:", ":alice"] {
            assert_eq!(text.parse::<Principal>(), Err(PrincipalError { text: text.to_owned() }), "{text}");
        }
    }
}
