use super::*;
use crate::headers::{HeaderAdd, HeaderAddAction, HeaderLists, Value};
use crate::matcher::{PathRule, RouteMatch};
use crate::testing::{Req, host, prefix, route};
use crate::weighted::Weighted;
use crate::{ForwardSettings, HeaderMatch, HeaderRule, Rare, RequireTls, TextMatch};

fn build(hosts: &[Arc<VirtualHost>]) -> Table {
    let built = Table::build(Settings::default(), hosts.iter().cloned());
    assert_eq!(built.refused, []);
    built.table
}

fn ignoring_ports(hosts: &[Arc<VirtualHost>]) -> Table {
    build(hosts).with_settings(Settings { ignore_port: true, ..Settings::default() })
}

/// The name of the virtual host for an authority, `-` for none.
fn found(table: &Table, authority: &str) -> String {
    table.host(authority.as_bytes()).map_or("-".to_owned(), |(host, _)| host.name.to_string())
}

fn key(name: &str) -> Arc<str> {
    name.into()
}

#[test]
fn hosts_are_searched_exact_then_longest_suffix_then_longest_prefix_then_default() {
    let table = build(&[
        host("default", &["*"]),
        host("exact", &["a.b.example"]),
        host("suffix", &["*.example"]),
        host("longer suffix", &["*.b.example"]),
        host("dash suffix", &["*-x.b.example"]),
        host("prefix", &["a.*"]),
        host("longer prefix", &["a.b.*"]),
    ]);
    for (authority, name) in [
        ("a.b.example", "exact"),
        ("A.B.Example", "exact"),
        ("c.b.example", "longer suffix"),
        ("c-x.b.example", "dash suffix"),
        ("c.example", "suffix"),
        (".example", "default"),
        ("example", "default"),
        ("a.b.c", "longer prefix"),
        ("a.c", "prefix"),
        ("a.", "default"),
        ("b.c", "default"),
        ("", "default"),
    ] {
        assert_eq!(found(&table, authority), name, "{authority:?}");
    }
}

#[test]
fn without_a_default_the_unknown_are_unknown() {
    let table = build(&[host("a", &["a.example"])]);
    assert_eq!(found(&table, "b.example"), "-");
    assert_eq!(found(&table, ""), "-");
    assert!(table.lookup(&Req::get("b.example", "/"), &Rng::seeded(0)).is_none());
    assert_eq!(found(&Table::new(Settings::default()), "a"), "-");
}

#[test]
fn ports_count_unless_told_otherwise() {
    let hosts = [host("plain", &["a.example"]), host("ported", &["b.example:80"]), host("v6", &["[::1]"])];
    let strict = build(&hosts);
    assert_eq!(found(&strict, "a.example:80"), "-");
    assert_eq!(found(&strict, "b.example:80"), "ported");
    let loose = ignoring_ports(&hosts);
    for (authority, name) in [
        ("a.example", "plain"),
        ("a.example:80", "plain"),
        ("A.EXAMPLE:65535", "plain"),
        ("a.example:", "plain"),
        ("b.example:80", "-"),
        ("[::1]", "v6"),
        ("[::1]:8080", "v6"),
        ("[::2]:8080", "-"),
    ] {
        assert_eq!(found(&loose, authority), name, "{authority:?}");
    }
}

#[test]
fn kouriers_domains_take_any_port() {
    let table =
        build(&[host("a", &["a.example", "a.example:*"]), host("wild", &["*.b.example", "*.b.example:*"])]);
    for (authority, name) in [
        ("a.example", "a"),
        ("a.example:80", "a"),
        ("a.example:", "-"),
        ("x.b.example", "wild"),
        // A star first makes a suffix wildcard, whatever follows: it asks for a literal ":*".
        ("x.b.example:80", "-"),
        ("x.b.example:*", "wild"),
    ] {
        assert_eq!(found(&table, authority), name, "{authority:?}");
    }
}

#[test]
fn hosts_longer_than_names_can_be_are_still_found() {
    let table = build(&[host("long", &["*.example"]), host("any", &["*"])]);
    assert_eq!(found(&table, &("A".repeat(5000) + ".Example")), "long");
    assert_eq!(found(&table, &"A".repeat(5000)), "any");
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let mut tagged = prefix("/");
    tagged.headers =
        Box::new([HeaderMatch::new("Knative-Serving-Tag", HeaderRule::Text(TextMatch::exact("canary")))]);
    let routes = vec![
        route("long", prefix("/a/b")),
        route("tag", tagged),
        route("short", prefix("/a")),
        route("never", prefix("/a/b")),
    ];
    let table = build(&[Arc::new(VirtualHost::new("h", ["h"], routes, HeaderOps::default()))]);
    let taken = |req: Req| {
        let matched = table.lookup(&req, &Rng::seeded(0))?;
        Some(matched.route.name.to_string())
    };
    assert_eq!(taken(Req::get("h", "/a/b/c")).as_deref(), Some("long"));
    assert_eq!(taken(Req::get("h", "/a/bc?x")).as_deref(), Some("long"));
    assert_eq!(taken(Req::get("h", "/a")).as_deref(), Some("short"));
    assert_eq!(taken(Req::get("h", "/a").with("knative-serving-tag", "canary")).as_deref(), Some("tag"));
    assert_eq!(taken(Req::get("h", "/b")), None);
}

