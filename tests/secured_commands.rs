//! The commands for people over TLS and with a login: flags, contexts, and what somebody is told who lacks something.
//!
//! As in `commands.rs`, the built binary is the broker, and again the client. Certificates are by `bateau certs`.

#![allow(clippy::unwrap_used, reason = "what a test needs and does not get fails it")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const BATEAU: &str = env!("CARGO_BIN_EXE_bateau");
const LISTENERS: &str =
    "listeners=PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0,SSL://127.0.0.1:0";

/// A broker with a listener of each kind; it and its directory are gone at the end.
struct Broker {
    child: Child,
    directory: PathBuf,
    plaintext: String,
    sasl_plaintext: String,
    sasl_ssl: String,
    ssl: String,
}

impl Broker {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bateau-secured-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        for arguments in ["init", "server --host 127.0.0.1", "client carol"] {
            let mut certs = Command::new(BATEAU);
            certs.args(["certs"]).args(arguments.split(' ')).args(["--dir", "ca"]).current_dir(&directory);
            let made = certs.output().unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        secret(&directory, "users", "alice:wonder land\n");
        secret(&directory, "alice.password", "wonder land\n");
        secret(&directory, "wrong.password", "wonderland\n");
        let child = Command::new(BATEAU)
            .args(["serve", "--users-file", "users", "--set", LISTENERS])
            .args(["--set", "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"])
            .args(["--set", "ssl.client.auth=required", "--server-tls-ca-file", "ca/ca.pem"])
            .args(["--server-tls-cert-file", "ca/server.pem", "--server-tls-key-file", "ca/server-key.pem"])
            .env_clear()
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let empty = String::new;
        let (plaintext, sasl_plaintext, sasl_ssl, ssl) = (empty(), empty(), empty(), empty());
        let mut broker = Self { child, directory, plaintext, sasl_plaintext, sasl_ssl, ssl };
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
                ["kafka", address, "SASL_SSL"] => address.clone_into(&mut self.sasl_ssl),
                ["kafka", address, "SSL"] => address.clone_into(&mut self.ssl),
                ["data", ..] => break,
                _ => {}
            }
        }
        // Read to the end, so that the broker never writes to a closed pipe.
        std::thread::spawn(move || banner.for_each(drop));
    }

    /// Runs a command in the broker's directory, with `arguments` split at blanks.
    fn run(&self, bootstrap: &str, arguments: &str, input: &str) -> Output {
        self.run_in(&[("BATEAU_BOOTSTRAP", bootstrap)], arguments, input)
    }

    fn run_in(&self, environment: &[(&str, &str)], arguments: &str, input: &str) -> Output {
        let mut command = Command::new(BATEAU);
        command.args(arguments.split(' ')).env_clear().envs(environment.iter().copied());
        command.current_dir(&self.directory);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Who is refused may be gone before it reads.
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// A topic is made, a record goes in, and comes back.
    fn works(&self, bootstrap: &str, topic: &str, flags: &str) {
        for (command, input, expected) in [
            ("topic create", "", format!("topic {topic} created\n")),
            ("produce", "sun\n", String::new()),
            ("consume", "", "sun\n".to_owned()),
        ] {
            let output = self.run(bootstrap, &format!("{command} {topic} {flags}"), input);
            assert!(output.status.success(), "{command} {flags}: {output:?}");
            if command != "produce" {
                assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
            }
        }
    }

    /// What is said when listing topics is refused.
    fn refused(&self, bootstrap: &str, flags: &str, code: i32) -> String {
        let output = self.run(bootstrap, format!("topic list {flags}").trim(), "");
        assert_eq!(output.status.code(), Some(code), "{flags}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
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
fn whoever_shows_what_the_listener_wants_produces_and_consumes() {
    let broker = Broker::start();
    let alice = "--user alice --password-file alice.password";
    broker.works(&broker.sasl_plaintext, "default", alice);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let flags = format!("{alice} --sasl-mechanism {mechanism}");
        broker.works(&broker.sasl_plaintext, &format!("clear-{mechanism}"), &flags);
        broker.works(
            &broker.sasl_ssl,
            &format!("tls-{mechanism}"),
            &format!("{flags} --tls-ca ca/ca.pem --tls-cert ca/carol.pem --tls-key ca/carol-key.pem"),
        );
    }
    let carol = "--tls-ca ca/ca.pem --tls-cert ca/carol.pem --tls-key ca/carol-key.pem";
    broker.works(&broker.ssl, "certificate", carol);
}

#[test]
fn whoever_lacks_something_is_told_what() {
    let broker = Broker::start();
    let wrong = broker.refused(&broker.sasl_plaintext, "--user alice --password-file wrong.password", 1);
    assert!(wrong.contains("invalid credentials") && wrong.contains("SaslAuthenticationFailed"), "{wrong}");
    assert!(!wrong.contains("wonderland"), "{wrong}");
    secret(&broker.directory, "token", "abc.def\n");
    let other = broker.refused(&broker.sasl_plaintext, "--token-file token", 1);
    assert!(other.contains("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"), "{other}");
    let none = broker.refused(&broker.sasl_plaintext, "", 1);
    assert!(none.contains("--user"), "{none}");
    let useless = broker.refused(&broker.plaintext, "--user alice --password-file alice.password", 1);
    assert!(useless.contains("no login"), "{useless}");

    let plain = broker.refused(&broker.ssl, "", 1);
    assert!(plain.contains("try --tls"), "{plain}");
    let reverse = broker.refused(&broker.plaintext, "--tls-ca ca/ca.pem", 1);
    assert!(reverse.contains("leave the --tls flags away"), "{reverse}");
    let nothing_shown = broker.refused(&broker.ssl, "--tls-ca ca/ca.pem", 1);
    assert!(nothing_shown.contains("--tls-cert"), "{nothing_shown}");
    let carol = "--tls-ca ca/ca.pem --tls-cert ca/carol.pem --tls-key ca/carol-key.pem";
    let by_name = broker.ssl.replace("127.0.0.1", "localhost");
    let name = broker.refused(&by_name, carol, 1);
    assert!(name.contains("--tls-no-hostname-check"), "{name}");
    broker.works(&by_name, "any-name", &format!("{carol} --tls-no-hostname-check"));
}

#[test]
fn passwords_come_from_the_environment_or_a_file_that_is_not_for_all() {
    let broker = Broker::start();
    let environment =
        [("BATEAU_BOOTSTRAP", broker.sasl_plaintext.as_str()), ("BATEAU_PASSWORD", "wonder land")];
    let listed = broker.run_in(&environment, "topic list --user alice", "");
    assert!(listed.status.success(), "{listed:?}");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(broker.directory.join("alice.password"), open).unwrap();
    let open = broker.refused(&broker.sasl_plaintext, "--user alice --password-file alice.password", 1);
    assert!(open.contains("0644"), "{open}");
    let half = broker.refused(&broker.sasl_plaintext, "--sasl-mechanism PLAIN", 2);
    assert!(half.contains("--user"), "{half}");
}

#[test]
fn a_context_says_what_flags_do_not() {
    let broker = Broker::start();
    let file = format!(
        "default-context = \"alice\"\n[context.alice]\nbootstrap-server = \"{}\"\nuser = \"alice\"\npassword-file = \"alice.password\"\n\
         [context.nobody]\nbootstrap-server = \"{}\"\n",
        broker.sasl_plaintext, broker.plaintext
    );
    fs::create_dir(broker.directory.join("bateau")).unwrap();
    fs::write(broker.directory.join("bateau/config.toml"), file).unwrap();
    secret(&broker.directory.join("bateau"), "alice.password", "wonder land\n");
    let home = broker.directory.to_str().unwrap().to_owned();
    let usual = [("XDG_CONFIG_HOME", home.as_str())];
    let made = broker.run_in(&usual, "topic create sky", "");
    assert!(made.status.success(), "{made:?}");

    let named = format!("{home}/bateau/config.toml");
    for environment in [
        vec![("BATEAU_CLIENT_CONFIG", named.as_str())],
        vec![("BATEAU_CLIENT_CONFIG", &named), ("BATEAU_BOOTSTRAP", "127.0.0.1:1")],
    ] {
        let listed = broker.run_in(&environment, "topic list --context nobody", "");
        assert!(String::from_utf8_lossy(&listed.stdout).contains("sky"), "{listed:?}");
    }
    // What is alice's is not shown to other brokers: only her context names them together.
    let elsewhere = broker.run(&broker.sasl_plaintext, &format!("topic list --client-config {named}"), "");
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
    let unknown = broker.run_in(&usual, "topic list --context bob", "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("only: alice, nobody"), "{unknown:?}");
}
