//! A script's answers at every version, as a text file, and the comparison of two of them.
//!
//! `> step v0-3,5` heads the lines that the step answered at exactly those versions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::answer::Line;

/// What was answered, by step (in the order of the script) and version.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Transcript {
    steps: Vec<(String, BTreeMap<i16, Vec<Line>>)>,
}

/// One place where two transcripts differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mismatch {
    pub(crate) script: String,
    pub(crate) step: String,
    pub(crate) version: i16,
    /// `path.field`, or `path` alone where one side has no such line.
    pub(crate) leaf: String,
    pub(crate) kafka: String,
    pub(crate) other: String,
}

/// Stands for a leaf at its default, or a line that is not there.
pub(crate) const ABSENT: &str = "(absent)";

impl Transcript {
    /// Adds an answer. A step is put at most once per version.
    pub(crate) fn put(&mut self, step: &str, version: i16, lines: Vec<Line>) -> Result<(), String> {
        let known = self.steps.iter().position(|(name, _)| name == step);
        let at = known.unwrap_or_else(|| {
            self.steps.push((step.to_owned(), BTreeMap::new()));
            self.steps.len() - 1
        });
        match self.steps[at].1.insert(version, lines) {
            None => Ok(()),
            Some(_) => Err(format!("step {step} occurs twice at v{version}")),
        }
    }

    pub(crate) fn write(&self, title: &str) -> String {
        let mut text = format!("# {title}\n");
        for (step, versions) in &self.steps {
            let mut groups: Vec<(&Vec<Line>, Vec<i16>)> = Vec::new();
            for (version, lines) in versions {
                match groups.iter_mut().find(|(same, _)| *same == lines) {
                    Some((_, known)) => known.push(*version),
                    None => groups.push((lines, vec![*version])),
                }
            }
            for (lines, versions) in groups {
                let _ = writeln!(text, "> {step} v{}", ranges(&versions));
                for line in lines {
                    let _ = writeln!(text, "{line}");
                }
            }
        }
        text
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut transcript = Self::default();
        let mut blocks: Vec<(&str, Vec<i16>, Vec<Line>)> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix("> ") {
                let (step, versions) = head.split_once(" v").ok_or_else(|| format!("no versions: {line}"))?;
                blocks.push((step, parse_ranges(versions)?, Vec::new()));
            } else {
                let block = blocks.last_mut().ok_or("lines before the first step")?;
                block.2.push(Line::parse(line));
            }
        }
        for (step, versions, lines) in blocks {
            for version in versions {
                transcript.put(step, version, lines.clone())?;
            }
        }
        Ok(transcript)
    }

    /// Every leaf in which `other` differs from `self`, which is Kafka's.
    pub(crate) fn compare(&self, script: &str, other: &Self) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let names = self.steps.iter().chain(&other.steps).map(|(name, _)| name);
        let names: std::collections::BTreeSet<&String> = names.collect();
        for step in names {
            let (ours, theirs) = (self.versions(step), other.versions(step));
            let versions: std::collections::BTreeSet<i16> =
                ours.keys().chain(theirs.keys()).copied().collect();
            for version in versions {
                let differing = match (ours.get(&version), theirs.get(&version)) {
                    (Some(kafka), Some(other)) => compare_lines(kafka, other),
                    (Some(_), None) => vec![("(step)".into(), "recorded".into(), ABSENT.into())],
                    _ => vec![("(step)".into(), ABSENT.into(), "run, but not recorded".into())],
                };
                found.extend(differing.into_iter().map(|(leaf, kafka, other)| Mismatch {
                    script: script.to_owned(),
                    step: step.clone(),
                    version,
                    leaf,
                    kafka,
                    other,
                }));
            }
        }
        found
    }

    fn versions(&self, step: &str) -> BTreeMap<i16, Vec<Line>> {
        self.steps
            .iter()
            .find(|(name, _)| name == step)
            .map(|(_, versions)| versions.clone())
            .unwrap_or_default()
    }
}

fn compare_lines(kafka: &[Line], other: &[Line]) -> Vec<(String, String, String)> {
    let mut pairs: BTreeMap<&str, (Option<&Line>, Option<&Line>)> = BTreeMap::new();
    for line in kafka {
        pairs.entry(&line.path).or_default().0 = Some(line);
    }
    for line in other {
        pairs.entry(&line.path).or_default().1 = Some(line);
    }
    let mut found = Vec::new();
    for (path, pair) in pairs {
        match pair {
            (Some(kafka), Some(other)) => found.extend(compare_fields(kafka, other)),
            (kafka, other) => {
                let text = |line: Option<&Line>| line.map_or(ABSENT.to_owned(), ToString::to_string);
                found.push((path.to_owned(), text(kafka), text(other)));
            }
        }
    }
    found
}

fn compare_fields(kafka: &Line, other: &Line) -> Vec<(String, String, String)> {
    let value = |line: &Line, name: &str| {
        let field = line.fields.iter().find(|(known, _)| known == name);
        field.map_or(ABSENT.to_owned(), |(_, value)| value.clone())
    };
    let names = kafka.fields.iter().chain(&other.fields).map(|(name, _)| name.as_str());
    let names: std::collections::BTreeSet<&str> = names.collect();
    let both = names
        .into_iter()
        .map(|name| (format!("{}.{name}", kafka.path), value(kafka, name), value(other, name)));
    both.filter(|(_, kafka, other)| kafka != other).collect()
}

/// `[0, 1, 2, 5]` as `0-2,5`.
pub(crate) fn ranges(versions: &[i16]) -> String {
    let mut spans: Vec<(i16, i16)> = Vec::new();
    for &version in versions {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == version => *last = version,
            _ => spans.push((version, version)),
        }
    }
    let text = |&(from, to): &(i16, i16)| {
        if from == to { from.to_string() } else { format!("{from}-{to}") }
    };
    spans.iter().map(text).collect::<Vec<_>>().join(",")
}

/// What [`ranges`] wrote.
pub(crate) fn parse_ranges(text: &str) -> Result<Vec<i16>, String> {
    let number = |text: &str| text.parse::<i16>().map_err(|error| format!("version {text}: {error}"));
    let mut versions = Vec::new();
    for span in text.split(',') {
        let (from, to) = span.split_once('-').unwrap_or((span, span));
        versions.extend(number(from)?..=number(to)?);
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Transcript {
        let mut transcript = Transcript::default();
        for version in [0, 1, 3] {
            transcript.put("ask", version, vec![Line::parse("topics[a]: error_code=3 offset=7")]).unwrap();
        }
        transcript.put("ask", 2, vec![Line::parse("closed")]).unwrap();
        transcript
    }

    #[test]
    fn a_transcript_reads_back_as_it_was_written() {
        let text = example().write("x");
        assert!(text.contains("> ask v0-1,3\n"), "{text}");
        assert_eq!(Transcript::read(&text).unwrap(), example());
    }

    #[test]
    fn a_differing_field_is_told_by_its_path() {
        let mut other = Transcript::default();
        for version in [0, 1, 3] {
            other.put("ask", version, vec![Line::parse("topics[a]: error_code=3")]).unwrap();
        }
        let found = example().compare("s", &other);
        let leaves: Vec<_> = found.iter().map(|m| (m.version, m.leaf.as_str(), m.other.as_str())).collect();
        let offset = |version| (version, "topics[a].offset", ABSENT);
        assert_eq!(leaves, [offset(0), offset(1), (2, "(step)", ABSENT), offset(3)]);
    }
}
