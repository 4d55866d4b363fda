//! The binary as somebody at a shell meets it: flags, environment, file, signals, exit codes, what it prints.
//!
//! Also here: that `docs/configuration.md` lists the keys as the tables of `keys` have them; `UPDATE_DOCS=1` writes it.

#![expect(clippy::disallowed_methods, reason = "a test of a process has the process's clock")]
#![allow(clippy::unwrap_used, reason = "what a test needs and does not get fails it")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bateau::keys::{NamedResource, TOPIC_KEYS, Treatment, broker_keys};
use rustix::process::{Pid, Signal, kill_process};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_mins(1);

/// A directory of its own; removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bateau-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is the system's to clean.
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A started `bateau`; killed at the end if it still runs.
struct Bateau {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// What a process that ended left.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// What a node says that it serves.
#[derive(Debug, PartialEq, Eq)]
struct Banner {
    node: String,
    cluster: String,
    kafka: String,
    tried: String,
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    // Reads to the end, so that a talkative process never blocks on a full pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            drop(tell.send(line));
        }
    });
    told
}

/// The lines that come until the other end is closed, which is when the process ends.
fn rest_of(lines: &Receiver<String>, deadline: Instant) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("it did not end in {DEADLINE:?} and said:\n{text}"),
        }
    }
}

impl Bateau {
    /// Runs it in `scratch`, with nothing in its environment but `environment`.
    fn run(scratch: &Scratch, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bateau"))
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(&scratch.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: lines_of(stdout), stderr: lines_of(stderr) }
    }

    /// Runs it on a free port.
    fn serve(scratch: &Scratch, arguments: &[&str]) -> Self {
        Self::run(scratch, &[&["--kafka-addr", "127.0.0.1:0"], arguments].concat(), &[])
    }

    /// Waits until it says what it serves.
    fn banner(&self) -> Banner {
        let next = || {
            let line = self.stdout.recv_timeout(DEADLINE);
            line.unwrap_or_else(|_| {
                panic!("it said nothing more, but: {:?}", self.stderr.try_iter().collect::<Vec<_>>())
            })
        };
        let head = next();
        let (node, cluster) = head.split_once(", node ").unwrap().1.split_once(" of cluster ").unwrap();
        let kafka = next().trim().strip_prefix("kafka").unwrap().trim().to_owned();
        let mut http = next();
        // Not there if somebody else has the port.
        if http.trim().starts_with("grpc ") {
            http = next();
        }
        assert!(http.trim().starts_with("http "), "{http}");
        let data = next();
        assert!(data.trim().starts_with("data "), "{data}");
        Banner { node: node.into(), cluster: cluster.into(), kafka, tried: next() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it ends by itself.
    fn ended(mut self) -> Ended {
        let deadline = Instant::now() + DEADLINE;
        let (stdout, stderr) = (rest_of(&self.stdout, deadline), rest_of(&self.stderr, deadline));
        let code = self.child.wait().unwrap().code();
        Ended { code, stdout, stderr }
    }

    fn stopped(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }
}

impl Drop for Bateau {
    fn drop(&mut self) {
        // It has ended already, or a test failed.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn run_to_end(arguments: &[&str]) -> Ended {
    Bateau::run(&Scratch::new(), arguments, &[]).ended()
}

/// `ApiVersions` v0 with correlation id 7, and the answer's correlation id and error code.
fn ask_api_versions(address: &str) -> ([u8; 4], [u8; 2]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).unwrap();
    let (mut head, mut code) = ([0; 8], [0; 2]);
    stream.read_exact(&mut head).unwrap();
    stream.read_exact(&mut code).unwrap();
    (head[4..].try_into().unwrap(), code)
}

#[test]
fn port_0_is_a_free_port_that_is_printed_and_answers() {
    let scratch = Scratch::new();
    let node = Bateau::serve(&scratch, &["--data-dir", "data"]);
    let banner = node.banner();
    let port = banner.kafka.strip_prefix("127.0.0.1:").unwrap();
    assert_ne!(port.parse::<u16>().unwrap(), 0);
    assert!(banner.tried.contains(&format!("kcat -b {}", banner.kafka)), "{banner:?}");
    assert_eq!(ask_api_versions(&banner.kafka), ([0, 0, 0, 7], [0, 0]));
    let ended = node.stopped();
    assert!(ended.stderr.contains(port), "the port is not logged: {ended:?}");
}

#[test]
fn serve_is_the_default_subcommand_and_the_data_directory_has_a_default() {
    let scratch = Scratch::new();
    let node = Bateau::run(&scratch, &["serve", "--kafka-addr", "127.0.0.1:0"], &[]);
    assert_eq!(node.banner().node, "1");
    assert!(scratch.0.join("bateau-data/meta.properties").exists());
    node.stopped();
}

#[test]
fn sigterm_and_sigint_end_it_with_0_and_the_directory_can_be_used_again() {
    let scratch = Scratch::new();
    let mut clusters = Vec::new();
    for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
        let node = Bateau::serve(&scratch, &[]);
        clusters.push(node.banner().cluster);
        node.signal(signal);
        let ended = node.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("stopped"), "{ended:?}");
    }
    assert!(clusters.iter().all(|cluster| *cluster == clusters[0]), "{clusters:?}");
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let scratch = Scratch::new();
    let first = Bateau::serve(&scratch, &[]);
    let banner = first.banner();
    let second = Bateau::serve(&scratch, &[]).ended();
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("bateau-data is in use by another process"), "{second:?}");
    assert_eq!(second.stdout, "");
    assert_eq!(ask_api_versions(&banner.kafka).1, [0, 0]);
    first.stopped();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let scratch = Scratch::new();
    let first = Bateau::serve(&scratch, &[]);
    let taken = first.banner().kafka;
    let second = run_to_end(&["--kafka-addr", &taken]);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(&format!("cannot listen on {taken}")), "{second:?}");
    first.stopped();
}

