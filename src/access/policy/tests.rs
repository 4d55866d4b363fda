//! The book's files, roles, patterns and denials; and that what is answered without Casbin is what Casbin
//! answers.

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{CoreApi, DefaultModel, StringAdapter};
use futures_util::FutureExt;
use proptest::prelude::*;

use super::functions::MAX_REGEXES;
use super::*;
use crate::access::acl::tests::bindings;
use crate::access::acl::{Acls, Verdict};

const MODEL: &str = "\
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
";

const ROLES: &str = "\
# Roles, and lines that deny.
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))&&!some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && \\
    keyMatch(r.obj, p.obj) && r.act == p.act
";

fn load(model: &str, policy: &str) -> Result<Policy, PolicyError> {
    Policy::load(Source { file: "model.conf", text: model }, Source { file: "policy.csv", text: policy })
}

fn user(name: &str) -> Principal {
    Principal { kind: "User".into(), name: name.into() }
}

const ORDERS: Resource<'static> = Resource::topic("orders");

#[test]
fn the_files_of_the_book_let_root_produce_and_consume_and_nobody_nothing() {
    use Operation::{Alter, Create, Delete, Describe, IdempotentWrite, Read, Write};
    let policy = load(MODEL, "p, root, *, produce\np, root, *, consume\n").unwrap();
    for (operation, resource, may) in [
        (Write, ORDERS, true),
        (Describe, ORDERS, true),
        (Read, ORDERS, true),
        (Read, Resource::group("g"), true),
        (Describe, Resource::group("g"), true),
        (Write, Resource::transactional_id("t"), true),
        (IdempotentWrite, Resource::cluster(), true),
        (Describe, Resource::cluster(), false),
        (Create, ORDERS, false),
        (Delete, ORDERS, false),
        (Delete, Resource::group("g"), false),
        (Alter, Resource::cluster(), false),
        (Create, Resource::cluster(), false),
    ] {
        assert_eq!(policy.allows(&user("root"), operation, resource), may, "{operation:?} {resource:?}");
        assert!(!policy.allows(&user("nobody"), operation, resource), "{operation:?} {resource:?}");
    }
    assert!(policy.allows_any_of_kind(&user("root"), Write, ResourceKind::Topic));
    assert!(!policy.allows_any_of_kind(&user("nobody"), Write, ResourceKind::Topic));
}

#[test]
fn a_line_about_one_topic_is_about_no_other_and_about_no_group() {
    let policy = load(MODEL, "p, alice, orders, produce\np, alice, group:billing, consume\n").unwrap();
    let alice = user("alice");
    assert!(policy.allows(&alice, Operation::Write, ORDERS));
    assert!(policy.allows(&alice, Operation::Describe, ORDERS));
    assert!(!policy.allows(&alice, Operation::Read, ORDERS));
    assert!(!policy.allows(&alice, Operation::Write, Resource::topic("orders2")));
    assert!(policy.allows(&alice, Operation::Read, Resource::group("billing")));
    assert!(!policy.allows(&alice, Operation::Read, Resource::group("orders")));
    assert!(!policy.allows(&alice, Operation::Read, Resource::topic("group:billing")));
    assert!(!policy.allows(&alice, Operation::IdempotentWrite, Resource::cluster()));
    assert!(policy.allows_any_of_kind(&alice, Operation::Write, ResourceKind::Topic));
    assert!(!policy.allows_any_of_kind(&alice, Operation::Read, ResourceKind::Topic));
    assert!(policy.allows_any_of_kind(&alice, Operation::Read, ResourceKind::Group));
    assert!(!policy.allows_any_of_kind(&user("bob"), Operation::Write, ResourceKind::Topic));
}

#[test]
fn names_of_kafkas_operations_are_actions_and_imply_what_they_imply_there() {
    let policy =
        load(MODEL, "p, ops, *, alterconfigs\np, ops, *, create\np, ops, a, delete\np, adm, *, all").unwrap();
    let ops = user("ops");
    assert!(policy.allows(&ops, Operation::AlterConfigs, Resource::cluster()));
    assert!(policy.allows(&ops, Operation::DescribeConfigs, ORDERS));
    assert!(policy.allows(&ops, Operation::Create, Resource::cluster()));
    assert!(policy.allows(&ops, Operation::Describe, Resource::topic("a")));
    assert!(!policy.allows(&ops, Operation::Describe, ORDERS));
    assert!(policy.allows(&user("adm"), Operation::Alter, Resource::cluster()));
}

