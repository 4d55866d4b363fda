//! Kafka's `ssl.principal.mapping.rules`: what a client is called whose certificate has this distinguished name.
//!
//! Source: KIP-371, Kafka `SslPrincipalMapper`. Patterns are those of the crate `regex`: no look-around and no references back
//! within a pattern, which Java has; in exchange no name takes long to match.

mod replacement;

use regex::Regex;

use replacement::Replacement;

/// Tried in order; the first that takes the whole name decides. `Default` takes names as they are.
#[derive(Clone, Debug)]
pub struct PrincipalRules {
    rules: Vec<Rule>,
}

#[derive(Debug, thiserror::Error)]
pub enum PrincipalRulesError {
    #[error("no rule is there: DEFAULT takes the whole distinguished name")]
    None,
    #[error(
        "'{rule}' is not a rule: DEFAULT or RULE:pattern/replacement/ is, with an L or U behind it or nothing"
    )]
    NotARule { rule: String },
    #[error("'{rule}' lacks a slash: RULE:pattern/replacement/ has two that no backslash precedes")]
    Unfinished { rule: String },
    #[error("the pattern '{pattern}' cannot be used: {source}")]
    Pattern { pattern: String, source: Box<regex::Error> },
    #[error("the replacement '{replacement}' cannot be used: {why}")]
    Replacement { replacement: String, why: String },
}

#[derive(Clone, Debug)]
enum Rule {
    Default,
    Mapped(Box<Mapped>),
}

#[derive(Clone, Debug)]
struct Mapped {
    /// Whether the rule is for a name.
    whole: Regex,
    /// What of it is replaced: Kafka replaces each match of the pattern as it is, which may be less than the whole.
    each: Regex,
    replacement: Replacement,
    case: Case,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

impl Default for PrincipalRules {
    fn default() -> Self {
        Self { rules: vec![Rule::Default] }
    }
}

impl PrincipalRules {
    /// Rules with commas between; empty ones do not count.
    ///
    /// # Errors
    /// If there is none, or one that is not of the form or whose pattern or replacement does not work. Kafka finds some of this only
    /// when a client comes.
    pub fn parse(text: &str) -> Result<Self, PrincipalRulesError> {
        let mut rules = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() {
                break;
            }
            let (rule, after) = one_rule(rest)?;
            rules.push(rule);
            rest = after;
        }
        if rules.is_empty() { Err(PrincipalRulesError::None) } else { Ok(Self { rules }) }
    }

    /// The name without `User:`. `None` if no rule is for it: Kafka then refuses the connection.
    pub fn principal(&self, distinguished_name: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Default => Some(distinguished_name.to_owned()),
            Rule::Mapped(mapped) => mapped.apply(distinguished_name),
        })
    }
}

/// The first rule of `text`, and what is after it.
fn one_rule(text: &str) -> Result<(Rule, &str), PrincipalRulesError> {
    let shown = || text.split(',').next().unwrap_or(text).trim().to_owned();
    if let Some(rest) = text.strip_prefix("DEFAULT") {
        let rest = rule_end(rest).ok_or_else(|| PrincipalRulesError::NotARule { rule: shown() })?;
        return Ok((Rule::Default, rest));
    }
    let not_a_rule = || PrincipalRulesError::NotARule { rule: text.trim().to_owned() };
    let unfinished = || PrincipalRulesError::Unfinished { rule: text.trim().to_owned() };
    let body = text.strip_prefix("RULE:").ok_or_else(|| PrincipalRulesError::NotARule { rule: shown() })?;
    let (pattern, rest) = until_slash(body).ok_or_else(unfinished)?;
    let (replacement, rest) = until_slash(rest).ok_or_else(unfinished)?;
    let (case, rest) = match rest.as_bytes().first() {
        Some(b'L') => (Case::Lower, &rest[1..]),
        Some(b'U') => (Case::Upper, &rest[1..]),
        _ => (Case::AsIs, rest),
    };
    let rest = rule_end(rest).ok_or_else(not_a_rule)?;
    Ok((Rule::Mapped(Box::new(Mapped::new(pattern, replacement, case)?)), rest))
}

