//! How a record is printed: by a pattern like kcat's -f, or as JSON.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::escape::{Text, unescape};
use crate::cli::output::Output;

use super::print::Record;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pattern(Vec<Piece>),
    Json,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Value,
    Headers,
    KeyLength,
    ValueLength,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(pattern: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some(at) = rest.find('%') {
            push_literal(&mut pieces, &rest[..at])?;
            let letter = rest[at + 1..].chars().next();
            pieces.push(match letter {
                Some('t') => Piece::Topic,
                Some('p') => Piece::Partition,
                Some('o') => Piece::Offset,
                Some('T') => Piece::Timestamp,
                Some('k') => Piece::Key,
                Some('s') => Piece::Value,
                Some('h') => Piece::Headers,
                Some('K') => Piece::KeyLength,
                Some('S') => Piece::ValueLength,
                Some('%') => Piece::Literal(b"%".to_vec()),
                _ => return Err(format!("'{pattern}': after a % comes one of t p o T k s h K S %")),
            });
            rest = &rest[at + 2..];
        }
        push_literal(&mut pieces, rest)?;
        Ok(Self::Pattern(pieces))
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if !text.is_empty() {
        pieces.push(Piece::Literal(unescape(text)?.0));
    }
    Ok(())
}

impl Format {
    pub(super) fn value() -> Self {
        Self::Pattern(vec![Piece::Value, Piece::Literal(b"\n".to_vec())])
    }

    pub(super) fn key_value(separator: &Text) -> Self {
        let (separator, end) = (Piece::Literal(separator.0.clone()), Piece::Literal(b"\n".to_vec()));
        Self::Pattern(vec![Piece::Key, separator, Piece::Value, end])
    }

    pub(super) fn print(&self, record: &Record<'_>, null: &[u8], out: &mut Output) -> Result<(), CliError> {
        match self {
            Self::Json => out.json_line(&as_json(record)),
            Self::Pattern(pieces) => pieces.iter().try_for_each(|piece| piece.print(record, null, out)),
        }
    }
}

impl Piece {
    fn print(&self, record: &Record<'_>, null: &[u8], out: &mut Output) -> Result<(), CliError> {
        let length =
            |bytes: Option<&[u8]>| bytes.map_or_else(|| "-1".into(), |bytes| bytes.len().to_string());
        match self {
            Self::Literal(bytes) => out.bytes(bytes),
            Self::Topic => out.bytes(record.topic.as_bytes()),
            Self::Partition => out.bytes(record.partition.to_string().as_bytes()),
            Self::Offset => out.bytes(record.offset.to_string().as_bytes()),
            Self::Timestamp => out.bytes(record.timestamp.to_string().as_bytes()),
            Self::Key => out.bytes(record.content.key.unwrap_or(null)),
            Self::Value => out.bytes(record.content.value.unwrap_or(null)),
            Self::KeyLength => out.bytes(length(record.content.key).as_bytes()),
            Self::ValueLength => out.bytes(length(record.content.value).as_bytes()),
            Self::Headers => {
                for (at, header) in record.content.headers.clone().enumerate() {
                    out.bytes(if at > 0 { b"," } else { b"" })?;
                    out.bytes(header.key)?;
                    out.bytes(b"=")?;
                    out.bytes(header.value.unwrap_or(null))?;
                }
                Ok(())
            }
        }
    }
}

/// Text as a string; other bytes under `…_base64`, so that nothing is lost.
fn as_json(record: &Record<'_>) -> Value {
    let mut object = json!({
        "topic": record.topic, "partition": record.partition, "offset": record.offset,
        "timestamp": record.timestamp,
        "timestamp_type": if record.is_log_append_time { "log_append_time" } else { "create_time" },
    });
    let headers = record.content.headers.clone().map(|header| {
        let mut one = json!({ "key": String::from_utf8_lossy(header.key) });
        put(&mut one, "value", header.value);
        one
    });
    object["headers"] = headers.collect();
    put(&mut object, "key", record.content.key);
    put(&mut object, "value", record.content.value);
    object
}

fn put(object: &mut Value, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object[name] = Value::Null,
        Some((_, Ok(text))) => object[name] = text.into(),
        Some((bytes, Err(_))) => object[format!("{name}_base64")] = base64(bytes).into(),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let is_padding = digit > three.len();
            let sextet = bits >> (18 - 6 * digit) & 63;
            text.push(if is_padding { '=' } else { ALPHABET[sextet as usize] as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_kcats() {
        let Ok(Format::Pattern(pieces)) = r"%t-%p\t%k=%s%%\n".parse() else { panic!("no pattern") };
        let literal = |text: &str| Piece::Literal(text.into());
        let wanted = [
            Piece::Topic,
            literal("-"),
            Piece::Partition,
            literal("\t"),
            Piece::Key,
            literal("="),
            Piece::Value,
            literal("%"),
            literal("\n"),
        ];
        assert_eq!(pieces, wanted);
        for bad in ["%", "%q", r"\q"] {
            assert!(bad.parse::<Format>().is_err(), "{bad}");
        }
    }

    #[test]
    fn base64_is_padded() {
        // RFC 4648, section 10.
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
