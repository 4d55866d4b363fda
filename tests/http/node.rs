//! `bateau` processes with directories of their own, ended when dropped, and the commands for people against them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::client::{Answer, Request};

/// Longer than anything here may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct Node {
    pub(crate) kafka: String,
    /// `None`: the node has no HTTP.
    pub(crate) http: Option<SocketAddr>,
    pub(crate) process: Child,
    directory: PathBuf,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with(&["--http-addr", "127.0.0.1:0", "--node-id", "1"])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut node = Self::launch(arguments);
        node.wait();
        node
    }

    /// Three nodes that form a cluster, with ids 1 to 3.
    pub(crate) fn three() -> [Self; 3] {
        // Asked for together, so that they differ. Somebody else may take one before the node does; then the test fails.
        let free: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = free.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(free);
        let gossip = |node: usize| format!("127.0.0.1:{}", ports[node]);
        let seeds = [gossip(0), gossip(1), gossip(2)].join(",");
        let mut nodes = [0, 1, 2].map(|node| {
            let (id, rpc, bind) = ((node + 1).to_string(), ports[node + 3].to_string(), gossip(node));
            let mut arguments = vec!["--http-addr", "127.0.0.1:0", "--node-id", &id, "--rpc-port", &rpc];
            arguments.extend(["--bind-addr", &bind, "--start-join-addrs", &seeds, "--node-name", &id]);
            arguments.extend((node == 0).then_some("--bootstrap"));
            Self::launch(&arguments)
        });
        nodes.iter_mut().for_each(Self::wait);
        nodes
    }

    pub(crate) fn launch(arguments: &[&str]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("bateau-http-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(["serve", "--kafka-addr", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { kafka: String::new(), http: None, process, directory }
    }

    /// Reads on its banner where it serves.
    pub(crate) fn wait(&mut self) {
        let mut lines = BufReader::new(self.process.stdout.take().unwrap()).lines();
        while self.kafka.is_empty() || self.http.is_none() {
            let line = lines.next().expect("it ended").unwrap();
            match line.trim().split_once(' ').map(|(what, at)| (what, at.trim())) {
                Some(("kafka", at)) => at.clone_into(&mut self.kafka),
                Some(("http", "off")) => break,
                Some(("http", at)) => self.http = Some(at.parse().unwrap()),
                _ => {}
            }
        }
        // Read to the end, so that the node never writes to a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.http.expect("HTTP is served"), method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path).json(body).send()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send()
    }

    /// A topic with so many partitions.
    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        let body = format!(r#"{{"name":"{name}","partitions":{partitions}}}"#);
        assert_eq!(self.post("/v1/topics", &body).status, 201);
    }

    /// What a command for people prints, which has to succeed.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(arguments)
            .env_clear()
            .env("BATEAU_BOOTSTRAP", &self.kafka)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, signal).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already, or a test failed; what stays behind is the system's to clean.
        _ = self.process.kill();
        _ = self.process.wait();
        _ = std::fs::remove_dir_all(&self.directory);
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
