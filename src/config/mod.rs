//! What a node is told at start: flags, then environment, then file, then defaults.
//!
//! Not here: Kafka's own keys, which are `keys`' to check. All problems are reported at once.

mod address;
mod cluster;
mod flags;
mod http;
mod listeners;
mod security;

use std::path::PathBuf;

pub use address::{AddressError, HostPort};
pub use cluster::{ClusterConfig, DEFAULT_RPC};
pub use flags::{LogFormat, ServeFlags};
pub use http::HttpAddr;
pub use listeners::ListenerConfig;
pub use security::{SecurityConfig, TlsFiles};

use crate::keys::{BrokerSettings, Overrides, static_layer};

const DEFAULT_DATA_DIR: &str = "bateau-data";

/// A node's settings at start, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    pub node_name: Option<String>,
    /// Given, or the number at the end of the node's name; else the data directory's.
    pub node_id: Option<i32>,
    /// At least one.
    pub listeners: Vec<ListenerConfig>,
    pub security: SecurityConfig,
    /// Where HTTP is served; `None`: nowhere.
    pub http: Option<HttpAddr>,
    /// `None`: this node is a cluster of its own, and nobody can join it.
    pub cluster: Option<ClusterConfig>,
    /// Kafka's broker keys, canonical.
    pub keys: Overrides,
    pub settings: BrokerSettings,
    /// Which log lines are written, and how.
    pub log: Option<String>,
    pub log_format: Option<LogFormat>,
}

/// Everything that is wrong with what a node was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(problems))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

fn list(problems: &[String]) -> String {
    let lines: Vec<_> = problems.iter().map(|p| format!("  - {p}")).collect();
    format!("bateau cannot start with this configuration:\n{}", lines.join("\n"))
}

/// Gathers problems instead of ending at the first.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn keep<T, E: std::fmt::Display>(&mut self, what: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(format!("{what}: {error}"))).ok()
    }
}

impl Config {
    /// Puts together what `flags` (with the environment behind them) and the file that they name say.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn gather(flags: ServeFlags) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let (flags, file_keys) = match flags.config_file.clone() {
            None => (flags, Vec::new()),
            Some(path) => {
                let text = std::fs::read_to_string(&path);
                let text = problems.keep(&format!("--config-file {}", path.display()), text);
                flags.over_file(&text.unwrap_or_default(), &mut problems.0)
            }
        };
        let config = Self::check(flags, file_keys, &mut problems);
        match config {
            Some(config) if problems.0.is_empty() => Ok(config),
            _ => Err(ConfigError { problems: problems.0 }),
        }
    }

    fn check(flags: ServeFlags, file_keys: Vec<(String, String)>, problems: &mut Problems) -> Option<Self> {
        let mut pairs = file_keys;
        for set in &flags.set {
            match set.split_once('=') {
                Some((key, value)) => pairs.push((key.trim().into(), value.into())),
                None => problems.0.push(format!("--set {set}: is not key=value")),
            }
        }
        if let Some(rack) = &flags.rack {
            pairs.push(("broker.rack".into(), rack.clone()));
        }
        let pairs = || pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let settings = match BrokerSettings::from_pairs(pairs()) {
            Ok(settings) => settings,
            Err(errors) => {
                problems.0.extend(errors.iter().map(|e| format!("--set: {e}")));
                BrokerSettings::from_pairs([]).ok()?
            }
        };
        let keys = static_layer(pairs()).unwrap_or_default();
        let listeners = listeners::check(&flags, &settings, &keys, problems);
        let security = SecurityConfig::check(&flags, &settings, &listeners, problems);
        let http = HttpAddr::check(flags.http_addr.as_deref(), problems);
        let node_id = node_id(&flags, &settings, problems);
        let data_dir = data_dir(&flags, &settings, problems);
        let cluster = ClusterConfig::check(&flags, problems);
        let ServeFlags { node_name, log, log_format, .. } = flags;
        Some(Self {
            data_dir,
            node_name,
            node_id,
            listeners,
            security,
            http,
            cluster,
            keys,
            settings,
            log,
            log_format,
        })
    }
}

