//! The rules of the house, read off the source text: who may look at whom, where there is no async and no clock, what
//! stands in one place only.
//!
//! Comments and literals are blanked before anything is looked for. Not here: what clippy and rustfmt see.
#![allow(clippy::unwrap_used, reason = "a file of the repository that cannot be read fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and what each may use, itself aside. Think hard before adding to it: arrows only point down.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("keys", &["model"]),
    ("storage", &["model"]),
    ("partition", &["storage", "model"]),
    ("peer", &[]),
    ("tls", &[]),
    ("access", &[]),
    ("gossip", &[]),
    ("cluster", &["partition", "peer", "storage", "model"]),
    ("coordinator", &["model"]),
    ("http", &["access", "broker", "coordinator", "keys", "model"]),
    ("broker", &["access", "coordinator", "cluster", "partition", "peer", "storage", "keys", "model"]),
    ("kafka", &["access", "tls", "broker", "coordinator", "wire", "keys", "model"]),
    ("proto", &[]),
    ("grpc", &["access", "broker", "coordinator", "keys", "model", "proto"]),
    ("config", &["keys", "model"]),
    (
        "agent",
        &[
            "access", "tls", "grpc", "http", "kafka", "broker", "cluster", "peer", "gossip", "storage",
            "keys", "config", "model",
        ],
    ),
    ("client", &["tls", "wire", "model"]),
    ("cli", &["client", "access", "tls", "wire", "model"]),
    ("lib", &[]),
    ("main", &[]),
];

/// What a door may name of the rooms under the broker: the nouns that its answers are made of, and errors to be mapped.
const BORROWED: &[(&str, &str)] = &[
    ("kafka", "cluster::Endpoint"),
    ("http", "cluster::Endpoint"),
    ("http", "cluster::NodeImage"),
    ("http", "cluster::PartitionImage"),
    ("http", "cluster::TopicImage"),
    ("http", "partition::CheckError"),
    ("http", "storage::StorageError"),
    ("grpc", "cluster::NodeImage"),
    ("grpc", "cluster::PartitionImage"),
    ("grpc", "cluster::TopicImage"),
    ("kafka", "cluster::MetadataImage"),
    ("kafka", "cluster::NodeImage"),
    ("kafka", "cluster::PartitionImage"),
    ("kafka", "cluster::TopicImage"),
    ("kafka", "partition::CheckError"),
    ("kafka", "partition::ProducerError"),
    ("kafka", "storage::Run"),
    ("kafka", "storage::StorageError"),
];

/// Rooms that neither wait nor know a runtime.
const SYNC_ROOMS: &[&str] = &["model", "wire", "keys", "storage", "partition", "coordinator", "access"];
const ASYNC_WORDS: &[&str] = &["async fn", "async move", "async {", ".await", "tokio", "futures_util"];

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "manager", "common", "misc"];

/// The longest architecture that somebody still reads.
const ARCHITECTURE_LINES_MAX: usize = 165;

struct Source {
    /// Relative to the repository.
    path: String,
    text: String,
    /// The text with comments and literals blanked, of the same length and lines.
    code: String,
    /// Where inline tests begin; the length of `code` if there are none.
    tests_from: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let code = blanked(&text);
        let is_test = path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let tests_from = if is_test { 0 } else { inline_tests(&code) };
        Self { path, text, code, tests_from }
    }

    fn room(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or_default();
        inner.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// How many `super::` lead from this file to the crate's root.
    fn depth(&self) -> usize {
        let parts = self.path.trim_end_matches(".rs").split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    fn at(&self, position: usize) -> String {
        format!("{}:{}", self.path, self.text[..position].matches('\n').count() + 1)
    }

    /// Where `word` stands in the code, tests left out.
    fn find(&self, word: &str) -> impl Iterator<Item = usize> {
        self.code[..self.tests_from].match_indices(word).map(|(at, _)| at)
    }
}

/// Replaces comments, strings and character literals by blanks, keeping lines.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest {
            [b'/', b'/', ..] => at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => after(text, at + 2, "*/"),
            [b'r', b'"' | b'#', ..] if !ends_a_word(bytes, at) => raw_string(text, at),
            [b'"', ..] => string(bytes, at),
            [b'\'', b'\\', ..] => after(text, at + 3, "'"),
            [b'\'', _, b'\'', ..] => at + 3,
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn ends_a_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') && bytes[at - 1] != b'b'
}

