//! The text of a Casbin model: sections of `key = value`, read with the numbers of its lines, and made an
//! `Enforcer`.
//!
//! Of Casbin's models those are taken that ask about a subject, an object and an action. `priority` is no
//! effect here: a question of Kafka's is several of Casbin's, between which the order of lines says nothing.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use casbin::{CoreApi, DefaultModel, Enforcer, Model as _};

use super::lines::Line;
use super::matcher::Demands;
use super::{PolicyError, Problem, Source, functions};

/// The key of the effect that is false if and only if a line denies; beside the model's own.
pub(super) const NO_DENY: &str = "e2";

const SOME_ALLOW: &str = "some(where (p.eft == allow))";
const NONE_DENIES: &str = "!some(where (p.eft == deny))";
const ALLOW_AND_NO_DENY: &str = "some(where (p.eft == allow)) && !some(where (p.eft == deny))";

/// What lines that match amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    IfAllowed,
    UnlessDenied,
    IfAllowedUnlessDenied,
}

/// A value of the model, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A model that was read and checked.
#[derive(Debug)]
pub(super) struct Model {
    /// Names of subject, object and action.
    pub(super) request: [String; 3],
    /// Names of the fields of a line.
    pub(super) fields: Vec<String>,
    pub(super) effect: Effect,
    pub(super) matcher: Value,
    /// How many fields a line of roles has, if there are roles.
    pub(super) roles: Option<usize>,
    /// Indexes of the fields of a line that are regular expressions.
    pub(super) regexes: Vec<usize>,
}

/// Sections with their keys, and what is missing if they are.
const KEYS: [(&str, &str, &str); 5] = [
    ("request_definition", "r", "the request (r in [request_definition])"),
    ("policy_definition", "p", "the fields of a policy line (p in [policy_definition])"),
    ("policy_effect", "e", "the effect (e in [policy_effect])"),
    ("matchers", "m", "the matcher (m in [matchers])"),
    ("role_definition", "g", "the roles (g in [role_definition])"),
];

impl Model {
    pub(super) fn read(source: Source<'_>) -> Result<Self, PolicyError> {
        let [request, policy, effect, matcher, roles] = values_of(source)?;
        let behind = source.text.lines().count().max(1);
        let must = |value: Option<Value>, at: usize| {
            value.ok_or_else(|| Problem::Missing(KEYS[at].2).at(source.file, behind))
        };
        let (request, policy, effect, matcher) =
            (must(request, 0)?, must(policy, 1)?, must(effect, 2)?, must(matcher, 3)?);
        let roles = match roles {
            Some(value) => Some(columns_of_roles(&value).map_err(|it| it.at(source.file, value.line))?),
            None => None,
        };
        let names: Vec<String> = names_in(&request.text);
        let request = names
            .try_into()
            .map_err(|names: Vec<_>| Problem::Request(names.len()).at(source.file, request.line))?;
        let fields = names_in(&policy.text);
        let twice = fields.iter().enumerate().any(|(at, name)| fields[..at].contains(name));
        if fields.len() < 2 || twice {
            return Err(Problem::Definition.at(source.file, policy.line));
        }
        let effect = effect_of(&effect.text).map_err(|it| it.at(source.file, effect.line))?;
        let regexes = functions::check(&matcher.text, &fields, roles.is_some())
            .map_err(|it| it.at(source.file, matcher.line))?;
        Ok(Self { request, fields, effect, matcher, roles, regexes })
    }

    /// The field that says allow or deny.
    pub(super) fn effect_field(&self) -> Option<usize> {
        self.fields.iter().position(|name| name == "eft")
    }

    /// Whether a line can deny anything.
    pub(super) fn denies(&self) -> bool {
        self.effect != Effect::IfAllowed && self.effect_field().is_some()
    }

    pub(super) fn demands(&self) -> Demands {
        match self.effect {
            Effect::IfAllowed | Effect::IfAllowedUnlessDenied => {
                Demands::of(&self.matcher.text, &self.request, &self.fields)
            }
            // What no line knows is allowed here.
            Effect::UnlessDenied => Demands::default(),
        }
    }