fn node_id(flags: &ServeFlags, settings: &BrokerSettings, problems: &mut Problems) -> Option<i32> {
    let id = flags.node_id.or(settings.node_id);
    if id.is_some_and(|id| id < 0) {
        problems.0.push(format!("--node-id {}: must not be negative", id.unwrap_or_default()));
    }
    id.or_else(|| flags.node_name.as_deref().and_then(ordinal))
}

/// `bateau-2` is node 2.
fn ordinal(name: &str) -> Option<i32> {
    name.rsplit_once('-')?.1.parse().ok().filter(|id| *id >= 0)
}

fn data_dir(flags: &ServeFlags, settings: &BrokerSettings, problems: &mut Problems) -> PathBuf {
    if let Some(dir) = &flags.data_dir {
        return dir.clone();
    }
    if settings.log_dirs.len() > 1 {
        problems.0.push("--set log.dirs: one directory is supported".into());
    }
    settings.log_dirs.first().map_or_else(|| DEFAULT_DATA_DIR.into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The flags alone, without the binary's subcommands.
    #[derive(Debug, Parser)]
    struct Serve {
        #[command(flatten)]
        flags: ServeFlags,
    }

    fn gather(args: &[&str]) -> Result<Config, ConfigError> {
        let args = ["bateau"].iter().chain(args);
        Config::gather(Serve::try_parse_from(args).unwrap().flags)
    }

    fn problems(args: &[&str]) -> Vec<String> {
        gather(args).unwrap_err().problems
    }

    #[test]
    fn nothing_said_is_a_node_on_loopback() {
        let config = gather(&[]).unwrap();
        let [only] = &config.listeners[..] else { panic!("{config:?}") };
        assert_eq!(only.bind.to_string(), "127.0.0.1:9092");
        assert_eq!(only.advertised, only.bind);
        assert_eq!(config.data_dir, PathBuf::from("bateau-data"));
        assert_eq!(config.node_id, None);
    }

    #[test]
    fn a_wildcard_needs_an_advertised_address() {
        let found = problems(&["--kafka-addr", "0.0.0.0:9092"]);
        assert!(found[0].contains("--advertised-kafka-addr"), "{found:?}");
        assert!(problems(&["--kafka-addr", "[::]:9092"])[0].contains("wildcard"));
        assert!(gather(&["--kafka-addr", "0.0.0.0:9092", "--advertised-kafka-addr", "here:9092"]).is_ok());
    }

    #[test]
    fn all_problems_are_said_at_once() {
        let found = problems(&[
            "--kafka-addr",
            "nowhere",
            "--set",
            "no.such.key=1",
            "--set",
            "num.partitions=0",
            "--set",
            "x",
            "--node-id",
            "-4",
        ]);
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn the_node_id_is_given_or_the_end_of_the_name() {
        assert_eq!(gather(&["--node-name", "bateau-2"]).unwrap().node_id, Some(2));
        assert_eq!(gather(&["--node-name", "bateau"]).unwrap().node_id, None);
        assert_eq!(gather(&["--node-name", "bateau-2", "--node-id", "7"]).unwrap().node_id, Some(7));
        assert_eq!(gather(&["--set", "node.id=5"]).unwrap().node_id, Some(5));
    }

    #[test]
    fn flags_go_before_the_file() {
        let dir = std::env::temp_dir().join(format!("bateau-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("bateau.toml");
        let text = "data-dir = \"/from/file\"\nnode-id = 3\n[set]\n\"num.partitions\" = 4\n\"log.retention.hours\" = \"9\"\n";
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        let config = gather(&["--config-file", path, "--node-id", "8", "--set", "num.partitions=6"]).unwrap();
        assert_eq!((config.node_id, config.settings.num_partitions), (Some(8), 6));
        assert_eq!(config.data_dir, PathBuf::from("/from/file"));
        assert_eq!(config.keys["log.retention.hours"], "9");
        std::fs::write(&file, "data-dur = \"x\"\nnode-id = \"three\"\n").unwrap();
        assert_eq!(problems(&["--config-file", path]).len(), 2);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
