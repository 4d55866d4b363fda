//! The flags that describe ACLs: those to be made, or those to be found.

use clap::Args;

use crate::access::acl::{AclBinding, Permission};
use crate::access::{CLUSTER_NAME, Operation, PatternType, ResourceKind, WILDCARD};
use crate::cli::error::CliError;
use crate::client::AclFilter;

/// The most ACLs or filters that one command stands for.
const MOST: usize = 10_000;

#[derive(Args, Clone, Debug)]
pub(super) struct Chosen {
    /// Who, as in User:alice; User:* is everybody; repeatable
    #[arg(long, value_name = "TYPE:NAME", value_parser = principal)]
    principal: Vec<String>,
    /// From where, an address; repeatable [default: everywhere]
    #[arg(long, value_name = "ADDRESS")]
    host: Vec<String>,
    /// What is done: read, write, create, delete, alter, describe, all and more; with commas between, or repeated
    #[arg(long, short = 'o', value_name = "OPERATION", value_delimiter = ',', value_parser = operation)]
    operation: Vec<Operation>,
    /// It may be done; so it is if nothing is said
    #[arg(long, conflicts_with = "deny")]
    allow: bool,
    /// It may not be done, whatever else allows it
    #[arg(long)]
    deny: bool,
    #[command(flatten)]
    resources: Resources,
}

#[derive(Args, Clone, Debug)]
struct Resources {
    /// To a topic; * is all of them; repeatable
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    /// To a group; repeatable
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// To a transactional id; repeatable
    #[arg(long, value_name = "NAME")]
    transactional_id: Vec<String>,
    /// To a delegation token; repeatable
    #[arg(long, value_name = "NAME")]
    delegation_token: Vec<String>,
    /// To the cluster itself
    #[arg(id = "to-cluster", long = "cluster")]
    cluster: bool,
    /// The names are beginnings of names
    #[arg(long)]
    prefixed: bool,
}

fn principal(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("'{text}' is not TYPE:NAME, as in User:alice")),
    }
}

fn operation(text: &str) -> Result<Operation, String> {
    Operation::parse(text).ok_or_else(|| format!("'{text}' is no operation of Kafka's"))
}

/// How a name is meant where no flag says more.
pub(super) fn named_pattern(is_prefixed: bool) -> PatternType {
    if is_prefixed { PatternType::Prefixed } else { PatternType::Literal }
}

impl Resources {
    fn named(&self) -> Vec<(ResourceKind, &str)> {
        let lists = [
            (ResourceKind::Topic, &self.topic),
            (ResourceKind::Group, &self.group),
            (ResourceKind::TransactionalId, &self.transactional_id),
            (ResourceKind::DelegationToken, &self.delegation_token),
        ];
        let names = lists.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, &**name)));
        names.chain(self.cluster.then_some((ResourceKind::Cluster, CLUSTER_NAME))).collect()
    }
}

impl Chosen {
    /// Whether no flag says anything.
    pub(super) fn is_empty(&self) -> bool {
        let says_what = !self.operation.is_empty() || self.allow || self.deny || self.resources.prefixed;
        let says_who = !self.principal.is_empty() || !self.host.is_empty();
        !says_what && !says_who && self.resources.named().is_empty()
    }

    /// One for each principal, host, operation and resource.
    ///
    /// # Errors
    /// If one of these is missing, a name is wrong, or they are too many.
    pub(super) fn bindings(&self) -> Result<Vec<AclBinding>, CliError> {
        let resources = self.resources.named();
        for (is_missing, what) in [
            (self.principal.is_empty(), "who, with --principal"),
            (self.operation.is_empty(), "what, with --operation"),
            (resources.is_empty(), "to what, with --topic, --group, --transactional-id or --cluster"),
        ] {
            if is_missing {
                return Err(CliError::Usage(format!("acl add: say {what}")));
            }
        }
        let everywhere = [WILDCARD.to_owned()];
        let hosts = if self.host.is_empty() { &everywhere[..] } else { &self.host[..] };
        self.few_enough(resources.len(), hosts.len())?;
        let permission = if self.deny { Permission::Deny } else { Permission::Allow };
        let mut bindings = Vec::new();
        for &(kind, name) in &resources {
            let is_prefixed = self.resources.prefixed && kind != ResourceKind::Cluster;
            for principal in &self.principal {
                for host in hosts {
                    bindings.extend(self.operation.iter().map(|&operation| AclBinding {
                        kind,
                        name: name.to_owned(),
                        pattern: named_pattern(is_prefixed),
                        principal: principal.clone(),
                        host: host.clone(),
                        operation,
                        permission,
                    }));
                }
            }
        }
        for binding in &bindings {
            binding.check().map_err(|error| CliError::Usage(format!("{binding}: {error}")))?;
        }
        Ok(bindings)
    }

    /// What the flags describe. Names are meant by `pattern`, unless --prefixed says otherwise.
    ///
    /// # Errors
    /// If they are too many.
    pub(super) fn filters(&self, pattern: PatternType) -> Result<Vec<AclFilter>, CliError> {
        let or_any = |list: &[String]| -> Vec<Option<String>> {
            if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
        };
        let named = self.resources.named();
        let (who, from) = (or_any(&self.principal), or_any(&self.host));
        self.few_enough(named.len(), from.len())?;
        let resources: Vec<_> = match &named[..] {
            [] if self.resources.prefixed => vec![(ResourceKind::Any, None, PatternType::Prefixed)],
            [] => vec![(ResourceKind::Any, None, PatternType::Any)],
            named => {
                let of = |&(kind, name): &(ResourceKind, &str)| {
                    let is_prefixed = self.resources.prefixed && kind != ResourceKind::Cluster;
                    let pattern = if is_prefixed { PatternType::Prefixed } else { pattern };
                    (kind, Some(name.to_owned()), pattern)
                };
                named.iter().map(of).collect()
            }
        };
        let operations =
            if self.operation.is_empty() { vec![Operation::Any] } else { self.operation.clone() };
        let permission = match (self.allow, self.deny) {
            (true, _) => Permission::Allow,
            (_, true) => Permission::Deny,
            (false, false) => Permission::Any,
        };
        let mut filters = Vec::new();
        for (kind, name, pattern) in &resources {
            for principal in &who {
                for host in &from {
                    filters.extend(operations.iter().map(|operation| AclFilter {
                        kind: kind.code(),
                        name: name.clone(),
                        pattern: pattern.code(),
                        principal: principal.clone(),
                        host: host.clone(),
                        operation: operation.code(),
                        permission: permission.code(),
                    }));
                }
            }
        }
        Ok(filters)
    }

    fn few_enough(&self, resources: usize, hosts: usize) -> Result<(), CliError> {
        let counts = [resources, hosts, self.principal.len(), self.operation.len()];
        let all = counts.iter().fold(1_usize, |all, count| all.saturating_mul((*count).max(1)));
        if all > MOST {
            return Err(CliError::Usage(format!("that stands for {all} ACLs, of which {MOST} go at once")));
        }
        Ok(())
    }
}