#[test]
fn only_a_user_is_known_by_the_name_alone() {
    let policy = load(MODEL, "p, root, *, produce\np, Group:ops, *, consume").unwrap();
    let ops = |kind: &str, name: &str| Principal { kind: kind.into(), name: name.into() };
    assert!(!policy.allows(&ops("Group", "root"), Operation::Write, ORDERS));
    assert!(policy.allows(&ops("Group", "ops"), Operation::Read, ORDERS));
    assert!(!policy.allows(&ops("User", "Group:ops"), Operation::Read, ORDERS));
}

#[test]
fn roles_patterns_and_denials_work_as_the_model_says() {
    let lines = "p, writers, ord*, produce, allow\np, writers, orders-secret, produce, deny\n\
                 p, alice, *, consume, allow\ng, alice, writers\ng, bob, writers\n";
    let policy = load(ROLES, lines).unwrap();
    for name in ["alice", "bob"] {
        assert!(policy.allows(&user(name), Operation::Write, ORDERS), "{name}");
        assert!(!policy.allows(&user(name), Operation::Write, Resource::topic("payments")), "{name}");
        assert!(!policy.allows(&user(name), Operation::Write, Resource::topic("orders-secret")), "{name}");
    }
    assert!(policy.allows(&user("alice"), Operation::Read, Resource::topic("payments")));
    assert!(!policy.allows(&user("carol"), Operation::Write, ORDERS));
    assert!(policy.allows_any_of_kind(&user("bob"), Operation::Write, ResourceKind::Topic));
    assert!(!policy.allows_any_of_kind(&user("bob"), Operation::Read, ResourceKind::Topic));
}

#[test]
fn a_denial_of_a_topic_holds_though_everything_is_allowed_by_a_star() {
    let model = ROLES.replace("keyMatch(r.obj, p.obj)", "r.obj == p.obj");
    let lines = "p, alice, *, produce, allow\np, alice, secret, produce, deny\np, alice, closed, all, deny\n";
    let policy = load(&model, lines).unwrap();
    assert!(policy.allows(&user("alice"), Operation::Write, ORDERS));
    assert!(!policy.allows(&user("alice"), Operation::Write, Resource::topic("secret")));
    assert!(policy.allows(&user("alice"), Operation::Describe, Resource::topic("secret")), "as with Kafka's");
    assert!(!policy.allows(&user("alice"), Operation::Describe, Resource::topic("closed")));
}

#[test]
fn a_model_that_only_denies_allows_the_rest() {
    let model = ROLES.replace("some(where (p.eft == allow))&&", "");
    let policy = load(&model, "p, alice, secret, produce, deny\n").unwrap();
    assert!(policy.allows(&user("alice"), Operation::Write, ORDERS));
    assert!(!policy.allows(&user("alice"), Operation::Write, Resource::topic("secret")));
    assert!(policy.allows(&user("bob"), Operation::Write, Resource::topic("secret")));
}

#[test]
fn a_policy_without_lines_allows_nothing() {
    let policy = load(MODEL, "# none yet\n\n").unwrap();
    assert!(policy.is_empty());
    assert!(!policy.allows(&user(""), Operation::Write, Resource::topic("")));
    assert!(!policy.allows_any_of_kind(&user("a"), Operation::Write, ResourceKind::Topic));
}

#[test]
fn a_name_with_letters_beyond_ascii_is_matched_by_patterns_like_any_other() {
    let policy = load(ROLES, "p, alice, or*, produce, allow\ng, alice, writers").unwrap();
    for (name, may) in [("oä", false), ("orä", true), ("é", false), ("o", false), ("or", true)] {
        assert_eq!(policy.allows(&user("alice"), Operation::Write, Resource::topic(name)), may, "{name}");
    }
}

