use super::*;
use crate::header_match::HeaderRule;
use crate::query_match::QueryRule;
use crate::testing::{Req, prefix};
use crate::text::TextMatch;

fn matches(matcher: &RouteMatch, req: &Req) -> bool {
    matcher.check(req, crate::rewrite::without_query(req.path()), &Rng::seeded(0)).is_ok()
}

/// The paths among these that a rule takes.
fn taken<'p>(rule: PathRule, ignore_case: bool, paths: &[&'p str]) -> Vec<&'p str> {
    let matcher = RouteMatch { path: PathMatch { rule: rule.clone(), ignore_case }, ..prefix("") };
    paths.iter().copied().filter(|path| matches(&matcher, &Req::get("h", path))).collect()
}

#[test]
fn path_rules() {
    let paths = ["/foo", "/foo/", "/foo/bar", "/foobar", "/fo", "/FOO", "/foo?q=/x", "/foo#f", "/x/foo", ""];
    let exact = PathRule::Exact("/foo".into());
    assert_eq!(taken(exact.clone(), false, &paths), ["/foo", "/foo?q=/x", "/foo#f"]);
    assert_eq!(taken(exact, true, &paths), ["/foo", "/FOO", "/foo?q=/x", "/foo#f"]);
    let raw = PathRule::Prefix("/foo".into());
    assert_eq!(
        taken(raw.clone(), false, &paths),
        ["/foo", "/foo/", "/foo/bar", "/foobar", "/foo?q=/x", "/foo#f"]
    );
    assert_eq!(
        taken(raw, true, &paths),
        ["/foo", "/foo/", "/foo/bar", "/foobar", "/FOO", "/foo?q=/x", "/foo#f"]
    );
    let segments = PathRule::Segments("/foo".into());
    assert_eq!(taken(segments.clone(), false, &paths), ["/foo", "/foo/", "/foo/bar", "/foo?q=/x", "/foo#f"]);
    assert_eq!(taken(segments, true, &["/FOO/x", "/FOOx"]), ["/FOO/x"]);
    let regex = PathRule::Regex(Pattern::new("/fo+(/.*)?").unwrap());
    assert_eq!(taken(regex, false, &paths), ["/foo", "/foo/", "/foo/bar", "/fo", "/foo?q=/x", "/foo#f"]);
    assert_eq!(taken(PathRule::Prefix("/".into()), false, &["/", "", "*"]), ["/"]);
}

#[test]
fn connect_is_matched_by_method() {
    let matcher = RouteMatch::path(PathRule::Connect);
    assert!(!matches(&matcher, &Req::get("h", "/")));
    let req = Req { method: "CONNECT".into(), ..Req::get("h:443", "") };
    assert!(matches(&matcher, &req));
    assert!(!matches(&prefix("/"), &req));
    assert!(!matches(&RouteMatch::path(PathRule::Regex(Pattern::new(".*").unwrap())), &req));
}

#[test]
fn every_part_must_hold() {
    let mut matcher = prefix("/a");
    matcher.headers = Box::new([
        HeaderMatch::new("X-One", HeaderRule::Present(true)),
        HeaderMatch::new(":method", HeaderRule::Text(TextMatch::exact("GET"))),
    ]);
    matcher.query = Box::new([QueryMatch { name: "q".into(), rule: QueryRule::Present(true) }]);
    let good = || Req::get("h", "/a?q").with("x-one", "");
    assert!(matches(&matcher, &good()));
    assert!(!matches(&matcher, &Req { path: "/a".into(), ..good() }));
    assert!(!matches(&matcher, &Req { path: "/b?q".into(), ..good() }));
    assert!(!matches(&matcher, &Req { method: "POST".into(), ..good() }));
    assert!(!matches(&matcher, &Req { headers: vec![], ..good() }));
}

#[test]
fn grpc_is_told_by_content_type() {
    let matcher = RouteMatch { grpc: true, ..prefix("/") };
    for (kind, is) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        assert_eq!(matches(&matcher, &Req::get("h", "/").with("content-type", kind)), is, "{kind}");
    }
    assert!(!matches(&matcher, &Req::get("h", "/")));
}

#[test]
fn a_fraction_takes_its_share() {
    let rng = Rng::seeded(3);
    let share = |numerator, denominator| {
        let matcher = RouteMatch { fraction: Some(Fraction { numerator, denominator }), ..prefix("/") };
        (0..10_000).filter(|_| matcher.check(&Req::get("h", "/"), b"/", &rng).is_ok()).count()
    };
    assert_eq!(share(0, 100), 0);
    assert_eq!(share(100, 100), 10_000);
    assert!(share(2500, 10_000).abs_diff(2500) < 200);
}

#[test]
fn conditions_are_told_in_words() {
    let told = |rule| PathMatch { rule, ignore_case: true }.to_string();
    assert_eq!(told(PathRule::Exact("/a".into())), "path /a (case ignored)");
    assert_eq!(told(PathRule::Segments("/a".into())), "path /a or below (case ignored)");
    assert_eq!(told(PathRule::Regex(Pattern::new("/.*").unwrap())), "path //.*/");
    assert_eq!(told(PathRule::Connect), "method CONNECT");
    assert_eq!(Miss::Grpc.to_string(), "content-type of gRPC");
    assert_eq!(Miss::Fraction(Fraction { numerator: 1, denominator: 100 }).to_string(), "draw of 1 in 100");
}
