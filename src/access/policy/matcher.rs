//! `Demands`: what a matcher demands of every line that matches, as far as its text shows. Evaluates nothing.
//!
//! Casbin evaluates its matcher for each line. Most matchers begin with `r.sub == p.sub &&`, and then a
//! question whose word no line has cannot match; and one that is nothing but such demands asks whether there
//! is a certain line.

/// Which fields of a line have to be equal to subject, object and action of the question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Demands {
    /// Indexes of fields; None for what is not demanded, or not so plainly.
    pub(super) columns: [Option<usize>; 3],
    /// Nothing else is demanded, and a line has no other field.
    pub(super) are_all: bool,
}

impl Demands {
    /// Reads a `matcher` about a request and lines with fields of these names.
    pub(super) fn of(matcher: &str, request: &[String; 3], fields: &[String]) -> Self {
        let mut demands = Self::default();
        // An alternative anywhere, text in quotes, a remark: this is not the place to understand it.
        if matcher.contains(['|', '^', '?', '{', '>', '"', '\'', '`', '/']) {
            return demands;
        }
        let mut plain = true;
        for condition in conditions(matcher) {
            match demand(condition, request, fields) {
                Some((of, column)) if demands.columns[of].is_none_or(|known| known == column) => {
                    demands.columns[of] = Some(column);
                }
                _ => plain = false,
            }
        }
        let [subject, object, action] = demands.columns;
        let all = subject.is_some() && object.is_some() && action.is_some();
        demands.are_all =
            plain && all && fields.len() == 3 && subject != object && object != action && subject != action;
        demands
    }
}

/// The conditions that are joined by `&&` outside of all parentheses.
fn conditions(matcher: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let (mut begin, mut found) = (0, Vec::new());
    let bytes = matcher.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'&' if depth == 0 && at >= begin && bytes.get(at + 1) == Some(&b'&') => {
                found.push(&matcher[begin..at]);
                begin = at + 2;
            }
            _ => {}
        }
    }
    found.push(&matcher[begin..]);
    found
}

/// `r.NAME == p.NAME`, either way round: index in the request and in the fields.
fn demand(condition: &str, request: &[String; 3], fields: &[String]) -> Option<(usize, usize)> {
    let (left, right) = condition.split_once("==")?;
    let (left, right) = (left.trim(), right.trim());
    let (asked, field) = match (left.strip_prefix("r."), right.strip_prefix("p.")) {
        (Some(asked), Some(field)) => (asked, field),
        _ => (right.strip_prefix("r.")?, left.strip_prefix("p.")?),
    };
    let of = |names: &[String], name: &str| names.iter().position(|known| known == name);
    Some((of(request, asked)?, of(fields, field)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands(matcher: &str, fields: &str) -> Demands {
        let names = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
        Demands::of(matcher, &names("sub, obj, act").try_into().unwrap(), &names(fields))
    }

    #[test]
    fn the_matcher_of_the_book_is_nothing_but_demands_in_any_order() {
        let all = Demands { columns: [Some(0), Some(1), Some(2)], are_all: true };
        assert_eq!(demands("r.sub == p.sub && r.obj == p.obj && r.act == p.act", "sub, obj, act"), all);
        assert_eq!(demands("p.act==r.act&&r.obj==p.obj && p.sub == r.sub", "sub, obj, act"), all);
        let turned = Demands { columns: [Some(2), Some(1), Some(0)], are_all: true };
        assert_eq!(demands("r.sub == p.sub && r.obj == p.obj && r.act == p.act", "act, obj, sub"), turned);
    }

    #[test]
    fn other_conditions_are_left_to_casbin() {
        let roles = demands("g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act", "sub, obj, act");
        assert_eq!(roles, Demands { columns: [None, Some(1), Some(2)], are_all: false });
        let more = demands("r.sub == p.sub && r.obj == p.obj && r.act == p.act", "sub, obj, act, eft");
        assert_eq!(more, Demands { columns: [Some(0), Some(1), Some(2)], are_all: false });
        let two = demands("r.sub == p.sub && r.sub == p.obj && r.act == p.act", "sub, obj, act");
        assert!(!two.are_all);
        let twice = demands("r.sub == p.sub && r.obj == p.sub && r.act == p.act", "sub, obj, act");
        assert!(!twice.are_all);
    }

    #[test]
    fn what_may_be_an_alternative_demands_nothing() {
        for matcher in [
            "r.sub == p.sub || r.sub == \"root\"",
            "x | y && r.sub == p.sub",
            "x /* && r.sub == p.sub && */",
            "r.act == \"a && r.sub == p.sub && \"",
            "!(r.sub == p.sub)",
            "f(x && r.sub == p.sub && y)",
            "!r.sub == p.sub",
            "r.sub == p.sub == false",
            "r.sub == p.sub.len",
            "if r.sub == p.sub { true } else { true }",
        ] {
            assert_eq!(demands(matcher, "sub, obj, act"), Demands::default(), "{matcher}");
        }
    }
}
