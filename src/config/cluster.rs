//! How a node is part of a cluster: where it listens, whom it asks, whether it may form one.

use super::Problems;
use super::address::HostPort;
use super::flags::ServeFlags;

const DEFAULT_BIND: &str = "127.0.0.1:8401";
const DEFAULT_RPC_PORT: u16 = 8400;
/// Where gRPC clients of a node alone are served.
pub const DEFAULT_RPC: (&str, u16) = ("127.0.0.1", DEFAULT_RPC_PORT);

/// See the module. Given if any of its flags is.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Gossip.
    pub bind: HostPort,
    /// On the host of `bind`; 0 takes a free one.
    pub rpc_port: u16,
    /// The host under which others find this node.
    pub advertised_host: String,
    /// HOST:PORT of the gossip of other nodes.
    pub start_join_addrs: Vec<String>,
    pub bootstrap: bool,
    /// 16, 24 or 32 bytes.
    pub gossip_key: Option<Vec<u8>>,
}

impl std::fmt::Debug for ClusterConfig {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("bind", &self.bind)
            .field("rpc_port", &self.rpc_port)
            .field("advertised_host", &self.advertised_host)
            .field("start_join_addrs", &self.start_join_addrs)
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

impl ClusterConfig {
    pub(super) fn check(flags: &ServeFlags, problems: &mut Problems) -> Option<Self> {
        let is_wanted = flags.bind_addr.is_some()
            || flags.rpc_port.is_some()
            || flags.bootstrap
            || !flags.start_join_addrs.is_empty();
        if !is_wanted {
            return None;
        }
        let text = flags.bind_addr.as_deref().unwrap_or(DEFAULT_BIND);
        let bind = problems.keep(&format!("--bind-addr {text}"), HostPort::parse(text))?;
        let advertised_host = flags.advertised_host.clone().unwrap_or_else(|| bind.host.clone());
        let reachable = HostPort { host: advertised_host.clone(), port: 0 };
        if reachable.is_wildcard() {
            problems.0.push(format!(
                "--bind-addr {bind} is a wildcard, which other nodes cannot connect to: \
                 say with --advertised-host HOST where they find this node"
            ));
        }
        for address in &flags.start_join_addrs {
            problems.keep(&format!("--start-join-addrs {address}"), HostPort::parse(address));
        }
        let gossip_key = flags.gossip_key.as_deref().map(key);
        if matches!(gossip_key, Some(None)) {
            problems.0.push("--gossip-key: is not 32, 48 or 64 hexadecimal digits".into());
        }
        Some(Self {
            bind,
            rpc_port: flags.rpc_port.unwrap_or(DEFAULT_RPC_PORT),
            advertised_host,
            start_join_addrs: flags.start_join_addrs.clone(),
            bootstrap: flags.bootstrap,
            gossip_key: gossip_key.flatten(),
        })
    }
}

fn key(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if !matches!(text.len(), 32 | 48 | 64) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: &ServeFlags) -> (Option<ClusterConfig>, Vec<String>) {
        let mut problems = Problems::default();
        let config = ClusterConfig::check(flags, &mut problems);
        (config, problems.0)
    }

    #[test]
    fn a_node_is_alone_unless_it_is_told_of_others() {
        assert_eq!(check(&ServeFlags::default()).0, None);
        let flags = ServeFlags { start_join_addrs: vec!["a:8401".into()], ..ServeFlags::default() };
        let config = check(&flags).0.unwrap();
        assert_eq!((config.bind.to_string().as_str(), config.rpc_port), ("127.0.0.1:8401", 8400));
    }

    #[test]
    fn a_wildcard_needs_an_advertised_host() {
        let flags = ServeFlags { bind_addr: Some("0.0.0.0:8401".into()), ..ServeFlags::default() };
        assert!(check(&flags).1[0].contains("--advertised-host"));
        let flags = ServeFlags { advertised_host: Some("bateau-0".into()), ..flags };
        assert_eq!(check(&flags).1, Vec::<String>::new());
    }

    #[test]
    fn a_key_is_hexadecimal_and_of_a_length_that_ciphers_have() {
        assert_eq!(key(&"0f".repeat(16)), Some(vec![15; 16]));
        assert_eq!(key(&"0f".repeat(32)).map(|key| key.len()), Some(32));
        for wrong in ["", "0f", &"0f".repeat(15), &"xy".repeat(16), &"é".repeat(16)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}
