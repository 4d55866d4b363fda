//! A node's flags, the environment behind them, and the same names in a TOML file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Flags of `bateau serve`. Each goes before its environment variable, that before the file.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeFlags {
    /// Where logs and metadata are kept [default: bateau-data]
    #[arg(long, value_name = "DIR", env = "BATEAU_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// This node's name; a number at its end, as in bateau-2, is the node id unless one is given
    #[arg(long, value_name = "NAME", env = "BATEAU_NODE_NAME")]
    pub node_name: Option<String>,
    /// This node's id, Kafka's broker id [default: the data directory's, else 1]
    #[arg(long, value_name = "N", env = "BATEAU_NODE_ID", allow_negative_numbers = true)]
    pub node_id: Option<i32>,
    /// Where Kafka clients are served; port 0 takes a free one [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT", env = "BATEAU_KAFKA_ADDR")]
    pub kafka_addr: Option<String>,
    /// Where Kafka clients are told to find this node [default: --kafka-addr]
    #[arg(long, value_name = "HOST:PORT", env = "BATEAU_ADVERTISED_KAFKA_ADDR")]
    pub advertised_kafka_addr: Option<String>,
    /// Where HTTP is served (JSON, health); port 0 takes a free one, off serves none [default: 127.0.0.1:8402]
    #[arg(long, value_name = "HOST:PORT", env = "BATEAU_HTTP_ADDR")]
    pub http_addr: Option<String>,
    /// A TOML file with these flags' names as keys, and Kafka's broker keys in a table [set]
    #[arg(long, value_name = "FILE", env = "BATEAU_CONFIG_FILE")]
    pub config_file: Option<PathBuf>,
    /// One of Kafka's broker keys; repeatable. `BATEAU_SET` holds several, separated by ;
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT", env = "BATEAU_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines are written, as in info or bateau=debug [default: info]
    #[arg(long, value_name = "FILTER", env = "BATEAU_LOG")]
    pub log: Option<String>,

    /// Where nodes find each other (gossip, TCP and UDP); with it, this node can be part of a cluster [default: 127.0.0.1:8401]
    #[arg(long, value_name = "HOST:PORT", env = "BATEAU_BIND_ADDR")]
    pub bind_addr: Option<String>,
    /// Where gRPC clients are served and nodes talk to each other, on the host of --bind-addr [default: 8400]
    #[arg(long, value_name = "PORT", env = "BATEAU_RPC_PORT")]
    pub rpc_port: Option<u16>,
    /// The host under which other nodes find this one [default: that of --bind-addr]
    #[arg(long, value_name = "HOST", env = "BATEAU_ADVERTISED_HOST")]
    pub advertised_host: Option<String>,
    /// Other nodes' --bind-addr, separated by commas; asked again until they are up
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env = "BATEAU_START_JOIN_ADDRS")]
    pub start_join_addrs: Vec<String>,
    /// Form the cluster, if the nodes of --start-join-addrs have none; on a node that is part of one it does nothing
    #[arg(long, env = "BATEAU_BOOTSTRAP", value_parser = is_to_bootstrap)]
    pub bootstrap: bool,
    /// Where this node is, so that replicas are kept apart (Kafka's broker.rack)
    #[arg(long, value_name = "NAME", env = "BATEAU_RACK")]
    pub rack: Option<String>,
    /// 32, 48 or 64 hexadecimal digits that all nodes share: gossip is encrypted with it
    #[arg(long, value_name = "HEX", env = "BATEAU_GOSSIP_KEY", hide_env_values = true)]
    pub gossip_key: Option<String>,

    /// The certificate of this node for clients, in PEM, its chain behind it; read again when it changes
    #[arg(long, value_name = "FILE", env = "BATEAU_SERVER_TLS_CERT_FILE")]
    pub server_tls_cert_file: Option<PathBuf>,
    /// The key of --server-tls-cert-file
    #[arg(long, value_name = "FILE", env = "BATEAU_SERVER_TLS_KEY_FILE")]
    pub server_tls_key_file: Option<PathBuf>,
    /// CAs whose certificates clients may show (see ssl.client.auth)
    #[arg(long, value_name = "FILE", env = "BATEAU_SERVER_TLS_CA_FILE")]
    pub server_tls_ca_file: Option<PathBuf>,
    /// The certificate that this node shows other nodes, for both sides of a connection; with it, nodes speak only TLS
    #[arg(long, value_name = "FILE", env = "BATEAU_PEER_TLS_CERT_FILE")]
    pub peer_tls_cert_file: Option<PathBuf>,
    /// The key of --peer-tls-cert-file
    #[arg(long, value_name = "FILE", env = "BATEAU_PEER_TLS_KEY_FILE")]
    pub peer_tls_key_file: Option<PathBuf>,
    /// CAs whose certificates other nodes must show
    #[arg(long, value_name = "FILE", env = "BATEAU_PEER_TLS_CA_FILE")]
    pub peer_tls_ca_file: Option<PathBuf>,
    /// Users, a NAME:PASSWORD on each line, for SASL; nobody but this node's user and group may read it
    #[arg(long, value_name = "FILE", env = "BATEAU_USERS_FILE")]
    pub users_file: Option<PathBuf>,
    /// A Casbin model of who may do what; with it, clients may do only what they are allowed to
    #[arg(long, value_name = "FILE", env = "BATEAU_ACL_MODEL_FILE")]
    pub acl_model_file: Option<PathBuf>,
    /// The policy of --acl-model-file; read again when it changes
    #[arg(long, value_name = "FILE", env = "BATEAU_ACL_POLICY_FILE")]
    pub acl_policy_file: Option<PathBuf>,
}

