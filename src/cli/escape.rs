//! Backslash escapes in separators and formats: \n \t \r \0 \\ \xNN.

/// Bytes that were written with escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<u8>);

pub(super) fn unescape(text: &str) -> Result<Text, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next();
        let (byte, taken) = match escape {
            Some('n') => (b'\n', 1),
            Some('t') => (b'\t', 1),
            Some('r') => (b'\r', 1),
            Some('0') => (0, 1),
            Some('\\') => (b'\\', 1),
            Some('x') => {
                let hex = rest.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                (hex.ok_or_else(|| format!("'{text}': \\x takes two hexadecimal digits"))?, 3)
            }
            _ => return Err(format!("'{text}': of escapes only \\n \\t \\r \\0 \\\\ and \\xNN are known")),
        };
        bytes.push(byte);
        rest = &rest[at + 1 + taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(Text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(unescape(r"a\tb\x00\\é").unwrap().0, "a\tb\0\\é".as_bytes());
        for bad in [r"\", r"\q", r"\x1", r"\xzz"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }
}
