//! ext_authz over gRPC: what an authorizer is told, and what its answer does to a request and its response.

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3::FilterConfig;
use forebay_proto::envoy::service::auth::v3 as auth;
use forebay_proto::envoy::r#type::v3::HttpStatus;
use forebay_proto::google::protobuf::BoolValue;

use super::authorizer::{Authorizer, NAME, body, disabled, grpc, no, settings, yes};
use super::backend::Backend;
use super::resources::{any, forward, route};
use super::world::to;

fn header(name: &str, value: &str, append: Option<bool>) -> core::HeaderValueOption {
    core::HeaderValueOption {
        header: Some(core::HeaderValue { key: name.into(), value: value.into(), ..Default::default() }),
        append: append.map(|value| BoolValue { value }),
        ..Default::default()
    }
}

#[test]
fn an_authorizer_is_told_what_came_and_from_where() {
    let backend = Backend::echoing_path();
    let authz = Authorizer::start(|_| Ok(yes(Default::default())));
    let world = to(&[backend.address])
        .another_cluster("authz", &[authz.address], true)
        .filter(NAME, &grpc())
        .host_with("*", vec![route("/", forward("backend"))], |host| {
            let told = settings(&[("client", "kourier"), ("visibility", "ExternalIP")]);
            host.typed_per_filter_config.insert(NAME.to_owned(), any(&told));
        })
        .start();
    let mut client = world.connect();
    client.send(
        "GET /a?b=c HTTP/1.1\r\nhost: h:1\r\nx-dup: 1\r\nx-dup: 2\r\nx-envoy-auth-partial-body: lie\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let asked = authz.question();
    let http = asked.http();
    assert_eq!((&*http.method, &*http.path, &*http.host), ("GET", "/a?b=c", "h:1"));
    assert_eq!((&*http.scheme, &*http.protocol, http.size, &*http.body), ("http", "HTTP/1.1", 0, ""));
    assert_eq!((&*http.headers["x-dup"], &*http.headers[":authority"]), ("1,2", "h:1"));
    assert!(http.headers.contains_key("x-request-id") && http.headers.contains_key("x-forwarded-proto"));
    assert!(!http.headers.contains_key("host") && !http.headers.contains_key("x-envoy-auth-partial-body"));
    assert_eq!(asked.attributes.context_extensions["visibility"], "ExternalIP");
    let port = |peer: &Option<auth::attribute_context::Peer>| match peer
        .as_ref()
        .unwrap()
        .address
        .as_ref()
        .unwrap()
        .address
        .as_ref()
        .unwrap()
    {
        core::address::Address::SocketAddress(at) => (at.address.clone(), at.port_specifier.clone()),
        other => panic!("{other:?}"),
    };
    let local = core::socket_address::PortSpecifier::PortValue(world.address.port().into());
    assert_eq!(port(&asked.attributes.destination), ("127.0.0.1".to_owned(), Some(local)));
    assert_eq!(port(&asked.attributes.source).0, "127.0.0.1");
    assert_eq!(asked.metadata.get("client").unwrap(), "kourier");
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_yes_changes_headers_and_query_and_adds_to_the_response() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nr-set: up\r\nr-add: up\r\ncontent-length: 0\r\n\r\n");
    let authz = Authorizer::start(|_| {
        Ok(yes(auth::OkHttpResponse {
            headers: vec![
                header("x-set", "authz", Some(false)),
                header("x-more", "authz", Some(true)),
                header("x-absent", "authz", Some(true)),
                header("content-length", "99", Some(false)),
                header("x-bad", "a\r\nb: c", Some(false)),
            ],
            headers_to_remove: ["X-Gone", ":path", "host"].map(String::from).to_vec(),
            response_headers_to_add: vec![
                header("r-set", "authz", Some(false)),
                header("r-add", "authz", None),
            ],
            query_parameters_to_set: vec![core::QueryParameter { key: "k".into(), value: "v".into() }],
            query_parameters_to_remove: vec!["z".into()],
            ..Default::default()
        }))
    });
    let world =
        to(&[backend.address]).another_cluster("authz", &[authz.address], true).filter(NAME, &grpc()).start();
    let mut client = world.connect();
    client.send("GET /p?z=1&a=2 HTTP/1.1\r\nhost: h\r\nx-set: c\r\nx-more: c\r\nx-gone: c\r\n\r\n");
    let response = client.response();
    assert_eq!(response.header("r-set"), Some("authz"));
    let added: Vec<_> = response.headers.iter().filter(|(n, _)| n == "r-add").map(|(_, v)| &**v).collect();
    assert_eq!(added, ["up", "authz"]);
    let request = backend.request();
    assert_eq!((request.path(), request.header("host")), ("/p?a=2&k=v", Some("h")));
    assert_eq!((request.header("x-set"), request.header("x-more")), (Some("authz"), Some("c,authz")));
    for name in ["x-gone", "x-absent", "x-bad", "content-length"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

#[test]
fn a_no_is_answered_in_the_authorizers_words_and_the_endpoint_hears_nothing() {
    let backend = Backend::echoing_path();
    let authz = Authorizer::start(|asked| {
        Ok(no(match &*asked.http().path {
            "/plain" => auth::DeniedHttpResponse::default(),
            _ => auth::DeniedHttpResponse {
                status: Some(HttpStatus { code: 401 }),
                headers: vec![
                    header("www-authenticate", "Basic", None),
                    header("set-cookie", "a=1", None),
                    header("set-cookie", "b=2", None),
                    header("content-type", "application/json", None),
                ],
                body: "{\"who\":\"are you\"}".into(),
            },
        }))
    });
    let world =
        to(&[backend.address]).another_cluster("authz", &[authz.address], true).filter(NAME, &grpc()).start();
    let mut client = world.connect();
    let response = client.get("/");
    assert_eq!((response.status, &*response.body), (401, &b"{\"who\":\"are you\"}"[..]));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.headers.iter().filter(|(n, _)| n == "set-cookie").count(), 2);
    let response = client.get("/plain");
    assert_eq!((response.status, response.body.len()), (403, 0));
    assert!(backend.requests().is_empty());
    let stats = world.admin("GET", "/stats?filter=ext_authz");
    for line in ["http.ingress_http.ext_authz.denied: 2", "cluster.backend.ext_authz.denied: 2"] {
        assert!(stats.contains(line), "{line} in {stats}");
    }
}

#[test]
fn a_body_is_shown_and_goes_on_whole() {
    let backend = Backend::echoing_path();
    let authz = Authorizer::start(|_| Ok(yes(Default::default())));
    let mut filter = grpc();
    filter.with_request_body = body(10, true, false);
    let world =
        to(&[backend.address]).another_cluster("authz", &[authz.address], true).filter(NAME, &filter).start();
    let mut client = world.connect();
    let every_byte: Vec<u8> = (0..=255).collect();
    client.send("POST /all HTTP/1.1\r\nhost: a\r\ncontent-length: 256\r\n\r\n");
    client.send(&every_byte);
    assert_eq!(client.response().status, 200);
    client.send("POST /small HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
    assert_eq!(client.head().unwrap().status, 100);
    client.send(b"\xff\xfehi".get(..3).unwrap());
    assert_eq!(client.response().status, 200);
    client.send("POST /chunks HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\nx-trailer: t\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let asked = authz.asked();
    let seen: Vec<_> =
        asked.iter().map(|a| (&*a.http().body, &*a.http().headers["x-envoy-auth-partial-body"])).collect();
    assert_eq!(
        seen,
        [("\0\x01\x02\x03\x04\x05\x06\x07\x08\t", "true"), ("!!h", "false"), ("abcdefghij", "true")]
    );
    let [all, small, chunks] = &backend.requests()[..] else { panic!() };
    assert_eq!((&*all.body, &*small.body), (&every_byte[..], &b"\xff\xfeh"[..]));
    assert_eq!((&*chunks.body, &*chunks.trailers), (&b"abcdefghijkl"[..], "x-trailer: t"));
}

#[test]
fn a_body_beyond_the_limit_is_refused_where_part_of_it_is_not_enough() {
    let backend = Backend::echoing_path();
    let authz = Authorizer::start(|_| Ok(yes(Default::default())));
    let mut filter = grpc();
    filter.with_request_body = body(4, false, true);
    let world =
        to(&[backend.address]).another_cluster("authz", &[authz.address], true).filter(NAME, &filter).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n\u{1}abc");
    assert_eq!(client.response().status, 200);
    assert_eq!(authz.question().http().raw_body, b"\x01abc");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabcde");
    let response = client.response();
    assert_eq!((response.status, &*response.body), (413, &b"Payload Too Large"[..]));
    assert_eq!((authz.asked().len(), backend.requests().len()), (1, 1));
}

#[test]
fn routes_switch_it_off_and_add_what_they_know() {
    let backend = Backend::echoing_path();
    let authz = Authorizer::start(|_| Ok(yes(Default::default())));
    let told = |prefix: &str, told: Option<forebay_proto::Any>| {
        let mut route = route(prefix, forward("backend"));
        route.typed_per_filter_config = told.map(|told| (NAME.to_owned(), told)).into_iter().collect();
        route
    };
    let off = FilterConfig { disabled: true, ..Default::default() };
    let routes = vec![
        told("/off", Some(any(&disabled()))),
        told("/wrapped", Some(any(&off))),
        told("/more", Some(any(&settings(&[("a", "route"), ("b", "route")])))),
        told("/", None),
    ];
    let world = to(&[backend.address])
        .another_cluster("authz", &[authz.address], true)
        .filter(NAME, &grpc())
        .host_with("*", routes, |host| {
            let told = settings(&[("a", "host"), ("c", "host")]);
            host.typed_per_filter_config.insert(NAME.to_owned(), any(&told));
        })
        .start();
    let mut client = world.connect();
    for path in ["/off", "/wrapped"] {
        assert_eq!(client.get(path).status, 200);
        assert!(authz.asked().is_empty(), "{path}");
    }
    client.get("/more");
    client.get("/");
    let [more, plain] = &authz.asked()[..] else { panic!() };
    let pairs = |of: &auth::AttributeContext| {
        let mut all: Vec<_> = of.context_extensions.clone().into_iter().collect();
        all.sort();
        all.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(pairs(&more.attributes), "a=route b=route c=host");
    assert_eq!(pairs(&plain.attributes), "a=host c=host");
}

#[test]
fn a_request_that_was_changed_is_routed_again_where_the_filter_asks_for_it() {
    let backend = Backend::echoing_path();
    let other = Backend::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let authz = Authorizer::start(|_| {
        let headers = vec![header(":path", "/other", Some(false))];
        Ok(yes(auth::OkHttpResponse { headers, ..Default::default() }))
    });
    let mut filter = grpc();
    filter.clear_route_cache = true;
    let world = to(&[backend.address])
        .another_cluster("authz", &[authz.address], true)
        .another_cluster("other", &[other.address], false)
        .filter(NAME, &filter)
        .host("*", vec![route("/other", forward("other")), route("/", forward("backend"))])
        .start();
    assert_eq!(world.connect().get("/").status, 204);
    assert_eq!((authz.asked().len(), backend.requests().len(), other.requests().len()), (1, 0, 1));
}
