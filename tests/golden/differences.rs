//! The wanted differences, `differences.txt`: each says where, what Bateau answers there, and why.
//! An entry that no longer happens is an error, so the file is always the whole truth.
//!
//! `SCRIPT/STEP/VERSIONS | LEAF | WHAT BATEAU ANSWERS | REASON`; `*` stands for any run of characters.

use crate::transcript::{Mismatch, parse_ranges};

#[derive(Debug)]
pub(crate) struct Difference {
    text: String,
    script: String,
    step: String,
    /// `None` is all.
    versions: Option<Vec<i16>>,
    leaf: String,
    answer: String,
}

impl Difference {
    fn parse(text: &str) -> Result<Self, String> {
        let columns: Vec<&str> = text.split(" | ").map(str::trim).collect();
        let [place, leaf, answer, reason] = columns[..] else {
            return Err(format!("not four columns: {text}"));
        };
        let [script, step, versions] = place.split('/').collect::<Vec<_>>()[..] else {
            return Err(format!("not SCRIPT/STEP/VERSIONS: {text}"));
        };
        if reason.len() < 10 {
            return Err(format!("no reason: {text}"));
        }
        let versions = match versions {
            "*" => None,
            some => Some(parse_ranges(some.trim_start_matches('v'))?),
        };
        Ok(Self {
            text: text.to_owned(),
            script: script.to_owned(),
            step: step.to_owned(),
            versions,
            leaf: leaf.to_owned(),
            answer: answer.to_owned(),
        })
    }

    fn explains(&self, mismatch: &Mismatch) -> bool {
        matches(&self.script, &mismatch.script)
            && matches(&self.step, &mismatch.step)
            && self.versions.as_ref().is_none_or(|some| some.contains(&mismatch.version))
            && matches(&self.leaf, &mismatch.leaf)
            && matches(&self.answer, &mismatch.other)
    }
}

/// Reads the file's text: one entry a line, `#` comments.
pub(crate) fn parse(text: &str) -> Result<Vec<Difference>, String> {
    let entries = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries.map(Difference::parse).collect()
}

/// Takes away the mismatches that are wanted, and returns the entries of `scripts` that explained none.
pub(crate) fn subtract(
    mismatches: &mut Vec<Mismatch>,
    differences: &[Difference],
    scripts: &[&str],
) -> Vec<String> {
    let mut used = vec![false; differences.len()];
    mismatches.retain(|mismatch| {
        let mut wanted = false;
        for (difference, used) in differences.iter().zip(&mut used) {
            if difference.explains(mismatch) {
                wanted = true;
                *used = true;
            }
        }
        !wanted
    });
    let ran = |difference: &Difference| scripts.iter().any(|script| matches(&difference.script, script));
    let stale = differences.iter().zip(used).filter(|(difference, used)| !used && ran(difference));
    stale.map(|(difference, _)| difference.text.clone()).collect()
}

/// Whether `text` is `pattern`, in which `*` is any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| matches(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(version: i16, other: &str) -> Mismatch {
        Mismatch {
            script: "fetch_read".into(),
            step: "whole".into(),
            version,
            leaf: "responses[a].error_code".into(),
            kafka: "3".into(),
            other: other.into(),
        }
    }

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, text) in [("*", ""), ("a*c", "abc"), ("*[b]*", "a[b].c"), ("a*", "a"), ("a*b*", "ab")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abd"), ("", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn only_the_told_answer_at_the_told_versions_is_wanted() {
        let known = parse("fetch*/whole/v4-6 | *.error_code | 6 | because it is an example").unwrap();
        let mut found = vec![mismatch(4, "6"), mismatch(7, "6"), mismatch(4, "5")];
        assert!(subtract(&mut found, &known, &["fetch_read"]).is_empty());
        assert_eq!(found, [mismatch(7, "6"), mismatch(4, "5")]);
    }

    #[test]
    fn an_entry_that_no_longer_happens_is_told_if_its_script_ran() {
        let known = parse("fetch*/*/* | *.error_code | * | because it is an example").unwrap();
        assert_eq!(subtract(&mut Vec::new(), &known, &["fetch_read"]).len(), 1);
        assert!(subtract(&mut Vec::new(), &known, &["produce"]).is_empty());
    }

    #[test]
    fn an_entry_needs_a_reason() {
        assert!(parse("a/b/* | c | d | ").is_err());
    }
}
