use super::*;
use crate::pattern::Pattern;
use crate::testing::Req;
use crate::text::TextRule;

fn text(rule: TextRule) -> HeaderRule {
    HeaderRule::Text(rule.into())
}

fn req(values: &[&str]) -> Req {
    values.iter().fold(Req::get("h.example:80", "/p?q"), |req, value| req.with("x", value))
}

fn matches(rule: &HeaderRule, values: &[&str]) -> bool {
    HeaderMatch::new("X", rule.clone()).matches(&req(values))
}

#[test]
fn texts() {
    let rules = [
        TextRule::Exact("abc".into()),
        TextRule::Prefix("ab".into()),
        TextRule::Suffix("bc".into()),
        TextRule::Contains("b".into()),
        TextRule::Regex(Pattern::new("a.c").unwrap()),
    ];
    for (value, expected) in [
        ("abc", [true; 5]),
        ("abcd", [false, true, false, true, false]),
        ("xabc", [false, false, true, true, false]),
        ("ABC", [false; 5]),
        ("", [false; 5]),
        ("a", [false; 5]),
    ] {
        assert_eq!(rules.clone().map(|rule| matches(&text(rule), &[value])), expected, "{value:?}");
    }
    for rule in rules {
        let is_regex = matches!(rule, TextRule::Regex(_));
        let rule = HeaderRule::Text(TextMatch { rule, ignore_case: true });
        assert_eq!(matches(&rule, &["ABC"]), !is_regex, "{rule:?}");
        assert!(!matches(&rule, &[]));
    }
}

#[test]
fn of_several_values_one_is_enough_and_each_is_looked_at_by_itself() {
    let is = |wanted: &str, values: &[&str]| matches(&text(TextRule::Exact(wanted.into())), values);
    assert!(is("a", &["a", "b"]) && is("b", &["a", "b"]) && is("a", &["a", "a"]));
    assert!(!is("a,b", &["a", "b"]) && !is("c", &["a", "b"]));
}

#[test]
fn ranges_are_half_open_and_take_whole_numbers_only() {
    let rule = HeaderRule::Range(-5..10);
    for (value, is) in [
        ("-5", true),
        ("9", true),
        ("10", false),
        ("-6", false),
        (" 3 ", true),
        ("3.0", false),
        ("x", false),
        ("", false),
    ] {
        assert_eq!(matches(&rule, &[value]), is, "{value:?}");
    }
    assert!(!matches(&rule, &[]));
    assert!(matches(&rule, &["x", "2"]) && !matches(&rule, &["x", "99"]));
}

#[test]
fn what_is_missing() {
    let case = |rule: HeaderRule, invert, missing_is_empty, values: &[&str]| {
        HeaderMatch { invert, missing_is_empty, ..HeaderMatch::new("x", rule) }.matches(&req(values))
    };
    let exact = || text(TextRule::Exact("a".into()));
    // Presence and its inversions.
    assert!(case(HeaderRule::Present(true), false, false, &[""]));
    assert!(!case(HeaderRule::Present(true), false, false, &[]));
    assert!(!case(HeaderRule::Present(true), true, false, &["a"]));
    assert!(case(HeaderRule::Present(true), true, false, &[]));
    assert!(case(HeaderRule::Present(false), false, false, &[]));
    assert!(!case(HeaderRule::Present(false), false, false, &["a"]));
    assert!(case(HeaderRule::Present(false), true, false, &["a"]));
    assert!(!case(HeaderRule::Present(false), true, false, &[]));
    // A missing header fails a value rule, inverted or not.
    assert!(!case(exact(), false, false, &[]));
    assert!(!case(exact(), true, false, &[]));
    assert!(case(exact(), true, false, &["b"]));
    // Unless it counts as empty.
    assert!(case(exact(), true, true, &[]));
    assert!(!case(exact(), false, true, &[]));
    assert!(case(text(TextRule::Exact("".into())), false, true, &[]));
    assert!(case(HeaderRule::Range(0..10), true, true, &[]));
}

#[test]
fn pseudo_headers() {
    let is = |name: &str, value: &str| {
        HeaderMatch::new(name, text(TextRule::Exact(value.into()))).matches(&req(&[]))
    };
    assert!(is(":authority", "h.example:80"));
    assert!(is("Host", "h.example:80"));
    assert!(is(":method", "GET"));
    assert!(is(":path", "/p?q"));
    assert!(is(":scheme", "http"));
    assert!(!is(":protocol", "websocket"));
    let absent = HeaderMatch::new(":path", HeaderRule::Present(false));
    assert!(absent.matches(&Req::get("h", "")));
}

#[test]
fn conditions_are_told_in_words() {
    let told = |invert, rule| HeaderMatch { invert, ..HeaderMatch::new("X-A", rule) }.to_string();
    assert_eq!(told(false, HeaderRule::Present(true)), "header x-a is present");
    assert_eq!(told(true, HeaderRule::Range(1..3)), "not: header x-a is a number from 1 to below 3");
    assert_eq!(told(false, text(TextRule::Prefix("v".into()))), r#"header x-a begins with "v""#);
}