#[test]
fn path_parameters_may_be_ignored() {
    let exact = route("e", RouteMatch::path(PathRule::Exact("/a".into())));
    let hosts = [Arc::new(VirtualHost::new("h", ["h"], vec![exact], HeaderOps::default()))];
    let req = Req::get("h", "/a;v=1?q");
    assert!(build(&hosts).lookup(&req, &Rng::seeded(0)).is_none());
    let settings = Settings { ignore_path_parameters: true, ..Settings::default() };
    assert!(build(&hosts).with_settings(settings).lookup(&req, &Rng::seeded(0)).is_some());
}

#[test]
fn a_lookup_tells_split_and_action() {
    let splits = vec![Split::new(ClusterIx(3), "three", 1), Split::new(ClusterIx(4), "four", 0)];
    let forward = Forward::to(Weighted::new(splits).unwrap());
    let direct = Direct { status: 404, body: (*b"gone").into() };
    let routes = [
        ("/f", Action::Forward(forward)),
        ("/r", Action::Redirect(Redirect::to_https().into())),
        ("/d", Action::Direct(direct.clone())),
    ]
    .map(|(path, action)| Route { action, ..route("", prefix(path)) });
    let table = build(&[Arc::new(VirtualHost::new("h", ["h"], routes.into(), HeaderOps::default()))]);
    let action = |path: &str| table.lookup(&Req::get("h", path), &Rng::seeded(0)).unwrap().action;
    assert!(
        matches!(action("/f"), Picked::Forward { cluster: ClusterIx(3), split, .. } if &*split.name == "three")
    );
    assert!(matches!(action("/r"), Picked::Redirect(Redirect { status: 301, .. })));
    assert!(matches!(action("/d"), Picked::Direct(it) if *it == direct));
}

#[test]
fn a_request_may_name_its_cluster_itself() {
    let rare = Rare { cluster_header: Some("x-cluster".into()), ..Rare::default() };
    let settings = ForwardSettings { rare: Some(Arc::new(rare)), ..ForwardSettings::default() };
    let forward = Forward { clusters: Weighted::nowhere(), settings: settings.into() };
    let named = Route { action: Action::Forward(forward), ..route("", prefix("/")) };
    let table = build(&[Arc::new(VirtualHost::new("h", ["h"], vec![named], HeaderOps::default()))]);
    let req = Req::get("h", "/");
    let Some(Matched { action: Picked::Forward { cluster, forward, .. }, .. }) =
        table.lookup(&req, &Rng::seeded(0))
    else {
        panic!("it is forwarded")
    };
    assert_eq!((cluster, forward.cluster_header()), (ClusterIx(u32::MAX), Some("x-cluster")));
}

#[test]
fn a_host_may_want_https_from_everybody_or_from_outsiders() {
    let host = |name: &str, require_tls| {
        let ops =
            HeaderOps::from(HeaderLists { request_remove: Box::new(["x".into()]), ..HeaderLists::default() });
        let host = VirtualHost::new(name, [name], vec![route("r", prefix("/r"))], ops);
        Arc::new(VirtualHost { require_tls, ..host })
    };
    let table = build(&[host("all", RequireTls::Everybody), host("outside", RequireTls::Outsiders)]);
    let is_sent_to_https = |req: &Req| {
        let matched = table.lookup(req, &Rng::seeded(0)).unwrap();
        let https = matches!(matched.action, Picked::Https);
        assert!(!https || matched.header_levels().next().is_none(), "nobody has a say");
        https
    };
    assert!(is_sent_to_https(&Req::get("all", "/no-route")), "routes are not looked at");
    assert!(is_sent_to_https(&Req::get("all", "/r").with("x-forwarded-proto", "http")));
    assert!(is_sent_to_https(&Req::get("all", "/r").with("x-envoy-internal", "true")));
    assert!(!is_sent_to_https(&Req::get("all", "/r").with("x-forwarded-proto", "https")));
    assert!(is_sent_to_https(&Req::get("outside", "/r")));
    assert!(!is_sent_to_https(&Req::get("outside", "/r").with("x-envoy-internal", "true")));
}

