//! The table against a linear scan that follows the documented rules word by word, over random tables, requests and
//! changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_base::rng::Rng;
use forebay_route::{
    Action, ClusterIx, Forward, HeaderMatch, HeaderOps, HeaderRule, PathMatch, PathRule, PerFilter, Picked,
    PlainRequest as Req, QueryMatch, QueryRule, Route, RouteMatch, Settings, Table, TextMatch, TextRule,
    VirtualHost, Weighted,
};
use proptest::prelude::*;

mod rules {
    //! The oracle: strings, linear scans, nothing clever.

    use super::*;

    /// Domains in search order: exact, suffix wildcards longest first, prefix wildcards longest first, `*`.
    pub(super) fn host<'h>(
        hosts: &'h [Arc<VirtualHost>],
        authority: &str,
        ignore_port: bool,
    ) -> Option<&'h VirtualHost> {
        let mut wanted = authority.to_lowercase();
        if ignore_port {
            let after_bracket = wanted.rfind(']').map_or(0, |at| at + 1);
            if let Some(colon) = wanted[after_bracket..].rfind(':') {
                wanted.truncate(after_bracket + colon);
            }
        }
        let mut best: Option<((u8, usize), &VirtualHost)> = None;
        for host in hosts {
            for domain in host.domains.iter() {
                let rank = if domain == "*" {
                    Some((0, 0))
                } else if let Some(suffix) = domain.strip_prefix('*') {
                    (wanted.ends_with(suffix) && wanted.len() > suffix.len()).then_some((2, suffix.len()))
                } else if let Some(prefix) = domain.strip_suffix('*') {
                    (wanted.starts_with(prefix) && wanted.len() > prefix.len()).then_some((1, prefix.len()))
                } else {
                    (domain == wanted).then_some((3, 0))
                };
                if let Some(rank) = rank
                    && best.is_none_or(|(known, _)| rank > known)
                {
                    best = Some((rank, host));
                }
            }
        }
        best.map(|(_, host)| host)
    }

    pub(super) fn route(host: &VirtualHost, req: &Req) -> Option<usize> {
        host.routes.iter().position(|route| {
            let it = &route.matcher;
            path(&it.path, req)
                && it.headers.iter().all(|header| self::header(header, req))
                && it.query.iter().all(|query| self::query(query, req))
        })
    }

    fn path(matcher: &PathMatch, req: &Req) -> bool {
        let path = req.path.split(['?', '#']).next().unwrap_or_default();
        let fold = |text: &str| if matcher.ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
        let path = fold(path);
        if path.is_empty() && req.method == "CONNECT" {
            // There is no path that a rule about paths could fit.
            return matcher.rule == PathRule::Connect;
        }
        match &matcher.rule {
            PathRule::Connect => req.method == "CONNECT",
            PathRule::Exact(text) => path == fold(text),
            PathRule::Prefix(text) => path.starts_with(&fold(text)),
            PathRule::Regex(_) => unreachable!("not generated"),
            PathRule::Segments(text) => path == fold(text) || path.starts_with(&(fold(text) + "/")),
        }
    }

    fn text(matcher: &TextMatch, value: &str) -> bool {
        let fold = |text: &str| if matcher.ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
        let value = fold(value);
        match &matcher.rule {
            TextRule::Contains(part) => value.contains(&fold(part)),
            TextRule::Exact(text) => value == fold(text),
            TextRule::Prefix(text) => value.starts_with(&fold(text)),
            TextRule::Regex(_) => unreachable!("not generated"),
            TextRule::Suffix(text) => value.ends_with(&fold(text)),
        }
    }

    fn header(matcher: &HeaderMatch, req: &Req) -> bool {
        let name = matcher.key.to_string();
        let values: Vec<&str> = match &*name {
            ":method" => vec![&*req.method],
            _ => req.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| &**value).collect(),
        };
        let any = |meets: &dyn Fn(&str) -> bool| match values.is_empty() {
            true => meets(""),
            false => values.iter().any(|value| meets(value)),
        };
        match &matcher.rule {
            HeaderRule::Present(wanted) => {
                let there = !values.is_empty() || matcher.missing_is_empty;
                (there == *wanted) != matcher.invert
            }
            _ if values.is_empty() && !matcher.missing_is_empty => false,
            HeaderRule::Range(range) => {
                any(&|value| value.parse().is_ok_and(|n: i64| range.contains(&n))) != matcher.invert
            }
            HeaderRule::Text(rule) => any(&|value| text(rule, value)) != matcher.invert,
        }
    }

    fn query(matcher: &QueryMatch, req: &Req) -> bool {
        let pairs = req.path.split_once('?').map_or("", |(_, query)| query).split('&');
        let mut values = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(k, _)| **k == *matcher.name);
        match (&matcher.rule, values.next()) {
            (QueryRule::Present(wanted), first) => first.is_some() == *wanted,
            (QueryRule::Text(rule), first) => first.is_some_and(|(_, value)| text(rule, value)),
        }
    }
}

