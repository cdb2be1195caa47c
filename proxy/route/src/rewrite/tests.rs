use super::*;
use crate::matcher::PathRule;
use crate::testing::Req;

fn rewritten(rewrite: &PathRewrite, rule: PathRule, path: &str) -> String {
    let matched = PathMatch { rule, ignore_case: false };
    String::from_utf8(rewrite.apply(path.as_bytes(), &matched)).unwrap()
}

#[test]
fn a_prefix_rewrite_replaces_what_matched() {
    let to = |text: &str| PathRewrite::Prefix(text.into());
    assert_eq!(rewritten(&to("/new"), PathRule::Prefix("/old".into()), "/old/x?q=/old"), "/new/x?q=/old");
    assert_eq!(rewritten(&to("/"), PathRule::Prefix("/old/".into()), "/old/x"), "/x");
    assert_eq!(rewritten(&to("/"), PathRule::Segments("/old".into()), "/old/x"), "//x", "as Envoy does");
    assert_eq!(rewritten(&to("/new"), PathRule::Exact("/old".into()), "/old?q"), "/new?q");
    let regex = PathRule::Regex(crate::Pattern::new("/o.*").unwrap());
    assert_eq!(rewritten(&to("/new"), regex, "/old/x?q#f"), "/new?q#f");
}

#[test]
fn a_regex_rewrite_replaces_every_match_in_the_path() {
    let any = || PathRule::Prefix("/".into());
    let with = |pattern: &str, substitution: &str| {
        PathRewrite::Regex(RegexRewrite::new(pattern, substitution).unwrap())
    };
    assert_eq!(
        rewritten(&with("^/service/([^/]+)(/.*)$", r"\2/instance/\1"), any(), "/service/foo/v1/api?a=b"),
        "/v1/api/instance/foo?a=b"
    );
    assert_eq!(rewritten(&with("one", "two"), any(), "/xxx/one/yyy/one/zzz?one"), "/xxx/two/yyy/two/zzz?one");
    assert_eq!(rewritten(&with("(?i)/XXX/", "/yyy/"), any(), "/aaa/xxx/bbb"), "/aaa/yyy/bbb");
    assert_eq!(rewritten(&with("a(b)?", r"[\1|\0|\\]"), any(), "/a"), r"/[|a|\]");
}

#[test]
fn substitutions_are_checked() {
    let error = RegexRewrite::new("(a)", r"\2").unwrap_err().to_string();
    assert_eq!(error, r#"regex "(a)": substitution "\\2" names group 2, which does not exist"#);
    assert!(RegexRewrite::new("a", r"\x").is_err());
    assert!(RegexRewrite::new("a", r"x\").is_err());
    assert!(RegexRewrite::new("(", "x").is_err());
}

#[test]
fn hosts_from_text_header_and_path() {
    let req = Req::get("old", "/tenant/x?q").with("x-host", "from.header");
    let host =
        |rewrite: &HostRewrite| rewrite.apply(&req).map(|it| String::from_utf8(it.into_owned()).unwrap());
    assert_eq!(host(&HostRewrite::Literal("new".into())).as_deref(), Some("new"));
    assert_eq!(host(&HostRewrite::Header("x-host".into())).as_deref(), Some("from.header"));
    assert_eq!(host(&HostRewrite::Header("x-none".into())), None);
    let path = RegexRewrite::new("^/(.+)/.+$", r"\1.example").unwrap();
    assert_eq!(host(&HostRewrite::Path(path)).as_deref(), Some("tenant.example"));
}
