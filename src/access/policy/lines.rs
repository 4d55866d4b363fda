//! The lines of a policy: `p, root, *, produce`, and `g, alice, writers` where the model has roles.

use std::collections::HashSet;

use super::model::Model;
use super::{MAX_EVALUATED, MAX_LINES, PolicyError, Problem, Source, functions};
use crate::access::fields;

/// One line, without its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) is_role: bool,
    /// As many as the model says.
    pub(super) fields: Vec<String>,
}

impl Line {
    pub(super) fn read_all(source: Source<'_>, model: &Model) -> Result<Vec<Self>, PolicyError> {
        let mut lines = Vec::new();
        let mut regexes = HashSet::new();
        let most = if model.demands().are_all { MAX_LINES } else { MAX_EVALUATED };
        let mut rules = 0;
        for (at, text) in source.text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let at = |problem: Problem| problem.at(source.file, at + 1);
            if lines.len() == MAX_LINES {
                return Err(at(Problem::TooManyLines));
            }
            let line = Self::read(text, model).map_err(at)?;
            rules += usize::from(!line.is_role);
            if rules > most {
                return Err(at(Problem::TooManyEvaluated));
            }
            for &column in model.regexes.iter().filter(|_| !line.is_role) {
                let pattern = &line.fields[column];
                if !regexes.contains(pattern) && functions::regex(pattern).is_none() {
                    return Err(at(Problem::Regex(pattern.clone())));
                }
                regexes.insert(pattern.clone());
                if regexes.len() > functions::MAX_REGEXES {
                    return Err(at(Problem::TooManyRegexes));
                }
            }
            lines.push(line);
        }
        Ok(lines)
    }

    fn read(text: &str, model: &Model) -> Result<Self, Problem> {
        let fields = fields::split(text)?;
        let [first, fields @ ..] = fields.as_slice() else {
            return Err(Problem::LineType(String::new()));
        };
        let (kind, expected) = match (*first, model.roles) {
            ("p", _) => ("p", model.fields.len()),
            ("g", Some(columns)) => ("g", columns),
            (other, _) => return Err(Problem::LineType(other.into())),
        };
        if fields.len() != expected {
            return Err(Problem::Count { kind, expected, found: fields.len() });
        }
        let is_role = kind == "g";
        if let Some(effect) = model.effect_field().filter(|_| !is_role).map(|column| fields[column])
            && !matches!(effect, "allow" | "deny")
        {
            return Err(Problem::LineEffect(effect.into()));
        }
        Ok(Self { is_role, fields: fields.iter().map(|&field| field.to_owned()).collect() })
    }
}
