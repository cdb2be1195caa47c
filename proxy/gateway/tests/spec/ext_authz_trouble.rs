//! ext_authz when the authorizer is slow, absent, broken or talks nonsense, and when the client does not wait for it.

use std::net::{SocketAddr, TcpListener};

use forebay_proto::envoy::extensions::filters::http::ext_authz::v3 as filter;
use forebay_proto::envoy::r#type::v3::HttpStatus;
use forebay_proto::google::protobuf::Duration;
use tonic::Status;

use super::authorizer::{Authorizer, NAME, grpc, yes};
use super::backend::Backend;
use super::resources::access_log;
use super::world::{World, to, until};

fn impatient() -> filter::ExtAuthz {
    let mut settings = grpc();
    if let Some(filter::ext_authz::Services::GrpcService(service)) = &mut settings.services {
        service.timeout = Some(Duration { seconds: 0, nanos: 50_000_000 });
    }
    settings
}

fn start(backend: &Backend, authz: &[SocketAddr], settings: &filter::ExtAuthz) -> World {
    to(&[backend.address]).another_cluster("authz", authz, true).filter(NAME, settings).start()
}

/// Nobody listens there.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn whatever_is_wrong_with_it_the_request_is_refused() {
    let backend = Backend::echoing_path();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let failing = Authorizer::start(|_| Err(Status::internal("no")));
    let nonsense = Backend::answering("I am no HTTP/2 server\r\n\r\n");
    let hanging_up = Backend::start(drop);
    let cases: [(&str, &[SocketAddr]); 6] = [
        ("no endpoint", &[]),
        ("absent", &[nobody()]),
        ("silent", &[silent.local_addr().unwrap()]),
        ("an error of gRPC", &[failing.address]),
        ("nonsense", &[nonsense.address]),
        ("hangs up", &[hanging_up.address]),
    ];
    for (case, authz) in cases {
        let world = start(&backend, authz, &impatient());
        let mut client = world.connect();
        // Twice on one connection: a refusal costs nobody theirs.
        for _ in 0..2 {
            let response = client.get("/");
            assert_eq!((response.status, response.body.len()), (403, 0), "{case}");
        }
        let stats = world.admin("GET", "/stats?filter=ext_authz");
        assert!(stats.contains("http.ingress_http.ext_authz.error: 2"), "{case}: {stats}");
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn or_let_through_or_refused_by_another_status_as_configured() {
    let backend = Backend::echoing_path();
    let mut open = grpc();
    (open.failure_mode_allow, open.failure_mode_allow_header_add) = (true, true);
    let world = start(&backend, &[nobody()], &open);
    assert_eq!(world.connect().get("/").status, 200);
    assert_eq!(backend.request().header("x-envoy-auth-failure-mode-allowed"), Some("true"));
    assert!(world.admin("GET", "/stats?filter=ext_authz").contains("ext_authz.failure_mode_allowed: 1"));
    let mut unavailable = grpc();
    unavailable.status_on_error = Some(HttpStatus { code: 503 });
    assert_eq!(start(&backend, &[nobody()], &unavailable).connect().get("/").status, 503);
}

#[test]
fn the_log_says_who_refused() {
    let backend = Backend::echoing_path();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let log = access_log(&path, Some("%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"));
    let world = to(&[backend.address])
        .another_cluster("authz", &[nobody()], true)
        .filter(NAME, &grpc())
        .manager(|manager| manager.access_log = vec![log])
        .start();
    world.connect().get("/");
    until("the line is written", || {
        std::fs::read_to_string(&path).is_ok_and(|text| text == "403 UAEX ext_authz_error\n")
    });
}

#[test]
fn a_client_that_leaves_is_not_asked_for_any_longer() {
    let backend = Backend::echoing_path();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = start(&backend, &[silent.local_addr().unwrap()], &grpc());
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it is being asked", || {
        world.admin("GET", "/stats?filter=authz.upstream_rq_active").contains("authz.upstream_rq_active: 1")
    });
    client.reset();
    until("nobody is asked any more", || {
        world.admin("GET", "/stats?filter=authz.upstream_rq_active").contains("authz.upstream_rq_active: 0")
    });
    until("the request is over", || {
        world.admin("GET", "/stats?filter=downstream_rq_active").contains("downstream_rq_active: 0")
    });
}

#[test]
fn requests_wait_side_by_side_and_each_gets_its_own_answer() {
    let backend = Backend::echoing_path();
    let authz = Authorizer::start(|asked| match asked.http().path.ends_with('1') {
        true => Ok(yes(Default::default())),
        false => Err(Status::unavailable("no")),
    });
    let world = start(&backend, &[authz.address], &grpc());
    let mut clients: Vec<_> = (0..20).map(|_| world.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", n % 2));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response().status, if n % 2 == 1 { 200 } else { 403 });
    }
}