fn after(text: &str, from: usize, end: &str) -> usize {
    text.as_bytes()[from..]
        .windows(end.len())
        .position(|w| w == end.as_bytes())
        .map_or(text.len(), |n| from + n + end.len())
}

fn string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// The end of the raw string at `at`, or `at` if it is a raw identifier.
fn raw_string(text: &str, at: usize) -> usize {
    let hashes = text.as_bytes()[at + 1..].iter().take_while(|b| **b == b'#').count();
    let open = at + 1 + hashes;
    match text.as_bytes().get(open) {
        Some(b'"') => after(text, open + 1, &format!("\"{}", "#".repeat(hashes))),
        _ => at,
    }
}

fn inline_tests(code: &str) -> usize {
    let is_module = |at: &usize| {
        let rest = code[at + "#[cfg(test)]".len()..].trim_start();
        rest.starts_with("mod ") && rest.find('{') < rest.find(';')
    };
    code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(is_module).unwrap_or(code.len())
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => found.push(Source::read(root, &path)),
                _ => {}
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

/// Fails with all of `offences`, one a line.
fn check(rule: &str, offences: &[String]) {
    let list = offences.iter().fold(String::new(), |mut list, offence| {
        write!(list, "\n  {offence}").unwrap();
        list
    });
    assert!(offences.is_empty(), "{rule}:{list}");
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The names behind `room`: one for a plain path, each for a list in braces.
fn named(behind: &str) -> Vec<&str> {
    let Some(path) = behind.strip_prefix("::") else { return vec![""] };
    match path.strip_prefix('{') {
        None => vec![identifier(path)],
        Some(list) => list[..list.find('}').unwrap_or(list.len())]
            .split(',')
            .map(|n| identifier(n.trim()))
            .filter(|n| !n.is_empty())
            .collect(),
    }
}

/// Every (position, room, name) that `source` takes from another room.
fn borrowings(source: &Source) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let to_root = "super::".repeat(source.depth());
    for start in ["crate::", "bateau::", &to_root] {
        for (at, _) in source.code.match_indices(start) {
            let is_inside = source.code[..at].ends_with("super::") || ends_a_word(source.code.as_bytes(), at);
            // A module of tests is one level deeper, so there the same path leads to the room itself.
            if is_inside || (start == to_root && at >= source.tests_from) {
                continue;
            }
            let path = &source.code[at + start.len()..];
            let room = identifier(path);
            for name in named(&path[room.len()..]) {
                found.push((at, room.to_owned(), name.to_owned()));
            }
        }
    }
    found
}

#[test]
fn rooms_look_only_downwards() {
    let mut offences = Vec::new();
    for source in sources("src") {
        let room = source.room();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            offences.push(format!("{}: {room} is not a room that MAY_USE knows", source.path));
            continue;
        };
        for (at, used, name) in borrowings(&source) {
            if used.is_empty() && source.code[at..].starts_with("crate::{") {
                offences.push(format!("{}: one `use` for each room, please", source.at(at)));
            }
            let is_room = MAY_USE.iter().any(|(name, _)| *name == used);
            let may = !is_room || used == room || room == "main" || allowed.contains(&used.as_str());
            if !may && !BORROWED.contains(&(room, &format!("{used}::{name}"))) {
                offences.push(format!("{}: {room} uses {used}::{name}", source.at(at)));
            }
        }
    }
    check("a room uses another that it must not know", &offences);
}

#[test]
fn the_lower_rooms_neither_wait_nor_know_a_runtime() {
    let mut offences = Vec::new();
    for source in sources("src").iter().filter(|s| SYNC_ROOMS.contains(&s.room())) {
        for word in ASYNC_WORDS {
            offences.extend(source.find(word).map(|at| format!("{}: {word}", source.at(at))));
        }
    }
    check("a synchronous room is asynchronous", &offences);
}

