//! The broker that the scripts talk to: a Bateau started for this run, alone or with others, or one that already runs.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const START_DEADLINE: Duration = Duration::from_mins(1);

/// A broker, and how many nodes its cluster has. Where there are several, scripts have their topics led by this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) nodes: i32,
}

impl Broker {
    pub(crate) fn alone(address: SocketAddr) -> Self {
        Self { address, nodes: 1 }
    }
}

/// Nodes of a Bateau with empty data directories; killed and cleaned away when dropped.
#[derive(Debug)]
pub(crate) struct Bateau {
    children: Vec<Child>,
    data: PathBuf,
    /// Its first node, which has the id 1.
    pub(crate) broker: Broker,
}

impl Bateau {
    /// Starts `binary` and waits until each node says where it listens: a line on stdout whose first word is `kafka`.
    pub(crate) fn start(binary: &str, nodes: i32) -> Result<Self, String> {
        let data = std::env::temp_dir().join(format!("bateau-golden-{}-{nodes}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        let broker = Broker { address: SocketAddr::from(([127, 0, 0, 1], 0)), nodes };
        let mut bateau = Self { children: Vec::new(), data, broker };
        for id in 1..=nodes {
            let address = bateau.node(binary, id)?;
            if id == 1 {
                bateau.broker.address = resolve(&address)?;
            }
        }
        Ok(bateau)
    }

    fn node(&mut self, binary: &str, id: i32) -> Result<String, String> {
        let data = self.data.join(id.to_string());
        std::fs::create_dir_all(&data).map_err(|error| format!("create {}: {error}", data.display()))?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--node-id", &id.to_string()])
            // As the recorder's Kafka has it, too: nobody wants to wait three seconds for each new group.
            .args(["--set", "group.initial.rebalance.delay.ms=0", "--data-dir"])
            .arg(&data);
        if self.broker.nodes > 1 {
            command.args(["--kafka-addr", &format!("{}:{}", own_host(), 9092 + id)]);
            command.args(["--bind-addr", &gossip_of(id), "--rpc-port", &(8400 - id).to_string()]);
            match id {
                1 => command.arg("--bootstrap"),
                _ => command.args(["--start-join-addrs", &gossip_of(1)]),
            };
        } else {
            command.args(["--kafka-addr", "127.0.0.1:0"]);
        }
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("start {binary}: {error}"))?;
        let stdout = child.stdout.take();
        self.children.push(child);
        let (tell, told) = mpsc::channel();
        // Reads to the end, so that a talkative broker never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).map_while(Result::ok)
            {
                let mut words = line.split_whitespace();
                if words.next() == Some("kafka") {
                    let _ = tell.send(words.next().unwrap_or_default().to_owned());
                }
            }
        });
        told.recv_timeout(START_DEADLINE)
            .map_err(|_| format!("node {id} did not say its kafka address in {START_DEADLINE:?}"))
    }
}

impl Drop for Bateau {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A loopback address that no other process of these tests takes, so that ports may be fixed.
fn own_host() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high & 63, middle, low)
}

fn gossip_of(id: i32) -> String {
    format!("{}:{}", own_host(), 8401 + id)
}

pub(crate) fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut all = address.to_socket_addrs().map_err(|error| format!("address {address:?}: {error}"))?;
    all.next().ok_or_else(|| format!("address {address:?} stands for nothing"))
}
