//! `--queue-proxy` puts Knative's sidecar in front of each replica, and no client can tell.

use std::fs;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::forebay::{Forebay, Setup};
use crate::support::h1::{self, Connection};
use crate::support::load::Load;
use crate::support::manifest::{Service, hello};
use crate::support::process;
use crate::support::{soon, until};

const HOST: &str = "hello.default.localhost";

/// Without and with.
async fn both(manifest: impl Fn(Service) -> Service) -> [Forebay; 2] {
    let start = async |setup: Setup| {
        let service = manifest(hello(&setup.mark()));
        setup.save("app.yaml", service);
        setup.start().await
    };
    [start(Setup::new()).await, start(Setup::new().arg("--queue-proxy")).await]
}

/// The queue-proxies that this forebay has started.
fn sidecars(forebay: &Forebay) -> Vec<u32> {
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent =
                stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            parent == Some(forebay.pid())
                && line.split(|byte| *byte == 0).any(|word| word == b"queue-proxy")
                && process::is_alive(*pid)
        })
        .collect()
}

/// What a client sees of one exchange, without what no two runs share: dates and measured times.
async fn seen(forebay: &Forebay, request: &str) -> String {
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(request).await.unwrap();
    let mut shown = String::new();
    let answer = loop {
        let answer =
            if request.starts_with("HEAD ") { connection.head().await } else { connection.response().await };
        let mut answer = answer.unwrap_or_else(|error| panic!("{request:?}: {error}"));
        answer.headers.retain(|(name, _)| {
            !["date", "server-timing", "x-envoy-upstream-service-time"].contains(&&*name.to_ascii_lowercase())
        });
        // As in Go's server, the sidecar says no type of what has no body.
        answer.headers.retain(|(name, _)| answer.status != 304 || !name.eq_ignore_ascii_case("content-type"));
        answer.headers.sort();
        if answer.status >= 200 {
            break answer;
        }
        shown.push_str(&format!("{answer:?}\n"));
    };
    shown + &format!("{answer:?}")
}