#[test]
fn a_regular_expression_is_found_anywhere_and_a_broken_one_is_told_at_once() {
    let model = ROLES.replace("keyMatch", "regexMatch");
    let policy =
        load(&model, "p, alice, ^ord(er)?s$, produce, allow\np, alice, pay, produce, allow").unwrap();
    for (name, may) in [("orders", true), ("ords", true), ("orders2", false), ("xpayx", true), ("x[", false)]
    {
        assert_eq!(policy.allows(&user("alice"), Operation::Write, Resource::topic(name)), may, "{name}");
    }
    let broken = load(&model, "p, alice, a, produce, allow\np, alice, a(, produce, deny").unwrap_err();
    assert_eq!(
        broken.to_string(),
        "policy.csv, line 2: \"a(\" is no regular expression, or a very large one"
    );
    let many: Vec<_> = (0..=MAX_REGEXES).map(|number| format!("p, a, x{number}, produce, deny")).collect();
    let many = load(&model, &many.join("\n")).unwrap_err();
    assert_eq!(
        many.to_string(),
        "policy.csv, line 257: there are more than 256 different regular expressions"
    );
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    let changed = |from: &str, to: &str| {
        assert!(MODEL.contains(from), "{from}");
        load(&MODEL.replace(from, to), "p, a, b, c").unwrap_err().to_string()
    };
    assert_eq!(
        changed("sub, obj, act\n\n[policy_d", "sub, act\n\n[policy_d"),
        "model.conf, line 2: a request is three fields (subject, object, action), and this defines 2"
    );
    assert_eq!(
        changed("m = ", "m: "),
        "model.conf, line 11: \"matchers\" has no key \"m: r.sub\" here (a model has r, p, g, e and m, each in its section)"
    );
    assert_eq!(
        changed("[matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n", ""),
        "model.conf, line 9: the model does not define the matcher (m in [matchers])"
    );
    assert_eq!(
        changed("e = some", "e = priority(p.eft) || deny #"),
        "model.conf, line 8: \"priority(p.eft) || deny\" is no effect that is known here: some(where (p.eft == allow)), that && !some(where (p.eft == deny)), or the latter alone"
    );
    assert_eq!(
        changed("[matchers]", "nonsense\n[matchers]"),
        "model.conf, line 10: this is neither a section, a comment nor key = value"
    );
    assert!(
        changed("r.act == p.act", "r.act == p.nothing")
            .starts_with("model.conf, line 11: casbin refuses it: ")
    );
    assert_eq!(
        changed("r.act == p.act", "keyMatch2(r.act, p.act)"),
        "model.conf, line 11: a matcher may call keyMatch, regexMatch, and g if the model has roles, and not keyMatch2"
    );
    assert_eq!(
        changed("r.act == p.act", "regexMatch(p.act, r.act)"),
        "model.conf, line 11: the second and last argument of regexMatch has to be a field of the policy line: p.NAME"
    );
    assert!(changed("r.act == p.act", "r.act == (").starts_with("model.conf, line 11: casbin refuses it: "));

    let line = |policy: &str| load(MODEL, policy).unwrap_err().to_string();
    assert_eq!(
        line("p, a, b, c\n\np, a, b\n"),
        "policy.csv, line 3: a line of p has 3 more fields, this one has 2"
    );
    assert_eq!(
        line("g, a, b"),
        "policy.csv, line 1: a line begins with p, or with g if the model has roles, and not with \"g\""
    );
    assert_eq!(line("p, a, \"b, c"), "policy.csv, line 1: the quote of field 3 is not closed");
    let denied = load(ROLES, "p, a, b, c, denied").unwrap_err().to_string();
    assert_eq!(denied, "policy.csv, line 1: an effect is allow or deny, not \"denied\"");
    let many = "p, a, b, c\n".repeat(MAX_LINES + 1);
    assert_eq!(line(&many), "policy.csv, line 10001: there are more than 10000 lines");
    let many = load(ROLES, &"p, a, b, c, deny\n".repeat(MAX_EVALUATED + 1)).unwrap_err().to_string();
    assert_eq!(
        many,
        "policy.csv, line 1001: there are more than 1000 lines, for a matcher that is evaluated for each"
    );
}

