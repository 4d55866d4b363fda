//! `Patterns`: values kept under the names of patterns, found by the name of a resource. Knows no rule and no
//! principal.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::access::{PatternType, WILDCARD};

/// A map from patterns of one kind of resource.
#[derive(Debug, Clone)]
pub(super) struct Patterns<T> {
    literal: HashMap<Box<str>, T>,
    prefixed: BTreeMap<Box<str>, T>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self { literal: HashMap::new(), prefixed: BTreeMap::new() }
    }
}

impl<T: Default> Patterns<T> {
    /// The value of a pattern, made if there is none yet; None for a pattern type that only filters have.
    pub(super) fn entry(&mut self, pattern: PatternType, name: &str) -> Option<&mut T> {
        match pattern {
            PatternType::Literal => {
                if !self.literal.contains_key(name) {
                    self.literal.insert(name.into(), T::default());
                }
                self.literal.get_mut(name)
            }
            PatternType::Prefixed => {
                if !self.prefixed.contains_key(name) {
                    self.prefixed.insert(name.into(), T::default());
                }
                self.prefixed.get_mut(name)
            }
            PatternType::Unknown | PatternType::Any | PatternType::Match => None,
        }
    }
}

impl<T> Patterns<T> {
    /// The values of all patterns that a resource of this name matches: literal, wildcard, prefixes.
    pub(super) fn matching<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a T> + use<'a, 'n, T> {
        let everywhere = if name == WILDCARD { None } else { self.literal(WILDCARD) };
        self.literal(name).into_iter().chain(everywhere).chain(self.prefixes(name))
    }

    /// The value of one literal pattern; the wildcard is a name like any other here.
    pub(super) fn literal(&self, name: &str) -> Option<&T> {
        self.literal.get(name)
    }

    /// The values of all prefixes of `name`, the longest first.
    ///
    /// Looks at each prefix that matches and at most one more for each character of `name`, however many
    /// there are.
    pub(super) fn prefixes<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a T> + use<'a, 'n, T> {
        let mut below = Bound::Included(name);
        std::iter::from_fn(move || {
            loop {
                let (prefix, value) = self.prefixed.range::<str, _>((Bound::Unbounded, below)).next_back()?;
                if name.starts_with(&**prefix) {
                    below = Bound::Excluded(&name[..prefix.len()]);
                    return Some(value);
                }
                // The greatest that is left is no prefix: no other is longer than what it has in common with
                // the name.
                below = Bound::Included(in_common(name, prefix));
            }
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.literal.values().chain(self.prefixed.values())
    }
}

/// The longest common beginning.
fn in_common<'a>(name: &'a str, other: &str) -> &'a str {
    let differs = name.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
    match differs {
        Some(((at, _), _)) => &name[..at],
        None => &name[..name.len().min(other.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_its_literal_the_wildcard_and_each_prefix_the_longest_first() {
        let mut patterns: Patterns<&str> = Patterns::default();
        for prefix in ["", "f", "fa", "fb", "foo", "foobaa", "foobar", "foobarbaz", "g", "ä", "fä"] {
            *patterns.entry(PatternType::Prefixed, prefix).unwrap() = prefix;
        }
        for literal in ["foo", "foobar", "*"] {
            *patterns.entry(PatternType::Literal, literal).unwrap() = literal;
        }
        let found = |name| patterns.matching(name).copied().collect::<Vec<_>>();
        assert_eq!(found("foobar"), ["foobar", "*", "foobar", "foo", "f", ""]);
        assert_eq!(found("foo"), ["foo", "*", "foo", "f", ""]);
        assert_eq!(found("fäß"), ["*", "fä", "f", ""]);
        assert_eq!(found("*"), ["*", ""]);
        assert_eq!(found("zzz"), ["*", ""]);
    }
}
