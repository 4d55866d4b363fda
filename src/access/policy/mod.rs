//! Casbin's policies: a model and its lines, from two files of the operator; the book's `model.conf` and
//! `policy.csv` are such.
//!
//! A question of Kafka's is put to Casbin as several (subject, object, action): the subject is the name of
//! the user; the object is `*` and the resource (a topic by its name, others as `group:billing`); the actions
//! are Kafka's names of the operation and of those that imply it ("read", "alterconfigs", "all"), and the
//! book's `produce` (Write and Describe of topics and transactional ids, `IdempotentWrite` of the cluster)
//! and `consume` (Read and Describe of topics and groups). One that is allowed will do.

mod error;
mod functions;
mod lines;
mod matcher;
mod model;
mod questions;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use casbin::{Assertion, CoreApi, EnforceContext, Enforcer};

pub use error::{PolicyError, Problem};
use lines::Line;
use matcher::Demands;
use model::{Effect, Model};
use questions::{Actions, name_of, objects_of, subject_of};

use super::{Operation, Principal, Resource, ResourceKind, WILDCARD};

/// The most lines that a policy may have, those of roles among them.
pub const MAX_LINES: usize = 10_000;

/// The most lines of `p`, if Casbin has to evaluate the matcher for each of them: about a microsecond a line
/// and a question, of which a decision has some. A matcher of nothing but `r.sub == p.sub && r.obj == p.obj
/// && r.act == p.act` needs no evaluation.
pub const MAX_EVALUATED: usize = 1_000;

/// The most objects that [`Policy::allows_any_of_kind`] asks Casbin about.
const MAX_OBJECTS: usize = 64;

/// A text, and the file that it came from, for errors.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// An operator's policy. Immutable, and answers at once.
pub struct Policy {
    enforcer: Enforcer,
    effect: Effect,
    /// Whether lines can deny.
    denies: bool,
    demands: Demands,
    /// What the lines have where the matcher demands the question's own word: no other question can match.
    words: [Option<HashSet<String>>; 3],
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("lines", &self.len())
            .field("demands", &self.demands)
            .finish_non_exhaustive()
    }
}

/// What is asked: subject, object, action.
type Question<'a> = [&'a str; 3];

impl Policy {
    /// Reads a model and the lines that go with it.
    ///
    /// # Errors
    /// The first thing that is wrong in either text, with file and line.
    pub fn load(model: Source<'_>, policy: Source<'_>) -> Result<Self, PolicyError> {
        let read = Model::read(model)?;
        let lines = Line::read_all(policy, &read)?;
        let enforcer = read.enforcer(&lines).map_err(|problem| problem.at(model.file, read.matcher.line))?;
        let demands = read.demands();
        let words = demands.columns.map(|column| {
            let column = column?;
            Some(lines.iter().filter(|line| !line.is_role).map(|line| line.fields[column].clone()).collect())
        });
        let policy = Self { enforcer, effect: read.effect, denies: read.denies(), demands, words };
        policy.rehearse(&lines).map_err(|problem| problem.at(model.file, read.matcher.line))?;
        Ok(policy)
    }

    /// How many policy lines there are, without those of roles.
    pub fn len(&self) -> usize {
        self.rules().count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a line lets `principal` do `operation` to `resource`, and none denies it. What Casbin cannot
    /// evaluate is not allowed.
    pub fn allows(&self, principal: &Principal, operation: Operation, resource: Resource<'_>) -> bool {
        let subject = subject_of(principal);
        let objects = objects_of(resource);
        let actions = Actions::of(operation, resource.kind);
        let each = |actions: &[&str], says: &dyn Fn(Question<'_>) -> bool| {
            objects.iter().any(|object| actions.iter().any(|action| says([&subject, object, action])))
        };
        if self.denies && each(&actions.own, &|question| self.is_denied(question)) {
            return false;
        }
        match self.effect {
            Effect::UnlessDenied => true,
            Effect::IfAllowed | Effect::IfAllowedUnlessDenied => {
                each(&actions.own, &|question| self.is_allowed(question))
                    || each(&actions.implying, &|question| self.is_allowed(question))
            }
        }
    }

    /// Whether `principal` may do `operation` to any resource of `kind`: one that a line names, or all. At
    /// most 64 names are tried that the matcher does not let skip.
    pub fn allows_any_of_kind(
        &self,
        principal: &Principal,
        operation: Operation,
        kind: ResourceKind,
    ) -> bool {
        if self.allows(principal, operation, Resource { kind, name: WILDCARD }) {
            return true;
        }
        let subject = subject_of(principal);
        let actions = Actions::of(operation, kind);
        let [for_subject, for_object, for_action] = self.demands.columns;
        let has = |rule: &[String], column: Option<usize>, says: &dyn Fn(&str) -> bool| {
            column.and_then(|column| rule.get(column)).is_none_or(|word| says(word))
        };
        let names = self
            .rules()
            .filter(|rule| has(rule, for_subject, &|word| word == subject))
            .filter(|rule| has(rule, for_action, &|word| actions.have(word)))
            .filter_map(|rule| name_of(rule.get(for_object.unwrap_or(1))?, kind));
        names.take(MAX_OBJECTS).any(|name| self.allows(principal, operation, Resource { kind, name }))
    }

    /// Evaluates the matcher once, so that a name that it does not know is found now.
    fn rehearse(&self, lines: &[Line]) -> Result<(), Problem> {
        let first = lines.iter().find(|line| !line.is_role).map(|line| {
            let word = |column: Option<usize>| column.map_or("", |column| line.fields[column].as_str());
            self.demands.columns.map(word)
        });
        for [subject, object, action] in first.into_iter().chain([[""; 3]]) {
            self.enforcer
                .enforce((subject, object, action))
                .map_err(|error| Problem::Casbin(error.to_string()))?;
        }
        Ok(())
    }

    fn is_allowed(&self, question: Question<'_>) -> bool {
        if !self.may_match(question) {
            return false;
        }
        if self.demands.are_all {
            return self.has(question);
        }
        self.enforcer.enforce((question[0], question[1], question[2])).unwrap_or(false)
    }

    /// Whether a line with effect deny matches.
    fn is_denied(&self, question: Question<'_>) -> bool {
        let context = EnforceContext {
            r_type: "r".into(),
            p_type: "p".into(),
            e_type: model::NO_DENY.into(),
            m_type: "m".into(),
        };
        let asked = (question[0], question[1], question[2]);
        self.may_match(question) && !self.enforcer.enforce_with_context(context, asked).unwrap_or(false)
    }

    fn may_match(&self, question: Question<'_>) -> bool {
        let known = |(words, word): (&Option<HashSet<String>>, &str)| {
            words.as_ref().is_none_or(|words| words.contains(word))
        };
        self.words.iter().zip(question).all(known)
    }

    /// Whether there is the line that a matcher of nothing but demands asks for.
    fn has(&self, question: Question<'_>) -> bool {
        let mut rule = vec![String::new(); question.len()];
        for (column, word) in self.demands.columns.into_iter().zip(question) {
            if let Some(field) = column.and_then(|column| rule.get_mut(column)) {
                word.clone_into(field);
            }
        }
        let lines = self.enforcer.get_model().get_model().get("p").and_then(|kinds| kinds.get("p"));
        lines.is_some_and(|lines| lines.get_policy().contains(&rule))
    }

    fn rules(&self) -> impl Iterator<Item = &Vec<String>> {
        let lines = self.enforcer.get_model().get_model().get("p").and_then(|kinds| kinds.get("p"));
        lines.into_iter().flat_map(Assertion::get_policy)
    }
}
