//! An answer as text: lines of `path: field=value …`, fields at their schema default left out, lines sorted by path.
//! What differs from run to run (ids, times, ports) is written as a name; see [`Names`].

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use bytes::Bytes;
use kafka_protocol::messages::{BrokerId, GroupId, ProducerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

/// One struct of an answer. `path` names it from the root by list and key: `topics[a].partitions[0]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        for (index, (name, value)) in self.fields.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { ": " } else { " " })?;
        }
        Ok(())
    }
}

impl Line {
    /// Reads what [`Display`] wrote. A line without fields is a struct whose every field has its default.
    pub(crate) fn parse(text: &str) -> Self {
        let (path, rest) = text.split_once(": ").unwrap_or((text, ""));
        let field = |word: &str| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            (name.to_owned(), value.to_owned())
        };
        Self { path: path.to_owned(), fields: rest.split_whitespace().map(field).collect() }
    }
}

/// The lines of one answer, sorted, with equal paths told apart by `#2`, `#3` …
pub(crate) fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort();
    let mut seen = BTreeMap::new();
    for line in &mut lines {
        let count = seen.entry(line.path.clone()).and_modify(|n| *n += 1).or_insert(1);
        if *count > 1 {
            let _ = write!(line.path, "#{count}");
        }
    }
    lines
}

/// What one run of a script knows by name.
#[derive(Debug)]
pub(crate) struct Names {
    /// Begins every topic of this run; never shown.
    pub(crate) unique: String,
    /// The port that the broker is reached at, hence the one that it has to tell.
    pub(crate) port: u16,
    /// Unix ms, [`SINCE_START_MS`] before the run began. Scripts give times as seconds from here.
    pub(crate) start: i64,
    /// The leader epoch of the topics of this run: 0 in a new Kafka topic, a Raft term in another broker.
    pub(crate) epoch: i32,
    pub(crate) ids: BTreeMap<Uuid, String>,
    /// Members of groups, by the id that the broker gave them.
    pub(crate) members: BTreeMap<String, String>,
}

/// Letters of a uuid.
const UUID_TEXT: usize = 36;
/// The start that times are given from lies this far back, so that no time that a script gives, up to here or
/// beyond [`ABOUT_NOW_MS`], is ever taken for one that the broker read from its clock.
pub(crate) const SINCE_START_MS: i64 = 60_000;
/// A run takes less than this.
const ABOUT_NOW_MS: i64 = 600_000;
/// Scripts use times that are this many seconds from the start, at most, in either direction.
const SCRIPT_SECONDS: i64 = 100_000;

impl Names {
    /// `text` without what makes names unique, and without blanks, which separate fields.
    pub(crate) fn text(&self, text: &str) -> String {
        let text = text.replace(&self.unique, "");
        if text.is_empty() {
            return "''".to_owned();
        }
        if text.len() > 100 {
            return format!("{}…({})", &text[..10], text.len());
        }
        text.replace(' ', "␣").replace('\n', "⏎").replace(": ", ":")
    }

    pub(crate) fn id(&self, id: &Uuid) -> String {
        self.ids.get(id).map_or_else(|| "<id>".to_owned(), |name| format!("<id-of-{name}>"))
    }

    /// A member's id: what it begins with is its client's or its own, the rest is drawn by the broker.
    pub(crate) fn member(&self, id: &str) -> String {
        let drawn = id.len().checked_sub(UUID_TEXT).and_then(|at| id.split_at_checked(at));
        match (self.members.get(id), drawn) {
            (Some(name), _) => format!("<{name}>"),
            (None, Some((begin, uuid))) if Uuid::try_parse(uuid).is_ok() => format!("{begin}<drawn>"),
            (None, _) => self.text(id),
        }
    }

    /// A topic by its name, or by its id in versions that have no names.
    pub(crate) fn topic(&self, name: &str, id: &Uuid) -> String {
        if name.is_empty() && !id.is_nil() { self.id(id) } else { self.text(name) }
    }

    pub(crate) fn time(&self, ms: i64) -> String {
        let since = ms - self.start;
        if (SINCE_START_MS..SINCE_START_MS + ABOUT_NOW_MS).contains(&since) {
            "<now>".to_owned()
        } else if since % 1000 == 0 && since.abs() <= SCRIPT_SECONDS * 1000 {
            format!("T{:+}s", since / 1000)
        } else {
            ms.to_string()
        }
    }

    pub(crate) fn epoch(&self, epoch: i32) -> String {
        match epoch {
            -1 => "-1".to_owned(),
            same if same == self.epoch => "E".to_owned(),
            other => format!("E{:+}", other - self.epoch),
        }
    }
}

