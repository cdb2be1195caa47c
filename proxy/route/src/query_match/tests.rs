use super::*;
use crate::text::TextRule;

#[test]
fn values_as_they_stand() {
    let value =
        |path: &'static str| query_value(path.as_bytes(), b"a").map(|it| std::str::from_utf8(it).unwrap());
    for (path, expected) in [
        ("/", None),
        ("/?", None),
        ("/?a", Some("")),
        ("/?a=", Some("")),
        ("/?a=1", Some("1")),
        ("/?b=2&a=1&a=3", Some("1")),
        ("/?aa=1", None),
        ("/?A=1", None),
        ("/?a=1=2", Some("1=2")),
        ("/?a=%20+", Some("%20+")),
        ("/?&&a=x&", Some("x")),
        ("/a=1", None),
        ("/?b?a=1", None),
    ] {
        assert_eq!(value(path), expected, "{path}");
    }
}

#[test]
fn presence_and_text() {
    let is = |rule: &QueryRule, path: &str| {
        QueryMatch { name: "a".into(), rule: rule.clone() }.matches(path.as_bytes())
    };
    assert!(is(&QueryRule::Present(true), "/?a") && !is(&QueryRule::Present(true), "/?b"));
    assert!(is(&QueryRule::Present(false), "/?b") && !is(&QueryRule::Present(false), "/?a"));
    let text = QueryRule::Text(TextRule::Prefix("v".into()).into());
    assert!(is(&text, "/?a=v1") && !is(&text, "/?a=x") && !is(&text, "/"));
    assert_eq!(
        QueryMatch { name: "a".into(), rule: text }.to_string(),
        r#"query parameter a begins with "v""#
    );
}
