//! A binding as one line of a Casbin policy, both ways: `p, User:alice, topic:orders, read, allow, *,
//! literal`.
//!
//! The fields are subject, object, action, effect, host and pattern. Host and pattern may be left out: every
//! host, literal. What would break a line or a quoted field (control characters, the double quote, and the
//! percent sign itself) is written as in a URL: `%0A`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::{AclBinding, AclError, Permission};
use crate::access::fields::{self, FieldError};
use crate::access::{Operation, PatternType, ResourceKind, WILDCARD};

/// Why a line is no binding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error(transparent)]
    Fields(#[from] FieldError),
    #[error("a line has 5 to 7 fields, this one {0}")]
    Count(usize),
    #[error("a line begins with p, not with {0:?}")]
    NotP(String),
    #[error("object {0:?} is not of the form kind:name, with one of Kafka's resource types as kind")]
    Object(String),
    #[error("{0:?} is no operation")]
    Operation(String),
    #[error("the effect is allow or deny, not {0:?}")]
    Effect(String),
    #[error("the pattern is literal or prefixed, not {0:?}")]
    Pattern(String),
    #[error(
        "in field {0:?} a percent sign is not followed by the two digits of a byte, or the bytes are no text"
    )]
    Escape(String),
    #[error(transparent)]
    Invalid(#[from] AclError),
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("p, ")?;
        fields::write(f, &escaped(&self.principal))?;
        f.write_str(", ")?;
        fields::write(f, &escaped(&format!("{}:{}", self.kind.name(), self.name)))?;
        write!(f, ", {}, {}, ", self.operation.name(), self.permission.name())?;
        fields::write(f, &escaped(&self.host))?;
        write!(f, ", {}", self.pattern.name())
    }
}

impl FromStr for AclBinding {
    type Err = LineError;

    /// Reads a line that [`fmt::Display`] wrote, or that a person did; what comes out is valid.
    fn from_str(line: &str) -> Result<Self, LineError> {
        let fields = fields::split(line)?;
        let [p, principal, object, operation, effect, rest @ ..] = fields.as_slice() else {
            return Err(LineError::Count(fields.len()));
        };
        let (host, pattern) = match rest {
            [] => (WILDCARD, PatternType::Literal.name()),
            [host] => (*host, PatternType::Literal.name()),
            [host, pattern] => (*host, *pattern),
            _ => return Err(LineError::Count(fields.len())),
        };
        if *p != "p" {
            return Err(LineError::NotP((*p).into()));
        }
        let no_object = || LineError::Object((*object).into());
        let (kind, name) = object.split_once(':').ok_or_else(no_object)?;
        let binding = Self {
            kind: ResourceKind::parse(kind).ok_or_else(no_object)?,
            name: unescaped(name)?,
            pattern: PatternType::parse(pattern).ok_or_else(|| LineError::Pattern(pattern.into()))?,
            principal: unescaped(principal)?,
            host: unescaped(host)?,
            operation: Operation::parse(operation)
                .ok_or_else(|| LineError::Operation((*operation).into()))?,
            permission: match *effect {
                "allow" => Permission::Allow,
                "deny" => Permission::Deny,
                other => return Err(LineError::Effect(other.into())),
            },
        };
        binding.check()?;
        Ok(binding)
    }
}

/// Whether a character cannot stand in a field as it is.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '%' | '"' | '\u{2028}' | '\u{2029}')
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if breaks(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(out, "%{byte:02X}").unwrap_or_else(|_| unreachable!("a String takes everything"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn unescaped(field: &str) -> Result<String, LineError> {
    let broken = || LineError::Escape(field.into());
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let (high, low) = (digit().ok_or_else(broken)?, digit().ok_or_else(broken)?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| broken())
}
