//! The functions that a matcher may call: `g` for roles, `keyMatch`, `regexMatch`.
//!
//! The latter two stand in for Casbin's of the same names and meaning, which panic: its `keyMatch` for a name
//! with a letter beyond ASCII in the wrong place, its `regexMatch` for what is no regular expression. Others
//! are refused, for the same reason. The pattern is always a field of the line: what a client sends is
//! compared, and never is a pattern.

use std::cell::RefCell;
use std::collections::HashMap;

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{CoreApi, Enforcer};
use regex::{Regex, RegexBuilder};

use super::Problem;

/// The most different regular expressions that a policy may have. Each thread keeps as many, ready for use.
pub(super) const MAX_REGEXES: usize = 256;

/// What one of them may take, in bytes.
const REGEX_BYTES: usize = 64 * 1024;

thread_local! {
    static READY: RefCell<HashMap<Box<str>, Regex>> = RefCell::new(HashMap::new());
}

/// Gives `enforcer` our functions for its own.
pub(super) fn give(enforcer: &mut Enforcer) {
    enforcer.add_function(
        "keyMatch",
        OperatorFunction::Arg2(|name, pattern| {
            key_match(&dynamic_to_str(&name), &dynamic_to_str(&pattern)).into()
        }),
    );
    enforcer.add_function(
        "regexMatch",
        OperatorFunction::Arg2(|name, pattern| {
            regex_match(&dynamic_to_str(&name), &dynamic_to_str(&pattern)).into()
        }),
    );
}

/// Looks at what `matcher` calls, and returns the indexes of the fields that are regular expressions.
pub(super) fn check(matcher: &str, fields: &[String], has_roles: bool) -> Result<Vec<usize>, Problem> {
    let mut regexes = Vec::new();
    for (at, _) in matcher.match_indices('(') {
        let before = matcher[..at].trim_end();
        let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
        let name = &before[name..];
        match name {
            "" => {}
            "g" if has_roles => {}
            "keyMatch" | "regexMatch" => {
                let column = pattern_of(&matcher[at + 1..], fields);
                let column = column.ok_or_else(|| Problem::NoPattern(name.into()))?;
                if name == "regexMatch" {
                    regexes.push(column);
                }
            }
            other => return Err(Problem::Function(other.into())),
        }
    }
    Ok(regexes)
}

/// Compiles a regular expression; None if it is none, or takes too much memory.
pub(super) fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build().ok()
}

/// The index of the field that `arguments` (what follows a parenthesis) have as the second one, and the last.
fn pattern_of(arguments: &str, fields: &[String]) -> Option<usize> {
    let (arguments, _) = arguments.split_once(')')?;
    let (_, pattern) = arguments.split_once(',')?;
    let pattern = pattern.trim().strip_prefix("p.")?;
    fields.iter().position(|field| field == pattern)
}

/// Whether the pattern is the name, or has a star and the name begins with what is before it.
fn key_match(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, _)) => name.starts_with(begin),
        None => name == pattern,
    }
}

/// Whether the pattern is found anywhere in the name.
fn regex_match(name: &str, pattern: &str) -> bool {
    let found = READY.with_borrow_mut(|ready| {
        if !ready.contains_key(pattern) {
            if ready.len() >= MAX_REGEXES {
                ready.clear();
            }
            ready.insert(pattern.into(), regex(pattern)?);
        }
        ready.get(pattern).map(|regex| regex.is_match(name))
    });
    found.unwrap_or(false)
}