    /// Casbin with this model and `lines`.
    pub(super) fn enforcer(&self, lines: &[Line]) -> Result<Enforcer, Problem> {
        let mut model = DefaultModel::default();
        let effect = match self.effect {
            Effect::IfAllowed => SOME_ALLOW,
            Effect::UnlessDenied => NONE_DENIES,
            Effect::IfAllowedUnlessDenied => ALLOW_AND_NO_DENY,
        };
        model.add_def("r", "r", &self.request.join(","));
        model.add_def("p", "p", &self.fields.join(","));
        model.add_def("e", "e", effect);
        model.add_def("e", NO_DENY, NONE_DENIES);
        model.add_def("m", "m", &self.matcher.text);
        if let Some(columns) = self.roles {
            model.add_def("g", "g", &vec!["_"; columns].join(","));
        }
        for line in lines {
            let kind = if line.is_role { "g" } else { "p" };
            model.add_policy(kind, kind, line.fields.clone());
        }
        let refused = |error: casbin::Error| Problem::Casbin(error.to_string());
        // Casbin's constructor is a future for those who read files in it; here it has nothing to wait for.
        let made = pin!(Enforcer::new_raw(model, ())).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(made) = made else {
            return Err(Problem::Casbin("it did not answer at once".into()));
        };
        let mut enforcer = made.map_err(refused)?;
        functions::give(&mut enforcer);
        enforcer.build_role_links().map_err(refused)?;
        Ok(enforcer)
    }
}

/// The values in the order of [`KEYS`].
fn values_of(source: Source<'_>) -> Result<[Option<Value>; 5], PolicyError> {
    let mut values = [const { None }; 5];
    let mut section = String::new();
    let mut lines = source.text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    while let Some((number, line)) = lines.next() {
        if is_remark(line) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
            continue;
        }
        let mut whole = String::from(line);
        while let Some(begun) = whole.strip_suffix('\\') {
            whole.truncate(begun.trim_end().len());
            match lines.next() {
                Some((_, more)) if !is_remark(more) => whole.push_str(more),
                _ => break,
            }
        }
        let (key, value) =
            whole.split_once('=').ok_or_else(|| Problem::NotKeyValue.at(source.file, number))?;
        let key = key.trim();
        let place = KEYS.iter().position(|&(of, name, _)| of == section && name == key);
        let unknown = || Problem::UnknownKey { section: section.clone(), key: key.into() };
        let place = place.ok_or_else(|| unknown().at(source.file, number))?;
        let text = value.split_once('#').map_or(value, |(text, _)| text).trim().to_owned();
        if text.is_empty() {
            continue;
        }
        if values[place].replace(Value { text, line: number }).is_some() {
            return Err(Problem::Twice(KEYS[place].2).at(source.file, number));
        }
    }
    Ok(values)
}

fn is_remark(line: &str) -> bool {
    line.is_empty() || line.starts_with('#') || line.starts_with(';')
}

fn names_in(definition: &str) -> Vec<String> {
    definition.split(',').map(|name| name.trim().to_owned()).collect()
}

fn columns_of_roles(value: &Value) -> Result<usize, Problem> {
    let columns: Vec<_> = value.text.split(',').map(str::trim).collect();
    let are_blanks = columns.iter().all(|column| *column == "_");
    if !are_blanks || !(2..=3).contains(&columns.len()) {
        return Err(Problem::Roles(value.text.clone()));
    }
    Ok(columns.len())
}

/// White space does not count, though it does to Casbin.
fn effect_of(text: &str) -> Result<Effect, Problem> {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let known = [
        (SOME_ALLOW, Effect::IfAllowed),
        (NONE_DENIES, Effect::UnlessDenied),
        (ALLOW_AND_NO_DENY, Effect::IfAllowedUnlessDenied),
    ];
    let found = known.into_iter().find(|(known, _)| bare(known) == bare(text));
    found.map(|(_, effect)| effect).ok_or_else(|| Problem::Effect(text.into()))
}