/// Few letters, so that things meet.
fn name() -> BoxedStrategy<String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "-", "[::1]"]), 1..4)
        .prop_map(|labels| labels.join("."))
        .boxed()
}

fn domain() -> impl Strategy<Value = String> {
    let port = prop::sample::select(vec!["", "", "", ":80", ":*"]);
    let name = (name(), port).prop_map(|(name, port)| name + port).boxed();
    prop_oneof![
        6 => name.clone(),
        3 => name.clone().prop_map(|name| format!("*.{name}")),
        2 => name.clone().prop_map(|name| format!("*{name}")),
        3 => name.clone().prop_map(|name| format!("{name}.*")),
        2 => name.prop_map(|name| format!("{name}*")),
        1 => Just("*".to_owned()),
        1 => Just("**".to_owned()),
    ]
}

fn authority() -> impl Strategy<Value = String> {
    let port = prop::sample::select(vec!["", "", ":80", ":", ":8080"]);
    let upper = any::<bool>();
    (name(), port, upper).prop_map(|(name, port, upper)| {
        let text = name + port;
        if upper { text.to_uppercase() } else { text }
    })
}

fn text_rule() -> impl Strategy<Value = TextMatch> {
    let word = prop::sample::select(vec!["a", "A", "ab", "b,a", "7"]);
    let rule = (0..4, word).prop_map(|(kind, word)| match kind {
        0 => TextRule::Contains(word.into()),
        1 => TextRule::Exact(word.into()),
        2 => TextRule::Prefix(word.into()),
        _ => TextRule::Suffix(word.into()),
    });
    (rule, any::<bool>()).prop_map(|(rule, ignore_case)| TextMatch { rule, ignore_case })
}

fn header() -> impl Strategy<Value = HeaderMatch> {
    let rule = prop_oneof![
        any::<bool>().prop_map(HeaderRule::Present),
        (-2i64..4, 0i64..9).prop_map(|(from, to)| HeaderRule::Range(from..to)),
        text_rule().prop_map(HeaderRule::Text),
        text_rule().prop_map(HeaderRule::Text),
    ];
    let name = prop::sample::select(vec!["x", "Y", ":method"]);
    (name, rule, any::<bool>(), any::<bool>()).prop_map(|(name, rule, invert, missing_is_empty)| {
        HeaderMatch { invert, missing_is_empty, ..HeaderMatch::new(name, rule) }
    })
}

fn route() -> impl Strategy<Value = Route> {
    let text = prop::sample::select(vec!["/", "/a", "/A", "/a/b", "/ab", "/a/b/c", ""]);
    let path = (0..8, text, any::<bool>()).prop_map(|(kind, text, ignore_case)| {
        let rule = match kind {
            0 => PathRule::Connect,
            1 | 2 => PathRule::Exact(text.into()),
            3 | 4 => PathRule::Segments(text.into()),
            _ => PathRule::Prefix(text.into()),
        };
        PathMatch { rule, ignore_case }
    });
    let query = (any::<bool>(), any::<bool>(), text_rule()).prop_map(|(present, wanted, text)| QueryMatch {
        name: "q".into(),
        rule: if present { QueryRule::Present(wanted) } else { QueryRule::Text(text) },
    });
    let headers = prop::collection::vec(header(), 0..2);
    (path, headers, prop::collection::vec(query, 0..2)).prop_map(|(path, headers, query)| Route {
        name: "".into(),
        matcher: RouteMatch {
            path,
            headers: headers.into(),
            query: query.into(),
            grpc: false,
            fraction: None,
        }
        .into(),
        headers: HeaderOps::default(),
        filters: PerFilter::NONE,
        action: Action::Forward(Forward::to(Weighted::single(ClusterIx(0), "c"))),
    })
}

fn virtual_host() -> impl Strategy<Value = (Vec<String>, Vec<Route>)> {
    (prop::collection::vec(domain(), 1..4), prop::collection::vec(route(), 0..6))
}

fn host(name: &str, (domains, routes): (Vec<String>, Vec<Route>)) -> Arc<VirtualHost> {
    Arc::new(VirtualHost::new(name, domains, routes, HeaderOps::default()))
}

