//! The fields of one policy line, separated by commas and written as Casbin reads them: white space around a
//! field does not count, and a field in double quotes may hold commas and white space. A quote cannot be
//! written inside quotes.

use std::fmt;

/// Why a line has no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("the quote of field {field} is not closed")]
    NotClosed { field: usize },
    #[error("field {field} goes on after its closing quote")]
    AfterQuote { field: usize },
}

/// Splits `line` into its fields, which count from 1 in errors. An empty line is one empty field.
pub(super) fn split(line: &str) -> Result<Vec<&str>, FieldError> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    loop {
        let field = fields.len() + 1;
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inside, after) = quoted.split_once('"').ok_or(FieldError::NotClosed { field })?;
            fields.push(inside);
            let after = after.trim_start();
            if after.is_empty() {
                return Ok(fields);
            }
            rest = after.strip_prefix(',').ok_or(FieldError::AfterQuote { field })?.trim_start();
        } else {
            let Some((inside, after)) = rest.split_once(',') else {
                fields.push(rest);
                return Ok(fields);
            };
            fields.push(inside.trim_end());
            rest = after.trim_start();
        }
    }
}

/// Writes one field so that [`split`] gives it back, in quotes only if it needs them. `text` has no double
/// quote and no line break.
pub(super) fn write(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quotes = text.is_empty() || text.contains(',') || text.trim() != text;
    if quotes { write!(f, "\"{text}\"") } else { f.write_str(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_fields_does_not_count_and_inside_of_quotes_it_does() {
        assert_eq!(split(" p, root ,*,  produce "), Ok(vec!["p", "root", "*", "produce"]));
        assert_eq!(split("p, \" a, b \" , c"), Ok(vec!["p", " a, b ", "c"]));
        assert_eq!(split(","), Ok(vec!["", ""]));
        assert_eq!(split("a,\"\""), Ok(vec!["a", ""]));
        assert_eq!(split("r.sub.name == \"x\", b"), Ok(vec!["r.sub.name == \"x\"", "b"]));
    }

    #[test]
    fn a_quote_that_is_not_closed_or_not_the_end_of_its_field_is_an_error() {
        assert_eq!(split("p, \"a, b"), Err(FieldError::NotClosed { field: 2 }));
        assert_eq!(split("p, \"a\" b, c"), Err(FieldError::AfterQuote { field: 2 }));
    }
}
