//! The admin pages tell what is; `forebay explain` puts them into words.

use std::process::Command;

use crate::support::FOREBAY;
use crate::support::forebay::{Forebay, Setup};
use crate::support::manifest::hello;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn pages_answer_and_count() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    let ready = forebay.page("/ready").await;
    assert_eq!((ready.status, ready.text().trim()), (200, "LIVE"));
    for (page, word) in [
        ("/stats", "downstream_rq"),
        ("/stats/prometheus", "# TYPE"),
        ("/config_dump", "hello.default.localhost"),
        ("/clusters", "hello-00001"),
    ] {
        let answer = forebay.page(page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.text().contains(word), "{page} should say {word}:\n{}", answer.text());
    }
    assert_eq!(forebay.page("/no-such-page").await.status, 404);
}

#[tokio::test]
async fn asking_does_not_change_anything() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    for page in ["/drain_listeners", "/quitquitquit"] {
        let answer = forebay.page(page).await;
        assert!(matches!(answer.status, 400..=405), "GET {page}: {answer:?}");
    }
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}

#[tokio::test]
async fn explain_says_where_a_url_goes_and_why_not() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    let url = format!("http://{HOST}:{}/x", forebay.address.port());
    let (code, text) = explain(&forebay, &url).await;
    assert_eq!(code, Some(0), "{text}");
    for word in [HOST, "hello-00001", "127.0.0.1"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    let (code, text) = explain(&forebay, "http://nobody.default.localhost/").await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("nobody.default.localhost"), "{text}");
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request() {
    let setup = Setup::new();
    let log = setup.manifests().with_file_name("access.log");
    let app = hello(&setup.mark());
    setup.save("app.yaml", app);
    let forebay = setup.arg(format!("--access-log={}", log.display())).start().await;
    assert_eq!(forebay.get(HOST, "/status/418").await.status, 418);
    assert_eq!(forebay.get("nobody.test", "/").await.status, 404);
    crate::support::until("two lines", async || {
        std::fs::read_to_string(&log).unwrap_or_default().lines().count() == 2
    })
    .await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"GET /status/418 HTTP/1.1\" 418 -"), "{text}");
    assert!(text.contains("404 NR"), "{text}");
}

async fn explain(forebay: &Forebay, url: &str) -> (Option<i32>, String) {
    let mut command = Command::new(FOREBAY);
    command.args(["explain", url, "--admin", &forebay.admin.to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}