/// What is before and after the next slash that no backslash escapes. Escapes stay as they are.
fn until_slash(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '/' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// What is after the comma that ends a rule, or nothing at the end of all.
fn rule_end(text: &str) -> Option<&str> {
    let text = text.trim_start();
    if text.is_empty() { Some(text) } else { text.strip_prefix(',') }
}

impl Mapped {
    fn new(pattern: &str, replacement: &str, case: Case) -> Result<Self, PrincipalRulesError> {
        let compile = |text: &str| {
            Regex::new(text).map_err(|source| PrincipalRulesError::Pattern {
                pattern: pattern.to_owned(),
                source: Box::new(source),
            })
        };
        let each = compile(pattern)?;
        let whole = compile(&format!(r"\A(?:{pattern})\z"))?;
        let replacement = Replacement::parse(replacement, &each)
            .map_err(|why| PrincipalRulesError::Replacement { replacement: replacement.to_owned(), why })?;
        Ok(Self { whole, each, replacement, case })
    }

    fn apply(&self, name: &str) -> Option<String> {
        if !self.whole.is_match(name) {
            return None;
        }
        let replaced = self.replace_all(name);
        Some(match self.case {
            Case::AsIs => replaced,
            Case::Lower => replaced.to_lowercase(),
            Case::Upper => replaced.to_uppercase(),
        })
    }

    /// As Java does it: unlike with `Regex::replace_all`, an empty match may follow right after another match.
    fn replace_all(&self, name: &str) -> String {
        let mut out = String::new();
        let (mut copied, mut from) = (0, 0);
        while let Some(captures) = self.each.captures_at(name, from) {
            let Some(found) = captures.get(0) else { break };
            out.push_str(&name[copied..found.start()]);
            self.replacement.expand(&captures, &mut out);
            copied = found.end();
            from = if found.is_empty() {
                // The next letter is copied with what is before the next match.
                match name[copied..].chars().next() {
                    Some(next) => copied + next.len_utf8(),
                    None => break,
                }
            } else {
                copied
            };
        }
        out.push_str(&name[copied..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mapped(rules: &str, name: &str) -> Option<String> {
        PrincipalRules::parse(rules).unwrap().principal(name)
    }

    #[test]
    fn the_first_rule_that_takes_the_whole_name_decides() {
        let rules = "RULE:^CN=(.*?),OU=Services.*$/$1/L, RULE:^CN=(.*?),OU=(.*?),O=(.*?)$/$1@$2/U ,\
                     RULE:^.*[Cc][Nn]=([a-z0-9.]*).*$/$1/,DEFAULT";
        assert_eq!(mapped(rules, "CN=Kim,OU=Services,C=DE").unwrap(), "kim");
        assert_eq!(mapped(rules, "CN=Kim,OU=Lab,O=Acme").unwrap(), "KIM@LAB");
        assert_eq!(mapped(rules, "cn=kim.1,OU=Lab").unwrap(), "kim.1");
        assert_eq!(mapped(rules, "OU=Lab,C=DE").unwrap(), "OU=Lab,C=DE");
        assert_eq!(PrincipalRules::default().principal("CN=Kim").unwrap(), "CN=Kim");
    }

    #[test]
    fn a_name_that_no_rule_takes_has_no_principal() {
        assert_eq!(mapped("RULE:^CN=(.*)$/$1/", "OU=x"), None);
        assert_eq!(mapped("RULE:CN=a/b/", "CN=ab"), None, "part of a name is not enough");
    }

    #[test]
    fn commas_blanks_and_escaped_slashes_belong_to_patterns_and_empty_rules_do_not_count() {
        assert_eq!(mapped(" , ,RULE:^CN=([^,DEFAULT,]+)(,.*|$)/$1/ ,, ", "CN=kim,O=x").unwrap(), "kim");
        assert_eq!(mapped(r"RULE:^CN=a\/(.*)$/x\/$1\$/", "CN=a/b").unwrap(), "x/b$");
        assert_eq!(
            mapped(r"RULE:^CN=((\\, *|\w)+)(,.*|$)/$1/,DEFAULT", r"CN=Roe\, Kim,OU=x").unwrap(),
            r"Roe\, Kim"
        );
        assert_eq!(mapped("RULE:,RULE:,/,RULE:,/U,DEFAULT", ",RULE:,").unwrap(), ",RULE:,");
        assert_eq!(mapped("RULE://", "").unwrap(), "");
    }

    #[test]
    fn groups_are_counted_as_java_counts_them() {
        assert_eq!(mapped("RULE:(a)(b)(c)/$1@$4-$12-$45-$0-$01/", "abc").unwrap(), "a@$4-a2-$45-abc-a");
        assert_eq!(mapped("RULE:(?<who>a)(b)?c/${who}$2./", "ac").unwrap(), "a.");
        // `.*` matches the whole, and then once more the nothing at its end.
        assert_eq!(mapped("RULE:.*/x/", "abc").unwrap(), "xx");
        assert_eq!(mapped("RULE:b*|.*?/-/", "äb").unwrap(), "-ä--");
    }

    #[test]
    fn what_is_not_a_rule_says_what_it_lacks() {
        let error = |rules: &str| PrincipalRules::parse(rules).unwrap_err();
        for bad in [
            "default",
            "DEFAUL",
            "DEFAULT/L",
            "rule:a/b/",
            "RULE:a/b/L/U",
            "RULE:a/b/LU",
            "RULE:a/b/ x",
            "x,DEFAULT",
        ] {
            assert!(matches!(error(bad), PrincipalRulesError::NotARule { .. }), "{bad}");
        }
        for bad in ["RULE:", "RULE:a", "RULE:a/b", r"RULE:a/b\/", "RULE:a/L"] {
            assert!(matches!(error(bad), PrincipalRulesError::Unfinished { .. }), "{bad}");
        }
        for bad in ["RULE:(/b/", "RULE:(?=a)/b/", r"RULE:(a)\1/b/"] {
            assert!(matches!(error(bad), PrincipalRulesError::Pattern { .. }), "{bad}");
        }
        for bad in ["RULE:a/$/", "RULE:a/$1/", "RULE:a/${x}/", "RULE:(a)/${x/", "RULE:a/$b/"] {
            assert!(matches!(error(bad), PrincipalRulesError::Replacement { .. }), "{bad}");
        }
        assert!(matches!(error(" , "), PrincipalRulesError::None));
        assert_eq!(
            error("RULE:a/b").to_string(),
            "'RULE:a/b' lacks a slash: RULE:pattern/replacement/ has two that no backslash precedes"
        );
    }

    proptest! {
        #[test]
        fn no_rules_and_no_names_make_it_panic(rules in r"(RULE:|[/,$\\(.*)a{}LU0-9 ä]|DEFAULT){0,20}", name in ".{0,30}") {
            if let Ok(rules) = PrincipalRules::parse(&rules) {
                let _ = rules.principal(&name);
            }
        }
    }
}
