//! What is set by flags and variables does what it says, beside the defaults that other tests see.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::FOREBAY;
use crate::support::forebay::{Forebay, Setup};
use crate::support::h1::{Connection, exchange};
use crate::support::manifest::{documents, hello, service};
use crate::support::process;

const HOST: &str = "hello.default.localhost";

async fn with(words: &[&str], variables: &[(&str, &str)]) -> Forebay {
    let mut setup = Setup::new();
    let app = hello(&setup.mark());
    setup.save("app.yaml", app);
    for word in words {
        setup = setup.arg(*word);
    }
    for (name, value) in variables {
        setup = setup.env(name, value);
    }
    setup.start().await
}

#[tokio::test]
async fn variables_are_read_and_flags_go_before_them() {
    let variables =
        [("FOREBAY_DOMAIN", "a.test,b.test"), ("FOREBAY_FRESH", "1"), ("FOREBAY_MAX_HEADERS", "3")];
    let forebay = with(&["--max-headers=20"], &variables).await;
    for domain in ["a.test", "b.test"] {
        assert_eq!(forebay.get(&format!("hello.default.{domain}"), "/").await.status, 200, "{domain}");
    }
    assert_eq!(forebay.get(HOST, "/").await.status, 404, "the default domains are replaced");
    let many = "x: y\r\n".repeat(10);
    let head = format!("GET / HTTP/1.1\r\nHost: hello.default.a.test\r\n{many}\r\n");
    assert_eq!(exchange(forebay.address, head).await.status, 200, "a flag goes before its variable");
}

#[tokio::test]
async fn a_switch_in_a_variable_may_be_off() {
    for off in ["0", "false", ""] {
        let forebay = with(&[], &[("FOREBAY_QUEUE_PROXY", off), ("FOREBAY_FRESH", off)]).await;
        assert_eq!(forebay.get(HOST, "/").await.status, 200, "{off:?}");
        assert!(!forebay.text().contains("queue-proxy"), "{off:?}");
    }
}

#[tokio::test]
async fn limits_of_heads_are_those_that_are_set() {
    let forebay = with(&["--max-headers=5", "--max-header-bytes=4KiB", "--header-timeout=300ms"], &[]).await;
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
    assert_eq!(exchange(forebay.address, head("a: b\r\n")).await.status, 200);
    assert_eq!(exchange(forebay.address, head(&"a: b\r\n".repeat(6))).await.status, 431);
    assert_eq!(exchange(forebay.address, head(&format!("a: {}\r\n", "b".repeat(5_000)))).await.status, 431);
    let mut slow = Connection::open(forebay.address).await.unwrap();
    slow.send("GET / HTTP/1.1\r\nHost:").await.unwrap();
    assert_eq!(slow.response().await.unwrap().status, 408);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_time_that_is_set() {
    let forebay = with(&["--idle-timeout=300ms"], &[]).await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    assert_eq!(connection.get(HOST, "/").await.unwrap().status, 200);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn the_gateway_listens_where_it_is_told() {
    let forebay = with(&["--address=127.0.0.2"], &[]).await;
    assert_eq!(forebay.address.ip().to_string(), "127.0.0.2");
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}

#[tokio::test]
async fn requests_that_wait_hold_no_more_bytes_than_may_be_held() {
    let setup = Setup::new().arg("--max-waiting-bytes=5000");
    let app = hello(&setup.mark()).env("START_DELAY_MS", "60000").scaling("max-scale", "1");
    setup.save("app.yaml", app);
    let forebay = setup.start().await;
    let request =
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4000\r\n\r\n{}", "x".repeat(4000));
    let mut first = Connection::open(forebay.address).await.unwrap();
    first.send(&request).await.unwrap();
    assert!(first.is_silent(Duration::from_millis(300)).await, "it waits");
    let refused = exchange(forebay.address, &request).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text().contains("hold too many bytes"), "{}", refused.text());
}

/// The walkthrough's way with manifests that name images: each image has its command.
#[tokio::test]
async fn several_images_have_their_commands() {
    let mut setup = Setup::new();
    let mark = setup.mark();
    let of = |version: &str| {
        service("my-service", &mark).revision(version).command(&[]).image(&format!("example.com/{version}:1"))
    };
    let text = documents(&[of("my-service-v1"), of("my-service-v2").latest(50).to("my-service-v1", 50)]);
    setup.save("split.yaml", text);
    for version in ["my-service-v1", "my-service-v2"] {
        let mapping =
            format!("example.com/{version}:1=env TARGET=\"image of {version}\" {FOREBAY} sample hello");
        setup = setup.arg("--image").arg(mapping);
    }
    let forebay = setup.start().await;
    let mut seen = std::collections::BTreeSet::new();
    crate::support::until("both to answer", async || {
        seen.insert(forebay.get("my-service.default.localhost", "/").await.text().to_owned());
        seen.len() == 2
    })
    .await;
    let wanted = ["Hello image of my-service-v1!\n", "Hello image of my-service-v2!\n"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn whoever_may_ask_the_admin_pages_ends_it_by_a_post() {
    let forebay = with(&[], &[]).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    let request = "POST /quitquitquit HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(forebay.admin, request).await.status, 200);
    let (status, setup) = forebay.left().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(process::replicas(&setup.mark()), [] as [u32; 0]);
    // As a signal does.
    let forebay = with(&[], &[]).await;
    process::signal(forebay.pid(), Signal::INT);
    assert_eq!(forebay.left().await.0.code(), Some(0));
}