#[test]
fn a_wildcard_address_needs_an_advertised_one() {
    let ended = run_to_end(&["--kafka-addr", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--advertised-kafka-addr"), "{ended:?}");
    let scratch = Scratch::new();
    let node =
        Bateau::run(&scratch, &["--kafka-addr", "0.0.0.0:0", "--advertised-kafka-addr", "127.0.0.1:0"], &[]);
    node.banner();
    node.stopped();
}

#[test]
fn all_that_is_wrong_is_said_in_one_message() {
    let scratch = Scratch::new();
    let file = scratch.file("bateau.toml", "data-dur = \"x\"\n[set]\n\"log.segment.bytes\" = 1\n");
    let arguments = [
        "--config-file",
        &file,
        "--kafka-addr",
        "nowhere",
        "--node-id",
        "-4",
        "--set",
        "no.such.key=1",
        "--set",
        "num.partitions=0",
        "--set",
        "sasl.jaas.config=x",
        "--set",
        "alone",
    ];
    let ended = Bateau::run(&scratch, &arguments, &[]).ended();
    assert_eq!(ended.code, Some(2));
    let names = [
        "data-dur",
        "log.segment.bytes",
        "nowhere",
        "--node-id",
        "no.such.key",
        "num.partitions",
        "sasl.jaas.config",
        "alone",
    ];
    for name in names {
        assert_eq!(ended.stderr.matches(name).count().min(1), 1, "{name} is not named: {}", ended.stderr);
    }
    assert!(!scratch.0.join("bateau-data").exists(), "something was started");
}

#[test]
fn an_unknown_flag_is_refused() {
    let ended = run_to_end(&["--data-dri", "x"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--data-dri"), "{ended:?}");
}

#[test]
fn a_formed_directory_keeps_its_node_id() {
    let scratch = Scratch::new();
    let node = Bateau::serve(&scratch, &["--node-name", "bateau-3"]);
    assert_eq!(node.banner().node, "3");
    node.stopped();
    let other = Bateau::serve(&scratch, &["--node-id", "4"]).ended();
    assert_eq!(other.code, Some(1));
    assert!(other.stderr.contains("node 3") && other.stderr.contains("node 4"), "{other:?}");
    let same = Bateau::serve(&scratch, &[]);
    assert_eq!(same.banner().node, "3");
    same.stopped();
}

#[test]
fn the_flags_of_a_node_are_in_the_help_and_taken() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["-h"]] {
        let help = run_to_end(arguments);
        assert_eq!(help.code, Some(0));
        for flag in ["--kafka-addr", "--http-addr"] {
            assert!(help.stdout.contains(flag), "{flag}: {help:?}");
        }
    }
    let scratch = Scratch::new();
    let cluster = ["--rpc-port", "0", "--bind-addr", "127.0.0.1:0", "--bootstrap"];
    let later = [&cluster[..], &["--http-addr", "127.0.0.1:0"]].concat();
    let first = Bateau::serve(&scratch, &later);
    let cluster = first.banner().cluster;
    first.stopped();
    // On a directory that is formed, --bootstrap does nothing.
    let nobody = ["--start-join-addrs", "127.0.0.1:1,127.0.0.1:2"];
    let again = Bateau::serve(&scratch, &[&later[..], &nobody].concat());
    assert_eq!(again.banner().cluster, cluster);
    again.stopped();
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let scratch = Scratch::new();
    let text = "node-id = 3\nkafka-addr = \"127.0.0.1:0\"\ndata-dir = \"from-file\"\n";
    let file = scratch.file("bateau.toml", text);
    let node_of = |arguments: &[&str], environment: &[(&str, &str)]| {
        let directory = Scratch::new();
        let node = Bateau::run(&directory, &[&["--config-file", &file], arguments].concat(), environment);
        let banner = node.banner();
        node.stopped();
        let used = ["from-file", "from-env"].into_iter().find(|name| directory.0.join(name).exists());
        (banner.node, used)
    };
    assert_eq!(node_of(&[], &[]), ("3".into(), Some("from-file")));
    let environment = [("BATEAU_NODE_ID", "4"), ("BATEAU_DATA_DIR", "from-env")];
    assert_eq!(node_of(&[], &environment), ("4".into(), Some("from-env")));
    assert_eq!(node_of(&["--node-id", "5"], &environment), ("5".into(), Some("from-env")));
}

#[test]
fn keys_come_from_the_environment_too_and_the_file_is_named_there() {
    let ended =
        Bateau::run(&Scratch::new(), &[], &[("BATEAU_SET", "num.partitions=0; no.such.key=1")]).ended();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("num.partitions") && ended.stderr.contains("no.such.key"), "{ended:?}");
    let ended = Bateau::run(&Scratch::new(), &[], &[("BATEAU_CONFIG_FILE", "nowhere.toml")]).ended();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("nowhere.toml"), "{ended:?}");
}

