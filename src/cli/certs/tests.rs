//! What the development CA makes is taken by the doors, and what is there is not lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::Parser;

use super::*;
use crate::tls::{ClientAuth, Files, ServerTls, inspect};

/// 2027-01-15T08:00:00Z
const NOW: i64 = 1_800_000_000;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    command: CertsCommand,
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("bateau-certs-{name}-{}", std::process::id())))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(directory: &Directory, line: &str) -> Result<(), CliError> {
    let dir = directory.0.to_str().unwrap();
    let words = ["certs"].into_iter().chain(line.split(' ')).chain(["--dir", dir]);
    let parsed = Line::try_parse_from(words).map_err(|error| CliError::Usage(error.to_string()))?;
    match parsed.command.verb {
        Verb::Make(what) => what.make(NOW).map(drop),
        Verb::Show { file } => panic!("{} would be shown", file.display()),
    }
}

#[test]
fn a_ca_with_a_server_and_a_client_is_what_a_door_needs() {
    let directory = Directory::new("door");
    run(&directory, "init --name Lab").unwrap();
    run(&directory, "server --host localhost,127.0.0.1 --host [::1] --host *.lab.example").unwrap();
    run(&directory, "client kim --days 1").unwrap();
    for (certificate, key) in [("server.pem", "server-key.pem"), ("kim.pem", "kim-key.pem")] {
        let (certificate, key) = (directory.at(certificate), directory.at(key));
        let files = Files { certificate, key, ca: Some(directory.at("ca.pem")) };
        ServerTls::load(files, ClientAuth::Required, &[]).unwrap();
    }
    let server = inspect(&directory.at("server.pem")).unwrap().certificates;
    assert_eq!(server[0].alternative_names, ["DNS:localhost", "IP:127.0.0.1", "IP:::1", "DNS:*.lab.example"]);
    assert_eq!((server[0].subject.as_str(), server[0].issuer.as_str()), ("CN=localhost", "CN=Lab"));
    assert_eq!((server[1].subject.as_str(), server[1].is_ca), ("CN=Lab", true));
    assert_eq!(
        inspect(&directory.at("kim.pem")).unwrap().certificates[0].common_name.as_deref(),
        Some("kim")
    );
}

#[test]
fn keys_are_for_their_owner_only_and_nothing_is_left_beside_them() {
    let directory = Directory::new("modes");
    run(&directory, "init").unwrap();
    run(&directory, "client kim").unwrap();
    for key in ["ca-key.pem", "kim-key.pem"] {
        assert_eq!(fs::metadata(directory.at(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 4);
}

#[test]
fn files_that_are_there_stay_unless_told_otherwise() {
    let directory = Directory::new("force");
    run(&directory, "init").unwrap();
    let read = |name: &str| fs::read(directory.at(name)).unwrap();
    let (certificate, key) = (read("ca.pem"), read("ca-key.pem"));
    assert!(run(&directory, "init").unwrap_err().to_string().contains("--force"));
    fs::remove_file(directory.at("ca.pem")).unwrap();
    assert!(run(&directory, "init").is_err(), "the key alone is worth keeping too");
    assert_eq!(read("ca-key.pem"), key);
    assert!(!directory.at("ca.pem").exists());
    run(&directory, "init --force").unwrap();
    assert_ne!(read("ca-key.pem"), key);
    assert_ne!(read("ca.pem"), certificate);
    assert_eq!(fs::metadata(directory.at("ca-key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_leaf_does_not_outlive_its_ca() {
    let directory = Directory::new("days");
    run(&directory, "init --days 10").unwrap();
    run(&directory, "client kim --days 365").unwrap();
    let end = |name: &str| inspect(&directory.at(name)).unwrap().certificates[0].validity.not_after;
    assert_eq!(end("kim.pem"), end("ca.pem"));
}

#[test]
fn without_its_ca_or_with_a_foreign_key_nothing_is_signed() {
    let (directory, other) = (Directory::new("none"), Directory::new("other"));
    let error = run(&directory, "client kim").unwrap_err().to_string();
    assert!(error.contains("certs init"), "{error}");
    run(&directory, "init").unwrap();
    run(&other, "init").unwrap();
    fs::copy(other.at("ca-key.pem"), directory.at("ca-key.pem")).unwrap();
    assert!(run(&directory, "client kim").unwrap_err().to_string().contains("does not belong"));
    run(&other, "client kim").unwrap();
    fs::copy(other.at("kim.pem"), other.at("ca.pem")).unwrap();
    fs::copy(other.at("kim-key.pem"), other.at("ca-key.pem")).unwrap();
    assert!(run(&other, "client bob").unwrap_err().to_string().contains("not a CA"));
}

#[test]
fn names_that_are_no_files_and_hosts_that_are_no_hosts_are_wrong_usage() {
    let directory = Directory::new("names");
    run(&directory, "init").unwrap();
    for bad in [
        "client ../kim",
        "client a/b",
        "client ca",
        "client x-key",
        "client .kim",
        "client kim --file ca",
        "server",
        "server --host localhost:9092",
        "server --host",
        "server --host a_b://c",
        "client kim --days 0",
        "init --days 36501",
    ] {
        assert!(matches!(run(&directory, bad), Err(CliError::Usage(_))), "{bad}");
    }
    run(&directory, "client a/b --file ab").unwrap();
    assert_eq!(inspect(&directory.at("ab.pem")).unwrap().certificates[0].subject, "CN=a/b");
}

#[test]
fn times_are_shown_in_utc() {
    assert_eq!(show::utc(NOW), "2027-01-15T08:00:00Z");
    assert_eq!(show::utc(i64::MAX), i64::MAX.to_string());
}
