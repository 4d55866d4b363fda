//! What a line says: headers, key and value, as the separators divide it.

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::escape::{Text, unescape};

#[derive(Args, Debug, Default)]
pub(super) struct LineFormat {
    /// What stands between key and value; without it a line is all value. \t and \xNN are understood
    #[arg(long, short = 'K', value_name = "TEXT", value_parser = unescape)]
    key_separator: Option<Text>,
    /// What stands between the headers (k1=v1,k2=v2) and the rest of a line
    #[arg(long, value_name = "TEXT", value_parser = unescape)]
    headers_separator: Option<Text>,
    /// What stands between one header and the next
    #[arg(long, value_name = "TEXT", default_value = ",", value_parser = unescape)]
    header_separator: Option<Text>,
    /// A key or value of this text is a null: a null value is a tombstone
    #[arg(long, value_name = "TEXT", value_parser = unescape)]
    null: Option<Text>,
}

type Header<'a> = (&'a [u8], Option<&'a [u8]>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Vec<Header<'a>>,
}

impl LineFormat {
    /// # Errors
    /// [`CliError::Usage`] for a separator that separates nothing.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let separators = [&self.key_separator, &self.headers_separator, &self.header_separator];
        if separators.iter().any(|text| text.as_ref().is_some_and(|text| text.0.is_empty())) {
            return Err(CliError::Usage("produce: a separator is empty".into()));
        }
        Ok(())
    }

    /// # Errors
    /// What the line lacks.
    pub(super) fn parse<'a>(&self, line: &'a [u8]) -> Result<Parsed<'a>, String> {
        let (mut rest, mut headers) = (line, Vec::new());
        if let Some(Text(separator)) = &self.headers_separator {
            let (before, after) = split_once(rest, separator).ok_or("it has no headers separator")?;
            headers = self.headers(before)?;
            rest = after;
        }
        let mut key = None;
        if let Some(Text(separator)) = &self.key_separator {
            let (before, after) = split_once(rest, separator).ok_or("it has no key separator")?;
            key = self.nullable(before);
            rest = after;
        }
        Ok(Parsed { key, value: self.nullable(rest), headers })
    }

    fn headers<'a>(&self, text: &'a [u8]) -> Result<Vec<Header<'a>>, String> {
        let mut headers = Vec::new();
        let mut rest = Some(text).filter(|text| !text.is_empty());
        while let Some(text) = rest {
            let split =
                self.header_separator.as_ref().and_then(|Text(separator)| split_once(text, separator));
            let (one, after) = split.map_or((text, None), |(one, after)| (one, Some(after)));
            let (key, value) = split_once(one, b"=").ok_or("a header is not KEY=VALUE")?;
            headers.push((key, self.nullable(value)));
            rest = after;
        }
        Ok(headers)
    }

    fn nullable<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        Some(text).filter(|text| self.null.as_ref().is_none_or(|null| null.0 != *text))
    }
}

fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(separator.len()).position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text(text.into())
    }

    #[test]
    fn a_line_is_headers_key_and_value_as_the_separators_divide_it() {
        let plain = LineFormat::default();
        let all = LineFormat {
            key_separator: Some(text("::")),
            headers_separator: Some(text("\t")),
            header_separator: Some(text(",")),
            null: Some(text("NULL")),
        };
        assert_eq!(plain.parse(b"a::b").unwrap().value, Some(&b"a::b"[..]));
        let parsed = all.parse(b"h=1,i=NULL\tkey::value::more").unwrap();
        assert_eq!(parsed.headers, [(&b"h"[..], Some(&b"1"[..])), (&b"i"[..], None)]);
        assert_eq!((parsed.key, parsed.value), (Some(&b"key"[..]), Some(&b"value::more"[..])));
        assert_eq!(all.parse(b"\tkey::NULL").unwrap().value, None);
        assert!(all.parse(b"no tab").unwrap_err().contains("headers separator"));
        assert!(all.parse(b"h\tk::v").unwrap_err().contains("KEY=VALUE"));
        assert!(all.parse(b"\tno key").unwrap_err().contains("key separator"));
    }
}
