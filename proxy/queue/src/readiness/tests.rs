#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn local<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(work).await
}

fn readiness(json: &str, detects: bool) -> Rc<Readiness> {
    Readiness::new(&parse(json, json.starts_with('[')).unwrap(), detects, &Pool::new())
}

/// An app that answers each connection with what its number is mapped to, and tells what it was asked.
async fn app(answer: impl Fn(usize) -> &'static str + 'static) -> (SocketAddr, Rc<RefCell<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Rc::<RefCell<Vec<String>>>::default();
    let seen = asked.clone();
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).await.unwrap_or_default();
            seen.borrow_mut().push(String::from_utf8_lossy(&buffer[..n]).into_owned());
            let _ = stream.write_all(answer(number).as_bytes()).await;
        }
    });
    (address, asked)
}

const YES: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const NO: &str = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";

#[test]
fn probes_are_read_as_the_controller_writes_them() {
    let one = r#"{"httpGet":{"path":"health?x=1","port":8080,"host":"127.0.0.1","scheme":"HTTP","httpHeaders":[{"name":"X-A","value":"b"}]},"successThreshold":3}"#;
    let expected = Probe {
        handler: Handler::Http {
            address: "127.0.0.1:8080".into(),
            path: "/health?x=1".into(),
            headers: vec![("x-a".into(), "b".into())],
        },
        period_seconds: 0,
        timeout_seconds: 0,
        success_threshold: 3,
    };
    assert_eq!(parse(one, false).unwrap(), [expected]);
    let many = r#"[null,{"tcpSocket":{"port":"81","host":"::1"},"periodSeconds":2,"timeoutSeconds":1},{"grpc":{"port":5,"service":"s"}},{"exec":{"command":["x"]}},{}]"#;
    let many: Vec<_> = parse(many, true).unwrap().into_iter().map(|probe| probe.handler).collect();
    assert_eq!(
        many,
        [
            Handler::Tcp { address: "[::1]:81".into() },
            Handler::Grpc { port: 5, service: "s".into() },
            Handler::Unknown("exec probe not supported"),
            Handler::Unknown("no probe found"),
        ]
    );
    assert_eq!(parse("", true).unwrap(), []);
    assert_eq!(parse("null", false).unwrap(), []);
    for wrong in [
        "{",
        "[]",
        r#"{"tcpSocket":{"port":"http"}}"#,
        r#"{"tcpSocket":{}}"#,
        r#"{"httpGet":{"port":70000}}"#,
    ] {
        parse(wrong, false).unwrap_err();
    }
    parse("{}", true).unwrap_err();
}

#[tokio::test]
async fn an_app_without_a_probe_is_ready() {
    local(async { assert!(readiness("", false).ask().await) }).await;
}

