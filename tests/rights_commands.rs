//! `bateau user` and `bateau acl` against a broker that keeps users and ACLs.
//!
//! As in `commands.rs`, the built binary is the broker, and again the client.

#![expect(clippy::disallowed_methods, reason = "a test of a process has the process's clock")]
#![allow(clippy::unwrap_used, reason = "what a test needs and does not get fails it")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const BATEAU: &str = env!("CARGO_BIN_EXE_bateau");
const LISTENERS: &str = "listeners=PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0";

/// As the broker is told to keep ACLs.
const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_mins(1);

/// A broker with a listener of each kind; it and its directory are gone at the end.
struct Broker {
    child: Child,
    directory: PathBuf,
    plaintext: String,
    sasl_plaintext: String,
}

impl Broker {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bateau-secured-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        secret(&directory, "users", "root:toor\n");
        secret(&directory, "root.password", "toor\n");
        secret(&directory, "carol.password", "christmas\n");
        let child = Command::new(BATEAU)
            .args(["serve", "--users-file", "users", "--set", LISTENERS])
            .args(["--set", "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"])
            .args(["--set", AUTHORIZER, "--set", "super.users=User:root"])
            .env_clear()
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (plaintext, sasl_plaintext) = (String::new(), String::new());
        let mut broker = Self { child, directory, plaintext, sasl_plaintext };
        broker.wait();
        broker
    }

    /// Waits until it serves, and learns where.
    fn wait(&mut self) {
        let mut banner = BufReader::new(self.child.stdout.take().unwrap()).lines();
        for line in banner.by_ref() {
            let line = line.unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["kafka", address] => address.clone_into(&mut self.plaintext),
                ["kafka", address, "SASL_PLAINTEXT"] => address.clone_into(&mut self.sasl_plaintext),
                ["data", ..] => break,
                _ => {}
            }
        }
        // Read to the end, so that the broker never writes to a closed pipe.
        std::thread::spawn(move || banner.for_each(drop));
    }

    /// Runs a command in the broker's directory, with `arguments` split at blanks.
    fn run(&self, bootstrap: &str, arguments: &str, input: &str) -> Output {
        let mut command = Command::new(BATEAU);
        command.args(arguments.split(' ')).env_clear().env("BATEAU_BOOTSTRAP", bootstrap);
        command.current_dir(&self.directory);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Who is refused may be gone before it reads.
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What root does, and it must succeed.
    fn root(&self, arguments: &str) -> String {
        let output = self.run(
            &self.sasl_plaintext,
            &format!("{arguments} --user root --password-file root.password"),
            "",
        );
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn root_json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.root(&format!("{arguments} --json"))).unwrap()
    }

    /// Does `arguments` as carol, and again until it is done, or refused, as `expected`: nodes learn of a change a little later.
    fn carol(&self, arguments: &str, expected: bool) -> Output {
        let begun = Instant::now();
        loop {
            let output = self.run(
                &self.sasl_plaintext,
                &format!("{arguments} --user carol --password-file carol.password --patience 1s"),
                "sun\n",
            );
            if output.status.success() == expected {
                return output;
            }
            assert!(begun.elapsed() < DEADLINE, "{arguments}: {output:?}");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It has ended already, or a test failed; what stays behind is the system's to clean.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// A file for its owner's eyes only.
fn secret(directory: &std::path::Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_user_is_made_logs_in_gets_another_password_and_is_deleted() {
    let broker = Broker::start();
    broker.carol("topic list", false);
    broker.root("user set carol --new-password-file carol.password");
    let users = broker.root_json("user list");
    let of_carol = |users: &Value| -> Vec<Value> {
        users.as_array().unwrap().iter().filter(|user| user["user"] == "carol").cloned().collect()
    };
    let both = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
    assert_eq!(
        of_carol(&users),
        both.map(|mechanism| json!({ "user": "carol", "mechanism": mechanism, "iterations": 4096 }))
    );
    for mechanism in both {
        broker.carol(&format!("topic list --sasl-mechanism {mechanism}"), true);
    }
    broker
        .root("user set carol --mechanism SCRAM-SHA-256 --iterations 8192 --new-password-file root.password");
    let refused = broker.carol("topic list", false);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SaslAuthenticationFailed"), "{refused:?}");
    broker.root("user delete carol");
    assert!(of_carol(&broker.root_json("user list")).is_empty());
    broker.carol("topic list --sasl-mechanism SCRAM-SHA-512", false);
}

#[test]
fn what_acls_allow_may_be_done_and_what_is_removed_may_not() {
    let broker = Broker::start();
    broker.root("user set carol --new-password-file carol.password");
    broker.root("topic create sky");
    broker.carol("produce sky", false);
    broker.root("acl add --principal User:carol --operation read,write --topic sky");
    broker.carol("produce sky", true);
    let read = broker.carol("consume sky", true);
    assert!(String::from_utf8_lossy(&read.stdout).starts_with("sun"), "{read:?}");
    broker.root("acl add --principal User:carol --deny --operation write --topic sk --prefixed");
    broker.carol("produce sky", false);
    let refused = broker.carol("acl list", false);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ClusterAuthorizationFailed"), "{refused:?}");
    broker.root("acl remove --principal User:carol --deny");
    broker.carol("produce sky", true);
    broker.root("acl remove --all");
    broker.carol("consume sky", false);
}

#[test]
fn acls_are_listed_as_a_table_as_json_and_as_a_policy() {
    let broker = Broker::start();
    broker.root("acl add --principal User:carol --operation read --topic sky --host 10.0.0.7");
    broker.root("acl add --principal User:carol --deny --operation alter-configs --cluster");
    broker.root("acl add --principal User:bob --operation all --group g --prefixed");
    let policy = broker.root("acl list --as-policy");
    let expected = [
        "p, User:carol, topic:sky, read, allow, 10.0.0.7, literal",
        "p, User:bob, group:g, all, allow, *, prefixed",
        "p, User:carol, cluster:kafka-cluster, alterconfigs, deny, *, literal",
    ];
    assert_eq!(policy.lines().collect::<Vec<_>>(), expected);
    let matching = json!([{
        "resource_type": "group", "name": "g", "pattern": "prefixed", "principal": "User:bob", "host": "*",
        "operation": "all", "permission": "allow",
    }]);
    assert_eq!(broker.root_json("acl list --matching --group g7"), matching);
    assert_eq!(broker.root("acl list --principal User:carol").lines().count(), 3);
    assert_eq!(broker.root_json("acl list --topic sea"), json!([]));
    let removed = broker.root("acl remove --principal User:carol --topic sky");
    assert_eq!(removed, "removed: allow User:carol from 10.0.0.7 to read topic sky (literal)\n");
    let careless = broker.run(&broker.plaintext, "acl remove", "");
    assert_eq!(careless.status.code(), Some(2), "{careless:?}");
}
