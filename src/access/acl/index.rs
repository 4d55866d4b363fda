//! `Acls`: the bindings of the cluster, found by who asks about what.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::patterns::Patterns;
use super::{ANYBODY, AclBinding, AclFilter, Permission};
use crate::access::{Operation, PatternType, Principal, Resource, ResourceKind, WILDCARD};

/// The name that Kafka asks about first when any resource of a kind will do: a name that nobody has, so that
/// wildcards and defaults answer.
const ANY_NAME: &str = "hardcode";

const KINDS: usize = ResourceKind::CONCRETE.len();

/// What the bindings say to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// By this binding, and whatever else allows.
    Denied(&'a AclBinding),
    Allowed,
    /// No binding that is about the asker, the host and the operation.
    Silent,
}

/// Immutable; the caller bounds how many there are. Made anew from all bindings when they change.
#[derive(Debug, Clone, Default)]
pub struct Acls {
    /// Sorted, each once.
    bindings: Vec<Arc<AclBinding>>,
    by_principal: HashMap<Box<str>, Grants>,
    /// The patterns of all bindings, whoever they are about.
    covered: [Patterns<()>; KINDS],
}

/// What one principal has, for each kind that it has anything of.
type Grants = Vec<(ResourceKind, Patterns<Vec<Rule>>)>;

#[derive(Debug, Clone)]
struct Rule {
    host: Host,
    binding: Arc<AclBinding>,
}

/// The host of a binding. Kafka compares the text of addresses; here the addresses are compared, which have
/// more than one.
#[derive(Debug, Clone, Copy)]
enum Host {
    Any,
    Is(IpAddr),
    /// A host name: a client is only known by its address.
    None,
}

impl Host {
    fn of(text: &str) -> Self {
        if text == WILDCARD {
            return Self::Any;
        }
        text.parse::<IpAddr>().map_or(Self::None, |address| Self::Is(address.to_canonical()))
    }

    fn takes(self, host: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Is(address) => address == host.to_canonical(),
            Self::None => false,
        }
    }
}

impl FromIterator<AclBinding> for Acls {
    /// Duplicates count once. A binding that is not valid is listed, and decides nothing.
    fn from_iter<I: IntoIterator<Item = AclBinding>>(bindings: I) -> Self {
        let mut bindings: Vec<_> = bindings.into_iter().map(Arc::new).collect();
        bindings.sort_unstable();
        bindings.dedup();
        let mut acls = Self::default();
        for binding in &bindings {
            acls.index(binding);
        }
        Self { bindings, ..acls }
    }
}

impl Acls {
    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// All bindings that `filter` matches, ordered by resource.
    pub fn matching<'a>(&'a self, filter: &'a AclFilter) -> impl Iterator<Item = &'a AclBinding> {
        self.bindings.iter().map(|binding| &**binding).filter(|binding| filter.matches(binding))
    }

    /// What the bindings say to `principal`, at `host`, doing `operation` to `resource`. A deny comes before
    /// every allow.
    ///
    /// Source: Kafka `StandardAuthorizerData.findAclRule`.
    pub fn allows(
        &self,
        principal: &Principal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Verdict<'_> {
        let mut verdict = Verdict::Silent;
        let name = resource.name;
        for patterns in self.about(principal, resource.kind) {
            for rule in patterns.matching(name).flatten().filter(|rule| rule.host.takes(host)) {
                if rule.binding.denies(operation) {
                    return Verdict::Denied(&rule.binding);
                }
                if rule.binding.allows(operation) {
                    verdict = Verdict::Allowed;
                }
            }
        }
        verdict
    }

    /// Whether `principal` may do `operation` to some resource of this kind, whichever: what is allowed and
    /// not wholly denied again. `Denied` only if a wildcard denies all; `Silent` if nothing allows.
    ///
    /// Source: Kafka `Authorizer.authorizeByResourceType`, with its first question about a name that nobody
    /// has. In that one alone an operation is also allowed because another implies it.
    pub fn allows_any_of_kind(
        &self,
        principal: &Principal,
        host: IpAddr,
        operation: Operation,
        kind: ResourceKind,
    ) -> Verdict<'_> {
        if self.allows(principal, host, operation, any_of(kind)) == Verdict::Allowed {
            return Verdict::Allowed;
        }
        let mut denied = Patterns::<()>::default();
        let mut allowed = Vec::new();
        for patterns in self.about(principal, kind) {
            for rule in patterns.all().flatten() {
                let binding = &*rule.binding;
                if !rule.host.takes(host) || !binding.names(operation) {
                    continue;
                }
                if binding.permission == Permission::Allow {
                    allowed.push(binding);
                } else if is_everything(binding) {
                    return Verdict::Denied(&rule.binding);
                } else {
                    denied.entry(binding.pattern, &binding.name);
                }
            }
        }
        let open = |binding: &&AclBinding| {
            let name = binding.name.as_str();
            let itself = binding.pattern == PatternType::Literal && denied.literal(name).is_some();
            is_everything(binding) || !itself && denied.prefixes(name).next().is_none()
        };
        if allowed.iter().any(open) { Verdict::Allowed } else { Verdict::Silent }
    }

    /// Whether any binding is about `resource`, whoever and whatever it is about.
    pub fn cover(&self, resource: Resource<'_>) -> bool {
        let patterns = resource.kind.place().map(|place| &self.covered[place]);
        patterns.is_some_and(|patterns| patterns.matching(resource.name).next().is_some())
    }

    /// Whether any binding is about a resource of `kind` that has no name yet.
    pub(in crate::access) fn cover_any_of(&self, kind: ResourceKind) -> bool {
        self.cover(any_of(kind))
    }

    fn index(&mut self, binding: &Arc<AclBinding>) {
        if binding.check().is_err() {
            return;
        }
        let Some(place) = binding.kind.place() else {
            return;
        };
        self.covered[place].entry(binding.pattern, &binding.name);
        let principal = binding.principal.as_str();
        if !self.by_principal.contains_key(principal) {
            self.by_principal.insert(principal.into(), Grants::new());
        }
        let Some(grants) = self.by_principal.get_mut(principal) else {
            return;
        };
        let at = grants.iter().position(|(kind, _)| *kind == binding.kind).unwrap_or_else(|| {
            grants.push((binding.kind, Patterns::default()));
            grants.len() - 1
        });
        if let Some(rules) = grants[at].1.entry(binding.pattern, &binding.name) {
            rules.push(Rule { host: Host::of(&binding.host), binding: Arc::clone(binding) });
        }
    }

    /// The patterns of this kind that are about `principal`, by name or as anybody.
    fn about(&self, principal: &Principal, kind: ResourceKind) -> impl Iterator<Item = &Patterns<Vec<Rule>>> {
        let own = self.by_principal.get(principal.to_string().as_str());
        let grants = own.into_iter().chain(self.by_principal.get(ANYBODY));
        grants.flatten().filter(move |(of, _)| *of == kind).map(|(_, patterns)| patterns)
    }
}

/// The resource that stands for all of its kind.
fn any_of(kind: ResourceKind) -> Resource<'static> {
    Resource { kind, name: ANY_NAME }
}

fn is_everything(binding: &AclBinding) -> bool {
    binding.pattern == PatternType::Literal && binding.name == WILDCARD
}
