//! TLS with endpoints: what is offered, whom is believed, and what the client hears when they do not agree.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use forebay_net::Stream;
use forebay_net::tls::TlsStream;
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use forebay_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::background::Background;
use super::pki::{self, Authority, Pair};
use super::resources::{self, Cluster};
use super::world::{self, World, until};

fn server(pair: &Pair, alpn: &[&str]) -> Arc<ServerConfig> {
    let chain = CertificateDer::from_pem_slice(pair.chain.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

struct Endpoint {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// Answers each request with what was agreed upon: name, protocol, version.
fn endpoint(pair: &Pair) -> Endpoint {
    let (config, listener) = (server(pair, &["http/1.1"]), TcpListener::bind("127.0.0.1:0").unwrap());
    let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = connections.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, count) = (config.clone(), count.clone());
            thread::spawn(move || {
                let session = ServerConnection::new(config).unwrap();
                let mut tls = BufReader::new(StreamOwned::new(session, stream));
                let mut line = String::new();
                while tls.read_line(&mut line).is_ok_and(|n| n > 0) {
                    if line == "\r\n" {
                        let conn = &tls.get_ref().conn;
                        let said = format!(
                            "{:?} {:?} {:?}",
                            conn.server_name(),
                            conn.alpn_protocol().map(String::from_utf8_lossy),
                            conn.protocol_version().unwrap()
                        );
                        count.fetch_add(1, Ordering::SeqCst);
                        let length = said.len();
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{said}");
                        tls.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                    line.clear();
                }
            });
        }
    });
    Endpoint { address, connections }
}

/// What net-kourier says of endpoints: TLS 1.3, no protocol, one of these names, signed by this authority.
fn context(authority: Option<&Authority>, names: &[&str]) -> tls::UpstreamTlsContext {
    let san = |name: &&str| tls::SubjectAltNameMatcher {
        san_type: tls::subject_alt_name_matcher::SanType::Dns as i32,
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact((*name).to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let validation = authority.map(|authority| {
        tls::common_tls_context::ValidationContextType::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: pki::inline(&authority.pem),
            match_typed_subject_alt_names: names.iter().map(san).collect(),
            ..Default::default()
        })
    });
    let newest = tls::tls_parameters::TlsProtocol::TlSv13 as i32;
    tls::UpstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            alpn_protocols: vec![String::new()],
            tls_params: Some(tls::TlsParameters {
                tls_minimum_protocol_version: newest,
                tls_maximum_protocol_version: newest,
                ..Default::default()
            }),
            validation_context_type: validation,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn secured(context: tls::UpstreamTlsContext) -> impl Fn(&mut Cluster) + 'static {
    move |cluster| cluster.transport_socket = pki::socket(&context)
}

fn to(endpoint: &Endpoint, context: tls::UpstreamTlsContext) -> World {
    world::to(&[endpoint.address]).cluster(secured(context)).start()
}

#[test]
fn any_of_the_names_will_do_and_none_is_sent() {
    let authority = Authority::new();
    let endpoint = endpoint(&authority.sign(&["kn-user-default"]));
    let world = to(&endpoint, context(Some(&authority), &["kn-routing", "kn-user-default"]));
    let mut client = world.connect();
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!((response.status, response.text()), (200, "None Some(\"http/1.1\") TLSv1_3"));
    }
    assert_eq!(world.stat("cluster.backend.ssl.handshake"), 1, "connections are used again");
    assert_eq!(world.stat("cluster.backend.ssl.versions.TLSv1.3"), 1);
}

#[test]
fn a_name_and_a_protocol_are_asked_for_where_the_cluster_says_so() {
    let authority = Authority::new();
    let endpoint = endpoint(&authority.sign(&["a.test"]));
    let mut context = context(Some(&authority), &[]);
    context.sni = "a.test".to_owned();
    let common = context.common_tls_context.as_mut().unwrap();
    common.alpn_protocols = vec!["http/1.1".to_owned()];
    common.tls_params = None;
    let said = to(&endpoint, context).connect().get("/").text().to_owned();
    assert_eq!(
        said, "Some(\"a.test\") Some(\"http/1.1\") TLSv1_2",
        "1.2 is the most where nobody says more, as in Envoy"
    );
}

