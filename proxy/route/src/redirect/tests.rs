use super::*;
use crate::action::Action;
use crate::matcher::{PathRule, RouteMatch};
use crate::testing::{Req, prefix, route};

const KEEP: Redirect = Redirect {
    scheme: None,
    host: None,
    port: None,
    path: RedirectPath::Keep,
    strip_query: false,
    status: 301,
};

fn location(redirect: Redirect, matcher: RouteMatch, req: &Req) -> String {
    let route = Route { action: Action::Redirect(redirect.clone().into()), ..route("r", matcher) };
    String::from_utf8(redirect.location(&route, req)).unwrap()
}

fn go(redirect: Redirect, authority: &str, path: &str) -> String {
    location(redirect, prefix("/old"), &Req::get(authority, path))
}

#[test]
fn to_https_keeps_the_rest() {
    assert_eq!(go(Redirect::to_https(), "h.example", "/a?b=c"), "https://h.example/a?b=c");
    assert_eq!(go(Redirect::to_https(), "h.example:80", "/"), "https://h.example/", "http's own port goes");
    assert_eq!(go(Redirect::to_https(), "h.example:8080", "/"), "https://h.example:8080/");
    assert_eq!(go(Redirect::to_https(), "[::1]:80", "/"), "https://[::1]/");
    assert_eq!(go(Redirect::to_https(), "[::1]", "/"), "https://[::1]/");
}

#[test]
fn the_edge_may_have_come_by_another_scheme() {
    let to_http = Redirect { scheme: Some("http".into()), ..KEEP };
    let req = Req { scheme: "https".into(), ..Req::get("h:443", "/") };
    assert_eq!(location(to_http.clone(), prefix("/"), &req), "http://h/");
    assert_eq!(
        location(Redirect::to_https(), prefix("/"), &req.with("x-forwarded-proto", "http")),
        "https://h:443/"
    );
    let ended_tls = Req::get("h:80", "/").with("x-forwarded-proto", "https");
    assert_eq!(
        location(Redirect::to_https(), prefix("/"), &ended_tls),
        "https://h:80/",
        "https on port 80 was meant"
    );
}

#[test]
fn host_and_port() {
    let host = |host: &str| Redirect { host: Some(host.into()), ..KEEP };
    assert_eq!(go(host("new.example"), "h:81", "/x"), "http://new.example/x");
    let port = Redirect { port: Some(8443), scheme: Some("https".into()), ..KEEP };
    assert_eq!(go(port.clone(), "h:81", "/x"), "https://h:8443/x");
    assert_eq!(go(port.clone(), "[::1]:81", "/x"), "https://[::1]:8443/x");
    assert_eq!(go(Redirect { host: Some("n".into()), ..port }, "h", "/x"), "https://n:8443/x");
}

#[test]
fn paths_and_queries() {
    let path = |path: RedirectPath, strip_query| Redirect { path, strip_query, ..KEEP };
    let replace = |text: &str| RedirectPath::Replace(text.into());
    assert_eq!(go(path(replace("/new"), false), "h", "/old?q"), "http://h/new?q");
    assert_eq!(go(path(replace("/new"), true), "h", "/old?q"), "http://h/new");
    assert_eq!(go(path(replace("/new?own"), false), "h", "/old?q"), "http://h/new?own");
    assert_eq!(go(path(replace("/new?own"), true), "h", "/old?q"), "http://h/new?own");
    assert_eq!(go(path(RedirectPath::Keep, true), "h", "/old?q"), "http://h/old");
    let rewrite = || RedirectPath::Rewrite(PathRewrite::Prefix("/new".into()));
    assert_eq!(go(path(rewrite(), false), "h", "/old/x?q"), "http://h/new/x?q");
    assert_eq!(go(path(rewrite(), true), "h", "/old/x?q"), "http://h/new/x");
    let whole = RouteMatch::path(PathRule::Exact("/old".into()));
    assert_eq!(location(path(rewrite(), false), whole, &Req::get("h", "/old?q")), "http://h/new?q");
}

#[test]
fn a_redirects_path_is_told_by_its_route_too() {
    let redirect = Redirect { path: RedirectPath::Rewrite(PathRewrite::Prefix("/new".into())), ..KEEP };
    let route = Route { action: Action::Redirect(redirect.into()), ..route("r", prefix("/old")) };
    assert_eq!(route.rewritten_path(b"/old/x").as_deref(), Some(&b"/new/x"[..]));
}

#[test]
fn ports_are_found_behind_brackets_only() {
    for (host, at) in
        [("h", None), ("h:1", Some(1)), ("h:", Some(1)), ("[::1]", None), ("[::1]:1", Some(5)), ("", None)]
    {
        assert_eq!(port_start(host.as_bytes()), at, "{host}");
    }
}