fn request() -> impl Strategy<Value = Req> {
    let path = prop::collection::vec(
        prop::sample::select(vec!["/", "a", "b", "A", "?", "q=a", "q", "&", "#"]),
        0..6,
    );
    let method = prop::sample::select(vec!["GET", "a", "CONNECT"]);
    let value = prop::sample::select(vec!["", "a", "A", "ab", "b", "3", "-1", "xa"]);
    let headers = prop::collection::vec((prop::sample::select(vec!["x", "y"]), value), 0..3);
    (authority(), path, method, headers).prop_map(|(authority, path, method, headers)| Req {
        authority,
        path: path.concat(),
        method: method.to_owned(),
        scheme: "http".to_owned(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    })
}

/// Where the table sends a request: host's name and route's place.
fn found(table: &Table, req: &Req, rng: &Rng) -> Option<(String, usize)> {
    let matched = table.lookup(req, rng)?;
    assert!(matches!(matched.action, Picked::Forward { cluster: ClusterIx(0), .. }));
    let place = matched.virtual_host.routes.iter().position(|route| std::ptr::eq(route, matched.route))?;
    Some((matched.virtual_host.name.to_string(), place))
}

fn settings(ignore_port: bool) -> Settings {
    Settings { ignore_port, ..Settings::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lookup_is_the_linear_scan(
        hosts in prop::collection::vec(virtual_host(), 0..8),
        requests in prop::collection::vec(request(), 1..8),
        ignore_port in any::<bool>(),
    ) {
        let hosts = hosts.into_iter().enumerate().map(|(i, it)| host(&format!("h{i}"), it));
        let table = Table::build(settings(ignore_port), hosts).table;
        let accepted: Vec<_> = table.hosts().map(|(_, host)| Arc::clone(host)).collect();
        let rng = Rng::seeded(1);
        for req in &requests {
            let expected = rules::host(&accepted, &req.authority, ignore_port)
                .and_then(|host| Some((host.name.to_string(), rules::route(host, req)?)));
            prop_assert_eq!(found(&table, req, &rng), expected.clone(), "{:?}", req);
            let told = table.explain(req, &rng).join("\n");
            prop_assert_eq!(told.contains(": yes, by "), expected.is_some(), "{}", told);
        }
    }

    #[test]
    fn a_changed_table_is_the_rebuilt_table(
        batches in prop::collection::vec(
            prop::collection::vec((0..6u8, prop::option::weighted(0.7, virtual_host())), 0..4), 0..6),
        requests in prop::collection::vec(request(), 1..8),
    ) {
        let mut table = Table::new(settings(true));
        for batch in batches {
            let changes: Vec<_> = batch
                .into_iter()
                .map(|(key, it)| (Arc::from(format!("h{key}")), it.map(|it| host(&format!("h{key}"), it))))
                .collect();
            let before: BTreeMap<_, _> = table.hosts().map(|(key, host)| (Arc::clone(key), Arc::clone(host))).collect();
            let built = table.with(&changes);

            // What is there now: the last change of each key, save for refused ones, which keep what was.
            let mut expected = before.clone();
            for (key, it) in &changes {
                match it {
                    _ if built.refused.iter().any(|conflict| conflict.virtual_host == *key) => {}
                    Some(host) => drop(expected.insert(Arc::clone(key), Arc::clone(host))),
                    None => drop(expected.remove(key)),
                }
            }
            let now: BTreeMap<_, _> = built.table.hosts().map(|(key, host)| (Arc::clone(key), Arc::clone(host))).collect();
            prop_assert!(now.len() == built.table.len());
            prop_assert!(now.iter().map(|(key, it)| (key, Arc::as_ptr(it))).eq(expected.iter().map(|(key, it)| (key, Arc::as_ptr(it)))));

            // A refusal has a reason, and the old table is as it was.
            for conflict in &built.refused {
                let (_, it) = changes.iter().rfind(|(key, _)| *key == conflict.virtual_host).unwrap();
                prop_assert!(it.as_ref().unwrap().domains.iter().any(|domain| *domain == *conflict.domain));
            }
            prop_assert!(table.hosts().count() == before.len());

            // Built from nothing it is the same, and nothing is refused.
            let rebuilt = Table::build(settings(true), now.into_values());
            prop_assert_eq!(&rebuilt.refused, &vec![]);
            let rng = Rng::seeded(1);
            for req in &requests {
                prop_assert_eq!(found(&built.table, req, &rng), found(&rebuilt.table, req, &rng), "{:?}", req);
            }
            table = built.table;
        }
    }
}