/// To the commands for people `BATEAU_BOOTSTRAP` is an address; somebody who has set it can run a node all the same.
fn is_to_bootstrap(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        address if address.split(',').all(|one| one.contains(':')) => Ok(false),
        _ => Err("is neither true nor false, nor the HOST:PORT that the commands for people go to".into()),
    }
}

impl ServeFlags {
    /// Adds what `BATEAU_SET` says, behind the flags' own `--set`.
    #[must_use]
    pub fn with_set_from(mut self, environment: Option<&str>) -> Self {
        let given = environment.unwrap_or_default().split(';').map(str::trim).filter(|s| !s.is_empty());
        let mut set: Vec<String> = given.map(str::to_owned).collect();
        set.append(&mut self.set);
        self.set = set;
        self
    }

    /// Fills what is not given from a file's `text`, and returns its `[set]` beside.
    pub(super) fn over_file(
        mut self,
        text: &str,
        problems: &mut Vec<String>,
    ) -> (Self, Vec<(String, String)>) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                problems.push(format!("the configuration file is not TOML: {error}"));
                return (self, Vec::new());
            }
        };
        let mut keys = Vec::new();
        for (key, value) in table {
            if let Err(problem) = self.fill(&key, &value, &mut keys) {
                problems.push(format!("'{key}' in the configuration file {problem}"));
            }
        }
        (self, keys)
    }

    fn fill(
        &mut self,
        key: &str,
        value: &toml::Value,
        keys: &mut Vec<(String, String)>,
    ) -> Result<(), &'static str> {
        let text = || value.as_str().map(str::to_owned).ok_or("must be a string");
        match key {
            "data-dir" => fill(&mut self.data_dir, text()?.into()),
            "node-name" => fill(&mut self.node_name, text()?),
            "kafka-addr" => fill(&mut self.kafka_addr, text()?),
            "advertised-kafka-addr" => fill(&mut self.advertised_kafka_addr, text()?),
            "log" => fill(&mut self.log, text()?),
            "log-format" => fill(
                &mut self.log_format,
                LogFormat::from_str(&text()?, true).map_err(|_| "must be text or json")?,
            ),
            "bind-addr" => fill(&mut self.bind_addr, text()?),
            "advertised-host" => fill(&mut self.advertised_host, text()?),
            "rack" => fill(&mut self.rack, text()?),
            "gossip-key" => fill(&mut self.gossip_key, text()?),
            "http-addr" => fill(&mut self.http_addr, text()?),
            "server-tls-cert-file" => fill(&mut self.server_tls_cert_file, text()?.into()),
            "server-tls-key-file" => fill(&mut self.server_tls_key_file, text()?.into()),
            "server-tls-ca-file" => fill(&mut self.server_tls_ca_file, text()?.into()),
            "peer-tls-cert-file" => fill(&mut self.peer_tls_cert_file, text()?.into()),
            "peer-tls-key-file" => fill(&mut self.peer_tls_key_file, text()?.into()),
            "peer-tls-ca-file" => fill(&mut self.peer_tls_ca_file, text()?.into()),
            "users-file" => fill(&mut self.users_file, text()?.into()),
            "acl-model-file" => fill(&mut self.acl_model_file, text()?.into()),
            "acl-policy-file" => fill(&mut self.acl_policy_file, text()?.into()),
            "node-id" => fill(&mut self.node_id, number(value)?),
            "rpc-port" => fill(&mut self.rpc_port, number(value)?),
            "bootstrap" => self.bootstrap |= value.as_bool().ok_or("must be true or false")?,
            "start-join-addrs" => {
                let list = value.as_array().ok_or("must be a list of strings")?;
                let list: Option<Vec<_>> = list.iter().map(|v| v.as_str().map(str::to_owned)).collect();
                let list = list.ok_or("must be a list of strings")?;
                if self.start_join_addrs.is_empty() {
                    self.start_join_addrs = list;
                }
            }
            "set" => {
                for (key, value) in value.as_table().ok_or("must be a table")? {
                    keys.push((key.clone(), scalar(value).ok_or("must hold strings, numbers and booleans")?));
                }
            }
            _ => return Err("is not a key of it"),
        }
        Ok(())
    }
}

fn fill<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

fn number<T: TryFrom<i64>>(value: &toml::Value) -> Result<T, &'static str> {
    value.as_integer().and_then(|n| T::try_from(n).ok()).ok_or("must be a number in range")
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}
