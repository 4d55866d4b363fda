//! `bateau acl`: who may do what, as the cluster keeps it. The flags are those of Kafka's `kafka-acls`, shorter.

mod chosen;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::access::acl::{AclBinding, Permission};
use crate::access::{Operation, PatternType, ResourceKind};
use crate::client::Acl;

use super::connect::Connect;
use super::error::{CliError, Refusals};
use super::output::{Output, Table};
use chosen::{Chosen, named_pattern};

#[derive(Args, Debug)]
pub struct AclCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List ACLs, all or those that the flags describe
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        chosen: Chosen,
        /// For the resources that are named: all that holds for them, also by prefix and by *
        #[arg(long, conflicts_with = "prefixed")]
        matching: bool,
        /// Print the lines of a policy, which a node can be given as a file
        #[arg(long)]
        as_policy: bool,
    },
    /// Make ACLs: one for each principal, host, operation and resource
    Add {
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Remove all ACLs that the flags describe; what is left out does not matter
    #[command(visible_alias = "rm")]
    Remove {
        #[command(flatten)]
        chosen: Chosen,
        /// Remove every ACL that there is
        #[arg(long)]
        all: bool,
    },
}

impl AclCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        match self.verb {
            Verb::List { chosen, matching, as_policy } => {
                if as_policy && out.is_json {
                    return Err(CliError::Usage("--as-policy and --json are two ways to print".into()));
                }
                let pattern = if matching { PatternType::Match } else { PatternType::Any };
                let mut found = Vec::new();
                for filter in chosen.filters(pattern)? {
                    found.extend(cluster.describe_acls(&filter).await?.into_iter().map(binding));
                }
                found.sort();
                found.dedup();
                list(&mut out, &found, as_policy)?;
            }
            Verb::Add { chosen } => {
                let bindings = chosen.bindings()?;
                let acls: Vec<_> = bindings.iter().map(wired).collect();
                let mut refused = Refusals::default();
                for (binding, done) in bindings.iter().zip(cluster.create_acls(&acls).await?) {
                    match done {
                        Ok(()) => said(&mut out, binding, "added")?,
                        Err(error) => refused.keep(CliError::Failed(format!("{binding}: {error}"))),
                    }
                }
                out.flush()?;
                refused.outcome()?;
            }
            Verb::Remove { chosen, all } => {
                if chosen.is_empty() != all {
                    let what = "acl remove: say which, or --all";
                    return Err(CliError::Usage(what.into()));
                }
                let filters = chosen.filters(named_pattern(false))?;
                let removed = cluster.delete_acls(&filters).await?;
                let mut removed: Vec<_> = removed.into_iter().flatten().map(binding).collect();
                removed.sort();
                removed.dedup();
                if removed.is_empty() {
                    eprintln!("bateau: there are no such ACLs");
                }
                removed.iter().try_for_each(|binding| said(&mut out, binding, "removed"))?;
            }
        }
        out.flush()
    }
}

fn list(out: &mut Output, found: &[AclBinding], as_policy: bool) -> Result<(), CliError> {
    if out.is_json {
        return out.json(&found.iter().map(as_json).collect::<Value>());
    }
    if as_policy {
        return found.iter().try_for_each(|binding| out.line(&binding.to_string()));
    }
    let mut table =
        Table::new(&["RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "HOST", "OPERATION", "PERMISSION"]);
    for acl in found {
        let (kind, name, pattern) =
            (acl.kind.name().to_owned(), acl.name.clone(), acl.pattern.name().to_owned());
        let (who, host) = (acl.principal.clone(), acl.host.clone());
        let what = [acl.operation.name().to_owned(), acl.permission.name().to_owned()];
        table.row([kind, name, pattern, who, host].into_iter().chain(what).collect());
    }
    if table.is_empty() {
        eprintln!("bateau: there are no such ACLs");
        return Ok(());
    }
    out.table(&table)
}

fn said(out: &mut Output, binding: &AclBinding, what: &str) -> Result<(), CliError> {
    if out.is_json {
        let mut value = as_json(binding);
        value["result"] = what.into();
        return out.json_line(&value);
    }
    let AclBinding { kind, name, pattern, principal, host, operation, permission } = binding;
    let (kind, pattern, may) = (kind.name(), pattern.name(), permission.name());
    let operation = operation.name();
    out.line(&format!("{what}: {may} {principal} from {host} to {operation} {kind} {name} ({pattern})"))
}

fn as_json(binding: &AclBinding) -> Value {
    json!({
        "resource_type": binding.kind.name(), "name": binding.name, "pattern": binding.pattern.name(),
        "principal": binding.principal, "host": binding.host, "operation": binding.operation.name(),
        "permission": binding.permission.name(),
    })
}

fn binding(acl: Acl) -> AclBinding {
    AclBinding {
        kind: ResourceKind::from_code(acl.kind),
        name: acl.name,
        pattern: PatternType::from_code(acl.pattern),
        principal: acl.principal,
        host: acl.host,
        operation: Operation::from_code(acl.operation),
        permission: Permission::from_code(acl.permission),
    }
}

fn wired(binding: &AclBinding) -> Acl {
    Acl {
        kind: binding.kind.code(),
        name: binding.name.clone(),
        pattern: binding.pattern.code(),
        principal: binding.principal.clone(),
        host: binding.host.clone(),
        operation: binding.operation.code(),
        permission: binding.permission.code(),
    }
}
