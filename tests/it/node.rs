//! A `bateau` process with a directory of its own, ended when dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything here may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) kafka: SocketAddr,
    process: Child,
    directory: PathBuf,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a node with further broker keys, as `key=value`.
    pub(crate) fn with(keys: &[&str]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("bateau-it-{}-{number}", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_bateau"));
        command
            .args(["serve", "--kafka-addr", "127.0.0.1:0", "--node-id", "1", "--data-dir"])
            .arg(&directory);
        for key in keys {
            command.args(["--set", key]);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let kafka = lines.map_while(Result::ok).find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("kafka")).then(|| words.next().unwrap().parse().unwrap())
        });
        Self { kafka: kafka.expect("the node says where it listens"), process, directory }
    }

    /// Memory in use, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Asks the node to stop and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Waits until `condition` holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
}