/// The fields of one line, in the order in which they were put.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn put(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn put_if(self, wanted: bool, name: &str, value: impl Into<String>) -> Self {
        if wanted { self.put(name, value) } else { self }
    }

    /// Messages are each broker's own words: only that there is one is compared.
    pub(crate) fn message(self, name: &str, message: Option<&StrBytes>) -> Self {
        match message {
            None => self,
            Some(text) if text.is_empty() => self.put(name, "''"),
            Some(_) => self.put(name, "<text>"),
        }
    }

    pub(crate) fn epoch(self, names: &Names, name: &str, epoch: i32) -> Self {
        self.put_if(epoch != -1, name, names.epoch(epoch))
    }

    pub(crate) fn time(self, names: &Names, name: &str, ms: i64) -> Self {
        self.put_if(ms != -1, name, names.time(ms))
    }
}

/// Where the lines of one answer are written.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) names: &'a Names,
    pub(crate) lines: Vec<Line>,
}

impl Writer<'_> {
    pub(crate) fn line(&mut self, path: impl Into<String>, fields: Fields) {
        self.lines.push(Line { path: path.into(), fields: fields.0 });
    }

    /// The fields of the answer itself; left out if all are at their default.
    pub(crate) fn root(&mut self, fields: Fields) {
        if !fields.0.is_empty() {
            self.line("answer", fields);
        }
    }
}

/// An answer that can be written into a transcript.
pub(crate) trait Render {
    fn render(&self, to: &mut Writer<'_>);
}

/// A field as text.
pub(crate) trait Leaf {
    fn leaf(&self, names: &Names) -> String;
}

macro_rules! plain_leaf {
    ($($kind:ty),*) => {$(
        impl Leaf for $kind {
            fn leaf(&self, _: &Names) -> String {
                self.to_string()
            }
        }
    )*};
}
plain_leaf!(i8, i16, i32, i64, bool);

impl Leaf for StrBytes {
    fn leaf(&self, names: &Names) -> String {
        names.text(self)
    }
}

impl Leaf for TopicName {
    fn leaf(&self, names: &Names) -> String {
        names.text(self)
    }
}

impl Leaf for GroupId {
    fn leaf(&self, names: &Names) -> String {
        names.text(self)
    }
}

impl Leaf for Bytes {
    fn leaf(&self, names: &Names) -> String {
        names.text(&String::from_utf8_lossy(self))
    }
}

impl Leaf for BrokerId {
    fn leaf(&self, _: &Names) -> String {
        self.0.to_string()
    }
}

impl Leaf for ProducerId {
    fn leaf(&self, _: &Names) -> String {
        if self.0 < 0 { self.0.to_string() } else { "<pid>".to_owned() }
    }
}

impl Leaf for Uuid {
    fn leaf(&self, names: &Names) -> String {
        names.id(self)
    }
}

impl<T: Leaf> Leaf for Option<T> {
    fn leaf(&self, names: &Names) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), |some| some.leaf(names))
    }
}

impl<T: Leaf> Leaf for Vec<T> {
    fn leaf(&self, names: &Names) -> String {
        let all: Vec<String> = self.iter().map(|item| item.leaf(names)).collect();
        format!("[{}]", all.join(","))
    }
}

/// The default of the type of `_value`, without naming it.
pub(crate) fn default_like<T: Default>(_value: &T) -> T {
    T::default()
}

/// The named fields of a struct that are not at their schema default, and the numbers of unknown tagged fields.
macro_rules! fields {
    ($names:expr, $value:expr; $($field:ident),*) => {{
        let (names, value): (&$crate::answer::Names, _) = ($names, $value);
        let _usual = $crate::answer::default_like(value);
        let fields = $crate::answer::Fields::default();
        $(let fields = fields.put_if(
            value.$field != _usual.$field,
            stringify!($field),
            $crate::answer::Leaf::leaf(&value.$field, names),
        );)*
        let tags: Vec<i32> = value.unknown_tagged_fields.keys().copied().collect();
        fields.put_if(!tags.is_empty(), "unknown_tags", $crate::answer::Leaf::leaf(&tags, names))
    }};
}
pub(crate) use fields;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        for text in ["closed", "topics[a].partitions[0]: error_code=3 offset=-1", "answer: a=1"] {
            assert_eq!(Line::parse(text).to_string(), text);
        }
    }

    #[test]
    fn equal_paths_are_numbered() {
        let lines = sorted(vec![Line::parse("t[a]: x=2"), Line::parse("t[a]: x=1")]);
        assert_eq!(lines.iter().map(ToString::to_string).collect::<Vec<_>>(), ["t[a]: x=1", "t[a]#2: x=2"]);
    }
}
