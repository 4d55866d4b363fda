//! A `bateau` process that authorises, with a directory of its own; ended when dropped.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The book's model.
const MODEL: &str = "\
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
";

/// Everybody's password.
pub(crate) const PASSWORD: &str = "secret";

/// The user who may do everything.
pub(crate) const ADMIN: &str = "admin";

/// A user of the policy, and what it may do to what: `("alice", "orders", "produce")`.
pub(crate) type Line = (String, &'static str, &'static str);

pub(crate) struct Node {
    pub(crate) kafka: SocketAddr,
    process: Child,
    directory: PathBuf,
}

impl Node {
    /// Starts a node whose users may do what `policy` says. Who is in `others` may do nothing.
    pub(crate) fn start(policy: &[Line], others: &[&str]) -> Self {
        let mut launched = Self::launch(policy, others, &["--node-id", "1"]);
        launched.wait();
        launched.node
    }

    /// The same with further arguments; it need not serve yet.
    pub(crate) fn launch(policy: &[Line], others: &[&str], arguments: &[&str]) -> Launched {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("bateau-acl-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let mut names: Vec<&str> =
            policy.iter().map(|(user, ..)| user.as_str()).chain(others.iter().copied()).collect();
        names.push(ADMIN);
        names.sort_unstable();
        names.dedup();
        let users: Vec<String> = names.iter().map(|name| format!("{name}:{PASSWORD}\n")).collect();
        let line = |(user, object, action): &Line| format!("p, {user}, {object}, {action}\n");
        let lines: Vec<String> = policy.iter().map(line).collect();
        let mut process = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(["serve", "--set", "listeners=SASL_PLAINTEXT://127.0.0.1:0"])
            .args(["--set", "sasl.enabled.mechanisms=PLAIN", "--set", "super.users=User:admin"])
            .args(["--set", "group.initial.rebalance.delay.ms=0"])
            .arg("--users-file")
            .arg(file("users", &users.concat()))
            .arg("--acl-model-file")
            .arg(file("model.conf", MODEL))
            .arg("--acl-policy-file")
            .arg(file("policy.csv", &lines.concat()))
            .arg("--data-dir")
            .arg(directory.join("data"))
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let banner = BufReader::new(process.stdout.take().unwrap()).lines();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Launched { node: Self { kafka: nowhere, process, directory }, banner }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A node that may not serve yet.
pub(crate) struct Launched {
    pub(crate) node: Node,
    banner: Lines<BufReader<ChildStdout>>,
}

impl Launched {
    /// Waits until it serves, and learns where.
    pub(crate) fn wait(&mut self) {
        let address = self.banner.by_ref().map_while(Result::ok).find_map(|line| {
            let mut words = line.split_whitespace();
            let said =
                (words.next() == Some("kafka")).then(|| words.next().unwrap_or_default().to_owned())?;
            Some(said.rsplit("//").next().unwrap_or_default().parse().unwrap())
        });
        self.node.kafka = address.expect("the node says where it listens");
    }
}