#[test]
fn header_levels_go_from_split_to_table_or_back() {
    let ops = |name: &str| {
        let value = Value::Literal(name.into());
        HeaderOps::from(HeaderLists {
            request_add: [HeaderAdd::new(name, value, HeaderAddAction::Overwrite)].into(),
            ..HeaderLists::default()
        })
    };
    let split = Split { headers: ops("split"), ..Split::new(ClusterIx(0), "c", 1) };
    let action = Action::Forward(Forward::to(Weighted::new(vec![split]).unwrap()));
    let routes = vec![
        Route { headers: ops("route"), action, ..route("f", prefix("/f")) },
        Route { action: Action::Redirect(Redirect::to_https().into()), ..route("r", prefix("/r")) },
    ];
    let host = Arc::new(VirtualHost::new("h", ["h"], routes, ops("host")));
    let table = build(&[host]).with_settings(Settings { headers: ops("table"), ..Settings::default() });
    let levels = |table: &Table, path: &str| -> Vec<String> {
        let req = Req::get("h", path);
        let matched = table.lookup(&req, &Rng::seeded(0)).unwrap();
        matched.header_levels().map(|ops| ops.request_add[0].name.to_string()).collect()
    };
    assert_eq!(levels(&table, "/f"), ["split", "route", "host", "table"]);
    assert_eq!(levels(&table, "/r"), ["host", "table"]);
    let settings = Settings { most_specific_headers_win: true, ..table.settings().clone() };
    assert_eq!(levels(&table.with_settings(settings), "/f"), ["split", "table", "host", "route"]);
}

#[test]
fn a_change_shares_what_it_does_not_touch() {
    let hosts: Vec<_> = (0..2000).map(|i| host(&format!("h{i}"), &[&format!("h{i}.example")])).collect();
    let before = build(&hosts);
    let changed = host("h7", &["h7.example"]);
    let after = before.with(&[(key("h7"), Some(Arc::clone(&changed)))]).table;
    assert!(Arc::ptr_eq(after.get("h7").unwrap(), &changed));
    assert!(Arc::ptr_eq(before.get("h7").unwrap(), &hosts[7]), "the old table stays as it was");
    assert_eq!(before.shared(&after), [(255, 256); 2], "one shard of domains, one of hosts");
    assert_eq!((before.len(), after.len()), (2000, 2000));
    let (untouched, _) = after.host(b"h8.example").unwrap();
    assert!(Arc::ptr_eq(untouched, &hosts[8]));
}

#[test]
fn removed_hosts_take_their_domains_along() {
    let before = build(&[host("a", &["a", "*.a", "a:*", "*"]), host("b", &["b", "*.b"])]);
    let after = before.with(&[(key("a"), None), (key("unknown"), None)]).table;
    for authority in ["a", "x.a", "a:1", "x"] {
        assert_eq!(found(&before, authority), "a");
        assert_eq!(found(&after, authority), "-");
    }
    assert_eq!((found(&after, "x.b").as_str(), after.len()), ("b", 1));
    assert!(!after.is_empty() && after.with(&[(key("b"), None)]).table.is_empty());
}

#[test]
fn a_domain_may_pass_from_one_host_to_another_in_any_order() {
    let before = build(&[host("a", &["x", "*.x"])]);
    let (gives, takes) = ((key("a"), Some(host("a", &["y"]))), (key("b"), Some(host("b", &["x", "*.x"]))));
    for changes in [[gives.clone(), takes.clone()], [takes.clone(), gives]] {
        let built = before.with(&changes);
        assert_eq!(built.refused, []);
        assert_eq!(
            [found(&built.table, "x"), found(&built.table, "1.x"), found(&built.table, "y")],
            ["b", "b", "a"]
        );
    }
    let built = before.with(&[takes, (key("a"), None)]);
    assert_eq!((built.refused.len(), found(&built.table, "x").as_str()), (0, "b"));
}

