//! `bateau config`: get, set, unset, for a topic, a broker or a group.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::client::{ConfigChange, ConfigEntry, Resource, ResourceKind};

use super::connect::Connect;
use super::error::CliError;
use super::output::{Output, Table};
use super::topic::key_value;

/// How the default of all brokers is called.
const DEFAULT: &str = "default";

#[derive(Args, Debug)]
pub struct ConfigCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what is set, or with --all what holds
    Get {
        #[command(flatten)]
        of: Of,
        /// Only these keys
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
        /// Defaults as well
        #[arg(long, short = 'a')]
        all: bool,
    },
    /// Set keys
    Set {
        #[command(flatten)]
        of: Of,
        /// Keys and what they shall be
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = key_value)]
        pairs: Vec<(String, String)>,
    },
    /// Take keys back to their defaults
    Unset {
        #[command(flatten)]
        of: Of,
        /// Which keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Args, Debug)]
struct Of {
    /// What has the configuration
    kind: Kind,
    /// The topic's or group's name, the broker's id, or `default` for all brokers
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Topic,
    Broker,
    Group,
}

impl Of {
    fn resource(self) -> Resource {
        let kind = match self.kind {
            Kind::Topic => ResourceKind::Topic,
            Kind::Broker => ResourceKind::Broker,
            Kind::Group => ResourceKind::Group,
        };
        let is_default = kind == ResourceKind::Broker && self.name == DEFAULT;
        Resource { kind, name: if is_default { String::new() } else { self.name } }
    }
}

impl ConfigCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        let (resource, changes) = match self.verb {
            Verb::Get { of, keys, all } => {
                let resource = of.resource();
                let wanted = Some(&keys[..]).filter(|keys| !keys.is_empty());
                let mut entries = cluster.describe_configs(&resource, wanted).await?;
                entries.retain(|entry| all || wanted.is_some() || entry.is_own);
                let is_missing = |key: &&String| !entries.iter().any(|entry| entry.name == **key);
                if let Some(key) = keys.iter().find(is_missing) {
                    return Err(CliError::Failed(format!("{resource}: there is no key {key}")));
                }
                show(&mut out, &resource, &entries)?;
                return out.flush();
            }
            Verb::Set { of, pairs } => {
                let set = pairs.into_iter().map(|(name, value)| ConfigChange::Set { name, value });
                (of.resource(), set.collect::<Vec<_>>())
            }
            Verb::Unset { of, keys } => {
                (of.resource(), keys.into_iter().map(|name| ConfigChange::Unset { name }).collect())
            }
        };
        cluster.change_configs(&resource, &changes).await?;
        if out.is_json {
            out.json_line(
                &json!({ "type": resource.kind.name(), "name": resource.name, "result": "changed" }),
            )?;
        } else {
            out.line(&format!("{resource} changed"))?;
        }
        out.flush()
    }
}

fn show(out: &mut Output, resource: &Resource, entries: &[ConfigEntry]) -> Result<(), CliError> {
    if out.is_json {
        let list = entries.iter().map(|entry| {
            json!({
                "name": entry.name, "value": entry.value, "source": entry.source,
                "read_only": entry.is_read_only, "sensitive": entry.is_sensitive,
            })
        });
        return out.json(&list.collect());
    }
    if entries.is_empty() {
        eprintln!("bateau: nothing is set on {resource}; --all shows the defaults");
        return Ok(());
    }
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    for entry in entries {
        let value = match &entry.value {
            None if entry.is_sensitive => "(secret)".to_owned(),
            None => "(none)".to_owned(),
            Some(value) => value.clone(),
        };
        table.row(vec![entry.name.clone(), value, entry.source.to_lowercase()]);
    }
    out.table(&table)
}
