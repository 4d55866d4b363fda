//! What can be wrong with a model or a policy, and where.

use crate::access::fields::FieldError;

/// A problem, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct PolicyError {
    /// As the caller named it.
    pub file: String,
    /// Counts from 1. What is missing is missed behind the last line.
    pub line: usize,
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("this is neither a section, a comment nor key = value")]
    NotKeyValue,
    #[error("{section:?} has no key {key:?} here (a model has r, p, g, e and m, each in its section)")]
    UnknownKey { section: String, key: String },
    #[error("{0} is defined twice")]
    Twice(&'static str),
    #[error("the model does not define {0}")]
    Missing(&'static str),
    #[error("a request is three fields (subject, object, action), and this defines {0}")]
    Request(usize),
    #[error("a policy definition needs two fields or more with different names")]
    Definition,
    #[error(
        "{0:?} is no effect that is known here: some(where (p.eft == allow)), that && !some(where (p.eft == deny)), \
         or the latter alone"
    )]
    Effect(String),
    #[error("roles are defined as _, _ or as _, _, _ and not as {0:?}")]
    Roles(String),
    #[error("a matcher may call keyMatch, regexMatch, and g if the model has roles, and not {0}")]
    Function(String),
    #[error("the second and last argument of {0} has to be a field of the policy line: p.NAME")]
    NoPattern(String),
    #[error("{0:?} is no regular expression, or a very large one")]
    Regex(String),
    #[error("there are more than {} different regular expressions", super::functions::MAX_REGEXES)]
    TooManyRegexes,
    #[error(transparent)]
    Fields(#[from] FieldError),
    #[error("a line begins with p, or with g if the model has roles, and not with {0:?}")]
    LineType(String),
    #[error("a line of {kind} has {expected} more fields, this one has {found}")]
    Count { kind: &'static str, expected: usize, found: usize },
    #[error("an effect is allow or deny, not {0:?}")]
    LineEffect(String),
    #[error("there are more than {} lines", super::MAX_LINES)]
    TooManyLines,
    #[error("there are more than {} lines, for a matcher that is evaluated for each", super::MAX_EVALUATED)]
    TooManyEvaluated,
    #[error("casbin refuses it: {0}")]
    Casbin(String),
}

impl Problem {
    pub(super) fn at(self, file: &str, line: usize) -> PolicyError {
        PolicyError { file: file.into(), line, problem: self }
    }
}
