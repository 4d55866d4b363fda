//! Which cluster a command is for, and how it answers: the flags that all commands share.

use std::time::Duration;

use clap::Args;

use crate::client::{Cluster, ClusterOptions};

use super::duration::parse_duration;
use super::output::Output;

const DEFAULT_PORT: u16 = 9092;

#[derive(Args, Clone, Debug)]
pub(super) struct Connect {
    // Of a name of its own: global flags reach the root by their names, and a node's --bootstrap is there.
    /// Brokers to begin with, with commas between; one that answers is enough
    #[arg(
        id = "brokers", long = "bootstrap", short = 'b', value_name = "HOST:PORT", env = "BATEAU_BOOTSTRAP", default_value = "127.0.0.1:9092",
        value_delimiter = ',', value_parser = address, global = true
    )]
    bootstrap: Vec<String>,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How long to try again while brokers restart and leaders move
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = parse_duration, global = true)]
    patience: Duration,
}

impl Connect {
    /// Nothing is connected before the first question.
    pub(super) fn cluster(&self) -> Cluster {
        Cluster::new(ClusterOptions { bootstrap: self.bootstrap.clone(), patience: self.patience })
    }

    pub(super) fn output(&self) -> Output {
        Output::new(self.json)
    }
}

fn address(text: &str) -> Result<String, String> {
    let wrong = || format!("'{text}' is not HOST:PORT");
    let has_port = text.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if !has_port {
        let is_host = !text.is_empty() && !text.contains(['/', ' ']);
        return if is_host { Ok(format!("{text}:{DEFAULT_PORT}")) } else { Err(wrong()) };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains(['/', ' ']) => {
            port.parse::<u16>().map(|_| text.to_owned()).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_port_may_be_left_out_and_nonsense_is_refused() {
        assert_eq!(address("host").unwrap(), "host:9092");
        assert_eq!(address("host:1").unwrap(), "host:1");
        assert_eq!(address("[::1]:1").unwrap(), "[::1]:1");
        for bad in ["", "host:", "host:99999", "kafka://host:1", "a b:1", ":9092"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