#[test]
fn what_is_not_left_to_casbin_is_answered_as_casbin_does() {
    let lines = "p, a, *, x, allow\np, b, t, x, allow\np, a, t, y, deny\np, a, t, x, deny\ng, c, a\n";
    let words = ["a", "b", "c", "*", "t", "x", "y", "z"];
    for matcher in [
        "r.sub == p.sub && r.obj == p.obj && r.act == p.act",
        "r.act==p.act&&p.sub==r.sub && r.obj == p.obj",
        "g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act",
        "r.sub == p.sub && keyMatch(r.obj, p.obj) && r.act != p.act",
        "r.sub == p.sub || r.act == p.act && r.obj == p.obj",
        "r.sub == \"c\" || r.sub == p.sub",
        "r.sub == p.sub && r.sub == p.obj",
    ] {
        for (fields, effect) in
            [("sub, obj, act, eft", " && !some(where (p.eft == deny))"), ("sub, obj, act", "")]
        {
            let model = format!(
                "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = {fields}\n[role_definition]\ng = _, _\n\
                 [policy_effect]\ne = some(where (p.eft == allow)){effect}\n[matchers]\nm = {matcher}\n"
            );
            let lines = if effect.is_empty() {
                lines.replace(", allow", "").replace(", deny", "")
            } else {
                lines.into()
            };
            let policy = load(&model, &lines).unwrap();
            for subject in words {
                for object in words {
                    for action in words {
                        let casbin = policy.enforcer.enforce((subject, object, action)).unwrap();
                        let asked = [subject, object, action];
                        assert_eq!(policy.is_allowed(asked), casbin, "{matcher}: {asked:?}");
                    }
                }
            }
        }
    }
}

/// Kafka's rules as a Casbin model: what the lines of ACLs mean.
const KAFKA: &str = "\
[request_definition]
r = sub, obj, act, host, every
[policy_definition]
p = sub, obj, act, eft, host, pattern
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = (p.sub == r.sub || p.sub == \"User:*\") && (p.host == r.host || p.host == \"*\") \\
    && (p.pattern == \"literal\" && (p.obj == r.obj || p.obj == r.every) \\
    || p.pattern == \"prefixed\" && begins(r.obj, p.obj)) \\
    && (p.act == r.act || p.act == \"all\" || p.eft == \"allow\" && implies(p.act, r.act))
";

fn implies(allowed: &str, asked: &str) -> bool {
    let asked = Operation::parse(asked).unwrap();
    asked.implied_by().contains(&Operation::parse(allowed).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_lines_of_acls_mean_to_casbin_what_the_acls_mean(
        bindings in prop::collection::vec(bindings(), 1..20),
        questions in prop::collection::vec((2_i8..=3, "[*abc]{1,4}", 3_i8..=15), 10),
    ) {
        let lines = bindings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let acls: Acls = bindings.into_iter().collect();
        let model = DefaultModel::from_str(KAFKA).now_or_never().unwrap().unwrap();
        let mut casbin = Enforcer::new(model, StringAdapter::new(&lines)).now_or_never().unwrap().unwrap();
        casbin.add_function("begins", OperatorFunction::Arg2(|name, begin| {
            dynamic_to_str(&name).starts_with(&*dynamic_to_str(&begin)).into()
        }));
        casbin.add_function("implies", OperatorFunction::Arg2(|allowed, asked| {
            implies(&dynamic_to_str(&allowed), &dynamic_to_str(&asked)).into()
        }));
        for (kind, name, operation) in questions {
            let (kind, operation) = (ResourceKind::from_code(kind), Operation::from_code(operation));
            let host = "10.0.0.1";
            let verdict = acls.allows(&user("alice"), host.parse().unwrap(), operation, Resource { kind, name: &name });
            let (object, every) = (format!("{}:{name}", kind.name()), format!("{}:*", kind.name()));
            let said = casbin.enforce(("User:alice", object, operation.name(), host, every)).unwrap();
            prop_assert_eq!(said, verdict == Verdict::Allowed, "{} {:?} {}:\n{}", name, kind, operation.name(), lines);
        }
    }

    #[test]
    fn no_text_makes_the_reader_of_models_panic(
        matcher in prop::collection::vec(prop::sample::select(vec![
            "r.sub", "p.sub", "p.obj", "r.act", "==", "!=", "&&", "||", "(", ")", "!", ",", "g(", "keyMatch(", "regexMatch(",
            "true", "1", "+", "\"x\"", "[", "]", "in", ".", " ", "\\\n", "#",
        ]), 0..14),
        lines in "([pg], ?[ab\"(*]{0,2},[ab*]{0,2},?[ab]?\n){0,4}",
        model in any::<String>(),
    ) {
        let matcher = matcher.concat();
        let whole = MODEL.replace("r.sub == p.sub && r.obj == p.obj && r.act == p.act", &matcher);
        for model in [whole, model] {
            if let Ok(policy) = load(&model, &lines) {
                for name in ["a", "*", "ä("] {
                    policy.allows(&user(name), Operation::Describe, Resource::topic(name));
                    policy.allows_any_of_kind(&user(name), Operation::Write, ResourceKind::Topic);
                }
            }
        }
    }
}