/// Whether `line` is one JSON object: braces and brackets close outside of strings, and only at the end.
fn is_json_object(line: &str) -> bool {
    let (mut open, mut in_string, mut escaped) = (Vec::new(), false, false);
    let mut closed_at = None;
    for (at, c) in line.char_indices() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => in_string = true,
            '{' | '[' => open.push(c),
            '}' | ']' => {
                if open.pop() != Some(if c == '}' { '{' } else { '[' }) {
                    return false;
                }
                closed_at = open.is_empty().then_some(at).or(closed_at);
            }
            _ => {}
        }
    }
    line.starts_with("{\"") && closed_at == Some(line.len() - 1) && open.is_empty() && !in_string
}

fn assert_json_lines(ended: &Ended) {
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(lines.len() >= 2, "{ended:?}");
    for line in lines {
        assert!(is_json_object(line) && line.contains("\"level\":\""), "{line}");
    }
}

#[test]
fn log_lines_are_json_if_asked_for() {
    let scratch = Scratch::new();
    let node = Bateau::serve(&scratch, &["--log-format", "json"]);
    node.banner();
    assert_json_lines(&node.stopped());
}

#[test]
fn the_file_says_how_log_lines_look_too() {
    let scratch = Scratch::new();
    let file = scratch.file("bateau.toml", "log-format = \"json\"\n");
    let node = Bateau::serve(&scratch, &["--config-file", &file]);
    node.banner();
    assert_json_lines(&node.stopped());
}

