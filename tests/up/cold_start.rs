//! A request finds no replica: it waits, one starts, it is answered; whatever name it came by.

use crate::support::forebay::Forebay;
use crate::support::manifest::hello;

#[tokio::test]
async fn the_first_request_starts_the_revision() {
    let forebay = Forebay::up(|mark| hello(mark).env("TARGET", "Forebay").to_string()).await;
    assert_eq!(forebay.replicas(), Vec::<u32>::new(), "initial-scale 0 starts nothing");
    let answer = forebay.get("hello.default.localhost", "/").await;
    assert_eq!((answer.status, answer.text()), (200, "Hello Forebay!\n"));
    assert_eq!(forebay.replicas().len(), 1);
}

#[tokio::test]
async fn every_name_of_a_service_reaches_it() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let port = forebay.address.port();
    for host in [
        "hello.default.localhost".to_owned(),
        format!("hello.default.localhost:{port}"),
        "hello.default.127.0.0.1.sslip.io".to_owned(),
        format!("HELLO.default.127.0.0.1.sslip.io:{port}"),
    ] {
        let answer = forebay.get(&host, "/headers").await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
        assert_eq!(
            answer.json()["headers"]["host"][0],
            host.as_str(),
            "the app sees the host that was asked for"
        );
    }
    let answer = forebay.get("nobody.default.localhost", "/").await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test]
async fn the_answer_says_where_the_time_went() {
    let forebay = Forebay::up(|mark| hello(mark).env("START_DELAY_MS", "200").to_string()).await;
    let cold = forebay.get("hello.default.localhost", "/").await;
    let timing = cold.header("server-timing").expect("a cold start has a Server-Timing");
    let parts: Vec<(&str, f64)> = timing
        .split(", ")
        .map(|part| part.split_once(";dur=").unwrap())
        .map(|(name, ms)| (name, ms.parse().unwrap()))
        .collect();
    let [("start", start), ("connect", _), ("ttfb", _)] = parts[..] else { panic!("{timing}") };
    assert!(start >= 200.0, "the app took so long: {timing}");
    let warm = forebay.get("hello.default.localhost", "/").await;
    let timing = warm.header("server-timing").unwrap();
    assert!(
        timing.starts_with("ttfb;dur=") || timing.starts_with("connect;dur="),
        "nothing waited: {timing}"
    );
}

#[tokio::test]
async fn a_revision_starts_once_to_prove_itself_unless_told_otherwise() {
    let forebay = Forebay::up(|mark| hello(mark).scaling("initial-scale", "1").to_string()).await;
    crate::support::until("one replica without a request", async || forebay.replicas().len() == 1).await;
    assert_eq!(forebay.get("hello.default.localhost", "/").await.status, 200);
}

#[tokio::test]
async fn the_app_gets_what_the_container_contract_promises() {
    let forebay =
        Forebay::up(|mark| hello(mark).revision("hello-one").env("TARGET", "$(K_REVISION)!").to_string());
    let forebay = forebay.await;
    let seen = forebay.get("hello.default.localhost", "/revision").await.json();
    assert_eq!(seen["K_SERVICE"], "hello");
    assert_eq!(seen["K_REVISION"], "hello-one");
    assert_ne!(seen["PORT"], 0);
}
