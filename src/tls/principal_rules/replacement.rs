//! What a rule puts in the place of a match: text, and groups of the pattern, as Java's `Matcher.appendReplacement` reads it.

use regex::{Captures, Regex};

/// Invariant: every group is one of the pattern that it was parsed with.
#[derive(Clone, Debug)]
pub(super) struct Replacement {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// `$N` and `${name}` are groups of `pattern`, `\c` is c. A number beyond the last group is text, if there are groups at all.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str, pattern: &Regex) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let next = rest.chars().next().ok_or("nothing is after the last backslash")?;
                    rest = &rest[next.len_utf8()..];
                    literal.push(next);
                }
                '$' => {
                    let (group, after) = group(rest, pattern)?;
                    rest = after;
                    match group {
                        Some(number) => {
                            parts.push(Part::Text(std::mem::take(&mut literal)));
                            parts.push(Part::Group(number));
                        }
                        None => literal.push('$'),
                    }
                }
                _ => literal.push(c),
            }
        }
        parts.push(Part::Text(literal));
        Ok(Self { parts })
    }

    pub(super) fn expand(&self, captures: &Captures<'_>, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(number) => out.push_str(captures.get(*number).map_or("", |group| group.as_str())),
            }
        }
    }
}

/// The group that is named behind a dollar, and what is behind its name. `None` if the dollar is only a dollar.
fn group<'a>(text: &'a str, pattern: &Regex) -> Result<(Option<usize>, &'a str), String> {
    let groups = pattern.captures_len() - 1;
    if let Some(named) = text.strip_prefix('{') {
        let (name, after) = named.split_once('}').ok_or("a ${ has no closing brace")?;
        let known = pattern.capture_names().position(|known| known == Some(name));
        return Ok((Some(known.ok_or_else(|| format!("no group is named {name}"))?), after));
    }
    let digit =
        |at: usize| text.as_bytes().get(at).filter(|b| b.is_ascii_digit()).map(|b| usize::from(b - b'0'));
    let mut number = digit(0).ok_or("a $ is followed by no group; \\$ is a dollar")?;
    if number > groups {
        return if groups == 0 {
            Err(format!("it has ${number}, and the pattern has no group"))
        } else {
            Ok((None, text))
        };
    }
    // As many digits as still name a group.
    let mut taken = 1;
    while let Some(longer) = digit(taken).map(|next| number * 10 + next).filter(|longer| *longer <= groups) {
        number = longer;
        taken += 1;
    }
    Ok((Some(number), &text[taken..]))
}
