//! Programs that cannot serve: the request ends with a reason, the log names the revision, others are left alone.

use crate::support::forebay::{Forebay, Setup};
use crate::support::manifest::{Service, hello, service};
use crate::support::until;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn a_command_that_is_not_there() {
    let forebay = serving(|hello| hello.command(&["/nowhere/such-program"])).await;
    forebay.says(&["bad.yaml", "hello-00001", "containers[0].command[0]", "/nowhere/such-program"]).await;
    fails(&forebay).await;
}

#[tokio::test]
async fn a_program_that_exits_at_once_shows_its_last_words() {
    let forebay = serving(|hello| hello.command(&["sh", "-c", "echo no luck today; exit 7"])).await;
    forebay.says(&["hello-00001", "no luck today"]).await;
    fails(&forebay).await;
    forebay.says(&["bad.yaml", "hello-00001", "exited with code 7"]).await;
}

#[tokio::test]
async fn a_program_that_never_listens() {
    let forebay = serving(|hello| hello.command(&["sleep", "1000"])).await;
    fails(&forebay).await;
    forebay.says(&["bad.yaml", "ProgressDeadlineExceeded", "hello-00001"]).await;
    // What its replica saw of it.
    forebay.says(&["hello-00001", "not ready"]).await;
}

#[tokio::test]
async fn a_program_that_listens_on_another_port() {
    let app = format!("PORT=0 exec {} sample hello", crate::support::FOREBAY);
    let forebay = serving(|hello| hello.command(&["sh", "-c", &app])).await;
    forebay.says(&["bad.yaml", "WrongPort", "hello-00001", "not on PORT="]).await;
    fails(&forebay).await;
}

#[tokio::test]
async fn an_image_without_a_command_says_how_to_give_one() {
    let forebay = serving(|hello| hello.command(&[]).image("example.com/unknown:1")).await;
    forebay.says(&["bad.yaml", "hello-00001", "example.com/unknown:1", "--image"]).await;
}

#[tokio::test]
async fn an_image_with_a_mapping_runs_it() {
    let mut setup = Setup::new();
    let app = hello(&setup.mark()).command(&[]).image("example.com/hello:1").env("TARGET", "image");
    setup.save("app.yaml", app);
    setup = setup.arg("--image").arg(format!("example.com/hello:1={} sample hello", crate::support::FOREBAY));
    let forebay = setup.start().await;
    assert_eq!(forebay.get(HOST, "/").await.text(), "Hello image!\n");
}

/// `hello` as given, beside a service that works.
async fn serving(app: impl Fn(Service) -> Service) -> Forebay {
    let setup = Setup::new().arg("--wait-timeout=3s");
    let mark = setup.mark();
    let bad = app(hello(&mark)).scaling("initial-scale", "1");
    setup.save("bad.yaml", bad.annotation("serving.knative.dev/progress-deadline", "3s"));
    setup.save("good.yaml", service("good", &mark));
    setup.start().await
}

async fn fails(forebay: &Forebay) {
    let good = forebay.get("good.default.localhost", "/").await;
    assert_eq!(good.status, 200, "the others go on: {good:?}");
    // Before the route is known to lead nowhere it may be 404, as in Knative.
    until("a failure that says so", async || {
        let answer = forebay.get(HOST, "/").await;
        assert!(matches!(answer.status, 404 | 500..=504), "{answer:?}");
        answer.status == 404 || answer.text().contains("hello-00001")
    })
    .await;
}