#[test]
fn two_claims_of_one_domain_are_told_by_name() {
    let hosts = [host("a", &["x"]), host("b", &["y", "X"]), host("c", &["y"])];
    let built = Table::build(Settings::default(), hosts);
    assert_eq!(built.refused, [Conflict { virtual_host: key("b"), domain: key("x"), holder: key("a") }]);
    assert_eq!(built.refused[0].to_string(), "virtual host b: domain x belongs to a already");
    assert_eq!(
        [found(&built.table, "x"), found(&built.table, "y")],
        ["a", "c"],
        "what is refused claims nothing"
    );
    let twice = Table::build(Settings::default(), [host("a", &["x", "*.x", "x"]), host("b", &["*.x"])]);
    assert_eq!(twice.refused, [Conflict { virtual_host: key("a"), domain: key("x"), holder: key("a") }]);
    assert_eq!(found(&twice.table, "1.x"), "b");
    let thrice = Table::build(Settings::default(), [host("a", &["x"]), host("b", &["x"]), host("c", &["x"])]);
    assert!(
        thrice.refused.len() == 2 && thrice.refused.iter().all(|it| &*it.holder == "a"),
        "{:?}",
        thrice.refused
    );
    let defaults = Table::build(Settings::default(), [host("a", &["*"]), host("b", &["*"])]);
    assert_eq!(defaults.refused.len(), 1);
}

#[test]
fn a_refused_change_keeps_the_old_host_and_what_it_holds() {
    let before = build(&[host("a", &["x"]), host("b", &["y"])]);
    // a wants y, which b has; so a keeps x, so c cannot have it.
    let changes = [(key("c"), Some(host("c", &["x"]))), (key("a"), Some(host("a", &["z", "y"])))];
    let built = before.with(&changes);
    let refused: Vec<_> =
        built.refused.iter().map(|it| (&*it.virtual_host, &*it.domain, &*it.holder)).collect();
    assert_eq!(refused, [("a", "y", "b"), ("c", "x", "a")]);
    assert_eq!(["x", "y", "z"].map(|it| found(&built.table, it)), ["a", "b", "-"]);
}

#[test]
fn the_last_of_several_changes_of_one_key_counts() {
    let built = Table::new(Settings::default()).with(&[
        (key("a"), Some(host("a", &["x"]))),
        (key("a"), None),
        (key("a"), Some(host("a", &["y"]))),
    ]);
    assert_eq!(built.refused, []);
    assert_eq!(["x", "y"].map(|it| found(&built.table, it)), ["-", "a"]);
}

#[test]
fn names_need_not_be_unique() {
    let table = build(&[host("same", &["x"]), host("same", &["y"])]);
    assert_eq!((table.len(), found(&table, "x"), found(&table, "y")), (2, "same".into(), "same".into()));
    let mut keys: Vec<_> = table.hosts().map(|(key, _)| key.to_string()).collect();
    keys.sort();
    assert_eq!(keys, ["same", "same#2"]);
}

#[test]
fn explains_in_words() {
    let mut tagged = prefix("/");
    tagged.headers =
        Box::new([HeaderMatch::new("knative-serving-tag", HeaderRule::Text(TextMatch::exact("canary")))]);
    let splits = vec![Split::new(ClusterIx(0), "ns/one", 90), Split::new(ClusterIx(1), "ns/two", 10)];
    let action = Action::Forward(Forward::to(Weighted::new(splits).unwrap()));
    let redirect = Action::Redirect(Redirect::to_https().into());
    let routes = vec![
        route("api", prefix("/api")),
        route("tag", tagged),
        Route { action: redirect, ..route("", prefix("/r")) },
        Route { action, ..route("", prefix("/h")) },
    ];
    let host =
        Arc::new(VirtualHost::new("hello", ["hello.example", "*.hello"], routes, HeaderOps::default()));
    let table = build(&[host]).with_settings(Settings {
        ignore_port: true,
        name: key("services"),
        ..Settings::default()
    });
    let told = |authority: &str, path: &str| table.explain(&Req::get(authority, path), &Rng::seeded(0));
    assert_eq!(
        told("hello.example:80", "/h?q"),
        [
            r#"host "hello.example:80", its port ignored: virtual host hello by exact domain"#,
            "route 0 (api): no, it wants prefix /api",
            r#"route 1 (tag): no, it wants header knative-serving-tag is "canary""#,
            "route 2: no, it wants prefix /r",
            "route 3: yes, by prefix /h",
            "goes to one of the clusters ns/one (90 of 100), ns/two (10 of 100)",
        ]
    );
    assert_eq!(told("x.hello", "/api")[1..], ["route 0 (api): yes, by prefix /api", "goes to cluster api"]);
    assert_eq!(
        told("x.hello", "/")[0],
        r#"host "x.hello", its port ignored: virtual host hello by wildcard domain *.hello"#
    );
    assert_eq!(told("x.hello", "/").last().unwrap(), r#"no route of virtual host hello matches "/""#);
    assert_eq!(told("x.hello", "/r?q").last().unwrap(), "redirects with 301 to https://x.hello/r?q");
    assert_eq!(
        told("other", "/"),
        [r#"host "other": no domain of table services matches, and there is no default domain"#]
    );
}
