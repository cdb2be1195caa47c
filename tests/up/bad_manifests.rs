//! A manifest that cannot be obeyed: one line with file and field, and what runs goes on.

use crate::support::forebay::{Forebay, Setup};
use crate::support::load::Load;
use crate::support::manifest::{documents, hello, service};
use crate::support::until;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn yaml_that_does_not_parse_keeps_what_runs() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let load = Load::new(forebay.address, HOST, "/", 2).start();
    forebay.save(
        "app.yaml",
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello\nspec: [\n",
    );
    forebay.says(&["app.yaml", "line"]).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    forebay.save("app.yaml", hello(&forebay.mark()).env("TARGET", "again"));
    until("the mended file", async || forebay.get(HOST, "/").await.text() == "Hello again!\n").await;
    load.stop().await.assert_all_ok();
}

#[tokio::test]
async fn percentages_that_do_not_add_up() {
    refused("want 100", "  traffic:\n  - {latestRevision: true, percent: 60}\n").await;
}

#[tokio::test]
async fn a_kind_nobody_knows() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    forebay.save("other.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n");
    forebay.says(&["other.yaml", "Pod"]).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}

#[tokio::test]
async fn a_field_nobody_knows_is_a_warning_only() {
    let forebay =
        Forebay::up(|mark| hello(mark).to_string().replace("    spec:\n", "    spec:\n      colour: red\n"));
    let forebay = forebay.await;
    forebay.says(&["colour"]).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}

#[tokio::test]
async fn a_split_to_a_revision_that_is_not_there_keeps_the_last_good_one() {
    let forebay = Forebay::up(|mark| hello(mark).revision("hello-one").to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.text(), "Hello hello-one!\n");
    let split = hello(&forebay.mark()).revision("hello-one").latest(50).to("hello-nowhere", 50);
    forebay.save("app.yaml", split);
    forebay.says(&["hello-nowhere"]).await;
    Load::new(forebay.address, HOST, "/", 2).run(20).await.assert_all_ok();
}

#[tokio::test]
async fn a_named_revision_cannot_be_changed() {
    let forebay = Forebay::up(|mark| hello(mark).revision("hello-one").to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.text(), "Hello hello-one!\n");
    forebay.save("app.yaml", hello(&forebay.mark()).revision("hello-one").env("TARGET", "changed"));
    forebay.says(&["hello-one"]).await;
    assert_eq!(forebay.get(HOST, "/").await.text(), "Hello hello-one!\n");
}

#[tokio::test]
async fn two_services_cannot_have_one_host() {
    let mapped = |name: &str| {
        format!(
            "apiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata: {{name: shop.example.com}}\n\
             spec: {{ref: {{kind: Service, name: {name}, apiVersion: serving.knative.dev/v1}}}}\n"
        )
    };
    let setup = Setup::new();
    let mark = setup.mark();
    let both = documents(&[service("a", &mark).env("TARGET", "a"), service("b", &mark).env("TARGET", "b")]);
    setup.save("1-services.yaml", both);
    setup.save("2-first.yaml", mapped("a"));
    setup.save("3-second.yaml", mapped("b"));
    let forebay = setup.start().await;
    forebay.says(&["shop.example.com", "3-second.yaml"]).await;
    assert_eq!(forebay.get("shop.example.com", "/").await.text(), "Hello a!\n");
}

/// `hello` with this at its end is refused, names the file and this field, and is not served; its neighbour is.
async fn refused(field: &str, end: &str) {
    let setup = Setup::new();
    let mark = setup.mark();
    setup.save("bad.yaml", format!("{}{end}", service("bad", &mark)));
    setup.save("good.yaml", hello(&mark));
    let forebay = setup.start().await;
    forebay.says(&["bad.yaml", field]).await;
    assert_eq!(forebay.get("bad.default.localhost", "/").await.status, 404);
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}