#[test]
fn wrong_names_and_strange_authorities_are_a_failed_connection() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let endpoint = endpoint(&authority.sign(&["kn-user-other"]));
    for (context, counter) in [
        (context(Some(&authority), &["kn-routing", "kn-user-default"]), "fail_verify_san"),
        (context(Some(&stranger), &["kn-user-other"]), "fail_verify_error"),
    ] {
        let world = to(&endpoint, context);
        let response = world.connect().get("/");
        assert_eq!(response.status, 503, "{counter}");
        assert!(response.text().ends_with("reset reason: remote connection failure"), "{}", response.text());
        assert!(world.stat(&format!("cluster.backend.ssl.{counter}")) > 0, "{counter}");
        assert!(world.stat("cluster.backend.upstream_cx_connect_fail") > 0);
    }
    let unchecked = to(&endpoint, context(None, &[]));
    assert_eq!(unchecked.connect().get("/").status, 200, "without an authority nothing is checked");
}

#[test]
fn an_endpoint_without_tls_or_without_words_fails_the_try() {
    let plain = super::backend::Backend::answering_once("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let endpoint = Endpoint { address: plain.address, connections: Arc::default() };
    let authority = Authority::new();
    assert_eq!(to(&endpoint, context(Some(&authority), &[])).connect().get("/").status, 503);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint { address: silent.local_addr().unwrap(), connections: Arc::default() };
    let secured = secured(context(Some(&authority), &[]));
    let world = world::to(&[endpoint.address])
        .cluster(move |cluster| {
            secured(cluster);
            cluster.connect_timeout =
                Some(forebay_proto::google::protobuf::Duration { seconds: 0, nanos: 100_000_000 });
        })
        .start();
    assert_eq!(world.connect().get("/").status, 503, "the handshake is part of connecting");
    assert!(world.stat("cluster.backend.upstream_cx_connect_timeout") > 0);
}

#[test]
fn connections_of_other_settings_are_not_used_again() {
    let authority = Authority::new();
    let endpoint = endpoint(&authority.sign(&["a.test"]));
    let world = to(&endpoint, context(Some(&authority), &["a.test"]));
    assert_eq!(world.connect().get("/").status, 200);
    let mut cluster = resources::cluster("backend", None, false);
    secured(context(Some(&authority), &["b.test"]))(&mut cluster);
    world.control.store.set(forebay_proto::type_url::CLUSTER, "backend", &cluster);
    until("the certificate is good no more", || world.connect().get("/").status == 503);
    assert!(endpoint.connections.load(Ordering::SeqCst) >= 1);
}

#[test]
fn http2_is_agreed_upon_with_endpoints_that_speak_it() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.test"]);
    let config = server(&pair, &["h2"]);
    let runtime = Background::start();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let session = ServerConnection::new(config.clone()).unwrap();
            let mut tls = TlsStream::new(io, session.into(), Vec::new());
            let here = tokio::runtime::Handle::current();
            // A stream stays on its thread.
            let serve = move || {
                here.block_on(async move {
                    tls.handshake().await.unwrap();
                    let alpn = String::from_utf8_lossy(tls.alpn().unwrap_or_default()).into_owned();
                    let mut connection = h2::server::handshake(Stream::Tls(Box::new(tls))).await.unwrap();
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
                        stream.send_data(Bytes::from(alpn.clone()), true).unwrap();
                    }
                })
            };
            std::thread::spawn(serve);
        }
    });
    let context = context(Some(&authority), &["a.test"]);
    let world = world::to(&[address]).h2c().cluster(secured(context)).start();
    let response = world.connect().get("/");
    assert_eq!((response.status, response.text()), (200, "h2"));
}

#[test]
fn the_requests_host_may_be_the_name() {
    use forebay_proto::envoy::config::core::v3::UpstreamHttpProtocolOptions;
    let authority = Authority::new();
    let endpoint = endpoint(&authority.sign(&["a.test", "*.wild.test"]));
    let secured = secured(context(Some(&authority), &[]));
    let world = world::to(&[endpoint.address])
        .cluster(move |cluster| {
            secured(cluster);
            cluster.upstream_http_protocol_options = Some(UpstreamHttpProtocolOptions {
                auto_sni: true,
                auto_san_validation: true,
                ..Default::default()
            });
        })
        .start();
    let mut client = world.connect();
    let mut ask = |host: &str| {
        client.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        let response = client.response();
        (response.status, response.text().split(' ').next().unwrap_or_default().to_owned())
    };
    let named = |name: &str| (200, format!("Some({name:?})"));
    assert_eq!(ask("a.test:80"), named("a.test"));
    for _ in 0..2 {
        assert_eq!(ask("b.test").0, 503, "a connection that was made for another name is none for this one");
        assert_eq!(ask("A.test"), named("a.test"));
        assert_eq!(ask("x.wild.test"), named("x.wild.test"));
        assert_eq!(ask("127.0.0.1").0, 503);
    }
    assert_eq!(world.stat("cluster.backend.ssl.handshake"), 2, "each name's connection is used again");
}
