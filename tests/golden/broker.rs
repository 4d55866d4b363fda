//! The broker that the scripts talk to: a Bateau started for this run, or one that already runs.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const START_DEADLINE: Duration = Duration::from_mins(1);

/// A Bateau of one node with an empty data directory; killed and cleaned away when dropped.
#[derive(Debug)]
pub(crate) struct Bateau {
    child: Child,
    data: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Bateau {
    /// Starts `binary` and waits until it says where it listens: a line on stdout whose first word is `kafka`.
    pub(crate) fn start(binary: &str) -> Result<Self, String> {
        let data = std::env::temp_dir().join(format!("bateau-golden-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data).map_err(|error| format!("create {}: {error}", data.display()))?;
        let mut child = Command::new(binary)
            .args(["serve", "--kafka-addr", "127.0.0.1:0", "--node-id", "1"])
            // As the recorder's Kafka has it, too: nobody wants to wait three seconds for each new group.
            .args(["--set", "group.initial.rebalance.delay.ms=0", "--data-dir"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("start {binary}: {error}"))?;
        let stdout = child.stdout.take();
        let mut bateau = Self { child, data, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
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
        let address = told
            .recv_timeout(START_DEADLINE)
            .map_err(|_| format!("{binary} did not say its kafka address in {START_DEADLINE:?}"))?;
        bateau.address = resolve(&address)?;
        Ok(bateau)
    }
}

impl Drop for Bateau {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

pub(crate) fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut all = address.to_socket_addrs().map_err(|error| format!("address {address:?}: {error}"))?;
    all.next().ok_or_else(|| format!("address {address:?} stands for nothing"))
}