#[tokio::test]
async fn every_answer_is_the_same_from_zero_on() {
    let [without, with] = both(|service| service).await;
    let body = "x".repeat(100_000);
    let mut requests = Vec::new();
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/bytes?n=300000"),
        ("HEAD", "/bytes?n=300000"),
        ("GET", "/stream?n=3&ms=5"),
        ("GET", "/sse?n=3&ms=5"),
        ("GET", "/trailers"),
        ("GET", "/status/204"),
        ("GET", "/status/304"),
        ("GET", "/status/404"),
        ("GET", "/status/418"),
        ("GET", "/status/500"),
        ("GET", "/status/503"),
        ("OPTIONS", "/"),
        ("DELETE", "/a/../b//c?q=%20;&r"),
    ] {
        requests.push(format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    }
    for (path, more) in [("/sink", ""), ("/sink", "Expect: 100-continue\r\n"), ("/trailers", "")] {
        let length = body.len();
        requests.push(format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n{more}\r\n{body}"
        ));
    }
    requests.push(format!(
        "POST /sink HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"
    ));
    requests.push(format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    requests.push("GET / HTTP/1.1\r\nHost: nobody.default.localhost\r\n\r\n".to_owned());
    requests.push("GET / HTTP/1.1\r\n\r\n".to_owned());
    let mut different = Vec::new();
    for request in &requests {
        let [one, other] = [seen(&without, request).await, seen(&with, request).await];
        if one != other {
            different.push(format!("{}\n  {one}\n  {other}", request.lines().next().unwrap()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert_eq!((sidecars(&without).len(), sidecars(&with).len()), (0, 1));
    // The app sees that there is one more hop, which kept Knative's own headers to itself.
    let headers = async |forebay: &Forebay| forebay.get(HOST, "/headers").await.json()["headers"].clone();
    let (direct, behind) = (headers(&without).await, headers(&with).await);
    let hops =
        |headers: &serde_json::Value| headers["x-forwarded-for"][0].as_str().unwrap().split(',').count();
    assert_eq!(hops(&behind), hops(&direct) + 1);
    assert_eq!(behind.get("knative-serving-revision"), None, "{behind}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_alike() {
    let [without, with] = both(|service| service.timeout(1)).await;
    for forebay in [&without, &with] {
        assert_eq!(forebay.get(HOST, "/").await.status, 200);
    }
    let request = format!("GET /sleep?ms=20000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let [one, other] = [seen(&without, &request).await, seen(&with, &request).await];
    let status = |seen: &str| seen.contains("status: 504");
    assert!(status(&one) && status(&other), "{one}\n{other}");
}

#[tokio::test]
async fn http2_and_grpc_reach_an_h2c_app_alike() {
    for forebay in both(Service::h2c).await {
        let stream = TcpStream::connect(forebay.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("http://{HOST}/hello.Greeter/SayHello"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (answer, mut send) = client.send_request(request, false).unwrap();
        // One message of five bytes: field 1 is "Ada".
        send.send_data(Bytes::from_static(b"\0\0\0\0\x05\x0a\x03Ada"), true).unwrap();
        let answer = soon("an answer", answer).await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (http::StatusCode::OK, &"application/grpc".parse().unwrap())
        );
        let mut body = answer.into_body();
        let mut message = Vec::new();
        while let Some(data) = soon("data", body.data()).await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            message.extend_from_slice(&data);
        }
        assert_eq!(message, b"\0\0\0\0\x0c\x0a\x0aHello Ada!");
        let trailers = soon("trailers", body.trailers()).await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
}

#[tokio::test]
async fn a_websocket_talks_through_both_alike() {
    for forebay in both(|service| service).await {
        let stream = TcpStream::connect(forebay.address).await.unwrap();
        let opened = tokio_tungstenite::client_async(format!("ws://{HOST}/ws"), stream);
        let (mut socket, answer) = soon("the upgrade", opened).await.unwrap();
        assert_eq!(answer.status(), 101);
        for message in [Message::text("hi"), Message::binary(vec![7u8; 300_000])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        let goodbye = soon("a goodbye", socket.next()).await;
        assert!(matches!(goodbye, None | Some(Ok(Message::Close(_)))), "{goodbye:?}");
    }
}

#[tokio::test]
async fn one_at_a_time_is_kept_by_both() {
    for forebay in both(|service| service.concurrency(1).scaling("max-scale", "3")).await {
        Load::new(forebay.address, HOST, "/strict?ms=5", 30).run(300).await.assert_all_ok();
    }
}

#[tokio::test]
async fn a_new_revision_takes_over_and_no_request_is_lost() {
    let [_, forebay] = both(|service| service.revision("hello-one")).await;
    let load = Load::new(forebay.address, HOST, "/sleep?ms=20", 10).start();
    until("the first revision", async || forebay.get(HOST, "/").await.text() == "Hello hello-one!\n").await;
    let old = sidecars(&forebay);
    forebay.save("app.yaml", hello(&forebay.mark()).revision("hello-two").scaling("initial-scale", "1"));
    until("the second", async || forebay.get(HOST, "/").await.text() == "Hello hello-two!\n").await;
    forebay.delete("app.yaml");
    // Drained one after the other: its proxies obey, its connections close, both processes end.
    until("the old queue-proxies' end", async || !sidecars(&forebay).iter().any(|pid| old.contains(pid)))
        .await;
    let tally = load.stop().await;
    assert!(tally.broken.is_empty(), "{tally:?}");
    // What came after the Service was deleted found no route.
    assert!(tally.statuses.keys().all(|status| matches!(status, 200 | 404)), "{tally:?}");
}

#[tokio::test]
async fn a_replica_whose_queue_proxy_or_app_dies_is_replaced() {
    let [_, forebay] = both(|service| service).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    for kill_app in [false, true] {
        let (apps, fronts) = (forebay.replicas(), sidecars(&forebay));
        let victim = if kill_app { &apps } else { &fronts };
        process::signal(victim[0], Signal::KILL);
        until("both processes anew", async || {
            let (new_apps, new_fronts) = (forebay.replicas(), sidecars(&forebay));
            new_apps.len() == 1 && new_fronts.len() == 1 && new_apps != apps && new_fronts != fronts
        })
        .await;
        until("an answer", async || forebay.get(HOST, "/").await.status == 200).await;
    }
    let fronts = sidecars(&forebay);
    drop(forebay);
    until("no queue-proxy", async || !fronts.iter().any(|pid| process::is_alive(*pid))).await;
}

#[tokio::test]
async fn an_app_on_another_port_is_told_so() {
    let setup = Setup::new().arg("--queue-proxy");
    let script = format!("PORT=0 exec {} sample hello", crate::support::FOREBAY);
    setup.save(
        "app.yaml",
        hello(&setup.mark()).command(&["/bin/sh", "-c", &script]).scaling("initial-scale", "1"),
    );
    let forebay = setup.start().await;
    let waiting = tokio::spawn(h1::get(forebay.address, HOST, "/"));
    until("what is wrong", async || forebay.text().contains("not on PORT=")).await;
    waiting.abort();
}