#[test]
fn only_the_agent_and_the_command_line_read_the_clock_of_the_machine() {
    const MAY: [&str; 2] = ["src/agent/mod.rs", "src/cli/clock.rs"];
    let mut offences = Vec::new();
    for source in sources("src").iter().filter(|s| !MAY.contains(&s.path.as_str())) {
        // The runtime's Instant can be driven by a test; the standard library's cannot.
        let is_std = |line: &str| line.contains("std::time") && line.contains("Instant");
        let names_std = source.code[..source.tests_from].lines().any(is_std);
        offences.extend(source.find("SystemTime::now").map(|at| source.at(at)));
        offences.extend(source.find("Instant::now").filter(|_| names_std).map(|at| source.at(at)));
    }
    check("the clock is read outside of agent/mod.rs and cli/clock.rs", &offences);
}

#[test]
fn what_is_dangerous_or_churns_stands_in_one_place() {
    let mut offences = Vec::new();
    for source in sources("src") {
        let raft = source.path.starts_with("src/cluster/raft/");
        let foreign = |word: &'static str| source.find(word).map(move |at| (at, word));
        if !raft {
            offences.extend(
                foreign("openraft::")
                    .chain(foreign("openraft_"))
                    .map(|(at, w)| format!("{}: {w}", source.at(at))),
            );
        }
        if source.room() != "gossip" {
            offences.extend(foreign("memberlist::").map(|(at, w)| format!("{}: {w}", source.at(at))));
        }
        if source.path != "src/storage/mmap.rs" {
            let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            offences.extend(
                words.iter().flat_map(|w| foreign(w)).map(|(at, w)| format!("{}: {w}", source.at(at))),
            );
        }
        if source.room() != "wire" && source.path.starts_with("src/") {
            offences.extend(foreign("kafka_protocol").map(|(at, w)| format!("{}: {w}", source.at(at))));
        }
    }
    check(
        "openraft only in cluster/raft, memberlist only in gossip, the protocol crate only in wire, unsafe only in storage/mmap.rs",
        &offences,
    );
}

#[test]
fn nothing_is_left_for_later_in_silence() {
    let mut offences = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        for word in ["todo!", "unimplemented!", "#[ignore", "dbg!"] {
            offences
                .extend(source.code.match_indices(word).map(|(at, _)| format!("{}: {word}", source.at(at))));
        }
    }
    check("unfinished code, or a test that does not run", &offences);
}

#[test]
fn every_file_says_what_it_is() {
    let mut offences = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")) {
        if !source.text.starts_with("//!") {
            offences.push(format!("{}: the first line is no //!", source.path));
        }
        let mut names = source.path.trim_end_matches(".rs").split('/');
        if names.any(|name| EMPTY_NAMES.contains(&name)) {
            offences.push(format!("{}: a name that says nothing", source.path));
        }
    }
    check("a file that does not say what it is", &offences);
}

#[test]
fn the_architecture_is_short_and_knows_every_room() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let mut offences = Vec::new();
    if text.lines().count() > ARCHITECTURE_LINES_MAX {
        offences.push(format!("{} lines are more than {ARCHITECTURE_LINES_MAX}", text.lines().count()));
    }
    for (room, _) in MAY_USE.iter().filter(|(room, _)| !["lib", "main"].contains(room)) {
        if !text.contains(&format!("**`{room}")) {
            offences.push(format!("`{room}` has no paragraph"));
        }
    }
    check("ARCHITECTURE.md", &offences);
}

#[test]
fn every_test_that_the_page_of_faults_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let sources: Vec<Source> = ["src", "tests"].into_iter().flat_map(sources).collect();
    let mut offences = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2).filter(|quoted| *quoted != "G/x") {
        let is_there = match quoted.strip_prefix("G/") {
            Some(golden) => root.join(format!("tests/golden/transcripts/{golden}.txt")).exists(),
            None if quoted.contains('/') || quoted.contains('-') => root.join(quoted).exists(),
            None => sources.iter().any(|source| source.code.contains(&format!("fn {quoted}("))),
        };
        if !is_there {
            offences.push(quoted.to_owned());
        }
    }
    check("docs/faults.md", &offences);
}

#[test]
fn comments_and_literals_are_not_taken_for_code() {
    let text = "let a = \"todo!\"; // dbg!\nlet c = '\"'; let r = r#\"a \" dbg!\"#; /* todo! */ let l: &'static str = b\"\\\"todo!\";";
    let code = blanked(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains("todo!") && !code.contains("dbg!"), "{code}");
    assert!(code.contains("let r =") && code.contains("&'static str ="), "{code}");
}
