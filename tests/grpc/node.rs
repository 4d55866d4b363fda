//! A `bateau` process with a directory of its own, ended when dropped; and Kafka's view of it, by the binary's own commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) struct Node {
    child: Child,
    directory: PathBuf,
    pub(crate) kafka: String,
    /// Empty: it has none.
    pub(crate) grpc: String,
}

/// Ports that are free now. Somebody else may take one before a node does; then the test fails.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

impl Node {
    /// One node, at free ports.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let [gossip, rpc] = free_ports(2).try_into().unwrap();
        let (gossip, rpc) = (format!("127.0.0.1:{gossip}"), rpc.to_string());
        let mut all = vec!["--bind-addr", &gossip, "--rpc-port", &rpc];
        all.extend(arguments);
        let mut node = Self::launch(&all);
        node.wait();
        node
    }

    /// Three nodes that form a cluster, with ids 1 to 3.
    pub(crate) fn start_three() -> [Self; 3] {
        let ports = free_ports(6);
        let gossip = |node: usize| format!("127.0.0.1:{}", ports[node]);
        let seeds = [gossip(0), gossip(1), gossip(2)].join(",");
        let mut nodes = [0, 1, 2].map(|node| {
            let (id, rpc, bind) = ((node + 1).to_string(), ports[node + 3].to_string(), gossip(node));
            let mut arguments = vec!["--node-id", &id, "--rpc-port", &rpc, "--bind-addr", &bind];
            arguments.extend(["--start-join-addrs", &seeds]);
            arguments.extend((node == 0).then_some("--bootstrap"));
            Self::launch(&arguments)
        });
        nodes.iter_mut().for_each(Self::wait);
        nodes
    }

    /// Without waiting for it.
    pub(crate) fn launch(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bateau-grpc-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(["serve", "--kafka-addr", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, directory, kafka: String::new(), grpc: String::new() }
    }

    /// Waits until it serves, and learns where.
    pub(crate) fn wait(&mut self) {
        let mut banner = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        while banner.read_line(&mut line).unwrap() > 0 && !line.starts_with("try:") {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("kafka"), Some(address)) => address.clone_into(&mut self.kafka),
                (Some("grpc"), Some(address)) => address.clone_into(&mut self.grpc),
                _ => {}
            }
            line.clear();
        }
        // Read to the end, so that it never writes to a closed pipe.
        std::thread::spawn(move || banner.read_to_end(&mut Vec::new()));
    }

    /// What a command prints that must succeed.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bateau"));
        command.args(arguments).env_clear().env("BATEAU_BOOTSTRAP", &self.kafka);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// All records of a topic, as a Kafka client sees them.
    pub(crate) fn records(&self, topic: &str) -> Vec<Value> {
        let lines = self.run(&["consume", topic, "--output", "json"], "");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already, or a test failed.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.directory);
    }
}