#[tokio::test]
async fn aggressive_probing_goes_on_until_the_app_listens_and_tells_all_who_wait() {
    local(async {
        let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = reserved.local_addr().unwrap();
        drop(reserved);
        let ready = readiness(
            &format!(r#"{{"tcpSocket":{{"port":{}}},"successThreshold":1}}"#, address.port()),
            false,
        );
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let ready = ready.clone();
                tokio::task::spawn_local(async move { ready.ask().await })
            })
            .collect();
        while ready.running.borrow().is_none() {
            tokio::task::yield_now().await;
        }
        let listener = TcpListener::bind(address).await.unwrap();
        for one in waiting {
            assert!(one.await.unwrap());
        }
        // One run for all of them: it connected once, and a new question makes another.
        assert!(ready.running.borrow().is_none());
        listener.accept().await.unwrap();
        assert!(ready.ask().await);
        listener.accept().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_run_outlives_who_asked_for_it() {
    local(async {
        let (address, asked) = app(|number| if number < 3 { NO } else { YES }).await;
        let ready =
            readiness(&format!(r#"{{"httpGet":{{"port":{}}},"successThreshold":1}}"#, address.port()), false);
        drop(tokio::time::timeout(Duration::ZERO, ready.ask()).await);
        while ready.running.borrow().is_some() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(asked.borrow().len(), 4);
        assert!(asked.borrow()[0].starts_with("GET / HTTP/1.1\r\n"), "{asked:?}");
        assert!(asked.borrow()[0].contains("user-agent: kube-probe//\r\n"), "{asked:?}");
    })
    .await;
}

#[tokio::test]
async fn with_a_period_there_is_one_attempt() {
    local(async {
        let (address, asked) = app(|number| if number == 0 { NO } else { YES }).await;
        let json =
            format!(r#"{{"httpGet":{{"port":{}}},"periodSeconds":1,"timeoutSeconds":5}}"#, address.port());
        let ready = readiness(&json, false);
        assert!(!ready.ask().await);
        assert!(ready.ask().await);
        assert_eq!(asked.borrow().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn successes_in_a_row_are_asked_for_once() {
    local(async {
        let (address, asked) = app(|number| if number == 1 { NO } else { YES }).await;
        let json = format!(r#"{{"httpGet":{{"port":{}}},"successThreshold":3}}"#, address.port());
        let ready = readiness(&json, false);
        assert!(ready.ask().await);
        // Yes, no, yes, yes, yes.
        assert_eq!(asked.borrow().len(), 5);
        assert!(ready.ask().await);
        assert_eq!(asked.borrow().len(), 6, "the row goes on");
    })
    .await;
}

#[tokio::test]
async fn all_containers_have_to_be_ready() {
    local(async {
        let (yes, _) = app(|_| YES).await;
        let (no, _) = app(|_| NO).await;
        let json = format!(
            r#"[{{"httpGet":{{"port":{}}},"periodSeconds":1,"timeoutSeconds":5}},{{"httpGet":{{"port":{}}},"periodSeconds":1,"timeoutSeconds":5}}]"#,
            yes.port(),
            no.port()
        );
        assert!(!readiness(&json, false).ask().await);
        let both = json.replace(&no.port().to_string(), &yes.port().to_string());
        assert!(readiness(&both, false).ask().await);
    })
    .await;
}

#[tokio::test]
async fn redirects_are_followed_and_not_for_ever() {
    local(async {
        const ON: &str = "HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n";
        let (address, asked) = app(|number| if number == 0 { ON } else { YES }).await;
        let json = |port| format!(r#"{{"httpGet":{{"port":{port}}},"periodSeconds":1,"timeoutSeconds":5}}"#);
        assert!(readiness(&json(address.port()), false).ask().await);
        assert!(asked.borrow()[1].starts_with("GET /next HTTP/1.1\r\n"));
        let (address, asked) = app(|_| ON).await;
        assert!(!readiness(&json(address.port()), false).ask().await);
        assert_eq!(asked.borrow().len(), 11);
    })
    .await;
}

#[tokio::test]
async fn http2_is_tried_first_where_it_is_to_be_detected() {
    local(async {
        let (address, asked) = app(|_| YES).await;
        let json = format!(
            r#"{{"httpGet":{{"port":{},"httpHeaders":[{{"name":"X-A","value":"b"}}]}},"periodSeconds":1,"timeoutSeconds":5}}"#,
            address.port()
        );
        assert!(readiness(&json, true).ask().await);
        let asked = asked.borrow();
        assert!(asked[0].starts_with("PRI * HTTP/2.0"), "{asked:?}");
        assert!(asked[1].starts_with("GET / HTTP/1.1") && !asked[1].contains("x-a"), "{asked:?}");
    })
    .await;
}

#[tokio::test]
async fn grpc_asks_for_the_service() {
    for (status, ready) in [(1, true), (2, false)] {
        local(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::task::spawn_local(async move {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let (request, mut respond) = connection.accept().await.unwrap().unwrap();
                tokio::task::spawn_local(async move { while connection.accept().await.is_some() {} });
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                assert_eq!(request.headers()["user-agent"], "kube-probe//");
                let mut body = request.into_body();
                let data = body.data().await.unwrap().unwrap();
                assert_eq!(&data[..], b"\0\0\0\0\x03\x0a\x01s");
                let mut send = respond.send_response(http::Response::new(()), false).unwrap();
                send.send_data(vec![0, 0, 0, 0, 2, 8, status].into(), false).unwrap();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                send.send_trailers(trailers).unwrap();
            });
            let json =
                format!(r#"{{"grpc":{{"port":{port},"service":"s"}},"periodSeconds":1,"timeoutSeconds":5}}"#);
            assert_eq!(readiness(&json, false).ask().await, ready);
        })
        .await;
    }
}