#[test]
fn log_lines_have_no_colours_where_nobody_would_see_them() {
    let scratch = Scratch::new();
    let node = Bateau::serve(&scratch, &[]);
    node.banner();
    let ended = node.stopped();
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
}

#[test]
fn the_readme_names_every_flag_of_the_help() {
    let help = run_to_end(&["serve", "-h"]);
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let flags: Vec<_> = help.stdout.split_whitespace().filter(|word| word.starts_with("--")).collect();
    assert!(flags.len() > 5, "{help:?}");
    for flag in flags {
        let flag = flag.trim_end_matches(|c: char| !c.is_ascii_lowercase());
        if ["--help", "--version"].contains(&flag) {
            continue;
        }
        assert!(readme.contains(&format!("`{flag}")), "{flag}");
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn treatment(treatment: Treatment) -> String {
    match treatment {
        Treatment::Honoured => "honoured".into(),
        Treatment::KeptWithoutEffect(why) => format!("kept, no effect: {why}"),
        Treatment::Refused(why) => format!("only the default is taken: {why}"),
    }
}

fn code(text: Option<&str>) -> String {
    match text {
        None => "–".into(),
        Some("") => "(empty)".into(),
        Some(text) => format!("`{text}`"),
    }
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn topic_table() -> String {
    let mut table = String::from(
        "| key | default | broker key behind it | treatment | meaning |\n|---|---|---|---|---|\n",
    );
    for key in TOPIC_KEYS {
        let (default, behind) = (code(Some(key.default)), code(key.broker_key));
        table += &row(&[
            code(Some(key.name)),
            default,
            behind,
            treatment(key.treatment),
            key.documentation.into(),
        ]);
    }
    table
}

fn broker_table() -> String {
    let mut table =
        String::from("| key | default | changes | treatment | meaning |\n|---|---|---|---|---|\n");
    let mut keys: Vec<_> = broker_keys().collect();
    keys.sort_by_key(|key| key.name);
    for key in keys {
        let changes = if key.read_only { "at start" } else { "while running" };
        let (name, default) = (code(Some(key.name)), code(key.default));
        table += &row(&[name, default, changes.into(), treatment(key.treatment), key.documentation.into()]);
    }
    table
}

fn named_table(resource: NamedResource) -> String {
    let mut table = String::from("| key | default | treatment | meaning |\n|---|---|---|---|\n");
    for key in resource.keys() {
        let (name, default) = (code(Some(key.name)), code(Some(key.default)));
        table += &row(&[name, default, treatment(key.treatment), key.documentation.into()]);
    }
    table
}

/// `text` with what stands between the marks of `list` replaced by `table`.
fn with_table(text: &str, list: &str, table: &str) -> String {
    let (begin, end) =
        (format!("<!-- {list}: made by tests/cli.rs -->\n"), format!("<!-- end of {list} -->"));
    let (head, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no mark {begin}"));
    let (_, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("no mark {end}"));
    format!("{head}{begin}{table}{end}{tail}")
}

#[test]
fn the_lists_of_keys_in_the_documentation_are_those_of_the_tables() {
    let path = repository().join("docs/configuration.md");
    let found = fs::read_to_string(&path).unwrap();
    let wanted = with_table(&found, "topic keys", &topic_table());
    let wanted = with_table(&wanted, "broker keys", &broker_table());
    let wanted = with_table(&wanted, "group keys", &named_table(NamedResource::Group));
    let wanted = with_table(&wanted, "client metrics keys", &named_table(NamedResource::ClientMetrics));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, wanted).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "docs/configuration.md is behind the tables: UPDATE_DOCS=1 cargo test --test cli"
    );
}
